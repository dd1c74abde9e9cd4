"""README as a newcomer follows it: every command, every program, every figure; and its pictures.

The session `newcomer` of nox runs it, without the package in its own environment.
"""
