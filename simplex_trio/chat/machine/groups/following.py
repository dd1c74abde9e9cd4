"""What follows from the events of the agent that are about members of groups."""

from __future__ import annotations

from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.joining import connected
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberOrigin
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.duplex.events import (
    ConnectionEvent,
    ConnectionFailed,
    ConnectionReady,
    JoinSent,
    QueueLost,
)

__all__ = ["happened_in_group"]


def happened_in_group(
    store: Store, settings: Settings, event: ConnectionEvent
) -> list[GroupNoticed] | None:
    """What follows from an event about a member; `None` if it is about none."""
    groups = GroupStore(store)
    member = groups.member_of(event.connection_id)
    group = None if member is None else groups.group(member.group_id)
    if member is None or group is None:
        return None
    match event:
        case JoinSent(can_send=True):
            groups.change_member(member, can_send=True)
        case ConnectionReady():
            groups.change_member(member, can_send=True, is_connected=True)
            if member.origin is MemberOrigin.HOST:
                return connected(store, group)
        case ConnectionFailed() | QueueLost(deleted=True):
            groups.change_member(member, can_send=False, is_connected=False)
            if member.origin is MemberOrigin.HOST and group.status is GroupStatus.JOINING:
                group = groups.change_group(group, status=GroupStatus.FAILED)
                return notify_of_group(store, group, NoticeKind.GROUP_FAILED)
        case _:
            pass
    return []
