"""One client's life with the daemon, across all of its connections."""
