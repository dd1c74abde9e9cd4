"""The messages between program and daemon, as values."""
