"""What callers pass to the engine and get from it: configuration, calls, statistics."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import field
from attrs.validators import optional

from simplex_trio.engine.event_buffer import EVENT_LIMIT
from simplex_trio.engine.timeouts import CONNECT_TIMEOUTS, REQUEST_TIMEOUTS, Timeouts
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of

__all__ = ["CORRELATION_ID_SIZE", "Call", "ClientStatistics", "EngineConfig"]

CommandT_co = TypeVar("CommandT_co", covariant=True)

CORRELATION_ID_SIZE = 24
"""Correlation ids double as nonces of 24 bytes."""


@frozen
class EngineConfig:
    """Time-outs and limits of one client."""

    connect_timeouts: Timeouts = CONNECT_TIMEOUTS
    request_timeouts: Timeouts = REQUEST_TIMEOUTS
    ping_interval: float = 600
    """Seconds without traffic after which a connection is pinged; 0 disables the monitor."""
    max_timeouts: int = 3
    """Consecutive time-outs after which a silent connection is given up; 0 for never."""
    silence: float = 15 * 60
    """Seconds without a received byte that giving up also requires."""
    event_limit: int = EVENT_LIMIT
    """Bytes of unread events at which the connection ends with `SlowConsumer`."""
    random: Callable[[int], bytes] = secrets.token_bytes


def _is_of_the_right_size(_instance: object, _attribute: object, value: bytes) -> None:
    if len(value) != CORRELATION_ID_SIZE:
        raise ValueError(f"a correlation id has {CORRELATION_ID_SIZE} bytes")


@frozen(repr=False)
class Call(Redacted, Generic[CommandT_co]):
    """One command, the entity it is about, and the key that authorizes it.

    ``correlation_id`` is random unless the command needs a certain one, as a nonce.  A call that is
    not ``answered`` completes as soon as it is written.
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
    """What a connection has done so far, and what is in flight."""

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
