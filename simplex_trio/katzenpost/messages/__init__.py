"""What program and daemon say to each other, as values."""
