"""Keys, boxes and certificates: the protocol's cryptography, without I/O.

All results depend only on the arguments, except fresh keys and serial numbers, which come from the
system's random source.
"""
