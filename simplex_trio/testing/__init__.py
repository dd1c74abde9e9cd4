"""Helpers for tests of programs that use this package, in memory and without a network."""
