"""What a program itself keeps of a contact, or of its own: JSON values and bytes, by names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.errors import DecodeError, EncodeError, TooLarge

__all__ = [
    "MAX_STATE_NAME",
    "MAX_STATE_SIZE",
    "MAX_STATE_VALUES",
    "clear_state",
    "get_state",
    "put_state",
    "state_of",
]

MAX_STATE_NAME = 255
"""How long the name of a value may be, in bytes of UTF-8."""

MAX_STATE_SIZE = 65_536
"""How long a value may be, in bytes, or as JSON."""

MAX_STATE_VALUES = 1000
"""How many values are kept of each contact, and of the program itself; more are `TooLarge`."""

_STATE = ".chat.state"
_BYTES, _JSON = b"b", b"j"


def _owner(contact_id: int) -> bytes:
    return contact_id.to_bytes(8, "big")


def _encode(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        encoded = _BYTES + value
    else:
        try:
            text = encode_json(value)
            is_same = decode_json(text) == value
        except (DecodeError, EncodeError) as exc:
            raise EncodeError("neither bytes nor a value that JSON has") from exc
        if not is_same:  # such as a tuple, which would come back as a list
            raise EncodeError("JSON would make another value of it")
        encoded = _JSON + text
    if len(encoded) > MAX_STATE_SIZE:
        raise TooLarge(f"a value of {len(encoded)} bytes, of at most {MAX_STATE_SIZE}")
    return encoded


def _decode(encoded: bytes) -> Any:
    return encoded[1:] if encoded[:1] == _BYTES else decode_json(encoded[1:])


def get_state(kept: KeptRecords, contact_id: int, name: str) -> Any:
    """A value; `None` if there is none."""
    found = kept.get(_STATE, _owner(contact_id) + name.encode())
    return None if found is None else _decode(found)


def put_state(kept: KeptRecords, contact_id: int, name: str, value: object) -> None:
    """Keep a value, or with `None` remove it."""
    owner, encoded_name = _owner(contact_id), name.encode()
    if len(encoded_name) > MAX_STATE_NAME:
        raise TooLarge(f"a name of {len(encoded_name)} bytes, of at most {MAX_STATE_NAME}")
    key = owner + encoded_name
    if value is None:
        kept.delete(_STATE, key)
        return
    encoded = _encode(value)
    is_new = kept.get(_STATE, key) is None
    if is_new and kept.count(_STATE, owner) >= MAX_STATE_VALUES:
        raise TooLarge(f"more than {MAX_STATE_VALUES} values")
    kept.put(_STATE, key, encoded)


def state_of(kept: KeptRecords, contact_id: int) -> Mapping[str, Any]:
    """All values, by their names."""
    owner = _owner(contact_id)
    found = kept.scan(_STATE, owner, limit=MAX_STATE_VALUES)
    return {key[len(owner) :].decode(): _decode(value) for key, value in found}


def clear_state(kept: KeptRecords, contact_id: int) -> None:
    """Remove all values."""
    for key, _ in kept.scan(_STATE, _owner(contact_id), limit=MAX_STATE_VALUES):
        kept.delete(_STATE, key)
