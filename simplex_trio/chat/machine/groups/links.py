"""How the program comes into groups by their links.

It asks the host at the link, who says then which member it is to be, and whether it has to wait
until it is approved.  Until the host has answered, neither has an id, and the host's record is a
placeholder with an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import CannotJoin, LinkIsOwn, NotAGroup
from simplex_trio.chat.machine.connecting import is_own, leads_to_group
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.leaving import fail
from simplex_trio.chat.machine.groups.own_profile import note_profile, profile_in
from simplex_trio.chat.machine.groups.records import (
    MAX_MEMBER_ID,
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.store import PATIENCE, GroupStore
from simplex_trio.chat.machine.incognito import random_profile
from simplex_trio.chat.machine.noticing import read_info
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XInfo
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    GroupLinkInvitation,
    XGrpLinkInv,
    XGrpLinkReject,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.names import shown_name
from simplex_trio.duplex.errors import AlreadyJoined, DuplexError, UnknownConnection
from simplex_trio.duplex.events import ConfirmationReceived
from simplex_trio.errors import TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link, parse_link
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink

__all__ = [
    "answered",
    "ask_to_join",
    "check_group_link",
    "give_up_joining",
    "hosted_by",
    "joined_by",
    "may_be_business",
]

_REQUEST_KEY_SIZE = 16


def check_group_link(link: Link) -> None:
    """Raise `NotAGroup` for a link that leads to no group, no channel, and no business.

    Whether an address is that of a business is found out by looking at it.
    """
    if not leads_to_group(link) and not may_be_business(link):
        raise NotAGroup("the link does not lead to a group")
    if isinstance(link, ShortContactLink) and link.kind is ContactKind.RELAY:
        raise NotAGroup("the link is that of a relay of channels")


def may_be_business(link: Link) -> bool:
    """Whether a link is an address that may be a business's: long ones do not say so."""
    return isinstance(link, ShortContactLink) and link.kind is ContactKind.CONTACT


def ask_to_join(
    groups: GroupStore,
    settings: Settings,
    link: Link,
    shown: GroupProfile,
    *,
    incognito: bool,
    alias: str,
    connects: bool,
    presets: Iterable[ServerAddress],
) -> tuple[GroupRecord, bytes]:
    """Ask the host of a group at its link; returns the group, and what the host is told.

    The same link again is the same group, unless the program has left it or was removed.
    """
    store = groups.store
    if hosted_by(groups, link, presets) is not None or is_own(store, link, presets):
        raise LinkIsOwn("the link is the program's own, or that of a group which it hosts")
    own = random_profile(settings.random) if incognito else None
    group = GroupRecord(
        *(0, GroupStatus.JOINING, shown, b"", Role.OBSERVER),
        own_profile=own,
        connects=connects,
        alias=alias,
        is_by_link=True,
    )
    profile = profile_in(settings, group)
    event: Event = XContact(profile, contact_req_id=settings.random(_REQUEST_KEY_SIZE))
    info = encode_info(ChatMessage(event), pq=False)
    try:
        connection_id = store.t.join(link, info, decides=True, pq=False)
    except AlreadyJoined as exc:
        connection_id = exc.connection_id
    known = joined_by(groups, connection_id)
    if known is not None:
        return known, info
    if groups.is_used(connection_id):
        raise CannotJoin("the program has asked there as for a contact")
    group = groups.put_group(evolve(group, group_id=store.new_contact_id(), host_id=b""))
    host = MemberRecord(
        *(group.group_id, b"", Role.ADMIN, MemberStatus.JOINING, MemberOrigin.HOST),
        connection_id=connection_id,
    )
    groups.wait_for(groups.put_member(host), settings.seconds + PATIENCE)
    return note_profile(groups, settings, group), info


def hosted_by(
    groups: GroupStore, link: Link, presets: Iterable[ServerAddress]
) -> GroupRecord | None:
    """The group whose link, made by the program, this is."""
    for group in groups.all_groups():
        own = group.link
        links = () if own is None else tuple(filter(None, (own.link, own.short_link)))
        if any(link == parse_link(each, presets) for each in links):
            return group
    return None


def joined_by(groups: GroupStore, connection_id: str) -> GroupRecord | None:
    """The group whose host the program has asked with this connection."""
    member = groups.member_of(connection_id)
    return None if member is None else groups.group(member.group_id)


def give_up_joining(groups: GroupStore, group_id: int) -> None:
    """Forget a group whose link turned out to be of no use."""
    group = groups.group(group_id)
    if group is not None and group.status is GroupStatus.JOINING:
        for each in groups.members(group_id):
            if each.connection_id is not None:
                with suppress(UnknownConnection):
                    groups.store.t.delete(each.connection_id)
        groups.remove_group(group)


def answered(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    host: MemberRecord,
    event: ConfirmationReceived,
) -> list[GroupNoticed]:
    """The host has answered: it lets the program in, perhaps later, or it does not."""
    message = read_info(event.info)
    said = None if message is None else message.event
    if message is not None and isinstance(said, XGrpLinkInv):
        invitation = said.group_link_invitation
        if _makes_sense(invitation):
            host = _replaced(groups, group, host, invitation, message)
            groups.wait_for(host, settings.seconds + PATIENCE)
            group = _taken_over(groups, group, invitation)
            info = encode_info(ChatMessage(XInfo(profile_in(settings, group))), pq=False)
            with suppress(DuplexError, TooLarge):
                groups.store.t.accept(event, info, pq=False)
                note_profile(groups, settings, group)
                return []
    with suppress(UnknownConnection):
        groups.store.t.reject(event)
    if isinstance(said, XGrpLinkReject):
        rejection = said.group_link_rejection
        if rejection.group_profile.public_group is None:
            group = groups.change_group(group, profile=rejection.group_profile)
        return fail(groups, group, rejection=rejection.rejection_reason)
    return fail(groups, group)


def _makes_sense(invitation: GroupLinkInvitation) -> bool:
    host, own = invitation.from_member.member_id, invitation.invited_member.member_id
    return (
        all(1 <= len(each) <= MAX_MEMBER_ID for each in (host, own))
        and host != own
        and invitation.group_profile.public_group is None
    )


def _replaced(
    groups: GroupStore,
    group: GroupRecord,
    placeholder: MemberRecord,
    invitation: GroupLinkInvitation,
    message: ChatMessage,
) -> MemberRecord:
    """The host, in place of its placeholder."""
    groups.remove_member(placeholder)
    host = evolve(
        placeholder,
        member_id=invitation.from_member.member_id,
        role=invitation.from_member.member_role,
        status=MemberStatus.PRESENT,
        name=shown_name(invitation.from_member_name),
        versions=message.versions,
    )
    return groups.put_member(host)


def _taken_over(
    groups: GroupStore, group: GroupRecord, invitation: GroupLinkInvitation
) -> GroupRecord:
    profile = invitation.group_profile
    joins_as = GroupStatus.READY
    if invitation.accepted is Acceptance.PENDING:
        joins_as = GroupStatus.PENDING
    elif invitation.accepted is Acceptance.PENDING_REVIEW or (
        invitation.accepted is Acceptance.ACCEPTED and profile.reviews_members
    ):
        joins_as = GroupStatus.IN_REVIEW
    return groups.change_group(
        group,
        profile=profile,
        own_id=invitation.invited_member.member_id,
        own_role=invitation.invited_member.member_role,
        host_id=invitation.from_member.member_id,
        joins_as=joins_as,
        business=invitation.business,
    )
