"""How far the messages to a group have come, with each of the members that they were sent to.

The agent knows a message by another id in each connection.  For each copy there is one row, by
connection and id, until its fate is known.  How many copies there are, and how many of them have
come how far, is in one row for each message, which goes away with what is kept of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntFlag
from typing import Self

from attrs import evolve

from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.frozen import frozen

__all__ = [
    "CopyChange",
    "Reach",
    "copies_gone",
    "copy_changed",
    "forget_copies",
    "keep_copies",
    "reach_of",
]

_COPIES = ".chat.group-copies"
_REACH = ".chat.group-reach"
_KEPT = ".chat.group-receipts"
"""For messages that receipts are expected for: the keys of their copies, which may never come."""

_COUNTS = struct.Struct(">5I")
_COPY = struct.Struct(">QQB")
_LENGTH = struct.Struct(">H")


class _Kind(IntFlag):
    DESCRIPTION = 1
    """It is the description of the message's file."""
    GIVES_RECEIPT = 2
    """Members' apps may tell that they have it."""
    SENT = 4
    """The member's router has it."""


@frozen
class Reach:
    """How far a message to a group has come.

    It is counted by the members that it was sent to: those that the program is connected with.  A
    host passes it on to the others, which tell nothing.
    """

    members: int
    """To how many members it was sent."""
    sent: int = 0
    """The routers of so many have it."""
    delivered: int = 0
    """The apps of so many have it, as they tell in groups of up to 20 members."""
    failed: int = 0
    """For so many it was given up."""
    gone: int = 0
    """So many have left the group before they have told anything."""

    @property
    def state(self) -> DeliveryState:
        """What that means for the message."""
        if self.members and self.failed == self.members:
            return DeliveryState.FAILED
        if self.delivered and self.delivered + self.failed + self.gone >= self.members:
            return DeliveryState.DELIVERED
        if self.sent + self.failed >= self.members:
            return DeliveryState.SENT
        return DeliveryState.STORED

    def with_one_more(self, **counts: int) -> Self:
        """As many more of some as ``counts`` say."""
        return evolve(self, **{name: getattr(self, name) + more for name, more in counts.items()})

    def encode(self) -> bytes:
        """As it is stored."""
        return _COUNTS.pack(self.members, self.sent, self.delivered, self.failed, self.gone)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """As it was stored."""
        return cls(*_COUNTS.unpack(encoded))


@frozen
class CopyChange:
    """A copy of a message has come further, and so has the message."""

    conversation_id: int
    number: int
    """By which the message is kept."""
    is_description: bool
    reach: Reach


def _owner(conversation_id: int, number: int) -> bytes:
    return conversation_id.to_bytes(8, "big") + number.to_bytes(8, "big")


def _reach_key(owner: bytes, kind: int) -> bytes:
    return owner + bytes([kind & _Kind.DESCRIPTION])


def keep_copies(
    kept: KeptRecords,
    conversation_id: int,
    number: int,
    copies: Sequence[tuple[str, int]],
    failed: int,
    *,
    gives_receipts: bool = False,
    is_description: bool = False,
) -> Reach:
    """Keep to whom a message, or the description of its file, was sent."""
    owner = _owner(conversation_id, number)
    kind = _Kind.DESCRIPTION if is_description else _Kind(0)
    if gives_receipts:
        kind |= _Kind.GIVES_RECEIPT
    value = _COPY.pack(conversation_id, number, kind)
    keys = [each.encode() + message_id.to_bytes(8, "big") for each, message_id in copies]
    for key in keys:
        kept.put(_COPIES, key, value)
    if gives_receipts:
        kept.put(_KEPT, owner, b"".join(_LENGTH.pack(len(key)) + key for key in keys))
    reach = Reach(len(copies) + failed, failed=failed)
    kept.put(_REACH, _reach_key(owner, kind), reach.encode())
    return reach


def reach_of(kept: KeptRecords, conversation_id: int, number: int) -> Reach | None:
    """How far a message has come."""
    found = kept.get(_REACH, _reach_key(_owner(conversation_id, number), 0))
    return None if found is None else Reach.decode(found)


def copy_changed(
    kept: KeptRecords, connection_id: str, message_id: int, state: DeliveryState
) -> CopyChange | None:
    """A message of a connection has come further; `None` if it is no copy that is known."""
    key = connection_id.encode() + message_id.to_bytes(8, "big")
    found = kept.get(_COPIES, key)
    return None if found is None else _changed(kept, key, found, state)


def _changed(
    kept: KeptRecords, key: bytes, found: bytes, state: DeliveryState | None
) -> CopyChange | None:
    """What follows from that, or with `None` from the end of the connection."""
    conversation_id, number, value = _COPY.unpack(found)
    kind = _Kind(value)
    was_sent = bool(kind & _Kind.SENT)
    match state:
        case DeliveryState.SENT if not was_sent:
            counts = {"sent": 1}
        case DeliveryState.DELIVERED:
            counts = {"delivered": 1} if was_sent else {"sent": 1, "delivered": 1}
        case DeliveryState.FAILED if not was_sent:
            counts = {"failed": 1}
        case None:
            counts = {"gone": 1} if was_sent else {"failed": 1}
        case _:
            return None
    if state is DeliveryState.SENT and kind & _Kind.GIVES_RECEIPT:
        kept.put(_COPIES, key, _COPY.pack(conversation_id, number, kind | _Kind.SENT))
    else:
        kept.delete(_COPIES, key)
    reach_key = _reach_key(_owner(conversation_id, number), kind)
    encoded = kept.get(_REACH, reach_key)
    if encoded is None:
        return None
    reach = Reach.decode(encoded).with_one_more(**counts)
    kept.put(_REACH, reach_key, reach.encode())
    return CopyChange(conversation_id, number, bool(kind & _Kind.DESCRIPTION), reach)


def copies_gone(kept: KeptRecords, connection_id: str) -> Iterable[CopyChange]:
    """A connection is given up, and nothing more is heard of what was sent through it."""
    found: list[CopyChange] = []
    while page := kept.scan(_COPIES, connection_id.encode()):
        for key, value in page:
            change = _changed(kept, key, value, None)
            if change is not None:
                found.append(change)
    return found


def forget_copies(kept: KeptRecords, owner: bytes) -> None:
    """Forget how far a message has come, which is kept by its conversation and number."""
    for kind in (0, _Kind.DESCRIPTION):
        kept.delete(_REACH, _reach_key(owner, kind))
    rest = kept.get(_KEPT, owner) or b""
    while rest:
        (length,) = _LENGTH.unpack(rest[:2])
        kept.delete(_COPIES, rest[2 : 2 + length])
        rest = rest[2 + length :]
    kept.delete(_KEPT, owner)
