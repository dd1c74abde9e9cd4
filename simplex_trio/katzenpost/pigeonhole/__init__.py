"""Channels of boxes: writing, reading and copying with less to carry about."""
