"""The records about packets and the counters: in SQLite beside the bodies, or in PostgreSQL."""
