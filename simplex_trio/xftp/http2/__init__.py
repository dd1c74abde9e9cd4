"""HTTP/2 over a Trio stream, as far as XFTP needs it: requests and answers with long bodies.

h2 implements frames and their rules; the modules here do the I/O.  Only they import h2, so they are
imported lazily.
"""
