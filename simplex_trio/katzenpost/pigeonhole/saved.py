"""How the states of channels and copy streams are written down: a kind, a version, and fields.

They are secrets: a saved state grants all that its owner could do.
"""

from __future__ import annotations

from collections.abc import Mapping

from simplex_trio.errors import DecodeError
from simplex_trio.katzenpost.wire.cbor import decode, encode
from simplex_trio.katzenpost.wire.fields import Fields

__all__ = ["load", "save"]

_VERSION = 1


def save(kind: str, fields: Mapping[str, object]) -> bytes:
    """A state in bytes."""
    return encode({"kind": kind, "version": _VERSION, **fields})


def load(kind: str, data: bytes) -> Fields:
    """The fields of a saved state; raises `DecodeError` for another kind of state."""
    fields = Fields(decode(data))
    if fields.text("kind") != kind:
        raise DecodeError(f"this is not the saved state of a {kind}")
    if fields.unsigned("version") != _VERSION:
        raise DecodeError(f"this {kind} was saved by a later version")
    return fields
