"""Keys, boxes and certificates: what the protocol computes with them, and nothing that waits.

Everything here is a function of its arguments, apart from fresh keys and serial numbers, which
come from the system's source of randomness.
"""
