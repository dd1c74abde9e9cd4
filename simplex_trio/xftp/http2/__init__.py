"""HTTP/2 over a trio stream, as far as XFTP needs it: requests and answers with long bodies.

The frames and their rules are h2's; here is what awaits.  This is the only place that imports h2,
so its modules are imported when they are needed and not before.
"""
