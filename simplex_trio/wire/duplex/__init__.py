"""What two agents say to each other: the bytes inside the bodies of SEND, and in links.

Everything here is pure.  `simplex_trio.ratchet` encrypts what travels inside these envelopes.
"""
