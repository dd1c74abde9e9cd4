"""Statements, and values as PostgreSQL receives them: in its binary format.  Pure.

Many rows travel as one array for each column, and ``unnest`` makes rows of them again.  That costs
a fraction of a statement for each row.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, TypeAlias

from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["Encoded", "Parameter", "Statement", "encode", "numbers", "octets"]

_BYTEA: Final = 17
_INT8: Final = 20

_NULL: Final = struct.pack("!i", -1)

_header = struct.Struct("!iiIii").pack
_empty_header = struct.Struct("!iiI").pack
_length = struct.Struct("!i").pack
_number = struct.Struct("!q").pack
_number_with_length = struct.Struct("!iq").pack


@frozen(repr=False)
class Encoded(Redacted):
    """A value in its binary format."""

    data: bytes


Parameter: TypeAlias = bytes | int | str | Encoded | None
"""A value of a statement: ``bytea``, ``int8``, ``text``, an array, or NULL."""


@frozen(repr=False)
class Statement(Redacted):
    """A statement with the values of its parameters ``$1``, ``$2`` ...

    ``sql`` is one of a few constants: connections keep all of them prepared.
    """

    sql: str
    parameters: Sequence[Parameter] = ()


def numbers(values: Sequence[int | None]) -> Encoded:
    """An ``int8[]``."""
    return _array(
        _INT8,
        [_NULL if value is None else _number_with_length(8, value) for value in values],
        has_nulls=None in values,
    )


def octets(values: Sequence[bytes | None]) -> Encoded:
    """A ``bytea[]``."""
    return _array(
        _BYTEA,
        [_NULL if value is None else _length(len(value)) + value for value in values],
        has_nulls=None in values,
    )


def _array(kind: int, elements: Sequence[bytes], *, has_nulls: bool) -> Encoded:
    if not elements:
        return Encoded(_empty_header(0, 0, kind))
    # One dimension, with indexes from 1.
    return Encoded(_header(1, has_nulls, kind, len(elements), 1) + b"".join(elements))


def encode(value: Parameter) -> bytes | None:
    """A value as it travels; `None` for NULL."""
    match value:
        case None | bytes():
            return value
        case Encoded(data):
            return data
        case int():
            return _number(value)
        case str():
            return value.encode()
