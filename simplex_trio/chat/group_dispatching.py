"""What handlers are given of what has happened in groups."""

from __future__ import annotations

from simplex_trio.chat.conversations import Job
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.files import GroupFile, IncomingFile
from simplex_trio.chat.group_changes import (
    GroupChanged,
    GroupEnded,
    MemberBlocked,
    MemberContactRequest,
    MemberLeft,
    MemberProfileChanged,
    RoleChanged,
)
from simplex_trio.chat.group_message_changes import (
    GroupMessageDeleted,
    GroupMessageEdited,
    GroupReactionChanged,
    GroupReport,
)
from simplex_trio.chat.group_messages import GroupMessage, SentGroupMessage
from simplex_trio.chat.group_requests import MemberRequest
from simplex_trio.chat.groups import Group, GroupInvitation, Member, SupportChat
from simplex_trio.chat.machine.file_records import OfferedFile
from simplex_trio.chat.machine.file_senders import FileOfMember, FileSender
from simplex_trio.chat.machine.groups.happenings import GroupNoticed, ToldInGroup
from simplex_trio.chat.machine.groups.rules import GroupFeature, allows, as_role
from simplex_trio.chat.machine.receiving_files import offered_by
from simplex_trio.chat.machine.records import NoticeKind, SentRecord
from simplex_trio.chat.messages.content import Report
from simplex_trio.chat.messages.events import Emoji, XInfo, XMsgDel, XMsgNew, XMsgReact, XMsgUpdate
from simplex_trio.chat.messages.group_events import XGrpDirectInv, XGrpMemDel, XGrpMemRole
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.json_text import decode_json
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact

__all__ = ["file_job", "group_notice_job", "told_job"]


def told_job(core: ChatCore, told: ToldInGroup) -> Job:
    """What handlers are given of something that a member has said or done."""
    group = Group(core, told.group)
    member = Member(group, told.item.member)
    scope = told.item.scope
    support = None if scope is None else SupportChat(group, scope)
    author = None if told.references.author is None else Member(group, told.references.author)
    sent = _sent(group, told.references.sent)
    match told.event:
        case XMsgNew(content=Report() as report) as new:
            ref = None if new.quote is None else new.quote.msg_ref
            value: object = GroupReport(
                *(member, report.reason, report.text, author),
                None if ref is None else ref.msg_id,
                None if new.quote is None else new.quote.content,
                support or member.support,
                sent,
            )
            return Job("group report", value, None)
        case XMsgNew() as new:
            value = _message(core, told, new, group, member, support)
            if value.is_history:
                return Job("group history", value, None)
            return Job("group message", value, None, speaker=member.id, scope=scope)
        case XMsgUpdate() as update:
            value = GroupMessageEdited(
                member, update.msg_id, update.content, bool(update.live), support
            )
            return Job("group edited", value, None)
        case XMsgDel() as deletion:
            if deletion.member_id in (None, member.id):
                author = member
            value = GroupMessageDeleted(member, author, deletion.msg_id, sent)
            return Job("group deleted", value, None)
        case XMsgReact() as react:
            emoji = react.reaction.emoji if isinstance(react.reaction, Emoji) else None
            value = GroupReactionChanged(member, react.msg_id, emoji, react.add, author, sent)
            return Job("group reaction", value, None)
        case _:
            return _change_job(told, group, member)


def _change_job(told: ToldInGroup, group: Group, member: Member) -> Job:
    """What handlers are given if a member, or the group, has become something else."""
    by = None if told.item.by is None else Member(group, told.item.by)
    before, event = told.item.before or "", told.event
    match told.item.kind:
        case "group joined" | "group pending" as kind:
            return Job(kind, group, None)
        case "group not joined" | "group lost" as kind:
            return Job(kind, group, None, is_last=True)
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
        case "member contact" if isinstance(event, XGrpDirectInv):
            return Job("group contact request", MemberContactRequest(member, event), None)
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


def _sent(group: Group, sent: SentRecord | None) -> SentGroupMessage | None:
    if sent is None:
        return None
    support = None if sent.scope is None else SupportChat(group, sent.scope)
    return SentGroupMessage(group, sent.msg_id, sent.content, sent.sent_at, support)


def _message(
    core: ChatCore,
    told: ToldInGroup,
    new: XMsgNew,
    group: Group,
    member: Member,
    support: SupportChat | None,
) -> GroupMessage:
    refs, preferences = told.references, told.group.profile.group_preferences
    now, scope = core.settings.seconds, told.item.scope
    offered = offered_by(group.id, new, told.msg_id, now, member.id, scope)
    may_disappear = allows(preferences, GroupFeature.TIMED_MESSAGES, member.role)
    return GroupMessage(
        *(group, member, told.msg_id, new.content, new.quote, told.at, support),
        mentions={name: Member(group, each) for name, each in refs.mentioned.items()},
        mentions_me=refs.own_name is not None,
        own_name=refs.own_name,
        ttl=new.ttl if may_disappear else None,
        is_live=bool(new.live),
        is_repeated=told.is_repeated,
        is_history=told.item.kind == "history",
        quoted=_sent(group, refs.sent),
        file=None if offered is None else GroupFile(member, core, offered),
    )


def file_job(core: ChatCore, file: OfferedFile, sender: FileSender) -> Job:
    """What handlers are given of a file whose outcome no call waits for."""
    if isinstance(sender, FileOfMember):
        member = Member(Group(core, sender.group), sender.member)
        return Job("group file", GroupFile(member, core, file), None)
    return Job("file", IncomingFile(Contact(core, sender), core, file), None)


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
        case NoticeKind.GROUP_REQUEST if notice.member is not None:
            asking = Member(group, notice.member)
            value = MemberRequest(asking)
            return Job("group request", value, None, speaker=asking.id, scope=asking.id)
        case NoticeKind.GROUP_CUSTOMER:
            return Job("group customer", group, None)
        case NoticeKind.GROUP_FIRST_MESSAGE if notice.member is not None:
            assert notice.first is not None
            speaker, first = Member(group, notice.member), notice.first
            message = GroupMessage(
                *(group, speaker, first.msg_id, first.content, None, core.settings.seconds)
            )
            return Job("group message", message, None, speaker=speaker.id)
        case NoticeKind.GROUP_MEMBER if notice.member is not None:
            return Job("group member joined", Member(group, notice.member), None)
        case NoticeKind.GROUP_NOT_JOINED | NoticeKind.GROUP_LOST as kind:
            return Job(kind.value, group, None, is_last=True)
        case _:
            raise AssertionError("no notice of a group")
