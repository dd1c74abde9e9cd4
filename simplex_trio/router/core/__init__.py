"""What a router decides, without waiting for anything: no tasks, no clock, no randomness. Pure.

`RouterState` is everything that a router knows while it runs, `decide` what it makes of a command.
A decision is made in memory at once and noted in a `Transaction`; when the store has it, the
decision is finished, which gives the answer and changes subscriptions.
"""
