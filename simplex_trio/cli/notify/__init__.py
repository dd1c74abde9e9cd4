"""``simplex-trio notify``: alerts to people with the SimpleX app, from the shell.

`command` has the arguments, `place` finds the store and opens it, `sending` sends, `pairing`
invites people, and `people` lists and removes them.
"""
