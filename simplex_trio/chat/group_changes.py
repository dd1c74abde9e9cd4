"""What happens with groups and their members, as handlers are told of it."""

from __future__ import annotations

from typing import final

from attrs import define, field

from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.redaction import Redacted

__all__ = [
    "GroupChanged",
    "GroupEnded",
    "MemberBlocked",
    "MemberLeft",
    "MemberProfileChanged",
    "RoleChanged",
]


@final
@define(eq=False, repr=False)
class MemberLeft(Redacted):
    """A member has left the group, or was removed."""

    member: Member
    by: Member | None = None
    """Who has removed it; `None` if it has left."""
    with_messages: bool = False
    """Whether the apps of members delete its messages too."""


@final
@define(eq=False, repr=False)
class RoleChanged(Redacted):
    """A member has another role, or the program has."""

    group: Group = field(repr=False)
    member: Member | None
    """`None` if it is the program."""
    role: Role | str
    before: Role | str
    by: Member
    """Who has changed it."""


@final
@define(eq=False, repr=False)
class MemberBlocked(Redacted):
    """A member was blocked for all, or is so no longer: see `Member.is_blocked`."""

    member: Member
    by: Member


@final
@define(eq=False, repr=False)
class MemberProfileChanged(Redacted):
    """A member has another name, picture or description."""

    member: Member
    profile: Profile
    before: Profile


@final
@define(eq=False, repr=False)
class GroupChanged(Redacted):
    """A group has another name, picture or description, or allows something else."""

    group: Group = field(repr=False)
    before: GroupProfile
    by: Member


@final
@define(eq=False, repr=False)
class GroupEnded(Redacted):
    """The program is a member of a group no longer: `Group.status` says why.

    Either it was removed, or the group was deleted for all.  Nothing can be sent to it any more;
    `Group.forget` removes what is kept of it.
    """

    group: Group = field(repr=False)
    by: Member
