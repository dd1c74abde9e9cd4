"""Groups that the program makes, and contacts that it invites to groups."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import CannotInvite, NotAllowed
from simplex_trio.chat.machine.groups.admissions import (
    Admission,
    admission_of,
    forget_admission,
    keep_admission,
)
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.history import send_history
from simplex_trio.chat.machine.groups.introducing import introduce
from simplex_trio.chat.machine.groups.leaving import remove
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.own_profile import profile_in
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import check_inviting
from simplex_trio.chat.machine.groups.store import PATIENCE, GroupStore
from simplex_trio.chat.machine.noticing import read_info
from simplex_trio.chat.machine.outgoing import say_if_possible
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus, Notice, NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import GroupLinkData
from simplex_trio.chat.messages.bodies import encode_info, pack
from simplex_trio.chat.messages.events import XOk
from simplex_trio.chat.messages.group_events import (
    GroupInvitation,
    GroupLinkInvitation,
    MemberIdRole,
    XGrpAcpt,
    XGrpInfo,
    XGrpInv,
    XGrpLinkInv,
)
from simplex_trio.chat.messages.group_profiles import GroupPreferences, GroupProfile, Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.names import MAX_NAME, check_name
from simplex_trio.chat.messages.preferences import BotCommand
from simplex_trio.chat.messages.profiles import MAX_DESCRIPTION
from simplex_trio.duplex.errors import DuplexError
from simplex_trio.duplex.events import ConfirmationReceived, InvitationReady
from simplex_trio.errors import EncodeError

__all__ = [
    "acquaint",
    "check_group_profile",
    "drop_member",
    "invite",
    "invitee_confirmed",
    "let_in",
    "link_is_there",
    "new_group",
    "own_group_profile",
    "send_invitation",
]

_LONGEST_LINK = 2000
"""How long a link to join by may be; those of one queue have about half of that."""


def check_group_profile(profile: GroupProfile) -> None:
    """Raise `EncodeError` for what the apps would refuse, or `TooLarge` for what does not fit."""
    check_name(profile.display_name)
    if len(profile.short_descr or "") > MAX_DESCRIPTION:
        raise EncodeError(f"a short description has more than {MAX_DESCRIPTION} characters")
    if profile.public_group is not None:
        raise EncodeError("the profile is that of a channel")
    member = MemberIdRole(bytes(16), Role.MEMBER)
    link = "x" * _LONGEST_LINK
    invitation = GroupInvitation(member, member, link, profile, group_size=10**6)
    answer = GroupLinkInvitation(member, "x" * MAX_NAME, member, profile, group_size=10**6)
    encode_info(ChatMessage(XGrpLinkInv(answer)), pq=False)
    pack([ChatMessage(XGrpInfo(profile), bytes(16))], pq=False)
    pack([ChatMessage(XGrpInv(invitation), bytes(16))], pq=True)
    GroupLinkData(profile).encode()


def own_group_profile(
    profile: GroupProfile | str, commands: tuple[BotCommand, ...]
) -> GroupProfile:
    """The profile of a group of the program, with the commands of its handlers by default."""
    own = GroupProfile(profile) if isinstance(profile, str) else profile
    preferences = own.group_preferences or GroupPreferences()
    if preferences.commands is None and commands:
        own = evolve(own, group_preferences=evolve(preferences, commands=commands))
    return own


def new_group(
    store: Store, settings: Settings, profile: GroupProfile, *, alias: str = ""
) -> GroupRecord:
    """A group of the program, with no other member yet."""
    check_group_profile(profile)
    return GroupStore(store).put_group(
        GroupRecord(
            store.new_contact_id(),
            GroupStatus.READY,
            profile,
            settings.new_message_id(),
            Role.OWNER,
            alias=alias,
        )
    )


# --- contacts -----------------------------------------------------------------------------------


def invite(
    groups: GroupStore, settings: Settings, group: GroupRecord, contact: ContactRecord, role: Role
) -> MemberRecord:
    """Invite a contact; again it is sent the same invitation, perhaps with another role."""
    check_inviting(group, role)
    if group.own_profile is not None or contact.own_profile is not None:
        raise NotAllowed("an invitation would tell the contact or the members of another profile")
    if contact.status is not ContactStatus.READY:
        raise CannotInvite("the contact is not connected")
    known = invited_as(groups, group, contact)
    if known is not None:
        if known.status is not MemberStatus.INVITED:
            raise CannotInvite("the contact is a member already")
        known = groups.change_member(known, role=role)
        admission = admission_of(groups.store.t.kept, known)
        if admission is not None and admission.link is not None:
            send_invitation(groups, settings, group, known, contact, admission.link)
        return known
    if not groups.has_room(group.group_id):
        raise CannotInvite("the group has too many members")
    connection_id = groups.store.t.create(pq=False)
    member = groups.put_member(
        MemberRecord(
            group.group_id,
            settings.new_message_id(),
            role,
            MemberStatus.INVITED,
            MemberOrigin.INVITEE,
            versions=contact.versions,
            connection_id=connection_id,
            contact_id=contact.contact_id,
        ),
        contact.profile,
    )
    keep_admission(groups.store.t.kept, member, Admission())
    return member


def invited_as(
    groups: GroupStore, group: GroupRecord, contact: ContactRecord
) -> MemberRecord | None:
    """The member that a contact is, or is invited to be."""
    for each in groups.members(group.group_id):
        if each.contact_id == contact.contact_id and each.status is not MemberStatus.GONE:
            return each
    return None


def link_is_there(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    event: InvitationReady,
) -> None:
    """A router has made the queue for a contact that is invited."""
    contact = None if member.contact_id is None else groups.store.contact(member.contact_id)
    admission = admission_of(groups.store.t.kept, member)
    if member.status is not MemberStatus.INVITED or admission is None:
        return
    if contact is None:
        drop_member(groups, member)
        return
    keep_admission(groups.store.t.kept, member, evolve(admission, link=event.link))
    send_invitation(groups, settings, group, member, contact, event.link)


def send_invitation(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    contact: ContactRecord,
    link: str,
) -> None:
    """Send a contact its invitation, or the same one with another role."""
    invitation = GroupInvitation(
        MemberIdRole(group.own_id, group.own_role),
        MemberIdRole(member.member_id, member.role),
        link,
        group.profile,
        business=group.business,
        group_size=len(groups.current_members(group.group_id)) + 1,
    )
    say_if_possible(groups.store, contact, XGrpInv(invitation), settings.new_message_id())


def invitee_confirmed(
    groups: GroupStore, settings: Settings, member: MemberRecord, event: ConfirmationReceived
) -> None:
    """A contact joins, if it says that it is the member that it was invited as."""
    message = read_info(event.info)
    is_it = (
        message is not None
        and isinstance(message.event, XGrpAcpt)
        and message.event.member_id == member.member_id
        and member.status is MemberStatus.INVITED
    )
    if message is None or not is_it:
        return  # not accepted, so the connection is never made
    with suppress(DuplexError):
        groups.store.t.accept(event, encode_info(ChatMessage(XOk()), pq=False), pq=False)
        member = groups.change_member(
            member, status=MemberStatus.JOINING, versions=message.versions
        )
        groups.wait_for(member, settings.seconds + PATIENCE)


def let_in(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> list[GroupNoticed]:
    """One with whom the program is connected is a member from now on."""
    member = groups.change_member(member, status=MemberStatus.PRESENT)
    acquaint(groups, settings, group, member)
    return notify_of_group(groups.store, group, NoticeKind.GROUP_MEMBER, member)


def acquaint(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> None:
    """Introduce a new member and the others to each other, and send it the last messages."""
    admission = admission_of(groups.store.t.kept, member)
    welcomed = admission is not None and admission.welcome_msg_id is not None
    forget_admission(groups.store.t.kept, member)
    groups.wait_for(member, None)
    if group.business is None:
        member = groups.change_member(member, request_key=None)
    introduce(groups, settings, group, member)
    own_name = profile_in(settings, group).display_name
    send_history(groups, settings, group, member, own_name, welcomed=welcomed)


def drop_member(groups: GroupStore, member: MemberRecord, *, after_delivery: bool = False) -> None:
    """Part with a member, or one who was to be: delete the connection with it, and forget it."""
    store = groups.store
    forget_admission(store.t.kept, member)
    for kind in (NoticeKind.GROUP_REQUEST, NoticeKind.GROUP_MEMBER):
        store.forget_notice(Notice(kind, member.group_id, member=member))
    store.silenced.append((member.group_id, member.member_id))
    remove(groups, member, after_delivery=after_delivery)
