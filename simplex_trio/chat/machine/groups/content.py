"""What members say to each other: messages, edits, deletions and reactions."""

from __future__ import annotations

from collections.abc import Mapping

from simplex_trio.chat.machine.groups.arriving import Arrival, Rule
from simplex_trio.chat.machine.groups.rules import GroupFeature, allows, can_say, has_role
from simplex_trio.chat.messages.content import Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XMsgDel, XMsgNew, XMsgReact, XMsgUpdate
from simplex_trio.chat.messages.group_profiles import Role

__all__ = ["RULES"]


def _scope(event: XMsgNew | XMsgUpdate | XMsgDel | XMsgReact) -> bytes | None:
    return None if event.scope is None else event.scope.member_id


def _allows(a: Arrival, feature: GroupFeature) -> bool:
    return allows(a.group.profile.group_preferences, feature, a.author.role)


def message_came(a: Arrival, event: XMsgNew) -> bool:
    """A message; one that has come before, another way, is dropped."""
    scope = _scope(event)
    if not can_say(a.author, scope):
        return False
    if isinstance(event.content, Voice) and not _allows(a, GroupFeature.VOICE):
        return False
    is_file = event.file is not None and not isinstance(event.content, Voice)
    if is_file and scope is None and not _allows(a, GroupFeature.FILES):
        return False
    if not _is_new(a) or a.author.is_blocked:
        return False
    a.tell("message", reads=True)
    return True


def _is_new(a: Arrival) -> bool:
    if a.msg_id is None:
        return True
    return a.groups.is_new(a.group.group_id, a.author.member_id, a.msg_id)


def message_edited(a: Arrival, event: XMsgUpdate) -> bool:
    """A message has another content."""
    if not can_say(a.author, _scope(event)) or not _is_new(a):
        return False
    if not a.author.is_blocked:
        a.tell("edited", reads=True)
    return True


def message_deleted(a: Arrival, event: XMsgDel) -> bool:
    """A member deletes a message of its own, or a moderator one of another."""
    if not _is_new(a):
        return False
    author_id = event.member_id
    if author_id is not None and author_id != a.author.member_id:
        author = a.groups.member(a.group.group_id, author_id)
        role = a.group.own_role if author_id == a.group.own_id else None
        if author is not None:
            role = author.role
        if not has_role(a.author.role, Role.MODERATOR):
            return False
        if role is not None and not has_role(a.author.role, role):
            return False
    a.tell("deleted", reads=True)
    return True


def reaction_came(a: Arrival, event: XMsgReact) -> bool:
    """A reaction is added, or taken back."""
    if not _allows(a, GroupFeature.REACTIONS) or not _is_new(a):
        return False
    if not a.author.is_blocked:
        a.tell("reaction", reads=True)
    return True


RULES: Mapping[type[Event], Rule] = {
    XMsgNew: message_came,
    XMsgUpdate: message_edited,
    XMsgDel: message_deleted,
    XMsgReact: reaction_came,
}
