"""The command line, ``simplex-trio``: thin, and made of the public API only.

`app` puts the commands together; each module beside it is one of them.  It needs the extra ``cli``.
"""
