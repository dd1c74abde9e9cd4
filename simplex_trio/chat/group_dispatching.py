"""What handlers are given of what has happened in groups."""

from __future__ import annotations

from simplex_trio.chat.conversations import Job
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.group_changes import (
    GroupChanged,
    GroupEnded,
    MemberBlocked,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)
from simplex_trio.chat.group_messages import GroupMessage, SentGroupMessage
from simplex_trio.chat.groups import Group, GroupInvitation, Member
from simplex_trio.chat.machine.groups.happenings import GroupNoticed, ToldInGroup
from simplex_trio.chat.machine.groups.rules import as_role
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.messages.events import XInfo, XMsgNew
from simplex_trio.chat.messages.group_events import XGrpMemDel, XGrpMemRole
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.json_text import decode_json
from simplex_trio.chat.messages.profiles import Profile

__all__ = ["group_notice_job", "told_job"]


def told_job(core: ChatCore, told: ToldInGroup) -> Job:
    """What handlers are given of something that a member has said or done."""
    group = Group(core, told.group)
    member = Member(group, told.item.member)
    sent = told.referred
    referred = (
        None if sent is None else SentGroupMessage(group, sent.msg_id, sent.content, sent.sent_at)
    )
    match told.event:
        case XMsgNew() as new:
            value = GroupMessage(
                *(group, member, told.msg_id, new.content, new.quote, told.at),
                is_repeated=told.is_repeated,
                quoted=referred,
            )
            return Job("group message", value, None, speaker=member.id)
        case _:
            return _change_job(told, group, member)


def _change_job(told: ToldInGroup, group: Group, member: Member) -> Job:
    """What handlers are given if a member, or the group, has become something else."""
    by = None if told.item.by is None else Member(group, told.item.by)
    before, event = told.item.before or "", told.event
    match told.item.kind:
        case "group joined" | "group pending" | "group failed" as kind:
            return Job(kind, group, None, is_last=kind == "group failed")
        case "group ended":
            return Job("group ended", GroupEnded(group, member), None, is_last=True)
        case "group changed":
            profile = GroupProfile.from_json(decode_json(before.encode()))
            return Job("group changed", GroupChanged(group, profile, member), None)
        case "member joined":
            return Job("group member joined", member, None)
        case "member left":
            with_messages = isinstance(event, XGrpMemDel) and bool(event.messages)
            value: object = MemberLeft(member, by, with_messages)
            return Job("group member left", value, None, speaker=member.id, is_last=True)
        case "member blocked":
            return Job("group member blocked", MemberBlocked(member, by or member), None)
        case "own role" | "member role" as kind if isinstance(event, XGrpMemRole):
            whose = None if kind == "own role" else member
            value = RoleChanged(group, whose, event.role, as_role(before), by or member)
            return Job("group role", value, None)
        case "member profile" if isinstance(event, XInfo):
            known = Profile.from_json(decode_json(before.encode()))
            value = MemberProfileChanged(member, event.profile, known)
            return Job("group member profile", value, None)
        case _:
            raise AssertionError("nothing that programs are told")


def group_notice_job(core: ChatCore, noticed: GroupNoticed) -> Job:
    """What handlers are given for a notice that is kept until they have finished."""
    notice = noticed.notice
    group = Group(core, noticed.group)
    match notice.kind:
        case NoticeKind.GROUP_INVITED:
            return Job("group invited", GroupInvitation(group), None)
        case NoticeKind.GROUP_JOINED:
            return Job("group joined", group, None)
        case NoticeKind.GROUP_PENDING:
            return Job("group pending", group, None)
        case NoticeKind.GROUP_FAILED:
            return Job("group failed", group, None, is_last=True)
        case _:
            raise AssertionError("no notice of a group")
