"""Routers and a network in memory, over which a whole agent runs on virtual time."""
