"""Where a router keeps its queues and messages: in memory, or in one SQLite file."""
