"""`GroupOutlet`: a group, as something is said in it, to all members or to the admins."""

from __future__ import annotations

from typing import TypeVar

from attrs import evolve

from simplex_trio.chat.errors import NotAllowed
from simplex_trio.chat.machine.channels.saying import check_size, relay_members, say_signed
from simplex_trio.chat.machine.groups.arriving import MAX_RECEIPTS
from simplex_trio.chat.machine.groups.deliveries import keep_copies
from simplex_trio.chat.machine.groups.history import keeps_history, note_in_history
from simplex_trio.chat.machine.groups.own_profile import due_profile
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import (
    GroupFeature,
    allows,
    has_role,
    has_simplex_link,
    is_support,
)
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.outlet import Outlet, Queued
from simplex_trio.chat.machine.records import DeliveryState, SentRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content, File, Image, Video, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    MemberScope,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.versions import ChatVersion, agreed_version
from simplex_trio.duplex.errors import CannotSend, UnknownConnection

__all__ = ["GroupOutlet"]

EventT = TypeVar("EventT", bound=Event)

_TAKES_PART = (GroupStatus.READY, GroupStatus.PENDING, GroupStatus.IN_REVIEW)

_ALONE = (MemberStatus.ASKING, MemberStatus.JOINING, MemberStatus.PENDING)
"""Those of whom the other admins have not heard yet."""


class GroupOutlet(Outlet):
    """A whole group, or with a scope the conversation of a member with the admins.

    What is said to the group goes to those members that the program is connected with; others have
    it from their host.
    """

    def __init__(
        self, store: Store, settings: Settings, group: GroupRecord, *, scope: bytes | None = None
    ) -> None:
        super().__init__(store, settings, scope=scope)
        self.group: GroupRecord = group
        self.groups: GroupStore = GroupStore(store)
        self._members = 0
        """How many others take part in the group, once something was said."""

    @property
    def conversation_id(self) -> int:
        """The id of the group."""
        return self.group.group_id

    # --- what is allowed ------------------------------------------------------------------------

    def _allows(self, feature: GroupFeature) -> bool:
        return allows(self.group.profile.group_preferences, feature, self.group.own_role)

    def _check_place(self, role: Role) -> None:
        """Raise `NotAllowed` unless the program may say something here, with at least this role."""
        group = self.group
        if self.scope is None:
            if group.status is not GroupStatus.READY or not has_role(group.own_role, role):
                raise NotAllowed("the program is not a member of the group that may write")
        elif group.status not in _TAKES_PART:
            raise NotAllowed("the program does not take part in the group")
        elif self.scope != group.own_id and not has_role(group.own_role, Role.MODERATOR):
            raise NotAllowed("only moderators talk with members as admins")

    def check(self, content: Content, before: Content | None = None) -> None:
        """Raise `NotAllowed` for what the role and the group's preferences do not allow."""
        self._check_place(Role.AUTHOR)
        is_new = before is None or type(before) is not type(content)
        if is_new and isinstance(content, Voice) and not self._allows_voice():
            raise NotAllowed("voice messages are not allowed in this group")
        is_file = isinstance(content, Image | Video | File)
        if is_new and is_file and self.scope is None and not self._allows(GroupFeature.FILES):
            raise NotAllowed("files and media are not allowed in this group")
        if (
            (self.scope is None or not is_new)
            and not self._allows(GroupFeature.SIMPLEX_LINKS)
            and has_simplex_link(content)
        ):
            raise NotAllowed("SimpleX links are not allowed in this group")

    def _allows_voice(self) -> bool:
        if self._allows(GroupFeature.VOICE):
            return True
        # Such as a captcha that is read aloud.
        member = None if self.scope is None else self.groups.member(self.group.group_id, self.scope)
        return member is not None and member.status is MemberStatus.PENDING

    def check_reaction(self) -> None:
        """Raise `NotAllowed` if the group does not allow reactions."""
        self._check_place(Role.OBSERVER)
        if not self._allows(GroupFeature.REACTIONS):
            raise NotAllowed("reactions are not allowed in this group")

    def check_deletion(self, author_id: bytes | None) -> None:
        """Raise `NotAllowed` unless the message is the program's, or of one that it moderates."""
        self._check_place(Role.OBSERVER)
        if author_id is None:
            return
        role = self.group.own_role
        author = self.groups.member(self.group.group_id, author_id)
        if not has_role(role, Role.MODERATOR):
            raise NotAllowed("only moderators delete messages of others")
        if author is not None and not has_role(role, author.role):
            raise NotAllowed("the author has a higher role")

    @property
    def may_disappear(self) -> bool:
        """Whether the group allows messages that disappear."""
        return self._allows(GroupFeature.TIMED_MESSAGES)

    @property
    def usual_ttl(self) -> int | None:
        """After how many seconds messages of the group disappear."""
        preferences = self.group.profile.group_preferences
        timed = None if preferences is None else preferences.timed_messages
        return None if timed is None else timed.ttl

    # --- saying ---------------------------------------------------------------------------------

    def _recipients(self) -> list[MemberRecord]:
        if self.group.channel is not None:  # relays know for whom it is
            return relay_members(self.groups, self.group)
        members = self.groups.current_members(self.group.group_id)
        self._members = len(members)
        if self.scope is None:
            return members
        admins = [
            each
            for each in members
            if is_support(each) and agreed_version(each.versions) >= ChatVersion.SCOPES
        ]
        if self.scope != self.group.own_id:
            member = self.groups.member(self.group.group_id, self.scope)
            if member is None:
                raise NotAllowed("there is no such member")
            if member.status in _ALONE:
                return [member]
            return [member, *(each for each in admins if each.member_id != member.member_id)]
        if not admins:
            raise NotAllowed("no admin of the group can read that")
        return admins

    def _addressed(self, event: EventT) -> EventT:
        if self.scope is None or not isinstance(event, XMsgNew | XMsgUpdate | XMsgDel | XMsgReact):
            return event
        return evolve(event, scope=MemberScope(self.scope))

    def queue(self, event: Event, msg_id: bytes | None) -> Queued:
        """Queue one message of the chat protocol for all members that it is for.

        If it can be queued for none of them, this raises why it cannot for one.
        """
        events: list[tuple[Event, bytes | None]] = [(self._addressed(event), msg_id)]
        channel = self.group.channel
        if channel is not None:
            check_size(*events[0])
            self.group, due = due_profile(self.groups, self.settings, self.group)
            for each, its_id in due:
                say_signed(self.groups, self.group, channel, each, its_id)
        elif self.scope is None and isinstance(event, XMsgNew):
            self.group, due = due_profile(self.groups, self.settings, self.group)
            events = [*due, *events]
        copies: list[tuple[str, int]] = []
        problems: list[Exception] = []
        for member, outcomes in say_to(
            self.groups, self._recipients(), events, notify=event.NOTIFIES
        ):
            *_, outcome = outcomes
            if isinstance(outcome, Exception):
                problems.append(outcome)
            elif member.connection_id is not None:
                copies.append((member.connection_id, outcome))
        if problems and not copies:
            raise _as_sending(problems[0])
        if channel is not None and not copies:
            raise CannotSend("the program is connected with no relay of the channel")
        if self.scope is None and keeps_history(self.group):
            note_in_history(*(self.groups, self.group, event, msg_id, None, self.settings.seconds))
        return Queued(tuple(copies), len(problems))

    def keep(self, queued: Queued, sent: SentRecord) -> None:
        """Keep a new message, and the agent's id for it in each connection."""
        number = self.store.next_number(b"last sent")
        reach = keep_copies(
            *(self.store.t.kept, self.group.group_id, number, queued.copies, queued.failed),
            # A relay gives receipts for what it refuses, too.
            gives_receipts=self.group.channel is None and self._members < MAX_RECEIPTS,
        )
        if reach.state is DeliveryState.SENT:  # there is no other member
            sent = evolve(sent, state=reach.state)
        self.store.add_sent(self.group.group_id, number, sent)

    def keep_description(self, queued: Queued, msg_id: bytes) -> None:
        """Keep the agent's id for the description of a file in each connection."""
        number = self.store.number_of_sent(self.group.group_id, msg_id)
        if number is not None:
            keep_copies(
                *(self.store.t.kept, self.group.group_id, number, queued.copies, queued.failed),
                is_description=True,
            )


def _as_sending(problem: Exception) -> Exception:
    """An error of a connection, as one of the group: its members come and go."""
    if isinstance(problem, UnknownConnection):
        return CannotSend("there is no connection with any member")
    return problem
