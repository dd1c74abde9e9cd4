"""Measurements: ``python -m tests.bench``, or ``nox -s bench``.

Each row is a small function that does one thing many times.  Absolute figures say little about
another machine, so each row has a baseline that is measured in the same run: the bare calls of the
cryptographic libraries for what is computed, an echo of bare blocks over TLS for what goes over
a connection, and the figures of any other client, given as a file.

`rows` keeps the functions, `wire` and `clients` are full of them, `report` and `plot` show what
came out, and `command` is the command line.  The modules ``test_*`` test all of that.
"""
