"""One connection to one router, shared by many tasks.

`engine` drives any request and answer protocol over any framed stream; `smp` and `ntf` describe the
two that SimpleX speaks to its routers.  `pending`, `outbox`, `events` and `timeouts` decide, in
plain code, what the engine's four tasks carry out.
"""
