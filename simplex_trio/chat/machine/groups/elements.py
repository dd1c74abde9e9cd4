"""What is in a message of a member: elements, each of the member itself or passed on by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    MemberRecord,
    MemberStatus,
    ToldItem,
)
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.messages.bodies import Forwarded, Received, decode_body
from simplex_trio.chat.messages.json_text import encode_json
from simplex_trio.chat.messages.message import ChatMessage, XGrpMsgForward
from simplex_trio.duplex.events import PeerMessage
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = [
    "MAX_TOLD",
    "MAX_TOLD_SIZE",
    "Element",
    "applicable",
    "elements_of",
    "wants_receipt",
]

MAX_TOLD = 300
"""How many things one message can tell the program; what comes behind them in it is left out.
Batches of the apps have fewer elements that programs are told of."""

MAX_TOLD_SIZE = 500_000
"""How many bytes of that are kept until the program has dealt with it; the rest is left out, too.

A long profile of a group, say, is kept with each of its changes."""


@frozen(repr=False)
class Element(Redacted):
    """A message of the chat protocol, and whom it is from if another member passes it on."""

    received: Received
    message: ChatMessage
    by: Forwarded | None = None
    is_event: bool = False
    """Whether it was passed on as an event in JSON, and not as a binary element."""

    @property
    def is_forwarded(self) -> bool:
        """Whether another member passes it on."""
        return self.by is not None

    def at(self, message: PeerMessage) -> int:
        """When a router got it, as far as that is known, in seconds since 1970."""
        return message.broker_timestamp if self.by is None else self.by.seconds


def elements_of(message: PeerMessage) -> list[Element | None]:
    """What is in a message; `None` for what cannot be read, or is no message."""
    return [_element(each) for each in decode_body(message.body)]


def _element(received: object) -> Element | None:
    if not isinstance(received, Received) or not isinstance(received.message, ChatMessage):
        return None
    message, by = received.message, received.forwarded
    if by is None and isinstance(message.event, XGrpMsgForward):
        passed = message.event
        at = int(passed.msg_ts.moment.timestamp())
        by = Forwarded(at, passed.member_id, passed.member_name)
        return Element(Received(passed.msg, by), passed.msg, by, is_event=True)
    return Element(received, message, by)


def wants_receipt(elements: Iterable[Element | None]) -> bool:
    """Whether the sender of a message with these elements expects a receipt."""
    return any(
        each is not None and not each.is_forwarded and each.message.event.WANTS_RECEIPT
        for each in elements
    )


def applicable(
    groups: GroupStore,
    member: MemberRecord,
    message: PeerMessage,
    elements: Sequence[Element | None],
    told: Sequence[ToldItem],
) -> Iterator[tuple[int, Element, GroupRecord, MemberRecord]]:
    """The elements of a message of a member, with their places, until one of them is the last.

    Each comes with the group and the member as they are by then, since the elements before it may
    have changed them: those behind one that ends the group, or removes the member, are left out,
    and so are those behind the last one of which the program can be ``told``.
    """
    size = counted = 0
    for place, element in enumerate(elements):
        size += sum(len(encode_json(each.to_json())) for each in told[counted:])
        counted = len(told)
        group = groups.group(member.group_id)
        deliverer = groups.member_of(message.connection_id)
        if (
            group is None
            or group.status.is_over
            or deliverer is None
            or deliverer.status is MemberStatus.GONE
            or counted >= MAX_TOLD
            or size >= MAX_TOLD_SIZE
        ):
            return
        if element is not None:
            yield place, element, group, deliverer
