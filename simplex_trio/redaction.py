"""`Redacted`: values whose `repr` shows their shape but never their secrets.

Keys, ids, addresses and bodies are fields of small value classes, and a `repr` ends up in logs and
tracebacks.  So a `repr` shows the class, numbers, flags and enumerations of a value, and only the
length of bytes and text.  `instance_of` validates the type of a field without showing its value.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from types import UnionType
from typing import Any

import attrs

__all__ = ["Redacted", "instance_of"]


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


def instance_of(kind: type[Any] | UnionType) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    """Like the validator of this name in attrs, but its error does not show the value."""

    def check(_instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, kind):
            wanted = kind.__name__ if isinstance(kind, type) else kind
            raise TypeError(f"{attribute.alias} must be {wanted}, not {_shown(value)}")

    return check
