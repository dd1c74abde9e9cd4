"""The published client of this protocol against our simulated daemon.

Not collected with the other tests: it runs in an environment of its own, which has
katzenpost-thinclient in it, by ``nox -s katzenpost-published``.
"""
