"""Groups and their members, as handlers have them in their hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from attrs import define, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import MemberGone, NotAllowed, UnknownGroup
from simplex_trio.chat.group_calls import GroupCalls
from simplex_trio.chat.group_governing import GroupGoverning, MemberGoverning
from simplex_trio.chat.machine.channels.joining import leave_channel
from simplex_trio.chat.machine.channels.saying import relay_members
from simplex_trio.chat.machine.groups.contacts import ask_member
from simplex_trio.chat.machine.groups.joining import accept_invitation, decline_invitation
from simplex_trio.chat.machine.groups.leaving import forget_group, leave_group
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.saying import known_group
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import SentRecord
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.escaping import escape
from simplex_trio.chat.messages.group_events import BusinessChat, RejectionReason
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.mentions import write_mention
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact, as_content, check_alias
from simplex_trio.chat.state import State
from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.group_messages import SentGroupMessage

__all__ = ["Group", "GroupInvitation", "Member", "Relay", "SupportChat"]


@final
@frozen(repr=False)
class Relay(Redacted):
    """A relay of a channel."""

    name: str
    """The name in its profile, fit to be shown in a line."""
    is_connected: bool
    """Whether the program is connected with it, or else is about to be."""


@final
@define(eq=False, repr=False)
class Group(GroupCalls, GroupGoverning):
    """A group, as of when this was told."""

    _core: ChatCore = field(repr=False)
    _record: GroupRecord = field(repr=False)

    @property
    def id(self) -> int:
        """A number that stays the same, and that no contact and no other group has."""
        return self._record.group_id

    @property
    def profile(self) -> GroupProfile:
        """What the group says of itself."""
        return self._record.profile

    @property
    def name(self) -> str:
        """The alias if it has one, or the name in the profile, fit to be shown in a line."""
        return self._record.alias or self.profile.shown_name

    @property
    def status(self) -> GroupStatus:
        """How far the program has come into it."""
        return self._record.status

    @property
    def role(self) -> Role | str:
        """What the program may do in it."""
        return self._record.own_role

    def has_role(self, role: Role) -> bool:
        """Whether the program may do all that members with this role may."""
        return has_role(self.role, role)

    @property
    def business(self) -> BusinessChat | None:
        """Who is the business and who the customer, if it is the conversation of two such."""
        return self._record.business

    async def customer(self) -> Member | None:
        """The customer whom the group is for, if the program is on the side of the business."""
        business = self._record.business
        return None if business is None else await self.member(business.customer_id)

    @property
    def is_channel(self) -> bool:
        """Whether it is a channel, whose members know each other through relays alone."""
        return self._record.channel is not None

    @property
    def is_subscriber(self) -> bool:
        """Whether it is a channel in which the program reads, and does not write."""
        return self.is_channel and self.role == Role.OBSERVER

    @property
    def subscriber_count(self) -> int | None:
        """How many a channel has, as its link said last; owners are counted, relays are not."""
        channel = self._record.channel
        return None if channel is None else channel.subscribers

    @property
    def is_incognito(self) -> bool:
        """Whether members know the program by a random profile."""
        return self._record.own_profile is not None

    @property
    def rejection(self) -> RejectionReason | str | None:
        """Why the host has not let the program in, if it has said so."""
        return self._record.rejection

    @property
    def state(self) -> State:
        """What the program keeps of the group: see `State`."""
        return State(self._core, self.id, UnknownGroup)

    async def members(self) -> list[Member]:
        """The members that take part in it, but the program itself.

        Of a channel these are its owners, and those others that the program has heard of.
        """
        found = await self._core.step(
            lambda store: GroupStore(store).current_members(self.id), durable=False
        )
        return [Member(self, each) for each in found if each.role != Role.RELAY]

    async def relays(self) -> list[Relay]:
        """The relays of a channel, through which everything comes; none of another group."""
        record = self._record
        found = await self._core.step(
            lambda store: relay_members(GroupStore(store), record), durable=False
        )
        return [Relay(each.name, each.is_connected) for each in found]

    async def member(self, member_id: bytes) -> Member | None:
        """The member with this id, if it takes part in the group."""
        found = await self._core.step(
            lambda store: GroupStore(store).member(self.id, member_id), durable=False
        )
        return None if found is None or not found.is_current else Member(self, found)

    async def leave(self) -> None:
        """Leave the group, or stop joining it; members are told, after what is queued for them.

        Handlers that ask members get `MemberGone`.  What is kept of the group stays until `forget`.
        Again, or of a group that has ended, it changes nothing.
        """
        core = self._core

        def decide(store: Store) -> GroupRecord:
            groups = GroupStore(store)
            group = known_group(groups, self.id)
            if group.channel is None:
                leave_group(groups, core.settings, group)
            else:
                leave_channel(groups, core.settings, group)
            return groups.group(self.id) or group

        self._record = await core.step(decide)

    async def forget(self) -> None:
        """Remove all that is kept of a group that the program is no member of any more.

        Raises `NotAllowed` while it is one: `leave` the group first.
        """

        def decide(store: Store) -> None:
            groups = GroupStore(store)
            group = groups.group(self.id)
            if group is not None and not group.status.is_over:
                raise NotAllowed("the program is a member of the group, and has to leave it first")
            if group is not None:
                forget_group(groups, group)

        await self._core.step(decide)

    @property
    def support(self) -> SupportChat:
        """The program's own conversation with the admins of the group."""
        return SupportChat(self, self._record.own_id)

    def _sent(self, record: SentRecord, content: Content) -> SentGroupMessage:
        from simplex_trio.chat.group_messages import SentGroupMessage

        return SentGroupMessage(self, record.msg_id, content, record.sent_at)


@final
@define(eq=False, repr=False)
class SupportChat(GroupCalls, Redacted):
    """The conversation of a member with the admins of the group, in which others cannot read.

    Admins in it are members from `Role.MODERATOR` on, and the other one is `member_id`: the program
    itself in `Group.support`, or a member in `Member.support`, which takes that the program is an
    admin.  Calls are as for a `Group`, and raise `NotAllowed` too if no admin can read that.
    """

    group: Group = field(repr=False)
    member_id: bytes
    """The member who talks with the admins."""

    @property
    def id(self) -> int:
        """The id of the group."""
        return self.group.id

    @property
    def is_own(self) -> bool:
        """Whether the program itself is the one who talks with the admins."""
        return self.member_id == self.group._record.own_id

    @property
    def _core(self) -> ChatCore:  # type: ignore[override]
        return self.group._core

    @property
    def _scope(self) -> bytes:
        return self.member_id

    def _sent(self, record: SentRecord, content: Content) -> SentGroupMessage:
        from simplex_trio.chat.group_messages import SentGroupMessage

        return SentGroupMessage(self.group, record.msg_id, content, record.sent_at, self)


@final
@define(eq=False, repr=False)
class Member(MemberGoverning):
    """A member of a group, as of when this was told."""

    group: Group = field(repr=False)
    _record: MemberRecord = field(repr=False)

    @property
    def id(self) -> bytes:
        """What all members know it by."""
        return self._record.member_id

    @property
    def is_channel(self) -> bool:
        """Whether it is no member but the channel itself, which posts without saying who writes.

        Its name is then that of the channel, and its id is empty.
        """
        return not self._record.member_id and self.group.is_channel

    @property
    def name(self) -> str:
        """The name in its profile, fit to be shown in a line."""
        return self._record.name

    @property
    def role(self) -> Role | str:
        """What it may do in the group."""
        return self._record.role

    def has_role(self, role: Role) -> bool:
        """Whether it may do all that members with this role may."""
        return has_role(self.role, role)

    @property
    def status(self) -> MemberStatus:
        """How far it has come."""
        return self._record.status

    @property
    def is_connected(self) -> bool:
        """Whether the program is connected with it; otherwise a host passes on what both say."""
        return self._record.is_connected

    @property
    def is_blocked(self) -> bool:
        """Whether moderators have blocked it for all."""
        return self._record.is_blocked

    @property
    def mention(self) -> str:
        """The member's name as a text mentions it; pass the member in ``mentions``, too.

        Of members with the same name the second one is mentioned as ``@name_1``.  It belongs at the
        beginning of a line or behind a space.  A name that cannot be mentioned is plain text, which
        the apps show as it is: see `escape`.
        """
        try:
            return write_mention(self.name)
        except EncodeError:
            return escape(self.name)

    @property
    def state(self) -> State:
        """What the program keeps of the member, until it is gone: see `State`."""
        return State(self.group._core, self.group.id, MemberGone, self.id)

    @property
    def support(self) -> SupportChat:
        """The member's conversation with the admins, if the program is one of them."""
        return SupportChat(self.group, self.id)

    async def ask_contact(
        self, message: Content | str | None = None, *, alias: str = ""
    ) -> Contact:
        """Ask the member to become a contact, to talk with it alone; returns the contact to be.

        The ``message`` is the first one that it gets as a contact, and the ``alias`` the program's
        own name for it.  `Handlers.on_connected` tells when it has accepted, which people may not.
        Again it returns the same contact, and asks for nothing.

        Raises `NotAllowed` if the group does not allow that, `CannotSend` if the program is not
        connected with the member, and `MemberGone`.
        """
        check_alias(alias)
        core, group_id = self.group._core, self.group.id
        content = None if message is None else as_content(message)

        def decide(store: Store) -> Contact:
            groups = GroupStore(store)
            found = ask_member(groups, core.settings, group_id, self.id, content, alias)
            return Contact(core, found)

        return await core.step(decide)

    async def profile(self) -> Profile | None:
        """Who it says it is; `None` if that is not known."""
        return await self.group._core.step(
            lambda store: GroupStore(store).profile_of(self._record), durable=False
        )


@final
@define(eq=False, repr=False)
class GroupInvitation(Redacted):
    """A contact invites the program to a group."""

    group: Group = field(repr=False)

    async def accept(self, *, connect_members: bool = False) -> None:
        """Join the group; the handlers of `GroupHandlers.on_joined` are called when that is done.

        The program is connected with the contact's side alone, which passes on what the members and
        the program say.  With ``connect_members`` it is connected with each of them in time.

        Raises `CannotJoin` if the invitation is of no use any more.
        """
        core = self.group._core

        def decide(store: Store) -> None:
            groups = GroupStore(store)
            group = known_group(groups, self.group.id)
            accept_invitation(store, core.settings, group, connects=connect_members)

        await core.step(decide)

    async def decline(self) -> None:
        """Forget the invitation; the contact is not told."""

        def decide(store: Store) -> None:
            group = GroupStore(store).group(self.group.id)
            if group is not None:
                decline_invitation(store, group)

        await self.group._core.step(decide)
