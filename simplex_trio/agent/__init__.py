"""Many connections to many routers, and subscriptions that outlive each of them.

`agent` is the part that waits.  What it carries out is decided in plain code: `pool` says who
connects, `subscriptions` what is subscribed to and what must be again, `workers` when somebody has
to see to it, and `queues` in which order the program is told.
"""
