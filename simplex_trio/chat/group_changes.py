"""What happens with groups and their members, as handlers are told of it."""

from __future__ import annotations

from typing import final

from attrs import define, field

from simplex_trio.chat.groups import Group, Member
from simplex_trio.chat.machine.groups.contacts import join_member_contact
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.group_events import XGrpDirectInv
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact, check_alias
from simplex_trio.redaction import Redacted

__all__ = [
    "GroupChanged",
    "GroupEnded",
    "MemberBlocked",
    "MemberContactRequest",
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
class MemberContactRequest(Redacted):
    """A member asks the program to become its contact, to talk with it alone.

    It can be accepted as long as its handler runs; nothing has to be done to refuse it.
    """

    member: Member
    _asked: XGrpDirectInv = field(repr=False)

    @property
    def content(self) -> Content | None:
        """What the member says to begin with; an `IncomingMessage` of the contact too, later."""
        return self._asked.content

    async def accept(self, *, alias: str = "") -> Contact:
        """Become its contact; `Handlers.on_connected` tells when the two are connected.

        The contact has the ``alias``, and knows the program by the profile that the group knows.
        Raises `MemberGone` if the member has left the group meanwhile.
        """
        check_alias(alias)
        group, core = self.member.group, self.member.group._core

        def decide(store: Store) -> Contact:
            groups, of_member = GroupStore(store), (group.id, self.member.id)
            found = join_member_contact(groups, core.settings, *of_member, self._asked, alias)
            return Contact(core, found)

        return await core.step(decide)


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
