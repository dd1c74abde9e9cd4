"""What follows from the events of the agent that are about members of groups."""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.hosting import (
    invited_connected,
    invitee_confirmed,
    link_is_there,
)
from simplex_trio.chat.machine.groups.joining import connected, fail
from simplex_trio.chat.machine.groups.leaving import drop_connection, is_cut_off, is_lost
from simplex_trio.chat.machine.groups.links import answered
from simplex_trio.chat.machine.groups.mesh import followed_member
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
)
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.duplex.errors import CannotResynchronise, UnknownConnection
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionEvent,
    ConnectionReady,
    DeliveryFailed,
    InvitationReady,
    JoinSent,
    MessageSent,
    RatchetBroken,
    ReceiptReceived,
)

__all__ = ["give_up_waiting", "happened_in_group"]


def happened_in_group(
    store: Store, settings: Settings, event: ConnectionEvent
) -> list[GroupNoticed] | None:
    """What follows from an event about a member; `None` if it is about none."""
    groups = GroupStore(store)
    member = groups.member_of(event.connection_id)
    group = None if member is None else groups.group(member.group_id)
    if member is None or group is None:
        return None
    _note_delivery(groups, event)
    match event:
        case InvitationReady() if member.origin is MemberOrigin.INVITEE:
            link_is_there(groups, settings, group, member, event)
        case ConfirmationReceived() if member.origin is MemberOrigin.INVITEE:
            invitee_confirmed(groups, member, event)
        case JoinSent(can_send=True):
            groups.change_member(member, can_send=True)
        case RatchetBroken(must_resynchronise=True):
            # There is no person to ask, and without it nothing can be said any more.
            with suppress(CannotResynchronise, UnknownConnection):
                store.t.resynchronise(event.connection_id)
        case _ if member.origin is MemberOrigin.HOST:
            return _followed_host(groups, settings, group, member, event)
        case ConnectionReady() if member.origin is MemberOrigin.INVITEE:
            member = groups.change_member(member, can_send=True, is_connected=True)
            invited_connected(groups, settings, group, member)
        case _ if member.origin is not MemberOrigin.INVITEE:
            followed_member(groups, settings, group, member, event)
            return _if_cut_off(groups, group)
        case _ if is_lost(event):
            groups.change_member(member, can_send=False, is_connected=False)
        case _:
            pass
    return []


def _note_delivery(groups: GroupStore, event: ConnectionEvent) -> None:
    match event:
        case MessageSent(message_id=sent):
            groups.copy_came_further(event.connection_id, sent, DeliveryState.SENT)
        case ReceiptReceived(message_id=delivered):
            groups.copy_came_further(event.connection_id, delivered, DeliveryState.DELIVERED)
        case DeliveryFailed(message_ids=failed):
            for each in failed:
                groups.copy_came_further(event.connection_id, each, DeliveryState.FAILED)
        case _:
            pass


def _followed_host(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    host: MemberRecord,
    event: ConnectionEvent,
) -> list[GroupNoticed]:
    match event:
        case ConfirmationReceived() if group.status is GroupStatus.JOINING:
            return answered(groups, settings, group, host, event)
        case ConnectionReady():
            groups.wait_for(host, None)
            groups.change_member(host, can_send=True, is_connected=True)
            return connected(groups.store, settings, group)
        case _ if is_lost(event):
            if group.status is not GroupStatus.READY:
                return fail(groups, group)
            drop_connection(groups, host)
            return _if_cut_off(groups, group)
        case _:
            return []


def _if_cut_off(groups: GroupStore, group: GroupRecord) -> list[GroupNoticed]:
    return fail(groups, group) if is_cut_off(groups, group) else []


def give_up_waiting(store: Store, now: int) -> list[GroupNoticed]:
    """Give connections up that have not come about in time, with the groups that depend on them."""
    groups = GroupStore(store)
    noticed: list[GroupNoticed] = []
    for member in list(groups.overdue(now)):
        group = groups.group(member.group_id)
        if group is not None and member.origin is MemberOrigin.HOST:
            noticed += fail(groups, group)
        else:
            drop_connection(groups, member)
    return noticed
