"""Who may do what in a group: roles, and the preferences of the group."""

from __future__ import annotations

from enum import StrEnum

from simplex_trio.chat.errors import NotAllowed
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.messages.content import Content, SharedLink
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.group_profiles import (
    GroupPreference,
    GroupPreferences,
    Role,
    Switch,
)
from simplex_trio.chat.messages.spans import ContactLink

__all__ = [
    "GroupFeature",
    "allows",
    "as_role",
    "can_host",
    "can_say",
    "check_inviting",
    "has_role",
    "has_simplex_link",
    "is_support",
    "rank",
]

_ROLES = tuple(Role)


class GroupFeature(StrEnum):
    """What the preferences of a group allow, or not; named as in `GroupPreferences`."""

    TIMED_MESSAGES = "timed_messages"
    DIRECT_MESSAGES = "direct_messages"
    FULL_DELETE = "full_delete"
    REACTIONS = "reactions"
    VOICE = "voice"
    FILES = "files"
    SIMPLEX_LINKS = "simplex_links"
    REPORTS = "reports"
    HISTORY = "history"
    SUPPORT = "support"
    """Conversations with the admins."""


_ON_BY_DEFAULT = frozenset(
    {
        GroupFeature.REACTIONS,
        GroupFeature.VOICE,
        GroupFeature.FILES,
        GroupFeature.SIMPLEX_LINKS,
        GroupFeature.REPORTS,
        GroupFeature.SUPPORT,
    }
)


def as_role(word: str) -> Role | str:
    """The role with this name, or the name if it is not known."""
    return Role(word) if word in _ROLES else word


def rank(role: Role | str) -> int:
    """Where a role stands; one that is not known is below all others."""
    return _ROLES.index(role) if isinstance(role, Role) else -1


def has_role(role: Role | str, needed: Role | str) -> bool:
    """Whether a member with a role may do all that one with the ``needed`` role may."""
    return rank(role) >= rank(needed)


def allows(preferences: GroupPreferences | None, feature: GroupFeature, role: Role | str) -> bool:
    """Whether members with a role may use something in a group with these preferences."""
    found = None if preferences is None else getattr(preferences, feature)
    if found is None:
        return feature in _ON_BY_DEFAULT
    if found.enable is not Switch.ON:
        return False
    needed = found.role if isinstance(found, GroupPreference) else None
    return needed is None or has_role(role, needed)


def can_say(member: MemberRecord, scope: bytes | None) -> bool:
    """Whether a member may say something to the group, or with a scope to the admins."""
    if scope is not None:
        return scope == member.member_id or is_support(member)
    is_waiting = member.status in (MemberStatus.PENDING, MemberStatus.IN_REVIEW)
    return is_waiting or has_role(member.role, Role.AUTHOR)


def is_support(member: MemberRecord) -> bool:
    """Whether a member sees the conversations of others with the admins."""
    return has_role(member.role, Role.MODERATOR)


def has_simplex_link(content: Content) -> bool:
    """Whether content leads to contacts or groups, which groups may not allow."""
    if isinstance(content, SharedLink):
        return True
    return any(isinstance(each.format, ContactLink) for each in parse_markdown(content.text))


def can_host(group: GroupRecord) -> bool:
    """Whether the program may let others in, and passes on what members say."""
    is_channel = group.channel is not None  # whose members know each other through relays
    is_member = group.status is GroupStatus.READY and not is_channel
    return is_member and has_role(group.own_role, Role.ADMIN)


def check_inviting(group: GroupRecord, role: Role) -> None:
    """Raise `NotAllowed` unless the program may let others in with this role."""
    if not can_host(group) or not has_role(group.own_role, role):
        raise NotAllowed("the program may not let others into the group with this role")
    if role is Role.RELAY:
        raise NotAllowed("this role is not one of people")
