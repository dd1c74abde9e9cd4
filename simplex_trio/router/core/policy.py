"""What the operator of a router decides about its queues. Pure."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge

from simplex_trio.serving.policy import AcceptPolicy

__all__ = ["QueuePolicy"]

_HOUR = 3600
_DAY = 24 * _HOUR


def _is_time(_instance: object, _attribute: object, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError("a time of at least one second, or none")


@frozen(repr=False, kw_only=True)
class QueuePolicy(AcceptPolicy):
    """Who may create queues, how much they hold, and for how long; times in seconds."""

    quota: int = field(default=128, validator=ge(1))
    """Messages in a queue, as many as the reference's routers allow."""
    message_ttl: int | None = field(default=21 * _DAY, validator=_is_time)
    """After which messages are dropped; `None`: never."""
    notification_ttl: int = field(default=24 * _HOUR, validator=ge(1))
    """After which a notification is of no use any more, and is dropped."""
    suspended_ttl: int | None = field(default=21 * _DAY, validator=_is_time)
    """After which a queue that its owner has suspended is deleted; `None`: never.  Its messages
    have expired by then, and there will be no others."""

    max_services: int = field(default=10_000, validator=ge(0))
    """Services that the router keeps, a few MiB of memory and disk; a router has a handful.  When
    there are this many, commands that would add another one are answered with SERVICE."""
    service_ttl: int | None = field(default=90 * _DAY, validator=_is_time)
    """After which a service without queues is forgotten; `None`: never.  When it connects again,
    it may get another id."""
