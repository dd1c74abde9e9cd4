"""The tasks of a `DuplexAgent`, which carry out what the machine has decided."""
