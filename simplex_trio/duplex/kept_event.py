"""`KeptEvent`: what all events that are stored have in common."""

from __future__ import annotations

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["KeptEvent"]


@frozen(repr=False)
class KeptEvent(Redacted):
    """Base of the events that are stored until the program takes them."""

    @property
    def connection_id(self) -> str:
        """The connection that it is about; empty if it is about none."""
        return ""
