"""The statuses of tokens (TKN) and subscriptions (SUB); the values are words on the wire."""

from __future__ import annotations

from enum import Enum
from typing import final

from attrs import field
from attrs.validators import optional

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.ntf.words import one_of
from simplex_trio.wire.versions import NTFVersion

__all__ = [
    "InvalidReason",
    "SubscriptionState",
    "SubscriptionStatus",
    "TokenState",
    "TokenStatus",
]


class TokenState(Enum):
    """The state of a token."""

    NEW = b"NEW"
    REGISTERED = b"REGISTERED"
    """The router is sending the verification code."""
    INVALID = b"INVALID"
    """The provider rejected the token, or verification failed."""
    CONFIRMED = b"CONFIRMED"
    """The provider accepted the notification with the code."""
    ACTIVE = b"ACTIVE"
    """The client returned the code."""
    EXPIRED = b"EXPIRED"
    """The provider no longer knows a token that was active."""


class InvalidReason(Enum):
    """Why a token is invalid."""

    BAD = b"BAD"
    TOPIC = b"TOPIC"
    """The token belongs to another application."""
    EXPIRED = b"EXPIRED"
    UNREGISTERED = b"UNREGISTERED"


@final
@frozen(repr=False)
class TokenStatus(Redacted):
    """The state of a token; from version 3 on with a reason if it is invalid."""

    state: TokenState = field(validator=instance_of(TokenState))
    reason: InvalidReason | None = field(
        default=None, validator=optional(instance_of(InvalidReason))
    )

    def __attrs_post_init__(self) -> None:
        if self.reason is not None and self.state is not TokenState.INVALID:
            raise ValueError("only the state INVALID has a reason")

    def encode(self, version: int) -> bytes:
        state: bytes = self.state.value
        if self.reason is None or version < NTFVersion.TOKEN_INVALID_REASON:
            return state
        reason: bytes = self.reason.value
        return state + b"," + reason

    @classmethod
    def decode(cls, reader: Reader) -> TokenStatus:
        word, comma, reason = reader.tail().partition(b",")
        state = one_of(TokenState, word)
        if not comma:
            return cls(state)
        if state is not TokenState.INVALID:
            raise DecodeError("a token status other than INVALID has a reason")
        return cls(state, one_of(InvalidReason, reason))


class SubscriptionState(Enum):
    """The state of the router's subscription to a queue."""

    NEW = b"NEW"
    PENDING = b"PENDING"
    """The notification router is connecting to the queue's router, or subscribing on it."""
    ACTIVE = b"ACTIVE"
    INACTIVE = b"INACTIVE"
    """The connection to the queue's router was lost."""
    END = b"END"
    """Another subscriber took over the queue."""
    DELETED = b"DELETED"
    """The queue was deleted."""
    AUTH = b"AUTH"
    """The queue's router rejects the notifier's key."""
    SERVICE = b"SERVICE"
    """The queue's router rejects the notification router's signature as a service."""
    ERR = b"ERR"
    """Another error of the queue's router."""


@final
@frozen(repr=False)
class SubscriptionStatus(Redacted):
    """The state of a subscription, with a text from the router if it is ``ERR``."""

    state: SubscriptionState = field(validator=instance_of(SubscriptionState))
    error: bytes = field(default=b"", validator=instance_of(bytes))

    def __attrs_post_init__(self) -> None:
        if self.error and self.state is not SubscriptionState.ERR:
            raise ValueError("only the state ERR has an error text")

    def encode(self) -> bytes:
        state: bytes = self.state.value
        return state + b" " + self.error if self.state is SubscriptionState.ERR else state

    @classmethod
    def decode(cls, reader: Reader) -> SubscriptionStatus:
        state = one_of(SubscriptionState, reader.until(b" "))
        if state is SubscriptionState.ERR:
            reader.expect(b" ")
            return cls(state, reader.tail())
        reader.end()
        return cls(state)
