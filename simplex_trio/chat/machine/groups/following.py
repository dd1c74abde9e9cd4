"""What follows from the events of the agent that are about members of groups."""

from __future__ import annotations

from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.hosting import (
    invited_connected,
    invitee_confirmed,
    link_is_there,
)
from simplex_trio.chat.machine.groups.joining import connected
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberOrigin
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionEvent,
    ConnectionFailed,
    ConnectionReady,
    InvitationReady,
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
        case InvitationReady() if member.origin is MemberOrigin.INVITEE:
            link_is_there(groups, settings, group, member, event)
        case ConfirmationReceived() if member.origin is MemberOrigin.INVITEE:
            invitee_confirmed(groups, member, event)
        case JoinSent(can_send=True):
            groups.change_member(member, can_send=True)
        case ConnectionReady():
            member = groups.change_member(member, can_send=True, is_connected=True)
            if member.origin is MemberOrigin.HOST:
                return connected(store, group)
            if member.origin is MemberOrigin.INVITEE:
                invited_connected(groups, settings, group, member)
        case ConnectionFailed() | QueueLost(deleted=True):
            groups.change_member(member, can_send=False, is_connected=False)
            if member.origin is MemberOrigin.HOST and group.status is GroupStatus.JOINING:
                group = groups.change_group(group, status=GroupStatus.FAILED)
                return notify_of_group(store, group, NoticeKind.GROUP_FAILED)
        case _:
            pass
    return []
