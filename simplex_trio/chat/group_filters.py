"""Filters for messages in groups: for which of them a handler is.

::

    @handlers.groups.command("ban", from_role(Role.MODERATOR))
    async def ban(message: GroupMessage, name: str) -> None: ...

    @handlers.groups.on_message(mentions_me)
    async def talk(message: GroupMessage) -> None: ...
"""

from __future__ import annotations

from simplex_trio.chat.group_messages import GroupMessage
from simplex_trio.chat.groups import Group
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.routes import Filter

__all__ = ["from_role", "in_group", "in_support", "mentions_me"]


def from_role(role: Role) -> Filter[GroupMessage]:
    """For messages of members that may do what those with this role may, or more."""

    def check(message: GroupMessage) -> bool:
        return message.member.has_role(role)

    return check


def in_group(*groups: Group | int) -> Filter[GroupMessage]:
    """For messages in one of these groups, given by themselves or by their ids."""
    ids = {each if isinstance(each, int) else each.id for each in groups}

    def check(message: GroupMessage) -> bool:
        return message.group.id in ids

    return check


def in_support(message: GroupMessage) -> bool:
    """For messages in the conversation of a member with the admins."""
    return message.support is not None


def mentions_me(message: GroupMessage) -> bool:
    """For messages that mention the program."""
    return message.mentions_me
