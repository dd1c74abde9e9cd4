"""The command line, ``simplex-trio``: thin, over what any program can use.

`app` puts the commands together; each module beside it is one of them.  It needs the extra ``cli``.
"""
