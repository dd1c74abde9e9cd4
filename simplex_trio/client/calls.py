"""What callers say and see of the engine: its configuration, commands, and numbers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import field, frozen
from attrs.validators import optional

from simplex_trio.client.events import EVENT_LIMIT
from simplex_trio.client.timeouts import CONNECT_TIMEOUTS, REQUEST_TIMEOUTS, Timeouts
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["CORRELATION_ID_SIZE", "Call", "ClientStatistics", "EngineConfig"]

CommandT_co = TypeVar("CommandT_co", covariant=True)

CORRELATION_ID_SIZE = 24
"""Correlation ids double as nonces of 24 bytes."""


@frozen
class EngineConfig:
    """How one client waits and how much it holds."""

    connect_timeouts: Timeouts = CONNECT_TIMEOUTS
    request_timeouts: Timeouts = REQUEST_TIMEOUTS
    ping_interval: float = 600
    """Seconds of quiet after which a connection is pinged; 0 for no monitor at all."""
    max_timeouts: int = 3
    """Time-outs in a row after which a silent connection is given up; 0 for never."""
    silence: float = 15 * 60
    """Seconds without a byte that it also takes to give up."""
    event_limit: int = EVENT_LIMIT
    """Bytes of unread events at which the connection is dropped as `SlowConsumer`."""
    random: Callable[[int], bytes] = secrets.token_bytes


def _is_of_the_right_size(_instance: object, _attribute: object, value: bytes) -> None:
    if len(value) != CORRELATION_ID_SIZE:
        raise ValueError(f"a correlation id has {CORRELATION_ID_SIZE} bytes")


@frozen(repr=False)
class Call(Redacted, Generic[CommandT_co]):
    """One command of a batch: to whom it goes, and the key that authorizes it.

    ``correlation_id`` is chosen at random unless the command needs a certain one, as a nonce.  One
    to which there is no answer is not ``answered``: it is done when it has been written.
    """

    command: CommandT_co
    entity_id: bytes = field(default=b"", validator=instance_of(bytes))
    key: Any = field(default=None)
    correlation_id: bytes | None = field(
        default=None, validator=optional([instance_of(bytes), _is_of_the_right_size])
    )
    answered: bool = True


@frozen
class ClientStatistics:
    """What a connection has done so far, and what waits on it."""

    requests: int
    timeouts: int
    frames_sent: int
    frames_received: int
    queued: int
    pending: int
    expired: int
    unread_events: int
    unread_bytes: int
    folded_events: int
