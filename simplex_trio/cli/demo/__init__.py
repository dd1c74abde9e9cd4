"""``simplex-trio demo``: what this package is for, to be watched.

`story` is what happens, and tells it as the values in `events`; `stage` has the routers, and the
`cable` that gets cut; `ledger` knows what was sent and what became of it, and draws up the account
at the end.  `plain` and `live` are two ways to tell it on a screen.
"""
