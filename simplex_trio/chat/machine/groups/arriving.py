"""What members of groups say: what it changes, and what the program is told.

What a message changes is changed in the step in which it comes, once.  What the program is to be
told is kept with that, until its handlers have finished and the message is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from attrs import define, evolve, field

from simplex_trio.chat.machine.groups.duplicates import HostReminder
from simplex_trio.chat.machine.groups.elements import (
    Element,
    applicable,
    elements_of,
    wants_receipt,
)
from simplex_trio.chat.machine.groups.happenings import ToldInGroup
from simplex_trio.chat.machine.groups.leaving import part_with
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
    ToldItem,
    ToldRecord,
)
from simplex_trio.chat.machine.groups.references import references_of
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    XFileCancel,
    XInfo,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_events import (
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpMemDel,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.names import shown_name
from simplex_trio.duplex.errors import CannotAcknowledge, UnknownConnection
from simplex_trio.duplex.events import PeerMessage

__all__ = [
    "CLOCK_SKEW",
    "MAX_RECEIPTS",
    "PASSED_ON",
    "Arrival",
    "Rule",
    "Rules",
    "is_of_member",
    "look_in_group",
    "settle_in_group",
]

CLOCK_SKEW = 60
"""By how many seconds the clocks of routers may be wrong.  What seems to be said less than that
before the program has come into the group is not taken for history."""

MAX_RECEIPTS = 20
"""Up to how many members there are receipts in a group, as with the apps."""


PASSED_ON = (
    XMsgNew,
    XMsgUpdate,
    XMsgDel,
    XMsgReact,
    XMsgFileDescr,
    XFileCancel,
    XInfo,
    XGrpMemNew,
    XGrpMemRole,
    XGrpMemRestrict,
    XGrpMemDel,
    XGrpLeave,
    XGrpDel,
    XGrpInfo,
    XGrpPrefs,
)
"""What hosts pass on between members that are not connected with each other."""


@define(eq=False, repr=False)
class Arrival:
    """One element of a message of a member, on its way."""

    store: Store
    groups: GroupStore
    settings: Settings
    group: GroupRecord
    deliverer: MemberRecord
    """The member whose connection it comes through."""
    author: MemberRecord
    """The member who says it."""
    msg_id: bytes | None
    at: int
    """When a router got it, in seconds since 1970."""
    place: int
    is_forwarded: bool = False
    message: ChatMessage | None = None
    """What is said, as it came."""
    told: list[ToldItem] = field(factory=list)
    later: list[Callable[[], None]] = field(factory=list)
    """What is done once all of the message was passed on, such as deleting connections."""
    affected: MemberRecord | None = None
    """Another member that it is about, as before."""

    @property
    def is_history(self) -> bool:
        """Whether a host tells what was said before the program was a member."""
        if not self.is_forwarded:
            return False
        joined_at = self.group.joined_at
        until = self.settings.seconds if joined_at is None else joined_at
        return self.group.host_id is not None and self.at < until - CLOCK_SKEW

    def is_new(self) -> bool:
        """Note that this has come; returns whether it has not come before, another way."""
        if self.msg_id is None:
            return True
        return self.groups.is_new(self.group.group_id, self.author.member_id, self.msg_id)

    def tell(
        self,
        kind: str,
        member: MemberRecord | None = None,
        *,
        reads: bool = False,
        before: str | None = None,
        scope: bytes | None = None,
    ) -> None:
        """Tell the program that a member, by default the author, has done or become something.

        With ``reads`` the program is given the event itself, and with a ``scope`` it was said in
        the conversation of that member with the admins.
        """
        subject = self.author if member is None else member
        by = self.author if subject.member_id != self.author.member_id else None
        place = self.place if reads else -1
        self.told.append(ToldItem(kind, subject, place, by, before, scope))

    def governs(self, *roles: Role | str) -> bool:
        """Whether the author is a member that may do what those with these roles may."""
        return self.author.is_current and all(has_role(self.author.role, each) for each in roles)


Rule: TypeAlias = Callable[[Arrival, Any], bool]
"""What follows from an event; returns whether it was allowed, so that a host passes it on."""

Rules: TypeAlias = Mapping[type[Event], Rule]

ApplyInChannel: TypeAlias = Callable[
    [GroupStore, Settings, MemberRecord, PeerMessage, Sequence[Element | None]], ToldRecord
]
"""What a message of a relay changes, and what the program is told of it."""


def is_of_member(store: Store, message: PeerMessage) -> bool:
    """Whether a message comes through a member's connection."""
    return GroupStore(store).member_of(message.connection_id) is not None


def look_in_group(
    store: Store,
    settings: Settings,
    message: PeerMessage,
    rules: Rules,
    pass_on: Callable[[Sequence[Arrival]], None],
    apply_in_channel: ApplyInChannel,
) -> list[ToldInGroup]:
    """What a message of a member says for the program.

    ``pass_on`` is given what was allowed, for the members that have no connection with its author.
    ``apply_in_channel`` is for messages of relays, which others rules are for.
    """
    groups = GroupStore(store)
    member = groups.member_of(message.connection_id)
    group = None if member is None else groups.group(member.group_id)
    if member is None or group is None:
        return []
    elements = elements_of(message)
    known = groups.told(message.connection_id, message.message_id)
    is_repeated = known is not None
    if known is None:
        if group.status.is_over or member.status is MemberStatus.GONE:
            return []
        if group.channel is not None:
            known = apply_in_channel(groups, settings, member, message, elements)
        else:
            known = _apply(groups, settings, member, message, elements, rules, pass_on)
        if not known.items:
            return []
        known = evolve(known, wants_receipt=wants_receipt(elements))
        groups.keep_told(message.connection_id, known)
        group = groups.group(group.group_id) or group
    return [
        _told(groups, group, each, elements, message, is_repeated=is_repeated)
        for each in known.items
    ]


def _apply(
    groups: GroupStore,
    settings: Settings,
    member: MemberRecord,
    message: PeerMessage,
    elements: Sequence[Element | None],
    rules: Rules,
    pass_on: Callable[[Sequence[Arrival]], None],
) -> ToldRecord:
    told: list[ToldItem] = []
    allowed: list[Arrival] = []
    later: list[Callable[[], None]] = []
    reminder = HostReminder()
    for place, element, group, deliverer in applicable(groups, member, message, elements, told):
        author: MemberRecord | None = deliverer
        if element.is_forwarded:
            author = _author(groups, group, deliverer, element)
            if author is None:
                continue
        else:
            deliverer = author = groups.change_member(deliverer, versions=element.message.versions)
        arrival = Arrival(
            *(groups.store, groups, settings, group, deliverer, author, element.message.id),
            at=element.at(message),
            place=place,
            is_forwarded=element.is_forwarded,
            message=element.message,
            told=told,
            later=later,
        )
        reminder.look(arrival)
        event = element.message.event
        rule = rules.get(type(event))
        if rule is not None and rule(arrival, event):
            allowed.append(arrival)
    if allowed:
        pass_on(allowed)
    for each in later:
        each()
    return ToldRecord(message.message_id, tuple(told))


def _author(
    groups: GroupStore, group: GroupRecord, deliverer: MemberRecord, element: Element
) -> MemberRecord | None:
    """Whom a message is from that a member passes on; `None` if it must not be taken."""
    author_id = None if element.by is None else element.by.member_id
    event = element.message.event
    if (
        author_id is None
        or author_id == group.own_id
        or not deliverer.is_current
        or not has_role(deliverer.role, Role.ADMIN)
        or not isinstance(event, PASSED_ON)
    ):
        return None
    author = groups.member(group.group_id, author_id)
    if author is not None:
        return None if author.status is MemberStatus.GONE else author
    if not isinstance(event, XGrpLeave) and groups.can_be_known(group, author_id):
        author = groups.put_member(
            MemberRecord(
                group.group_id,
                author_id,
                Role.AUTHOR,
                MemberStatus.UNKNOWN,
                MemberOrigin.BEFORE,
                shown_name((element.by and element.by.member_name) or ""),
                element.message.versions,
                host_id=deliverer.member_id,
            )
        )
    return author


def _told(
    groups: GroupStore,
    group: GroupRecord,
    item: ToldItem,
    elements: Sequence[Element | None],
    message: PeerMessage,
    *,
    is_repeated: bool,
) -> ToldInGroup:
    element = elements[item.place] if item.place >= 0 else None
    told = ToldInGroup(group, item, message.broker_timestamp, is_repeated=is_repeated)
    if element is None:
        return told
    event = element.message.event
    return evolve(
        told,
        at=_when(element, message),
        event=event,
        msg_id=element.message.id,
        references=references_of(groups, group, event),
    )


def _when(element: Element, message: PeerMessage) -> int:
    """When something was said: no time that there is not, and none that is still to come."""
    return min(max(0, element.at(message)), message.broker_timestamp)


def settle_in_group(store: Store, message: PeerMessage) -> None:
    """The program has dealt with a message: acknowledge it."""
    groups = GroupStore(store)
    told = groups.forget_told(message.connection_id, message.message_id)
    member = groups.member_of(message.connection_id)
    gives_receipt = (
        member is not None
        and (wants_receipt(elements_of(message)) if told is None else told.wants_receipt)
        and groups.has_fewer(member.group_id, MAX_RECEIPTS)
    )
    # If the connection is deleted meanwhile, there is nothing to acknowledge.
    with suppress(CannotAcknowledge, UnknownConnection):
        store.t.acknowledge(message, receipt=gives_receipt)
    if member is not None:
        part_with(groups, member)
