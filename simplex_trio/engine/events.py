"""What a connection of any protocol tells that no caller has asked for."""

from __future__ import annotations

from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["EngineEvent", "ErrorEvent", "ExpiredResponse", "Notice", "UnexpectedResponse"]


@frozen(repr=False)
class Notice(Redacted):
    """A message that the router sent unasked, or an answer that is an event as well."""

    entity_id: bytes
    message: object


@frozen(repr=False)
class ExpiredResponse(Redacted):
    """The answer, a message or an error, to a command whose caller no longer waits."""

    entity_id: bytes
    command: object
    result: object


@frozen(repr=False)
class UnexpectedResponse(Redacted):
    """An answer that does not match any request, or is about another entity."""

    entity_id: bytes
    result: object


@frozen(repr=False)
class ErrorEvent(Redacted):
    """An unasked message that cannot be decoded, or an error that answers no request."""

    entity_id: bytes
    error: SimplexError


EngineEvent = Notice | ExpiredResponse | UnexpectedResponse | ErrorEvent
"""The events that every protocol has."""
