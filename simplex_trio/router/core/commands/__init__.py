"""Handlers of commands: each decides about a command that its client may give. Pure.

Handlers do not import each other.  What several of them do is a step of `RouterState`, and what
happens after a commit is an effect.
"""
