"""Whole files: sending, receiving and deleting them as packets on any number of routers."""
