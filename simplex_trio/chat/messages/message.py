"""`ChatMessage`: one message of the chat protocol, and what it says.

``x.grp.msg.forward`` is here, and not with the other events of groups, because a message is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from attrs import field

from simplex_trio.chat.messages import calls, channel_events, events, group_events
from simplex_trio.chat.messages.event import Event, UnknownEvent
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.records import json_object
from simplex_trio.chat.messages.scalars import ChatVersions, Timestamp
from simplex_trio.chat.messages.versions import CHAT_VERSIONS, ChatVersion
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.text import from_base64url, to_base64url

__all__ = ["MESSAGE_ID_SIZE", "ChatMessage", "XGrpMsgForward", "message_id"]

MESSAGE_ID_SIZE = 12
"""How many random bytes a new id is made of."""

_MEMBERS = frozenset(("v", "msgId", "event", "params"))


def message_id(random_bytes: bytes) -> bytes:
    """A new id, of random bytes.

    The apps take an id as an opaque value.  Their own are the base64 text of 12 bytes, which is
    encoded once more on the wire.
    """
    if len(random_bytes) != MESSAGE_ID_SIZE:
        raise ValueError(f"an id is made of {MESSAGE_ID_SIZE} bytes")
    return to_base64url(random_bytes).encode()


@frozen(repr=False)
class ChatMessage(Redacted):
    """One message: an event, the versions that the sender speaks, and an id to refer to it by.

    A message that says nothing of versions is from a program that speaks the first one.
    """

    event: Event
    id: bytes | None = None
    versions: ChatVersions = CHAT_VERSIONS
    unknown: Mapping[str, Any] = field(factory=dict, kw_only=True, repr=False, hash=False)
    """Members that are not known; they are written as they came."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a message in JSON; raises `DecodeError`."""
        return cls.from_json(decode_json(data))

    def encode(self) -> bytes:
        """Write the message in JSON; raises `EncodeError`."""
        return encode_json(self.to_json())

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a JSON value; raises `DecodeError`."""
        members = json_object(value)
        tag, params = members.get("event"), members.get("params")
        if not isinstance(tag, str):
            raise DecodeError("event: not text")
        return cls(
            _event(tag, json_object(params)),
            _id(members.get("msgId")),
            _versions(members.get("v")),
            unknown={name: each for name, each in members.items() if name not in _MEMBERS},
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON value of this value."""
        members: dict[str, Any] = {"v": self.versions.to_json()}
        if self.id is not None:
            members["msgId"] = to_base64url(self.id)
        members |= {"event": self.event.event, "params": self.event.to_json()}
        return members | {n: each for n, each in self.unknown.items() if n not in _MEMBERS}


def _id(value: object) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise DecodeError("msgId: not text")
    return from_base64url(value)


def _versions(value: object) -> ChatVersions:
    if value is None:
        return ChatVersions(ChatVersion.FIRST, ChatVersion.FIRST)
    return ChatVersions.from_json(value)


def _event(tag: str, params: Mapping[str, Any]) -> Event:
    kind = _EVENTS.get(tag)
    if kind is not None:
        try:
            return kind.from_json(params)
        except DecodeError as exc:
            raise DecodeError(f"{tag}: {exc}") from exc
    if not tag.startswith("x"):
        raise DecodeError("event: not one of the protocol")
    return UnknownEvent(tag, params)


@frozen(repr=False)
class XGrpMsgForward(Event):
    """The host passes on what another member said; without an id it is the channel that says it."""

    EVENT: ClassVar[str] = "x.grp.msg.forward"
    MIN_VERSION: ClassVar[int] = ChatVersion.FORWARDING

    msg: ChatMessage
    msg_ts: Timestamp
    member_id: bytes | None = None
    member_name: str | None = None


def _kinds() -> Iterator[type[Event]]:
    yield XGrpMsgForward
    for module in (events, group_events, channel_events, calls):
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, Event) and "EVENT" in vars(value):
                yield value


_EVENTS: Mapping[str, type[Event]] = {kind.EVENT: kind for kind in _kinds()}
