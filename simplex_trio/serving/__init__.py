"""What all routers are made of, whatever protocol they speak.

Configuration from TOML, credentials, limits, counters, metrics, and the handle of a running router.
`simplex_trio.router` and `simplex_trio.xftp.router` stand on it, and add their protocols.
"""
