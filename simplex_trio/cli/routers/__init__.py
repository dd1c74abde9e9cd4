"""``simplex-trio router`` and ``simplex-trio xftp router``: routers of one's own, from the shell.

`messages` and `files` have the commands of the two, which differ in options and help; what they do
is the same, and is in the modules named after it.
"""
