"""Who has sent a file: a contact, or a member of a group."""

from __future__ import annotations

from typing import TypeAlias

from simplex_trio.chat.machine.channels.saying import the_channel
from simplex_trio.chat.machine.file_records import OfferedFile
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import ContactRecord
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["FileOfMember", "FileSender", "sender_of"]


@frozen(repr=False)
class FileOfMember(Redacted):
    """The member who has sent a file, and the group."""

    group: GroupRecord
    member: MemberRecord


FileSender: TypeAlias = ContactRecord | FileOfMember
"""Who has sent a file."""


def sender_of(store: Store, file: OfferedFile) -> FileSender | None:
    """Who has sent a file; `None` if the conversation is gone."""
    if file.member_id is None:
        return store.contact(file.contact_id)
    groups = GroupStore(store)
    group = groups.group(file.contact_id)
    if group is None:
        return None
    if group.channel is not None and not file.member_id:
        return FileOfMember(group, the_channel(group))
    member = groups.member(group.group_id, file.member_id)
    if member is None:
        gone = (Role.OBSERVER, MemberStatus.GONE, MemberOrigin.BEFORE)
        member = MemberRecord(group.group_id, file.member_id, *gone)
    return FileOfMember(group, member)
