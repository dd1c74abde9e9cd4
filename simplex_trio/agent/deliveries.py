"""What every program with an agent does: handle each message once, and send until it is accepted.

`Deliveries` reads the events of an agent, acknowledges messages that were handled, and recognizes
those that come again.  `send_until_accepted` sends a message, again if need be, and
`repeat_until_accepted` does anything else so.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import TypeVar

import trio
from attrs import define, field

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.agent.events import AgentEvent, RouterEvent
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import MessageReceived, OwnedQueue, QuotaReached
from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.engine.backoff import Backoff, Retries
from simplex_trio.errors import SimplexError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["Deliveries", "Delivery", "repeat_until_accepted", "send_until_accepted"]

T = TypeVar("T")

QueuePlace = tuple[ServerAddress, bytes]
"""A router, and the recipient's id of a queue on it."""

_SENDING = Backoff(increase_after=0, factor=2, maximum=60)


# --- receiving ----------------------------------------------------------------------------------


@define(repr=False, eq=False)
class Delivery(Redacted):
    """A message to be handled in an ``async with`` block, at whose end it is acknowledged.

    If the block raises, or is cancelled, it is not acknowledged: the router delivers it again on
    the next connection.
    """

    server: ServerAddress
    queue: OwnedQueue
    message: MessageReceived
    _deliveries: Deliveries = field(alias="deliveries")

    @property
    def body(self) -> bytes:
        return self.message.body

    async def __aenter__(self) -> Delivery:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            # Nothing is on its way out of the block, so this waits as any call does.
            await self._deliveries._was_handled(self)  # noqa: ASYNC102


class Deliveries:
    """The events of an agent, with each message as a `Delivery`, once.

    ::

        deliveries = Deliveries(agent)
        deliveries.subscribe(router, [queue])
        async for each in deliveries:
            match each:
                case Delivery():
                    async with each:
                        print(each.body)
                case Disconnected():
                    ...

    A router delivers the next message of a queue when the last one is acknowledged.  If the
    connection is lost in between, it delivers that one again; it was handled, so it is acknowledged
    and not returned a second time.  ``handled`` has the id of the last message of each queue that
    was handled: a mapping that is kept in a file makes that hold across restarts.

    Deliveries of several queues may be handled at the same time, in tasks of their own.  That a
    queue was full, `QuotaReached`, is acknowledged at once, and returned in its `RouterEvent`.
    """

    def __init__(
        self,
        agent: SMPClientAgent,
        *,
        handled: MutableMapping[QueuePlace, bytes] | None = None,
    ) -> None:
        self._agent = agent
        self._queues: dict[QueuePlace, OwnedQueue] = {}
        self._handled: MutableMapping[QueuePlace, bytes] = {} if handled is None else handled

    def __repr__(self) -> str:
        return f"<Deliveries of {len(self._queues)} queues>"

    def subscribe(self, server: ServerAddress | str, queues: Iterable[OwnedQueue]) -> None:
        """As `SMPClientAgent.subscribe`; only messages of these queues become deliveries."""
        address = ServerAddress.parse(server) if isinstance(server, str) else server
        found = {(address, queue.recipient_id): queue for queue in queues}
        self._agent.subscribe(address, found.values())
        self._queues.update(found)

    def __aiter__(self) -> Deliveries:
        return self

    async def __anext__(self) -> Delivery | AgentEvent:
        while True:
            event = await self._agent.events.__anext__()
            queue = self._queues.get((event.server, _recipient_of(event)))
            match event:
                case RouterEvent(event=MessageReceived() as message) if queue is not None:
                    place = event.server, message.recipient_id
                    if self._handled.get(place) != message.message_id:
                        return Delivery(event.server, queue, message, self)
                    await self._acknowledge(event.server, queue, message)
                case RouterEvent(event=QuotaReached() as notice) if queue is not None:
                    await self._acknowledge(event.server, queue, notice)
                    return event
                case _:
                    return event

    async def _was_handled(self, delivery: Delivery) -> None:
        place = delivery.server, delivery.message.recipient_id
        self._handled[place] = delivery.message.message_id
        await self._acknowledge(delivery.server, delivery.queue, delivery.message)

    async def _acknowledge(
        self, server: ServerAddress, queue: OwnedQueue, message: MessageReceived | QuotaReached
    ) -> None:
        try:
            client = await self._agent.client(server)
            await client.acknowledge(queue, message.message_id)
        except SimplexError:
            pass  # it is delivered again, or other events tell that the queue is lost


def _recipient_of(event: AgentEvent) -> bytes:
    match event:
        case RouterEvent(event=MessageReceived() | QuotaReached() as message):
            return message.recipient_id
    return b""


# --- sending ------------------------------------------------------------------------------------


async def send_until_accepted(
    agent: SMPClientAgent,
    server: ServerAddress | str,
    sender_id: bytes,
    body: bytes,
    key: AuthPrivateKey | None = None,
    *,
    notify: bool = False,
    backoff: Backoff = _SENDING,
) -> None:
    """Send a message to a queue, again after each failure that may pass, until it is accepted.

    See `repeat_until_accepted`, of which this is the usual case.
    """

    async def send(client: SMPClient) -> None:
        await client.send(sender_id, body, key, notify=notify)

    await repeat_until_accepted(agent, server, send, backoff=backoff)


async def repeat_until_accepted(
    agent: SMPClientAgent,
    server: ServerAddress | str,
    operation: Callable[[SMPClient], Awaitable[T]],
    *,
    backoff: Backoff = _SENDING,
) -> T:
    """Do something on a connection to a router, again after each failure that may pass.

    Lost connections may pass, and routers that cannot be reached, queues that are full.  Anything
    else is raised at once, such as a `RouterError` for a wrong key.  It has no end of its own, so a
    caller that does not want to wait for ever uses a cancel scope.

    When a connection is lost, it is not known whether the router has accepted the command, so it
    may do it twice: messages need a number of their own where that matters.
    """
    retries = Retries(backoff)
    while True:
        try:
            return await operation(await agent.client(server))
        except SimplexError as exc:
            if not exc.retryable:
                raise
            # Any number will do that differs between senders.
            retries.failed(trio.current_time(), random.random())  # noqa: S311
            await trio.sleep(retries.wait(trio.current_time()))
