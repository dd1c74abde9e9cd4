"""Where a `DuplexAgent` keeps everything: one SQLite file, or memory for tests."""
