"""Connections with the members that others have let in: each two of them are connected in time.

The host tells a newcomer of each member, and the members of the newcomer.  The newcomer makes an
invitation for each of them, which the host passes on.  Until the two are connected, and where they
never will be, the host passes on what they say; so everything here can be given up at any time.
"""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.chat.machine.groups.joining import invitation_link
from simplex_trio.chat.machine.groups.leaving import drop_connection, hear_out, is_deaf, is_lost
from simplex_trio.chat.machine.groups.own_profile import profile_in
from simplex_trio.chat.machine.groups.pending import send_pending
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberOrigin, MemberRecord
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import PATIENCE, GroupStore
from simplex_trio.chat.machine.noticing import read_info
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.group_events import (
    Introduction,
    XGrpMemCon,
    XGrpMemInfo,
    XGrpMemInv,
)
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.duplex.errors import DuplexError, UnknownConnection
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionEvent,
    ConnectionReady,
    InvitationReady,
    PeerInfo,
)
from simplex_trio.errors import TooLarge

__all__ = ["MAX_CONNECTIONS", "followed_member", "join_member", "offer_connection"]

MAX_CONNECTIONS = 1000
"""How many members of a group the program connects with.  What others say comes from the host, as
all does in a group in which it connects with the host alone."""


def _may_connect(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> bool:
    return (
        group.connects
        and member.connection_id is None
        and member.versions.highest >= ChatVersion.MEMBER_CONTACTS
        and groups.count_connections(group.group_id) < MAX_CONNECTIONS
    )


def offer_connection(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> None:
    """Make an invitation for a member that was there before."""
    if _may_connect(groups, group, member):
        with suppress(DuplexError):  # there may be too many connections
            _waits_for(groups, settings, member, groups.store.t.create(pq=False))


def join_member(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord, link: str
) -> None:
    """Join the invitation of a member that has come after the program."""
    parsed = invitation_link(link)
    if parsed is not None and _may_connect(groups, group, member):
        with suppress(DuplexError, TooLarge):
            info = _own_info(settings, group)
            connection_id = groups.store.t.join(parsed, info, pq=False)
            if not groups.is_used(connection_id):
                _waits_for(groups, settings, member, connection_id)


def _waits_for(
    groups: GroupStore, settings: Settings, member: MemberRecord, connection_id: str
) -> None:
    member = groups.change_member(member, connection_id=connection_id)
    groups.wait_for(member, settings.seconds + PATIENCE)


def _own_info(settings: Settings, group: GroupRecord) -> bytes:
    event = XGrpMemInfo(group.own_id, profile_in(settings, group))
    return encode_info(ChatMessage(event), pq=False)


def followed_member(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    event: ConnectionEvent,
) -> None:
    """What follows from an event of the connection with a member that another one has let in."""
    match event:
        case InvitationReady(link=link):
            _pass_link(groups, settings, group, member, link)
        case ConfirmationReceived() if _is_it(groups, member, event.info):
            with suppress(DuplexError, TooLarge):
                groups.store.t.accept(event, _own_info(settings, group), pq=False)
                # The other one may be ready first, and tell the host, which passes nothing on then.
                known = groups.member(group.group_id, member.member_id)
                if known is not None:
                    groups.change_member(known, can_send=True)
        case ConfirmationReceived():
            with suppress(UnknownConnection):
                groups.store.t.reject(event)
            drop_connection(groups, member)
        case PeerInfo(info=info) if not _is_it(groups, member, info):
            drop_connection(groups, member)
        case ConnectionReady():
            _connected(groups, settings, group, member)
        case _ if is_deaf(event):
            hear_out(groups, settings, member)
        case _ if is_lost(event):
            drop_connection(groups, member)
        case _:
            pass


def _pass_link(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord, link: str
) -> None:
    event = XGrpMemInv(member.member_id, Introduction(link))
    if not _say_to_host(groups, settings, group, member, event):
        drop_connection(groups, member)


def _say_to_host(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    event: XGrpMemInv | XGrpMemCon,
) -> bool:
    """Say something to the one that has let a member in, or has told of it."""
    host = None if member.host_id is None else groups.member(group.group_id, member.host_id)
    if host is None:
        return False
    said = [(event, settings.new_message_id())]
    found = say_to(groups, [host], said, notify=event.NOTIFIES)
    return any(isinstance(each, int) for _, outcomes in found for each in outcomes)


def _is_it(groups: GroupStore, member: MemberRecord, info: bytes) -> bool:
    """Whether the other side of a connection says that it is the member that it is to be."""
    message = read_info(info)
    if message is None or not isinstance(message.event, XGrpMemInfo):
        return False
    if message.event.member_id != member.member_id:
        return False
    groups.change_member(member, versions=message.versions)
    return True


def _connected(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> None:
    groups.wait_for(member, None)
    member = groups.change_member(member, can_send=True, is_connected=True)
    send_pending(groups, member)
    if member.origin in (MemberOrigin.BEFORE, MemberOrigin.AFTER):
        _say_to_host(groups, settings, group, member, XGrpMemCon(member.member_id))
