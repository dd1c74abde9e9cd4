"""The decisions of a router: plain code, with time and randomness as arguments. Pure.

`RouterState` holds everything that a router knows while it runs.  `decide` calls the handler of a
command, which changes queues in memory, notes the changes in a `Transaction`, and returns a
`Decision`.  When these changes are stored, `complete` applies the decision and gives the reply; the
docstring of `interpreter` describes each step.
"""
