"""Agents, routers and a network in memory, on virtual time, where programs die at any moment."""
