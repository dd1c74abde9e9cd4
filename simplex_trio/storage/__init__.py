"""What the databases of routers have in common: noticing that their last commits are missing."""
