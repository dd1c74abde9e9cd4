"""Messages that were deleted by moderators before they have come.

Messages of different members come in any order, as each has a connection of its own.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from simplex_trio.chat.machine.groups.records import MemberRecord
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.duplex.kept import KeptRecords

if TYPE_CHECKING:
    from simplex_trio.chat.machine.groups.store import GroupStore

__all__ = ["MAX_MODERATED", "forget_moderations", "is_moderated", "remember_moderation"]

MAX_MODERATED = 200
"""How many deletions of each group are remembered; the oldest ones go first."""

_MODERATED = ".chat.group-moderated"
_ORDER = ".chat.group-moderated-order"


def _owner(group_id: int) -> bytes:
    return group_id.to_bytes(8, "big")


def _key(group_id: int, author_id: bytes, msg_id: bytes) -> bytes:
    said = len(author_id).to_bytes(4, "big") + author_id + msg_id
    return _owner(group_id) + hashlib.sha256(said).digest()


def remember_moderation(
    groups: GroupStore, moderator: MemberRecord, author_id: bytes, msg_id: bytes
) -> None:
    """A moderator has deleted a message, which may be still to come."""
    kept, owner = groups.store.t.kept, _owner(moderator.group_id)
    key = _key(moderator.group_id, author_id, msg_id)
    is_known = kept.get(_MODERATED, key) is not None
    kept.put(_MODERATED, key, moderator.member_id)
    if is_known:
        return
    number = groups.store.next_number(b"last moderated")
    kept.put(_ORDER, owner + number.to_bytes(8, "big"), key)
    if kept.count(_ORDER, owner) > MAX_MODERATED:
        ((oldest, value),) = kept.scan(_ORDER, owner, limit=1)
        kept.delete(_ORDER, oldest)
        kept.delete(_MODERATED, value)


def is_moderated(groups: GroupStore, author: MemberRecord, msg_id: bytes | None) -> bool:
    """Whether a message that comes was deleted before, by a member that may do so still."""
    if msg_id is None:
        return False
    key = _key(author.group_id, author.member_id, msg_id)
    moderator_id = groups.store.t.kept.get(_MODERATED, key)
    moderator = None if moderator_id is None else groups.member(author.group_id, moderator_id)
    return (
        moderator is not None
        and has_role(moderator.role, Role.MODERATOR)
        and has_role(moderator.role, author.role)
    )


def forget_moderations(kept: KeptRecords, group_id: int) -> None:
    """A group is gone."""
    for space in (_MODERATED, _ORDER):
        for key, _ in kept.scan(space, _owner(group_id)):
            kept.delete(space, key)
