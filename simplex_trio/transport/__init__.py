"""Connections: TCP, SOCKS5 and TLS up to exact blocks, and the listener of a router.

This is the lowest floor that awaits.  `open_transport` of `simplex_trio.transport.connect` and
`serve_tls` of `simplex_trio.transport.listen` are its two doors; what a protocol says inside of the
blocks is decided elsewhere.
"""
