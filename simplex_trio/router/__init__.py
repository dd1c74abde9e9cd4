"""The router: a small SMP router in Trio, to develop and test against and to host oneself.

`open_router` and `serve_router` of `simplex_trio.router.server` are its doors, `RouterConfig` of
`simplex_trio.router.config` is what an operator says about it.  What it decides is in
`simplex_trio.router.core`, in plain code without a clock; where it keeps things is in
`simplex_trio.router.store`; everything else here waits.
"""
