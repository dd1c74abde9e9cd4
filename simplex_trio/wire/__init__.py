"""Encoding and decoding for all protocols: bytes in, values out, and back.

This package does no I/O and reads no clock, so it can be tested against any amount of recorded
traffic.
"""
