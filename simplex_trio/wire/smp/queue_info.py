"""The answer to QUE, for debugging: the state of a queue, for its owner."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from attrs import field

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.json_object import JSONObject, encode_json

__all__ = ["MessageInfo", "MessageKind", "QueueInfo", "QueueSubscription", "SubscriptionState"]

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+-]\d\d:?\d\d)", re.ASCII
)


class SubscriptionState(Enum):
    """The delivery state of a subscription."""

    NONE = "noSub"
    PENDING = "subPending"
    RUNNING = "subThread"
    PROHIBITED = "prohibitSub"
    """The queue is read with GET on this connection."""


class MessageKind(Enum):
    """The kind of a stored message."""

    MESSAGE = "message"
    QUOTA = "quota"


@frozen(repr=False)
class QueueSubscription(Redacted):
    """The subscription to a queue on the requesting connection.

    ``delivered`` is the base64 id of the message that awaits acknowledgement.
    """

    state: SubscriptionState
    delivered: str | None = None


def _is_time(_instance: object, _attribute: object, value: str) -> None:
    _parse_time(value)


@frozen(repr=False)
class MessageInfo(Redacted):
    """The message at the head of a queue.

    The texts are kept as the router sent them, so that nothing is lost: the id is base64, and the
    time has up to twelve decimals of a second, which `received_at` truncates to microseconds.
    """

    message_id: str
    time: str = field(validator=_is_time)
    kind: MessageKind

    @property
    def received_at(self) -> datetime:
        """When the router received the message, in UTC."""
        return _parse_time(self.time).astimezone(UTC)


@frozen(repr=False)
class QueueInfo(Redacted):
    """The state of a queue at its router.

    ``size`` counts messages; the two flags say whether a sender's key secures the queue and whether
    it has a notifier.
    """

    secured: bool
    has_notifier: bool
    size: int
    subscription: QueueSubscription | None = None
    first_message: MessageInfo | None = None

    def encode(self) -> bytes:
        info: dict[str, object] = {"qiSnd": self.secured, "qiNtf": self.has_notifier}
        if self.subscription is not None:
            info["qiSub"] = _subscription_fields(self.subscription)
        info["qiSize"] = self.size
        if self.first_message is not None:
            info["qiMsg"] = {
                "msgId": self.first_message.message_id,
                "msgTs": self.first_message.time,
                "msgType": self.first_message.kind.value,
            }
        return encode_json(info)

    @classmethod
    def decode(cls, data: bytes) -> QueueInfo:
        info = JSONObject.decode(data)
        subscription = info.optional_nested("qiSub")
        message = info.optional_nested("qiMsg")
        return cls(
            secured=info.boolean("qiSnd"),
            has_notifier=info.boolean("qiNtf"),
            size=info.integer("qiSize"),
            subscription=None if subscription is None else _read_subscription(subscription),
            first_message=None if message is None else _read_message(message),
        )


def _subscription_fields(subscription: QueueSubscription) -> dict[str, object]:
    fields: dict[str, object] = {"qSubThread": subscription.state.value}
    if subscription.delivered is not None:
        fields["qDelivered"] = subscription.delivered
    return fields


def _read_subscription(fields: JSONObject) -> QueueSubscription:
    state = _member(SubscriptionState, fields.text("qSubThread"))
    return QueueSubscription(state, fields.optional_text("qDelivered"))


def _read_message(fields: JSONObject) -> MessageInfo:
    kind = _member(MessageKind, fields.text("msgType"))
    return MessageInfo(fields.text("msgId"), fields.text("msgTs"), kind)


def _parse_time(text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise DecodeError("not a time with a time zone")
    try:
        return datetime.fromisoformat(text)
    except ValueError as exc:
        raise DecodeError("an invalid time") from exc


EnumT = TypeVar("EnumT", bound=Enum)


def _member(kind: type[EnumT], value: str) -> EnumT:
    try:
        return kind(value)
    except ValueError as exc:
        raise DecodeError("an unknown word in the state of a queue") from exc
