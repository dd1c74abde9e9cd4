"""What a connection does next: decisions only, without an event loop, a clock or randomness.

Every function here takes a `Step`, which is one transaction, and changes what is in it: the
connection, its queues, its messages, its events.  What then has to be done on the network is not
recorded anywhere else: `simplex_trio.duplex.machine.work` reads it off the state.
"""
