"""``simplex-trio connect``: connections that are encrypted end to end, from the shell.

Each command opens the agent of one store, does one thing, and closes it.  `store` finds the store
and opens the agent, `memory` has what is remembered beside it, and `wording` puts events into
words, or JSON.  The other modules are the commands.
"""
