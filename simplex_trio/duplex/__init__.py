"""Connections of two programs, encrypted end to end: what waits and computes for them."""
