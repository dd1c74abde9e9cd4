"""Query strings, as the addresses of queues and the links of agents have them.

A query string is read as the reference reads one: ``&`` and ``;`` both separate parameters, their
order is free, of several with one name the first counts, and unknown ones are left out.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from simplex_trio.errors import DecodeError
from simplex_trio.wire.text import decimal
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "MAX_PARAMETERS",
    "Query",
    "parse_version_range",
    "query_text",
    "version_range_text",
]

MAX_PARAMETERS = 64
"""Parameters of one query string: several times what any address or link has.  More are
`DecodeError`."""

_MAX_WORD16 = 0xFFFF
_SEPARATOR = re.compile("[&;]")


class Query:
    """The parameters of a query string.

    Their text is Latin-1, which has a character for every byte.  Most parameters are ASCII by
    their own rules; `utf8` is for one that is not.
    """

    __slots__ = ("_parameters",)

    def __init__(self, text: str) -> None:
        items = _SEPARATOR.split(text, MAX_PARAMETERS)
        if len(items) > MAX_PARAMETERS:
            raise DecodeError(f"more than {MAX_PARAMETERS} parameters")
        self._parameters: dict[str, str] = {}
        for item in items:
            name, _, value = item.partition("=")
            self._parameters.setdefault(_unquoted(name), _unquoted(value))

    def __repr__(self) -> str:
        return f"<Query with {len(self._parameters)} parameters>"

    def get(self, name: str) -> str | None:
        """The value of a parameter, if it is there."""
        return self._parameters.get(name)

    def required(self, name: str) -> str:
        """The value of a parameter; `DecodeError` if it is missing."""
        value = self._parameters.get(name)
        if value is None:
            raise DecodeError("a parameter is missing")
        return value

    def utf8(self, name: str) -> str | None:
        """The value of a parameter that holds any text; bytes that are none are replaced."""
        value = self._parameters.get(name)
        return None if value is None else value.encode("latin-1").decode(errors="replace")


def _unquoted(text: str) -> str:
    raw = text.replace("+", " ").encode("utf-8", "surrogatepass")
    return unquote_to_bytes(raw).decode("latin-1")


def query_text(parameters: list[tuple[str, str]]) -> str:
    """A query string with everything escaped that is not a letter, a digit or in ``-_.~``."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)


def version_range_text(versions: VersionRange) -> str:
    """``2-7``, or ``7`` for a range of one version."""
    lowest, highest = versions.lowest, versions.highest
    return f"{lowest}" if lowest == highest else f"{lowest}-{highest}"


def parse_version_range(text: str) -> VersionRange:
    """Read what `version_range_text` wrote; `DecodeError` for anything else."""
    lowest, dash, highest = text.partition("-")
    first = decimal(lowest, _MAX_WORD16)
    last = decimal(highest, _MAX_WORD16) if dash else first
    if first > last:
        raise DecodeError("a version range that ends before it starts")
    return VersionRange(first, last)
