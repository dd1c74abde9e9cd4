"""How members go, and how the program goes itself."""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.chat.machine.groups.admissions import forget_admission
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.history import History
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.own_links import delete_link
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.relations import Relations
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.group_events import RejectionReason, XGrpLeave
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.duplex.errors import UnknownConnection
from simplex_trio.duplex.events import (
    ConnectionEvent,
    ConnectionFailed,
    DeliveryFailed,
    Problem,
    QueueLost,
)

__all__ = [
    "HEARS_OUT",
    "close_group",
    "drop_connection",
    "fail",
    "fail_if_cut_off",
    "failed_as",
    "forget_group",
    "hear_out",
    "is_cut_off",
    "is_deaf",
    "is_lost",
    "leave_group",
    "part_with",
    "remove",
]

HEARS_OUT = 7 * 24 * 3600
"""Seconds for which a connection is kept whose other side has deleted it."""

_HEARING = (MemberStatus.PRESENT, MemberStatus.PENDING, MemberStatus.IN_REVIEW)


def drop_connection(
    groups: GroupStore, member: MemberRecord, *, after_delivery: bool = False
) -> MemberRecord:
    """Delete the program's connection with a member, who stays in the group."""
    if member.connection_id is None:
        return member
    with suppress(UnknownConnection):
        groups.store.t.delete(member.connection_id, after_delivery=after_delivery)
    return groups.change_member(member, connection_id=None, can_send=False, is_connected=False)


def remove(groups: GroupStore, member: MemberRecord, *, after_delivery: bool = False) -> None:
    """Forget a member that is gone, and delete the program's connection with it."""
    forget_admission(groups.store.t.kept, member)
    if member.connection_id is not None:
        with suppress(UnknownConnection):
            groups.store.t.delete(member.connection_id, after_delivery=after_delivery)
    groups.remove_member(member)


def part_with(groups: GroupStore, member: MemberRecord) -> None:
    """The program has dealt with a message of a member: if that was the last one, part with it."""
    group = groups.group(member.group_id)
    is_over = group is not None and group.status.is_over
    if group is not None and (is_over or member.status is MemberStatus.GONE):
        remove(groups, member, after_delivery=_passes_on(group))


def _passes_on(group: GroupRecord) -> bool:
    return has_role(group.own_role, Role.ADMIN)


def close_group(
    groups: GroupStore, group: GroupRecord, *, after_delivery: bool, kept: str | None = None
) -> None:
    """Delete the connections with all members of a group that is over, and forget them.

    ``kept`` is a connection whose last message the program still has in its hands.
    """
    group = delete_link(groups, group)
    History(groups.store.t.kept, group.group_id).remove_all()
    # All at once: one member after the other, that takes the square of their number.
    Relations(groups.store.t.kept, group.group_id).forget_all()
    for member in groups.members(group.group_id):
        if kept is None or member.connection_id != kept:
            remove(groups, member, after_delivery=after_delivery)


def forget_group(groups: GroupStore, group: GroupRecord) -> None:
    """Remove all that is kept of a group that is over.

    There may be a connection yet: the one through which the program was told, just now.
    """
    for member in groups.members(group.group_id):
        remove(groups, member, after_delivery=_passes_on(group))
    groups.remove_group(group)


def leave_group(groups: GroupStore, settings: Settings, group: GroupRecord) -> None:
    """Leave a group, and tell the members with whom the program is connected."""
    if group.status is GroupStatus.INVITED:
        groups.remove_group(group)  # the contact is not told
        return
    if group.status.is_over:
        return
    if group.status is not GroupStatus.JOINING:
        hearing = [each for each in groups.members(group.group_id) if each.status in _HEARING]
        event = XGrpLeave()
        said = [(event, settings.new_message_id())]
        say_to(groups, hearing, said, notify=event.NOTIFIES)
    group = groups.change_group(group, status=GroupStatus.LEFT)
    close_group(groups, group, after_delivery=True)
    groups.store.silenced.append((group.group_id, None))


def is_cut_off(groups: GroupStore, group: GroupRecord) -> bool:
    """Whether nothing can come any more, as the program is connected with none of the members."""
    if group.host_id is None or group.status.is_over:
        return False
    connected = groups.connected_members(group.group_id)
    return all(each.status is MemberStatus.GONE for each in connected)


def failed_as(group: GroupRecord) -> GroupStatus:
    """What a group is from now on whose host is gone, or which the program is cut off from."""
    return GroupStatus.LOST if group.status is GroupStatus.READY else GroupStatus.NOT_JOINED


def fail(
    groups: GroupStore, group: GroupRecord, *, rejection: RejectionReason | str | None = None
) -> list[GroupNoticed]:
    """The program does not come into a group, or cannot be reached in it any more."""
    if group.status.is_over:
        return []
    group = groups.change_group(group, status=failed_as(group), rejection=rejection)
    close_group(groups, group, after_delivery=False)
    is_lost = group.status is GroupStatus.LOST
    kind = NoticeKind.GROUP_LOST if is_lost else NoticeKind.GROUP_NOT_JOINED
    return notify_of_group(groups.store, group, kind)


def fail_if_cut_off(groups: GroupStore, group: GroupRecord) -> list[GroupNoticed]:
    """The program has parted with a member: perhaps it was the last one it was connected with."""
    return fail(groups, group) if is_cut_off(groups, group) else []


def is_lost(event: ConnectionEvent) -> bool:
    """Whether a connection cannot be made, or nothing can come by it any more."""
    match event:
        case ConnectionFailed() | QueueLost(deleted=True):
            return True
        case _:
            return False


def is_deaf(event: ConnectionEvent) -> bool:
    """Whether the other side has deleted its queue, so that nothing reaches it any more."""
    match event:
        case DeliveryFailed(problem=problem):
            return problem is Problem.QUEUE_GONE
        case _:
            return False


def hear_out(groups: GroupStore, settings: Settings, member: MemberRecord) -> MemberRecord:
    """Say nothing more to a member, and keep the connection for what it has said before.

    Most have left or were removed, and the message that says so is still to be read.
    """
    if member.can_send:
        groups.wait_for(member, settings.seconds + HEARS_OUT)
    return groups.change_member(member, can_send=False, is_connected=False)
