"""What programs are told of groups, until they have dealt with it."""

from __future__ import annotations

from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberRecord
from simplex_trio.chat.machine.records import FirstMessage, Notice, NoticeKind
from simplex_trio.chat.machine.store import Store

__all__ = ["notify_of_group"]


def notify_of_group(
    store: Store,
    group: GroupRecord,
    kind: NoticeKind,
    member: MemberRecord | None = None,
    *,
    first: FirstMessage | None = None,
) -> list[GroupNoticed]:
    """Keep something that the program is to be told, unless it is to be told so already."""
    notice = store.add_notice(Notice(kind, group.group_id, first, member=member))
    return [] if notice is None else [GroupNoticed(group, notice)]
