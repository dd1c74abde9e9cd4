"""Channels of boxes that keep track of their capabilities and indices themselves."""
