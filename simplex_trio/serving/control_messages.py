"""What is said on the control socket of a router: one JSON object in a line, each way.  Pure.

A request names its command, ``{"command": "queue", "id": "..."}``.  An answer is ``{"ok": ...}``,
or ``{"error": CODE, "message": TEXT}``.  Lines may be written by hand, with a tool that connects to
Unix sockets.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from simplex_trio.errors import DecodeError, SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.json_object import INT64
from simplex_trio.wire.text import from_base64url

__all__ = [
    "MAX_ANSWER",
    "MAX_REQUEST",
    "ControlError",
    "ControlRequest",
    "Controls",
    "encode_answer",
    "encode_failure",
    "encode_request",
    "parse_answer",
    "parse_request",
]

MAX_REQUEST: Final = 16 * 1024
"""Bytes of a request; the longest has one id and a reason."""

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer; a list of 10,000 clients takes half of it."""


class ControlError(SimplexError):
    """A request that is refused or has failed; ``code`` is for programs, the message for people."""

    BAD_REQUEST: Final = "bad_request"
    UNKNOWN_COMMAND: Final = "unknown_command"
    NOT_FOUND: Final = "not_found"
    FAILED: Final = "failed"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code: str = code


@frozen(repr=False)
class ControlRequest(Redacted):
    """A command, and what it is about."""

    command: str
    arguments: Mapping[str, Any]

    def entity_id(self) -> bytes:
        """The id that it is about, in base64 as links have it; raises `ControlError`."""
        try:
            return from_base64url(self.text("id"))
        except DecodeError:
            raise ControlError(
                ControlError.BAD_REQUEST, "this is no id, which would be in base64"
            ) from None

    def text(self, name: str) -> str:
        """A text that must be there; raises `ControlError`."""
        value = self.arguments.get(name)
        if not isinstance(value, str) or not value:
            raise ControlError(ControlError.BAD_REQUEST, f"{name} must be a text")
        return value

    def flag(self, name: str) -> bool:
        """True or false, which it is if it is not there; raises `ControlError`."""
        value = self.arguments.get(name, False)
        if not isinstance(value, bool):
            raise ControlError(ControlError.BAD_REQUEST, f"{name} must be true or false")
        return value

    def number(self, name: str) -> int | None:
        """A whole number from 0 on, of at most 64 bits, if it is there; raises `ControlError`."""
        value = self.arguments.get(name)
        if value is None:
            return None
        if type(value) is not int or value < 0 or value not in INT64:
            raise ControlError(ControlError.BAD_REQUEST, f"{name} must be a whole number")
        return value


Controls = Mapping[str, Callable[[ControlRequest], Awaitable[Mapping[str, Any]]]]
"""What a router does at each command; the result is for JSON.  They may raise `ControlError`."""


def parse_request(line: bytes) -> ControlRequest:
    """The request in a line; raises `ControlError`."""
    table = _object(line)
    command = None if table is None else table.pop("command", None)
    if table is None or not isinstance(command, str):
        raise ControlError(ControlError.BAD_REQUEST, "not a JSON object with a command")
    return ControlRequest(command, table)


def encode_request(command: str, arguments: Mapping[str, Any]) -> bytes:
    """The line of a request."""
    return _line({"command": command, **arguments})


def encode_answer(result: Mapping[str, Any]) -> bytes:
    """The line of an answer; raises `ControlError` if it would be too long."""
    line = _line({"ok": result})
    if len(line) > MAX_ANSWER:
        raise ControlError(ControlError.FAILED, "the answer is too long; ask for less of it")
    return line


def encode_failure(error: ControlError) -> bytes:
    """The line of an answer to a request that has failed."""
    return _line({"error": error.code, "message": str(error)})


def parse_answer(line: bytes) -> dict[str, Any]:
    """The result in the line of an answer.

    Raises the `ControlError` that is in it, or one of our own if it is no answer.
    """
    table = _object(line)
    if table is not None and isinstance(result := table.get("ok"), dict):
        return result
    if table is not None and isinstance(code := table.get("error"), str):
        raise ControlError(code, str(table.get("message", code)))
    raise ControlError(ControlError.FAILED, "the other side is not a router")


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
