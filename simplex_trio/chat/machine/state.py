"""What a program itself keeps of contacts, groups, members, or of its own: values by names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.errors import DecodeError, EncodeError, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = [
    "MAX_STATE_NAME",
    "MAX_STATE_SIZE",
    "MAX_STATE_VALUES",
    "StateOwner",
    "clear_state",
    "conversation_owner",
    "get_state",
    "member_owner",
    "put_state",
    "state_of",
]

MAX_STATE_NAME = 255
"""How long the name of a value may be, in bytes of UTF-8."""

MAX_STATE_SIZE = 65_536
"""How long a value may be, in bytes, or as JSON."""

MAX_STATE_VALUES = 1000
"""How many values are kept of each owner, such as a contact; more are `TooLarge`."""

_STATE = ".chat.state"
_OF_MEMBERS = ".chat.member-state"
_BYTES, _JSON = b"b", b"j"


@frozen(repr=False)
class StateOwner(Redacted):
    """Whom values are of."""

    space: str
    key: bytes


def conversation_owner(conversation_id: int) -> StateOwner:
    """A contact or a group; with the number 0 the program itself."""
    return StateOwner(_STATE, conversation_id.to_bytes(8, "big"))


def member_owner(group_id: int, member_id: bytes) -> StateOwner:
    """A member of a group."""
    # Ids have different lengths, and none may be the beginning of another.
    framed = bytes([len(member_id)]) + member_id
    return StateOwner(_OF_MEMBERS, group_id.to_bytes(8, "big") + framed)


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


def get_state(kept: KeptRecords, owner: StateOwner, name: str) -> Any:
    """A value; `None` if there is none."""
    found = kept.get(owner.space, owner.key + name.encode())
    return None if found is None else _decode(found)


def put_state(kept: KeptRecords, owner: StateOwner, name: str, value: object) -> None:
    """Keep a value, or with `None` remove it."""
    encoded_name = name.encode()
    if len(encoded_name) > MAX_STATE_NAME:
        raise TooLarge(f"a name of {len(encoded_name)} bytes, of at most {MAX_STATE_NAME}")
    key = owner.key + encoded_name
    if value is None:
        kept.delete(owner.space, key)
        return
    encoded = _encode(value)
    is_new = kept.get(owner.space, key) is None
    if is_new and kept.count(owner.space, owner.key) >= MAX_STATE_VALUES:
        raise TooLarge(f"more than {MAX_STATE_VALUES} values")
    kept.put(owner.space, key, encoded)


def state_of(kept: KeptRecords, owner: StateOwner) -> Mapping[str, Any]:
    """All values, by their names."""
    found = kept.scan(owner.space, owner.key, limit=MAX_STATE_VALUES)
    return {key[len(owner.key) :].decode(): _decode(value) for key, value in found}


def clear_state(kept: KeptRecords, owner: StateOwner) -> None:
    """Remove all values."""
    for key, _ in kept.scan(owner.space, owner.key, limit=MAX_STATE_VALUES):
        kept.delete(owner.space, key)
