"""What handlers are given of what has happened in groups."""

from __future__ import annotations

from simplex_trio.chat.conversations import Job
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.group_messages import GroupMessage, SentGroupMessage
from simplex_trio.chat.groups import Group, GroupInvitation, Member
from simplex_trio.chat.machine.groups.happenings import GroupNoticed, ToldInGroup
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.messages.events import XMsgNew

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
        case NoticeKind.GROUP_FAILED:
            return Job("group failed", group, None)
        case _:
            raise AssertionError("no notice of a group")
