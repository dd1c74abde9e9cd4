"""What relays pass on, whom it is from, and whether to believe it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define

from simplex_trio.chat.machine.channels.records import ChannelRecord
from simplex_trio.chat.machine.channels.saying import shown_id, the_channel
from simplex_trio.chat.machine.groups.arriving import PASSED_ON, Arrival
from simplex_trio.chat.machine.groups.elements import Element, applicable
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
    ToldItem,
    ToldRecord,
)
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.channel_events import XGrpRelayNew
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    XFileCancel,
    XInfo,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_events import XGrpLeave
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.names import shown_name
from simplex_trio.chat.messages.signing import Author, Trust, check_trust, requires_signature
from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.duplex.events import PeerMessage
from simplex_trio.errors import DecodeError, SignatureInvalid

__all__ = ["ChannelArrival", "Rules", "apply_rules", "known_key"]

_OF_CHANNEL = (XMsgNew, XMsgUpdate, XMsgDel, XMsgFileDescr, XFileCancel)
"""What a channel says as a whole, and what there is in its history."""

_PASSED_ON: tuple[type[Event], ...] = (*PASSED_ON, XGrpRelayNew)


def known_key(der: bytes | None) -> Ed25519PublicKey | None:
    """A key of a member; `None` if there is none, or it is none."""
    try:
        return None if der is None else Ed25519PublicKey.from_der(der)
    except DecodeError:
        return None


@define(eq=False, repr=False)
class ChannelArrival(Arrival):
    """One element of a message of a relay, on its way."""

    comes_late: bool = False
    """Whether the relay tells what was said before the program came."""
    signed_body: bytes | None = None
    """What was signed, of an event that changes the channel."""

    def is_new(self) -> bool:
        """Note that this has come; returns whether it has not come before, by whichever relay."""
        if self.signed_body is not None:
            return self.groups.is_new_signed(self.group.group_id, self.signed_body)
        return super().is_new()

    @property
    def is_history(self) -> bool:
        """Whether the relay tells what was said before the program came."""
        return self.comes_late


Rules: TypeAlias = Mapping[type[Event], Callable[[ChannelArrival, Any], bool]]
"""What follows from each event; returns whether it was allowed."""


def apply_rules(
    groups: GroupStore,
    settings: Settings,
    relay: MemberRecord,
    message: PeerMessage,
    elements: Sequence[Element | None],
    rules: Rules,
    rules_of_relays: Rules,
) -> ToldRecord:
    """What a message of a relay changes, and what the program is told of it."""
    told: list[ToldItem] = []
    later: list[Callable[[], None]] = []
    for place, element, group, deliverer in applicable(groups, relay, message, elements, told):
        if group.channel is None:
            break
        author = _author(groups, group, deliverer, element)
        if author is None:
            continue
        event = element.message.event
        trust = _trust(group, group.channel, author, element)
        if trust is None:
            continue
        is_signed = trust is Trust.SIGNATURE and _changes_channel(event)
        signed = element.received.signed
        arrival = ChannelArrival(
            *(groups.store, groups, settings, group, deliverer, author, element.message.id),
            at=message.broker_timestamp,
            place=place,
            is_forwarded=element.is_forwarded,
            message=element.message,
            told=told,
            later=later,
            comes_late=element.is_event,
            signed_body=signed.body if signed is not None and is_signed else None,
        )
        rule = (rules_of_relays if element.by is None else rules).get(type(event))
        allowed = rule is not None and rule(arrival, event)
        if allowed and author.member_id and groups.member(group.group_id, author.member_id) is None:
            groups.put_member(author)
    for each in later:
        each()
    return ToldRecord(message.message_id, tuple(told))


def _changes_channel(event: Event) -> bool:
    return requires_signature(event) and not isinstance(event, XInfo | XGrpLeave)


def _author(
    groups: GroupStore, group: GroupRecord, relay: MemberRecord, element: Element
) -> MemberRecord | None:
    """Whom something is from; `None` if it must not be taken.

    One that is not known yet becomes a member only if it says something that it may.
    """
    by, event = element.by, element.message.event
    if by is None:
        return groups.change_member(relay, versions=element.message.versions)
    if by.member_id is None:
        return the_channel(group) if isinstance(event, _OF_CHANNEL) else None
    is_passed_on = isinstance(event, _OF_CHANNEL if element.is_event else _PASSED_ON)
    if not is_passed_on or by.member_id == group.own_id:
        return None
    known = groups.member(group.group_id, by.member_id)
    if known is not None:
        return None if known.status is MemberStatus.GONE else known
    if isinstance(event, XGrpLeave) or not groups.can_be_known(group, by.member_id):
        return None
    return MemberRecord(
        *(group.group_id, by.member_id, Role.OBSERVER),
        *(MemberStatus.UNKNOWN, MemberOrigin.BEFORE),
        shown_name(by.member_name or "") or shown_id(by.member_id),
        element.message.versions,
        host_id=relay.member_id,
    )


def _trust(
    group: GroupRecord, channel: ChannelRecord, author: MemberRecord, element: Element
) -> Trust | None:
    signer = None
    if author.member_id:
        # A relay may have made up the key of a member that an owner has promoted since.
        is_sure = author.is_key_signed or not has_role(author.role, Role.MODERATOR)
        key = known_key(author.key) if is_sure else None
        signer = Author(author.member_id, author.role, key)
    try:
        return check_trust(element.received, signer, channel.public_id, group.own_role)
    except SignatureInvalid:
        return None
