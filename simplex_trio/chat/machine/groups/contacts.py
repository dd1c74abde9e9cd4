"""Members that talk with the program alone, as contacts.

One of the two makes an invitation, and sends it through the connection that they have as members.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from simplex_trio.chat.errors import CannotJoin, NotAllowed
from simplex_trio.chat.machine.groups.arriving import Arrival, Rule
from simplex_trio.chat.machine.groups.joining import invitation_link
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberRecord,
)
from simplex_trio.chat.machine.groups.rules import GroupFeature, allows, can_say, has_role
from simplex_trio.chat.machine.groups.saying import check_is_there, known_group, say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import (
    ContactRecord,
    ContactStatus,
    FirstMessage,
    MemberAsked,
)
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.group_events import XGrpDirectInv
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.duplex.errors import CannotSend, DuplexError, UnknownConnection
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.requests import InvitationURI

__all__ = ["RULES", "ask_member", "contact_link_is_there", "join_member_contact"]


def _present(
    groups: GroupStore, group_id: int, member_id: bytes
) -> tuple[GroupRecord, MemberRecord]:
    group = known_group(groups, group_id)
    return group, check_is_there(groups, group_id, member_id)


def _contact_of(groups: GroupStore, member: MemberRecord) -> ContactRecord | None:
    return None if member.contact_id is None else groups.store.contact(member.contact_id)


# --- asking a member ----------------------------------------------------------------------------


def ask_member(
    groups: GroupStore,
    settings: Settings,
    group_id: int,
    member_id: bytes,
    content: Content | None,
    alias: str,
) -> ContactRecord:
    """Ask a member to become a contact; returns the contact to be, or that it is already."""
    group, member = _present(groups, group_id, member_id)
    known = _contact_of(groups, member)
    if known is not None:
        return known
    if group.status is not GroupStatus.READY or not has_role(group.own_role, Role.AUTHOR):
        raise NotAllowed("the program is not a member of the group that may write")
    if not allows(group.profile.group_preferences, GroupFeature.DIRECT_MESSAGES, group.own_role):
        raise NotAllowed("the group does not allow messages between two of its members")
    if not member.is_connected or member.versions.highest < ChatVersion.MEMBER_CONTACTS:
        raise CannotSend("the program is not connected with the member, or its app is too old")
    contact = ContactRecord(
        groups.store.new_contact_id(),
        groups.store.t.create(pq=False),
        ContactStatus.CONNECTING,
        profile=groups.profile_of(member),
        versions=member.versions,
        own_profile=group.own_profile,
        alias=alias,
        asked=MemberAsked(group_id, member_id, content),
    )
    groups.store.put_contact(contact)
    groups.change_member(member, contact_id=contact.contact_id)
    return contact


def contact_link_is_there(
    store: Store, settings: Settings, connection_id: str, link: str
) -> ContactRecord | None:
    """A router has made an invitation for a member; returns the contact if it cannot be sent."""
    contact = store.contact_of(connection_id)
    if contact is None or contact.asked is None:
        return None
    asked, groups = contact.asked, GroupStore(store)
    member = groups.member(asked.group_id, asked.member_id)
    event = XGrpDirectInv(link, asked.content)
    said = [(event, settings.new_message_id())]
    found = say_to(groups, [] if member is None else [member], said, notify=event.NOTIFIES)
    if not any(isinstance(each, int) for _, outcomes in found for each in outcomes):
        return contact
    store.change_contact(contact, asked=MemberAsked(asked.group_id, asked.member_id, link=link))
    return None


# --- being asked --------------------------------------------------------------------------------


def contact_asked(a: Arrival, event: XGrpDirectInv) -> bool:
    """A member asks the program to become its contact."""
    link = invitation_link(event.conn_req)
    if (
        a.is_forwarded
        or link is None
        or a.author.is_blocked
        or not can_say(a.author, None)
        or not a.author.is_current
        or not allows(
            a.group.profile.group_preferences, GroupFeature.DIRECT_MESSAGES, a.author.role
        )
    ):
        return False
    known = _contact_of(a.groups, a.author)
    if known is None:
        a.tell("member contact", reads=True)
    elif known.status is ContactStatus.CONNECTING and known.asked is not None:
        own = known.asked.link
        if own is None or event.conn_req > own:  # both have asked, and one of them has to join
            with suppress(CannotJoin, DuplexError, TooLarge):  # otherwise the other one may
                _join_instead(a.groups, a.settings, known, link, event.content)
    return False


def _join_instead(
    groups: GroupStore,
    settings: Settings,
    contact: ContactRecord,
    link: InvitationURI,
    content: Content | None,
) -> None:
    connection_id = _joined(groups, settings, contact, link)
    with suppress(UnknownConnection):
        groups.store.t.delete(contact.connection_id)
    groups.store.replace_connection(
        contact, connection_id, asked=None, first=_first(settings, content)
    )


def _first(settings: Settings, content: Content | None) -> FirstMessage | None:
    return None if content is None else FirstMessage(settings.new_message_id(), content)


def _joined(
    groups: GroupStore, settings: Settings, contact: ContactRecord, link: InvitationURI
) -> str:
    info = encode_info(ChatMessage(XInfo(settings.profile_for(contact))), pq=False)
    connection_id = groups.store.t.join(link, info, pq=False)
    if groups.is_used(connection_id):
        raise CannotJoin("the link is that of another conversation")
    return connection_id


def join_member_contact(
    groups: GroupStore,
    settings: Settings,
    group_id: int,
    member_id: bytes,
    event: XGrpDirectInv,
    alias: str,
) -> ContactRecord:
    """Become the contact of a member that has asked for it; again changes nothing.

    Raises `CannotJoin` or a `DuplexError` if the member's link is of no use.
    """
    group, member = _present(groups, group_id, member_id)
    known = _contact_of(groups, member)
    link = invitation_link(event.conn_req)
    if known is not None:
        return known
    assert link is not None, "it was looked at when it came"
    contact = ContactRecord(
        groups.store.new_contact_id(),
        "",
        ContactStatus.CONNECTING,
        profile=groups.profile_of(member),
        versions=member.versions,
        own_profile=group.own_profile,
        alias=alias,
        first=_first(settings, event.content),
    )
    contact = groups.store.replace_connection(contact, _joined(groups, settings, contact, link))
    groups.change_member(member, contact_id=contact.contact_id)
    return contact


RULES: Mapping[type[Event], Rule] = {XGrpDirectInv: contact_asked}
