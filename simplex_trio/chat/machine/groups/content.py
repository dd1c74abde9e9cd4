"""What members say to each other: messages, files, edits, deletions and reactions."""

from __future__ import annotations

from collections.abc import Mapping

from simplex_trio.chat.machine.file_records import FileStore, file_mark
from simplex_trio.chat.machine.groups.arriving import Arrival, Rule
from simplex_trio.chat.machine.groups.moderations import is_moderated, remember_moderation
from simplex_trio.chat.machine.groups.records import GroupStatus, MemberStatus
from simplex_trio.chat.machine.groups.rules import (
    GroupFeature,
    allows,
    can_say,
    has_role,
    has_simplex_link,
    is_support,
)
from simplex_trio.chat.machine.receiving_files import add_part, offer, take_back
from simplex_trio.chat.messages.content import Content, Report, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    MemberScope,
    XFileCancel,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_profiles import Role

__all__ = ["RULES", "message_came", "message_deleted", "message_edited", "reaction_came"]


class _Refused(Exception):
    """The author may not say this."""


# --- where it is said ---------------------------------------------------------------------------


def _scope(a: Arrival, scope: MemberScope | None, *, is_report: bool = False) -> bytes | None:
    """Whose conversation with the admins something is said in; `None` for the whole group.

    Raises `_Refused` if the author may not say anything there, or the program is not to see it.
    """
    group, author = a.group, a.author
    is_waiting = group.status in (GroupStatus.PENDING, GroupStatus.IN_REVIEW)
    if is_waiting:
        # Until the program is let in, all that it is told is for it alone.
        place: bytes | None = group.own_id
    elif is_report or author.status in (MemberStatus.PENDING, MemberStatus.IN_REVIEW):
        place, is_waiting = author.member_id, True
    else:
        place = None if scope is None else scope.member_id
    if place is None:
        if not can_say(author, None):
            raise _Refused
        return None
    if not can_say(author, place):
        raise _Refused
    if place != group.own_id:
        if not has_role(group.own_role, Role.MODERATOR):
            raise _Refused
        if a.groups.member(group.group_id, place) is None:
            raise _Refused
    if not is_waiting and not _allows(a, GroupFeature.SUPPORT):
        raise _Refused
    return place


def _allows(a: Arrival, feature: GroupFeature) -> bool:
    return allows(a.group.profile.group_preferences, feature, a.author.role)


def _check_links(a: Arrival, content: Content) -> None:
    if not _allows(a, GroupFeature.SIMPLEX_LINKS) and has_simplex_link(content):
        raise _Refused


def _check_voice(a: Arrival, content: Content) -> None:
    # A host may ask those who wait to be let in by voice.
    is_waiting = a.group.status is GroupStatus.PENDING
    if isinstance(content, Voice) and not is_waiting and not _allows(a, GroupFeature.VOICE):
        raise _Refused


def _check_speaker(a: Arrival, event: XMsgNew | XMsgUpdate) -> None:
    """Owners alone speak as the group itself."""
    if event.as_group and not has_role(a.author.role, Role.OWNER):
        raise _Refused


def _mark(a: Arrival, msg_id: bytes) -> bytes:
    return file_mark(msg_id, a.author.member_id)


# --- messages -----------------------------------------------------------------------------------


def message_came(a: Arrival, event: XMsgNew) -> bool:
    """A message; one that has come before, another way, is dropped."""
    is_report = isinstance(event.content, Report)
    try:
        scope = _scope(a, event.scope, is_report=is_report)
        _check_speaker(a, event)
        _check_voice(a, event.content)
        if scope is None:
            _check_links(a, event.content)
            is_file = event.file is not None and not isinstance(event.content, Voice)
            if is_file and not _allows(a, GroupFeature.FILES):
                raise _Refused
    except _Refused:
        return False
    if not a.is_new() or a.author.is_blocked or is_moderated(a.groups, a.author, a.msg_id):
        return False
    group_id = a.group.group_id
    offer(a.store, a.settings, group_id, event, a.msg_id, a.author.member_id, scope)
    kind = "history" if a.is_history else "message"
    a.tell("report" if is_report else kind, reads=True, scope=scope)
    return True


def message_edited(a: Arrival, event: XMsgUpdate) -> bool:
    """A message has another content."""
    try:
        scope = _scope(a, event.scope)
        _check_speaker(a, event)
        _check_voice(a, event.content)
        _check_links(a, event.content)
    except _Refused:
        return False
    if not a.is_new() or _is_own(a, event.msg_id):
        return False
    if is_moderated(a.groups, a.author, event.msg_id):
        return False
    if not a.author.is_blocked:
        a.tell("edited", reads=True, scope=scope)
    return True


def _is_own(a: Arrival, msg_id: bytes) -> bool:
    """Whether it is a message of the program that a member wants to change as its own."""
    return a.store.sent_as(a.group.group_id, msg_id) is not None


def message_deleted(a: Arrival, event: XMsgDel) -> bool:
    """A member deletes a message of its own, or a moderator one of another."""
    if not a.is_new():
        return False
    author_id = event.member_id or a.author.member_id
    if author_id != a.author.member_id:
        author = a.groups.member(a.group.group_id, author_id)
        role = a.group.own_role if author_id == a.group.own_id else None
        if author is not None:
            role = author.role
        needed = [] if role is None else [role]
        if not a.governs(Role.MODERATOR, *needed):
            return False
        if author_id != a.group.own_id:
            remember_moderation(a.groups, a.author, author_id, event.msg_id)
    elif _is_own(a, event.msg_id):
        return False
    take_back(a.store, a.group.group_id, file_mark(event.msg_id, author_id))
    a.tell("deleted", reads=True, scope=None if event.scope is None else event.scope.member_id)
    return True


def reaction_came(a: Arrival, event: XMsgReact) -> bool:
    """A reaction is added, or taken back."""
    scope = event.scope
    if scope is not None and scope.member_id != a.author.member_id and not is_support(a.author):
        return False
    if not _allows(a, GroupFeature.REACTIONS) or not a.is_new():
        return False
    if not a.author.is_blocked:
        a.tell("reaction", reads=True, scope=None if scope is None else scope.member_id)
    return True


# --- files --------------------------------------------------------------------------------------


def file_described(a: Arrival, event: XMsgFileDescr) -> bool:
    """A part of the description of a file of the same author; of a file that is not known, none."""
    mark = _mark(a, event.msg_id)
    file = FileStore(a.store).get(a.group.group_id, mark)
    if file is None or not a.is_new():
        return False
    # Authors and hosts send descriptions of their own, and both may reach the program.
    if event.file_descr.file_descr_part_no > file.parts:
        add_part(a.store, a.group.group_id, mark, event.file_descr)
    return True


def file_cancelled(a: Arrival, event: XFileCancel) -> bool:
    """An author takes a file back."""
    mark = _mark(a, event.msg_id)
    is_known = FileStore(a.store).get(a.group.group_id, mark) is not None
    if not is_known or not a.is_new():
        return False
    take_back(a.store, a.group.group_id, mark)
    return True


RULES: Mapping[type[Event], Rule] = {
    XMsgNew: message_came,
    XMsgUpdate: message_edited,
    XMsgDel: message_deleted,
    XMsgReact: reaction_came,
    XMsgFileDescr: file_described,
    XFileCancel: file_cancelled,
}
"""Everything that members say in groups, and what follows from each of it."""
