"""`QueuePolicy`: the operator's rules for queues. Pure."""

from __future__ import annotations

from attrs import field
from attrs.validators import ge

from simplex_trio.frozen import frozen
from simplex_trio.serving.policy import AcceptPolicy

__all__ = ["QueuePolicy"]

_HOUR = 3600
_DAY = 24 * _HOUR


def _is_time(_instance: object, _attribute: object, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError("a time of at least one second, or none")


@frozen(repr=False, kw_only=True)
class QueuePolicy(AcceptPolicy):
    """Permission to create queues, their capacity, and lifetimes in seconds."""

    quota: int = field(default=128, validator=ge(1))
    """Most messages in a queue; the reference's routers allow as many."""
    message_ttl: int | None = field(default=21 * _DAY, validator=_is_time)
    """The age at which messages are dropped; `None`: never."""
    notification_ttl: int = field(default=24 * _HOUR, validator=ge(1))
    """The age at which notifications are dropped, because they are no longer of use."""
    suspended_ttl: int | None = field(default=21 * _DAY, validator=_is_time)
    """The time after which a suspended queue is deleted; `None`: never.  Its messages have expired
    by then, and it accepts no others."""

    max_services: int = field(default=10_000, validator=ge(0))
    """The most services that the router stores, a few MiB in memory and on disk; a router has a
    handful.  At the limit, commands that would add another one are answered with SERVICE."""
    service_ttl: int | None = field(default=90 * _DAY, validator=_is_time)
    """The time after which a service without queues is deleted; `None`: never.  When it connects
    again, it may get another id."""
