"""Connections: TCP, SOCKS5 and TLS up to whole frames, and the listener of a router.

This is the lowest floor that awaits.  `open_transport` of `simplex_trio.transport.connect` and
`serve_tls` of `simplex_trio.transport.listen` are its two doors; what a protocol says inside of the
frames is decided elsewhere.
"""
