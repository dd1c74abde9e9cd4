"""How the program comes into groups: by the invitation of a contact."""

from __future__ import annotations

from simplex_trio.chat.errors import CannotJoin
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.records import (
    GroupInvited,
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import ContactRecord, NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.group_events import GroupInvitation, XGrpAcpt
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage

__all__ = ["accept_invitation", "connected", "decline_invitation", "invited"]


def invited(
    store: Store, contact: ContactRecord, invitation: GroupInvitation
) -> list[GroupNoticed]:
    """A contact invites the program; again, it may only change the role."""
    groups = GroupStore(store)
    inviter, own = invitation.from_member, invitation.invited_member
    if (
        invitation.group_profile.public_group is not None
        or inviter.member_id == own.member_id
        or not has_role(inviter.member_role, Role.ADMIN)
        or not has_role(inviter.member_role, own.member_role)
    ):
        return []
    known = groups.invited_by(invitation.conn_request)
    if known is not None:
        if known.status is GroupStatus.INVITED:
            groups.change_group(
                known,
                profile=invitation.group_profile,
                own_id=own.member_id,
                own_role=own.member_role,
            )
        return []
    group = groups.put_group(
        GroupRecord(
            store.new_contact_id(),
            GroupStatus.INVITED,
            invitation.group_profile,
            own.member_id,
            own.member_role,
            host_id=inviter.member_id,
            own_profile=contact.own_profile,
            invited=GroupInvited(contact.contact_id, invitation.conn_request),
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
    info = encode_info(ChatMessage(XGrpAcpt(group.own_id)), pq=False)
    connection_id = store.t.join(group.invited.link, info, pq=False)
    groups.change_member(host, connection_id=connection_id)
    return groups.change_group(group, status=GroupStatus.JOINING, connects=connects)


def decline_invitation(store: Store, group: GroupRecord) -> None:
    """Forget an invitation; the contact is not told."""
    if group.status is GroupStatus.INVITED:
        GroupStore(store).remove_group(group)


def connected(store: Store, group: GroupRecord) -> list[GroupNoticed]:
    """The program is connected with its host."""
    groups = GroupStore(store)
    if group.status is not GroupStatus.JOINING:
        return []
    group = groups.change_group(group, status=GroupStatus.READY)
    return notify_of_group(store, group, NoticeKind.GROUP_JOINED)
