"""What routers of all protocols share.

Configuration from TOML, credentials, limits, counters, metrics, and the handle of a running router.
`simplex_trio.router` and `simplex_trio.xftp.router` build on it, and add their protocols.
"""
