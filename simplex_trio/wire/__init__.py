"""What is on the wire: bytes in, values out, and back.

Nothing here waits, keeps time or knows a socket, so that everything about the protocols' bytes can
be tested against recorded ones, in any amount.
"""
