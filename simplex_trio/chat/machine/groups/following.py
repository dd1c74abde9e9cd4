"""What follows from the events of the agent that are about members of groups."""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.chat.machine.channels.joining import followed_relay, relay_given_up
from simplex_trio.chat.machine.groups.applicants import (
    applicant_connected,
    give_up_applicant,
)
from simplex_trio.chat.machine.groups.asking import asked_to_join
from simplex_trio.chat.machine.groups.business import customer_connected, is_customer
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.hosting import (
    drop_member,
    invitee_confirmed,
    let_in,
    link_is_there,
)
from simplex_trio.chat.machine.groups.joining import connected
from simplex_trio.chat.machine.groups.leaving import (
    drop_connection,
    fail,
    fail_if_cut_off,
    forget_group,
    hear_out,
    is_deaf,
    is_lost,
)
from simplex_trio.chat.machine.groups.links import answered
from simplex_trio.chat.machine.groups.mesh import followed_member
from simplex_trio.chat.machine.groups.own_links import followed_link
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
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
    PeerInfo,
    RatchetBroken,
    ReceiptReceived,
    RequestReceived,
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
        return _followed_link(groups, settings, event)
    _note_delivery(groups, event)
    match event:
        case InvitationReady() if member.origin is MemberOrigin.INVITEE:
            link_is_there(groups, settings, group, member, event)
        case ConfirmationReceived() if member.origin is MemberOrigin.INVITEE:
            invitee_confirmed(groups, settings, member, event)
        case JoinSent(can_send=True):
            groups.change_member(member, can_send=True)
        case RatchetBroken(must_resynchronise=True):
            # There is no person to ask, and without it nothing can be said any more.
            with suppress(CannotResynchronise, UnknownConnection):
                store.t.resynchronise(event.connection_id)
        case _ if group.channel is not None:
            return followed_relay(groups, settings, group, member, event)
        case _ if member.origin is MemberOrigin.HOST:
            return _followed_host(groups, settings, group, member, event)
        case ConnectionReady() if member.origin is MemberOrigin.INVITEE:
            member = groups.change_member(member, can_send=True, is_connected=True)
            return _followed_newcomer(groups, settings, group, member)
        case PeerInfo() if member.status is MemberStatus.REJECTED:
            drop_member(groups, member)  # it knows now
        case _ if member.origin is not MemberOrigin.INVITEE:
            followed_member(groups, settings, group, member, event)
            if groups.member_of(event.connection_id) is None:
                return fail_if_cut_off(groups, group)
        case _ if (is_lost(event) or is_deaf(event)) and member.is_current:
            groups.change_member(member, can_send=False, is_connected=False)
        case _ if is_lost(event) or is_deaf(event):
            _did_not_come(groups, group, member)
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


def _followed_link(
    groups: GroupStore, settings: Settings, event: ConnectionEvent
) -> list[GroupNoticed] | None:
    group = groups.group_of_link(event.connection_id)
    if group is None:
        return None
    if isinstance(event, RequestReceived):
        return asked_to_join(groups, settings, group, event)
    followed_link(groups, group, event)
    return []


def _followed_newcomer(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> list[GroupNoticed]:
    if is_customer(group, member):
        return customer_connected(groups, settings, group, member)
    if member.contact_id is None:
        return applicant_connected(groups, settings, group, member)
    if member.status is MemberStatus.JOINING:
        return let_in(groups, settings, group, member)
    return []


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
        case _ if is_deaf(event):
            hear_out(groups, settings, host)
            return []
        case _ if is_lost(event):
            if not _is_ready(group):
                return fail(groups, group)
            drop_connection(groups, host)
            return fail_if_cut_off(groups, group)
        case _:
            return []


def _did_not_come(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> None:
    if is_customer(group, member):
        forget_group(groups, group)  # of which the program was not told yet
    else:
        drop_member(groups, member)


def give_up_waiting(store: Store, settings: Settings) -> list[GroupNoticed]:
    """Give connections up that have not come about in time, with the groups that depend on them."""
    groups = GroupStore(store)
    noticed: list[GroupNoticed] = []
    for member in list(groups.overdue(settings.seconds)):
        group = groups.group(member.group_id)
        if group is not None and group.channel is not None:
            noticed += relay_given_up(groups, settings, group, member)
        elif group is not None and member.origin is MemberOrigin.HOST and not _is_ready(group):
            noticed += fail(groups, group)
        elif group is not None and is_customer(group, member) and not member.is_current:
            _did_not_come(groups, group, member)
        elif group is not None and member.origin is MemberOrigin.INVITEE:
            give_up_applicant(groups, settings, group, member)
        else:
            drop_connection(groups, member)
            noticed += [] if group is None else fail_if_cut_off(groups, group)
    return noticed


def _is_ready(group: GroupRecord) -> bool:
    return group.status is GroupStatus.READY
