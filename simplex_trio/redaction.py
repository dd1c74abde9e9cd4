"""`Redacted`: values whose `repr` tells their shape and never their secrets.

Keys, ids, addresses and bodies travel through this package inside small value classes, and a
`repr` is what ends up in logs and tracebacks.  So a value shows its class, its numbers, flags and
enumerations, and of bytes and text only the length.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs

__all__ = ["Redacted"]


def _shown(value: Any) -> str:
    match value:
        case None | bool() | int() | float() | Enum() | Redacted():
            return repr(value)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case str():
            return f"<{len(value)} characters>"
        case tuple() | list() | set() | frozenset() | dict():
            return f"<{len(value)} items>"
        case _:
            return f"<{type(value).__name__}>"


def _fields(cls: type[Any]) -> tuple[attrs.Attribute[Any], ...]:
    return tuple(a for a in attrs.fields(cls) if a.repr)


class Redacted:
    """Mix-in for attrs classes declared with ``@frozen(repr=False)`` (or ``@define``)."""

    __slots__ = ()

    def __repr__(self) -> str:
        cls = type(self)
        shown = (f"{a.name}={_shown(getattr(self, a.name))}" for a in _fields(cls))
        return f"{cls.__name__}({', '.join(shown)})"
