"""Reading what routers answer to the commands of more than one module here."""

from __future__ import annotations

from simplex_trio.client.answers import expect, unexpected
from simplex_trio.wire.smp.messages import MSG, OK, SOK, Message

__all__ = ["read_ok", "read_subscribed"]


def read_ok(answer: Message) -> None:
    """Done; anything but OK is unexpected."""
    expect(answer, OK)


def read_subscribed(answer: Message) -> bytes | None:
    """The id of the service that the queue is associated with; a message also says subscribed."""
    match answer:
        case SOK(service_id):
            return service_id
        case OK() | MSG():
            return None
        case _:
            raise unexpected(answer)
