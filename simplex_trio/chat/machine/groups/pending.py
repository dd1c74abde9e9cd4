"""What waits for members with whom the program is not connected yet."""

from __future__ import annotations

from simplex_trio.chat.machine.groups.records import MemberRecord
from simplex_trio.chat.machine.groups.store import PENDING, GroupStore
from simplex_trio.chat.messages.batches import pack_group
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.message import ChatMessage

__all__ = ["MAX_PENDING", "keep_pending", "send_pending"]

MAX_PENDING = 100
"""How many messages wait for a member until it is connected; the oldest ones go first."""


def _key(member: MemberRecord) -> bytes:
    # Ids have different lengths, and none may be the beginning of another.
    return member.group_id.to_bytes(8, "big") + bytes([len(member.member_id)]) + member.member_id


def keep_pending(groups: GroupStore, member: MemberRecord, event: Event, msg_id: bytes) -> None:
    """Keep a message until the program is connected with a member."""
    kept, prefix = groups.store.t.kept, _key(member)
    number = groups.store.next_number(b"last pending").to_bytes(8, "big")
    kept.put(PENDING, prefix + number, ChatMessage(event, msg_id).encode())
    if kept.count(PENDING, prefix) > MAX_PENDING:
        ((oldest, _),) = kept.scan(PENDING, prefix, limit=1)
        kept.delete(PENDING, oldest)


def send_pending(groups: GroupStore, member: MemberRecord) -> None:
    """The program is connected with a member: send what has waited for it."""
    kept = groups.store.t.kept
    found = kept.scan(PENDING, _key(member))
    if not found or member.connection_id is None:
        return
    for body in pack_group([ChatMessage.decode(value) for _, value in found]).bodies:
        groups.store.t.broadcast([member.connection_id], body, notify=True)
    for key, _ in found:
        kept.delete(PENDING, key)
