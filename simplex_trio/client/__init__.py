"""SMP and NTF clients: one connection to one router, shared by many tasks.

`spec` makes a protocol of transmissions in blocks drivable by `simplex_trio.engine`; `smp` and
`ntf` are the two such protocols.
"""
