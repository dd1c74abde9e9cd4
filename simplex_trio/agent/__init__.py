"""Many connections to many routers, and subscriptions that outlive each of them.

`agent`, `connections` and `subscriber` wait.  Plain code decides: `pool` which task connects,
`subscriptions` what is pending and what is active, `workers` when a server needs a worker, and
`event_queues` in which order the program reads events.
"""
