"""`GroupGoverning`: what a program does in groups as their host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from attrs import define, evolve, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import CannotInvite
from simplex_trio.chat.machine.groups.governing import (
    change_role,
    delete_group,
    remove_member,
    restrict,
    set_group_profile,
)
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.hosting import invite
from simplex_trio.chat.machine.groups.own_links import create_link, delete_link
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberRecord, MemberStatus
from simplex_trio.chat.machine.groups.saying import check_is_there, known_group
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.outgoing import known_contact
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.group_profiles import GroupPreferences, GroupProfile, Role
from simplex_trio.chat.messages.preferences import BotCommand
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.group_requests import MemberRequest
    from simplex_trio.chat.groups import Group, Member
    from simplex_trio.chat.people import Contact

__all__ = ["GroupGoverning", "MemberGoverning"]

T = TypeVar("T")

_WAITING = (MemberStatus.ASKING, MemberStatus.PENDING, MemberStatus.IN_REVIEW)


@define(eq=False, repr=False)
class GroupGoverning(Redacted):
    """The part of `Group` that is for those who make and govern groups."""

    _core: ChatCore = field(repr=False)
    _record: GroupRecord = field(repr=False)

    def _member(self, record: object) -> Member:
        from simplex_trio.chat.groups import Group, Member

        assert isinstance(self, Group)
        return Member(self, record)  # type: ignore[arg-type]

    async def invite(self, contact: Contact, *, role: Role = Role.MEMBER) -> Member:
        """Invite a contact, who may join then.

        Again it is sent the same invitation, perhaps with another ``role``.

        Raises `NotAllowed` if the program is neither admin nor owner, or has a lower role than it
        would give, `CannotInvite`, `UnknownGroup` and `UnknownContact`.
        """
        settings, group_id, contact_id = self._core.settings, self._record.group_id, contact.id

        def decide(store: Store) -> Member:
            groups = GroupStore(store)
            group = known_group(groups, group_id)
            member = invite(groups, settings, group, known_contact(store, contact_id), role)
            return self._member(member)

        return await self._core.step(decide)

    async def create_link(self, *, role: Role = Role.MEMBER, approval: bool | None = None) -> str:
        """Have a link by which anyone can ask to be let in; returns when it can be used.

        Those who ask become members with this ``role``.  If there are handlers of
        `GroupHandlers.on_member_request`, when the bot is opened, these decide about each of them.
        ``approval=False`` lets all in without asking the program, and with ``approval=True`` those
        who ask wait for `requests` even if there are no handlers.  If there is a link already, it
        stays, and only that changes.

        Raises `NotAllowed` if the program may not let others in, or the role is one of those who
        govern, and `CannotInvite` if no router makes the link.
        """
        core, group_id = self._core, self._record.group_id
        settings = core.settings

        def make(store: Store) -> GroupRecord:
            groups = GroupStore(store)
            group = known_group(groups, group_id)
            return create_link(groups, settings, group, role, approval=approval)

        self._record = await core.step(make)
        while True:
            changed = core.connection_changed
            self._record = await core.step(
                lambda store: known_group(GroupStore(store), group_id), durable=False
            )
            if self._record.link is None:
                raise CannotInvite("no router has made the link")
            if self._record.link.link:
                return self._record.link.short_link or self._record.link.link
            await changed.wait()

    @property
    def link(self) -> str | None:
        """The link by which anyone can ask to be let in, if there is one."""
        link = self._record.link
        return None if link is None else link.short_link or link.link or None

    async def delete_link(self) -> None:
        """Delete the link; those who have come by it stay."""
        group_id = self._record.group_id

        def decide(store: Store) -> GroupRecord:
            groups = GroupStore(store)
            return delete_link(groups, known_group(groups, group_id))

        self._record = await self._core.step(decide)

    async def requests(self) -> list[MemberRequest]:
        """Those who have asked to be let in and wait for the program, or for the admins."""
        from simplex_trio.chat.group_requests import MemberRequest

        group_id = self._record.group_id
        found = await self._core.step(
            lambda store: GroupStore(store).members(group_id), durable=False
        )
        return [MemberRequest(self._member(each)) for each in found if each.status in _WAITING]

    # --- the group ------------------------------------------------------------------------------

    async def set_profile(self, profile: GroupProfile | str) -> None:
        """Let the group say something else of itself: all of a profile, or a name alone.

        Raises `NotAllowed` unless the program is owner, `EncodeError` for a profile that apps would
        refuse, and `TooLarge`.
        """

        def change(before: GroupProfile) -> GroupProfile:
            if isinstance(profile, str):
                return evolve(before, display_name=profile)
            return profile

        await self._change_profile(change)

    async def set_preferences(self, preferences: GroupPreferences) -> None:
        """Let the group have other rules; those that are `None` are as by default.

        The commands of its menu stay if ``preferences`` say nothing of them.  Raises as
        `set_profile` does.
        """

        def change(before: GroupProfile) -> GroupProfile:
            old, new = before.group_preferences, preferences
            if new.commands is None and old is not None:
                new = evolve(new, commands=old.commands)
            return evolve(before, group_preferences=new)

        await self._change_profile(change)

    async def set_commands(self, commands: Iterable[BotCommand]) -> None:
        """Let the menu of the app show these commands in the group.

        Raises as `set_profile` does.
        """
        given = tuple(commands)

        def change(before: GroupProfile) -> GroupProfile:
            preferences = before.group_preferences or GroupPreferences()
            return evolve(before, group_preferences=evolve(preferences, commands=given))

        await self._change_profile(change)

    async def _change_profile(self, change: Callable[[GroupProfile], GroupProfile]) -> None:
        settings, group_id = self._core.settings, self._record.group_id

        def decide(store: Store) -> GroupRecord:
            groups = GroupStore(store)
            group = known_group(groups, group_id)
            return set_group_profile(groups, settings, group, change(group.profile))

        self._record = await self._core.step(decide)

    async def delete(self) -> None:
        """Delete the group for all of its members, and forget it.

        Raises `NotAllowed` unless the program is owner.
        """
        settings, group_id = self._core.settings, self._record.group_id

        def decide(store: Store) -> None:
            groups = GroupStore(store)
            delete_group(groups, settings, known_group(groups, group_id))

        await self._core.step(decide)


@define(eq=False, repr=False)
class MemberGoverning(Redacted):
    """The part of `Member` that is for those who govern groups."""

    group: Group = field(repr=False)
    _record: MemberRecord = field(repr=False)

    async def set_role(self, role: Role) -> None:
        """Give the member another role.

        Raises `NotAllowed` if the program is neither admin nor owner, or has a lower role than the
        member or than it would give; `MemberGone` if the member is gone.
        """
        settings = self.group._core.settings

        def decide(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> MemberRecord:
            return change_role(groups, settings, group, member, role)

        self._record = await self._decide(decide)

    async def block(self) -> None:
        """Hide from all members what this one says from now on; it does not learn of it.

        Raises `NotAllowed` if the program is no moderator, or has a lower role than the member;
        `MemberGone` if the member is gone.
        """
        await self._restrict(blocked=True)

    async def unblock(self) -> None:
        """Show what the member says from now on; raises as `block` does."""
        await self._restrict(blocked=False)

    async def _restrict(self, *, blocked: bool) -> None:
        settings = self.group._core.settings

        def decide(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> MemberRecord:
            return restrict(groups, settings, group, member, blocked=blocked)

        self._record = await self._decide(decide)

    async def remove(self, *, messages: bool = False) -> None:
        """Remove the member from the group; with ``messages``, what it has said is deleted too.

        An invitation that was not accepted yet is taken back.  If the program is connected with no
        other member, as one that was let in by this one may be, nothing can come any more: see
        `GroupHandlers.on_lost`.

        Raises `NotAllowed` if the program is neither admin nor owner, or has a lower role than the
        member; `MemberGone` if the member is gone.
        """
        core = self.group._core

        def decide(
            groups: GroupStore, group: GroupRecord, member: MemberRecord
        ) -> list[GroupNoticed]:
            return remove_member(groups, core.settings, group, member, messages=messages)

        for each in await self._decide(decide):
            core.notice_added(each)

    async def _decide(self, decide: Callable[[GroupStore, GroupRecord, MemberRecord], T]) -> T:
        group_id, member_id = self.group._record.group_id, self._record.member_id

        def take(store: Store) -> T:
            groups = GroupStore(store)
            group = known_group(groups, group_id)
            return decide(groups, group, check_is_there(groups, group_id, member_id))

        return await self.group._core.step(take)
