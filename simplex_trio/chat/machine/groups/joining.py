"""How the program comes into groups: by the invitation of a contact; `links` has the other way."""

from __future__ import annotations

from simplex_trio.chat.errors import CannotJoin
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.own_profile import note_profile
from simplex_trio.chat.machine.groups.records import (
    MAX_MEMBER_ID,
    GroupInvited,
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.store import PATIENCE, GroupStore
from simplex_trio.chat.machine.records import ContactRecord, NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    GroupInvitation,
    XGrpAcpt,
    XGrpLinkAcpt,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.duplex.errors import NeedsNewerAgent
from simplex_trio.wire.duplex.links import NotALink, parse_link
from simplex_trio.wire.duplex.requests import InvitationURI

__all__ = [
    "MAX_INVITATIONS",
    "MAX_INVITATIONS_OF_CONTACT",
    "accept_invitation",
    "acceptance_changed",
    "connected",
    "decline_invitation",
    "invitation_link",
    "invited",
]

MAX_INVITATIONS = 1000
"""How many invitations wait until the program decides; others are ignored.  Those of contacts that
are gone make room for them."""

MAX_INVITATIONS_OF_CONTACT = 20
"""How many of them may be of one contact."""


def invitation_link(link: str) -> InvitationURI | None:
    """The link by which a connection can be made with another member, if it is one."""
    try:
        parsed = parse_link(link, ())
    except (NotALink, NeedsNewerAgent):
        return None
    return parsed if isinstance(parsed, InvitationURI) else None


def invited(
    store: Store, contact: ContactRecord, invitation: GroupInvitation
) -> list[GroupNoticed]:
    """A contact invites the program.

    Again, it may only change the role; but after an attempt to join that has failed, the program is
    to decide again.
    """
    groups = GroupStore(store)
    inviter, own = invitation.from_member, invitation.invited_member
    if (
        invitation.group_profile.public_group is not None
        or inviter.member_id == own.member_id
        or not has_role(inviter.member_role, Role.ADMIN)
        or not has_role(inviter.member_role, own.member_role)
        or not all(1 <= len(each.member_id) <= MAX_MEMBER_ID for each in (inviter, own))
        or invitation_link(invitation.conn_request) is None
    ):
        return []
    known = groups.invited_by(invitation.conn_request)
    if known is not None:
        is_same = (
            known.invited is not None
            and known.invited.contact_id == contact.contact_id
            and known.host_id == inviter.member_id
        )
        if is_same and known.status is GroupStatus.INVITED:
            groups.change_group(
                known,
                profile=invitation.group_profile,
                own_id=own.member_id,
                own_role=own.member_role,
            )
        if not is_same or not known.status.is_over or known.joined_at is not None:
            return []
    if groups.count_invitations() >= MAX_INVITATIONS:
        for each in groups.lost_invitations():
            groups.remove_group(each)
    if (
        groups.count_invitations() >= MAX_INVITATIONS
        or groups.count_invitations(contact.contact_id) >= MAX_INVITATIONS_OF_CONTACT
    ):
        return []
    group = groups.put_group(
        GroupRecord(
            store.new_contact_id() if known is None else known.group_id,
            GroupStatus.INVITED,
            invitation.group_profile,
            own.member_id,
            own.member_role,
            host_id=inviter.member_id,
            own_profile=contact.own_profile,
            invited=GroupInvited(contact.contact_id, invitation.conn_request),
            alias="" if known is None else known.alias,
            business=invitation.business,
        )
    )
    groups.put_member(
        MemberRecord(
            group.group_id,
            inviter.member_id,
            inviter.member_role,
            MemberStatus.PRESENT,
            MemberOrigin.HOST,
            versions=contact.versions,
            contact_id=contact.contact_id,
        ),
        contact.profile,
    )
    return notify_of_group(store, group, NoticeKind.GROUP_INVITED)


def accept_invitation(
    store: Store, settings: Settings, group: GroupRecord, *, connects: bool
) -> GroupRecord:
    """Join a group that a contact has invited to; again changes nothing."""
    groups = GroupStore(store)
    if group.status is not GroupStatus.INVITED:
        return group
    host = None if group.host_id is None else groups.member(group.group_id, group.host_id)
    if group.invited is None or host is None:
        raise CannotJoin("the invitation was taken back")
    link = invitation_link(group.invited.link)
    if link is None:
        raise CannotJoin("the invitation is of no use")
    info = encode_info(ChatMessage(XGrpAcpt(group.own_id)), pq=False)
    connection_id = store.t.join(link, info, pq=False)
    if groups.is_used(connection_id):
        raise CannotJoin("the link is that of another conversation")
    host = groups.change_member(host, connection_id=connection_id)
    groups.wait_for(host, settings.seconds + PATIENCE)
    group = groups.change_group(group, status=GroupStatus.JOINING, connects=connects)
    return note_profile(groups, settings, group)


def decline_invitation(store: Store, group: GroupRecord) -> None:
    """Forget an invitation; the contact is not told."""
    if group.status is GroupStatus.INVITED:
        GroupStore(store).remove_group(group)


def connected(store: Store, settings: Settings, group: GroupRecord) -> list[GroupNoticed]:
    """The program is connected with its host, and in the group unless it has to wait."""
    groups = GroupStore(store)
    if group.status is not GroupStatus.JOINING:
        return []
    if group.joins_as is not GroupStatus.READY:
        group = groups.change_group(group, status=group.joins_as)
        return notify_of_group(store, group, NoticeKind.GROUP_PENDING)
    group = _joined(groups, settings, group)
    return notify_of_group(store, group, NoticeKind.GROUP_JOINED)


def _joined(groups: GroupStore, settings: Settings, group: GroupRecord) -> GroupRecord:
    return groups.change_group(group, status=GroupStatus.READY, joined_at=settings.seconds)


def acceptance_changed(
    groups: GroupStore, settings: Settings, group: GroupRecord, event: XGrpLinkAcpt
) -> str | None:
    """The host lets the program in, or leaves it to the admins; returns what is told."""
    if group.status not in (GroupStatus.JOINING, GroupStatus.PENDING, GroupStatus.IN_REVIEW):
        return None
    group = groups.change_group(group, own_role=event.role)
    if event.acceptance is Acceptance.ACCEPTED:
        _joined(groups, settings, group)
        return "group joined"
    if event.acceptance is Acceptance.PENDING_REVIEW and group.status is GroupStatus.PENDING:
        groups.change_group(group, status=GroupStatus.IN_REVIEW)
        return "group pending"
    return None
