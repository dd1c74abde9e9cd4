"""Those who ask at the link of a group to be let in.

A person who asks is connected with the program at once, or once the program has decided, but is no
member before it is let in: it hears nothing of the group, and talks with the program alone, or with
the admins.  Those who are neither let in nor refused go away by time.
"""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import CannotInvite, NotAllowed
from simplex_trio.chat.machine.groups.admissions import (
    Admission,
    admission_of,
    keep_admission,
)
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.hosting import acquaint, drop_member, let_in
from simplex_trio.chat.machine.groups.introducing import introduce
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.own_profile import profile_in
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.relations import Relations
from simplex_trio.chat.machine.groups.rules import check_inviting, has_role, is_support
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.noticing import reject_request
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.content import Content, Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import MemberScope, XMsgNew
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    GroupLinkInvitation,
    GroupLinkRejection,
    MemberIdRole,
    RejectionReason,
    XGrpLinkAcpt,
    XGrpLinkInv,
    XGrpLinkMem,
    XGrpLinkReject,
    XGrpMemDel,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.duplex.events import RequestReceived

__all__ = [
    "APPLYING",
    "CONNECTING",
    "admit",
    "admitted_by_admin",
    "answer_applicant",
    "applicant_connected",
    "begin_talking",
    "give_up_applicant",
    "refuse",
    "reject_applicant",
    "say_to_applicant",
]

CONNECTING = 24 * 3600
"""Seconds after which those are forgotten who have not connected, or were refused."""

APPLYING = (
    MemberStatus.ASKING,
    MemberStatus.JOINING,
    MemberStatus.PENDING,
    MemberStatus.IN_REVIEW,
    MemberStatus.REJECTED,
)

_REVIEWED = "Your request to join is reviewed by the admins.  Please wait."
"""What those are told whose programs have no event for it."""


def _request(admission: Admission) -> RequestReceived:
    assert admission.request_id is not None
    assert admission.address_id is not None
    return RequestReceived(admission.address_id, admission.request_id, b"", False, ())


def reject_applicant(groups: GroupStore, member: MemberRecord) -> None:
    """Refuse the request of one who has asked and was not answered; it is not told."""
    admission = admission_of(groups.store.t.kept, member)
    if admission is not None and admission.request_id is not None:
        reject_request(groups.store, _request(admission))


def answer_applicant(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    acceptance: Acceptance,
) -> MemberRecord:
    """Tell an applicant which member it is to be, and connect with it."""
    invitation = GroupLinkInvitation(
        MemberIdRole(group.own_id, group.own_role),
        profile_in(settings, group).display_name,
        MemberIdRole(member.member_id, member.role),
        group.profile,
        accepted=acceptance,
        group_size=len(groups.current_members(group.group_id)) + 1,
    )
    member = _accept(groups, member, XGrpLinkInv(invitation))
    is_pending = acceptance is Acceptance.PENDING
    status = MemberStatus.PENDING if is_pending else MemberStatus.JOINING
    return groups.change_member(member, status=status)


def _accept(groups: GroupStore, member: MemberRecord, event: Event) -> MemberRecord:
    admission = admission_of(groups.store.t.kept, member)
    if admission is None or admission.request_id is None:
        raise CannotInvite("the request was answered before")
    info = encode_info(ChatMessage(event), pq=False)
    connection_id = groups.store.t.accept(_request(admission), info, pq=False)
    return groups.change_member(member, connection_id=connection_id)


def applicant_connected(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> list[GroupNoticed]:
    """The connection with one who has come by the link is ready."""
    shown = XGrpLinkMem(profile_in(settings, group))
    say_to(groups, [member], [(shown, settings.new_message_id())], notify=False)
    if member.status is MemberStatus.PENDING:
        admission = admission_of(groups.store.t.kept, member)
        if admission is not None and admission.is_approved:
            with suppress(NotAllowed):  # any more
                return admit(groups, settings, group, member, None)
    if member.status is not MemberStatus.JOINING:
        return []  # the program is to decide
    if group.profile.reviews_members:
        _have_reviewed(groups, settings, group, member)
        return []
    return let_in(groups, settings, group, member)


# --- deciding -----------------------------------------------------------------------------------


def begin_talking(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> MemberRecord:
    """Connect with one who has asked, without letting it in yet; again changes nothing."""
    if member.status is MemberStatus.ASKING:
        return answer_applicant(groups, settings, group, member, Acceptance.PENDING)
    return member


def admit(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    role: Role | None,
) -> list[GroupNoticed]:
    """Let one in who has asked; if admins review new members, they are asked first.

    One that they have been asked about is let in.
    """
    if member.status not in APPLYING or member.status is MemberStatus.REJECTED:
        return []
    given = member.role if role is None else role
    if member.origin is not MemberOrigin.INVITEE:
        return _admit_as_moderator(groups, settings, group, member, given)
    check_inviting(group, given if isinstance(given, Role) else Role.MEMBER)
    member = groups.change_member(member, role=given)
    if member.status is MemberStatus.ASKING:
        answer_applicant(groups, settings, group, member, Acceptance.ACCEPTED)
    elif member.status is MemberStatus.JOINING or not member.is_connected:
        # What it was told first holds until it is connected.
        before = admission_of(groups.store.t.kept, member) or Admission()
        keep_admission(groups.store.t.kept, member, evolve(before, is_approved=True))
    elif member.status is MemberStatus.PENDING and group.profile.reviews_members:
        _have_reviewed(groups, settings, group, member)
    else:
        return _accept_finally(groups, settings, group, member)
    return []


def _admit_as_moderator(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    role: Role | str,
) -> list[GroupNoticed]:
    """Let one in whom another host has asked the moderators about; the host does the rest."""
    if group.status is not GroupStatus.READY or not (
        has_role(group.own_role, Role.MODERATOR) and has_role(group.own_role, role)
    ):
        raise NotAllowed("the program may not let others into the group with this role")
    event = XGrpLinkAcpt(Acceptance.ACCEPTED, role, member.member_id)
    told = [member, *_reviewers(groups, group, member)]
    say_to(groups, told, [(event, settings.new_message_id())], notify=True)
    member = groups.change_member(member, role=role, status=MemberStatus.PRESENT)
    return notify_of_group(groups.store, group, NoticeKind.GROUP_MEMBER, member)


def _accept_finally(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> list[GroupNoticed]:
    event = XGrpLinkAcpt(Acceptance.ACCEPTED, member.role, member.member_id)
    told = [member]
    if member.status is MemberStatus.IN_REVIEW:
        told += _reviewers(groups, group, member)
    say_to(groups, told, [(event, settings.new_message_id())], notify=True)
    return let_in(groups, settings, group, member)


def _reviewers(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> list[MemberRecord]:
    return [
        each
        for each in groups.current_members(group.group_id)
        if is_support(each)
        and each.versions.highest >= ChatVersion.SCOPES
        and each.member_id != member.member_id
    ]


def _have_reviewed(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> None:
    event: Event = XGrpLinkAcpt(Acceptance.PENDING_REVIEW, member.role, member.member_id)
    if member.versions.highest < ChatVersion.SCOPES:
        event = XMsgNew(Text(_REVIEWED))
    say_to(groups, [member], [(event, settings.new_message_id())], notify=True)
    member = groups.change_member(member, status=MemberStatus.IN_REVIEW)
    reviewers = _reviewers(groups, group, member)
    scope = MemberScope(member.member_id)
    introduce(groups, settings, group, member, to=reviewers, scope=scope)


def admitted_by_admin(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    by: MemberRecord,
) -> None:
    """An admin has let one in whom the program has asked them about.

    If the two are not connected, which is so with some programs, the newcomer learns it from here.
    """
    relations = Relations(groups.store.t.kept, group.group_id)
    if relations.between(by.number, member.number).needs_host:
        event = XGrpLinkAcpt(Acceptance.ACCEPTED, member.role, member.member_id)
        say_to(groups, [member], [(event, settings.new_message_id())], notify=True)
    acquaint(groups, settings, group, member)


def refuse(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    reason: RejectionReason | str,
) -> None:
    """Do not let one in who has asked; it is told so as far as its program can be."""
    match member.status:
        case MemberStatus.ASKING:
            if member.versions.highest < ChatVersion.GROUP_REJECTION:
                give_up_applicant(groups, settings, group, member)
                return
            rejection = GroupLinkRejection(
                MemberIdRole(group.own_id, group.own_role),
                MemberIdRole(member.member_id, Role.OBSERVER),
                group.profile,
                reason,
            )
            member = _accept(groups, member, XGrpLinkReject(rejection))
            groups.change_member(member, status=MemberStatus.REJECTED)
            groups.wait_for(member, settings.seconds + CONNECTING)
        case MemberStatus.REJECTED:
            pass
        case _ if member.status in APPLYING:
            told = [member]
            if member.status is MemberStatus.IN_REVIEW:
                told += _reviewers(groups, group, member)
            event = XGrpMemDel(member.member_id)
            say_to(groups, told, [(event, settings.new_message_id())], notify=False)
            drop_member(groups, member, after_delivery=True)
        case _:
            pass


def give_up_applicant(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> None:
    """One who has asked was not let in in time."""
    if member.status is MemberStatus.ASKING:
        reject_applicant(groups, member)
        drop_member(groups, member)
    elif member.status in (MemberStatus.PENDING, MemberStatus.IN_REVIEW) and member.is_connected:
        refuse(groups, settings, group, member, "")
    else:
        drop_member(groups, member)


def say_to_applicant(
    groups: GroupStore, settings: Settings, member: MemberRecord, content: Content
) -> bytes:
    """Say something to one who has asked, in its conversation with the admins; returns the id."""
    msg_id = settings.new_message_id()
    event = XMsgNew(content, scope=MemberScope(member.member_id))
    say_to(groups, [member], [(event, msg_id)], notify=True)
    return msg_id
