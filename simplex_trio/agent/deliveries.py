"""What every program with an agent does: handle each message once, and send until it is accepted.

`open_deliveries` reads the events of an agent, acknowledges messages that were handled, and
recognizes those that come again.  `send_until_accepted` sends a message, again if need be, and
`repeat_until_accepted` does anything else so.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
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
from simplex_trio.errors import ConnectionLost, SimplexError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "Deliveries",
    "Delivery",
    "open_deliveries",
    "repeat_until_accepted",
    "send_until_accepted",
]

T = TypeVar("T")

QueuePlace = tuple[ServerAddress, bytes]
"""A router, and the recipient's id of a queue on it."""

_SENDING = Backoff(increase_after=0, factor=2, maximum=60)


# --- receiving ----------------------------------------------------------------------------------


@define(repr=False, eq=False)
class Delivery(Redacted):
    """A message to be handled in an ``async with`` block, after which it is acknowledged.

    If the block raises, or is cancelled, it is not acknowledged: the router delivers it again on
    the next connection.
    """

    server: ServerAddress
    queue: OwnedQueue
    message: MessageReceived
    _event: RouterEvent = field(alias="event")
    _deliveries: Deliveries = field(alias="deliveries")

    @property
    def body(self) -> bytes:
        return self.message.body

    async def __aenter__(self) -> Delivery:
        await trio.lowlevel.checkpoint()
        self._deliveries._begins(self._event, self.message)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._deliveries._has_ended(self._event, self.message, handled=kind is None)


class Deliveries:
    """The events of an agent, with each message as a `Delivery`, once; see `open_deliveries`.

    ::

        async with open_deliveries(agent) as deliveries:
            deliveries.subscribe(router, [queue])
            async for each in deliveries:
                match each:
                    case Delivery():
                        async with each:
                            print(each.body)
                    case Disconnected():
                        ...

    A router delivers the next message of a queue when the last one is acknowledged.  If the
    connection is lost in between, it delivers that one again.  One that was handled is acknowledged
    then and not returned again; neither is one whose block has not ended, unless that fails.

    Deliveries of several queues may be handled at the same time, in tasks of their own.  That a
    queue was full, `QuotaReached`, is acknowledged at once, and returned in its `RouterEvent`.
    """

    def __init__(
        self,
        agent: SMPClientAgent,
        nursery: trio.Nursery,
        handled: MutableMapping[QueuePlace, bytes],
    ) -> None:
        self._agent = agent
        self._nursery = nursery
        self._handled = handled
        self._queues: dict[QueuePlace, OwnedQueue] = {}
        self._in_hand: dict[QueuePlace, bytes] = {}
        self._come_again: dict[QueuePlace, RouterEvent] = {}  # while they are in hand
        self._closing = False

    def __repr__(self) -> str:
        return f"<Deliveries of {len(self._queues)} queues>"

    def subscribe(self, server: ServerAddress | str, queues: Iterable[OwnedQueue]) -> None:
        """As `SMPClientAgent.subscribe`; only messages of these queues become deliveries."""
        address = ServerAddress.parse(server) if isinstance(server, str) else server
        found = {(address, queue.recipient_id): queue for queue in queues}
        self._agent.subscribe(address, found.values())
        self._queues.update(found)

    def unsubscribe(self, server: ServerAddress | str, queues: Iterable[OwnedQueue]) -> None:
        """As `SMPClientAgent.unsubscribe`; what was handled of these queues is forgotten."""
        address = ServerAddress.parse(server) if isinstance(server, str) else server
        ids = [queue.recipient_id for queue in queues]
        self._agent.unsubscribe(address, ids)
        for recipient_id in ids:
            self._queues.pop((address, recipient_id), None)
            self._handled.pop((address, recipient_id), None)

    def __aiter__(self) -> Deliveries:
        return self

    async def __anext__(self) -> Delivery | AgentEvent:
        # Once it has taken an event it awaits nothing, so that a cancellation loses none.
        while True:
            event = await self._agent.events.__anext__()
            found = self._found(event)
            if found is not None:
                return found

    def _found(self, event: AgentEvent) -> Delivery | AgentEvent | None:
        match event:
            case RouterEvent(event=MessageReceived() | QuotaReached() as message):
                place = event.server, message.recipient_id
                queue = self._queues.get(place)
            case _:
                return event
        if queue is None:
            return event
        if isinstance(message, QuotaReached):
            self._acknowledge_soon(event, message)
            return event
        if self._handled.get(place) == message.message_id:
            self._acknowledge_soon(event, message)
            return None
        if self._in_hand.get(place) == message.message_id:
            self._come_again[place] = event
            return None
        return Delivery(event.server, queue, message, event, self)

    # --- for deliveries -----------------------------------------------------------------------

    def _begins(self, event: RouterEvent, message: MessageReceived) -> None:
        self._in_hand[event.server, message.recipient_id] = message.message_id

    def _has_ended(self, event: RouterEvent, message: MessageReceived, *, handled: bool) -> None:
        place = event.server, message.recipient_id
        self._in_hand.pop(place, None)
        again = self._come_again.pop(place, None)
        if handled:
            self._handled[place] = message.message_id
            self._acknowledge_soon(again or event, message)
        elif again is not None:
            self._agent.events.put(again)

    # --- acknowledging ------------------------------------------------------------------------

    def _acknowledge_soon(
        self, event: RouterEvent, message: MessageReceived | QuotaReached
    ) -> None:
        queue = self._queues.get((event.server, message.recipient_id))
        if queue is not None:
            # One task for each queue at most, since a router waits for it before the next message.
            self._nursery.start_soon(self._acknowledge, event.session_id, queue, message.message_id)

    async def _acknowledge(self, session: bytes, queue: OwnedQueue, message_id: bytes) -> None:
        """Acknowledge on the connection that has delivered it; on another one it comes again."""
        retries = Retries(_SENDING)
        while (client := self._agent.client_by_session_id(session)) is not None:
            try:
                await client.acknowledge(queue, message_id)
            except SimplexError as exc:
                if self._closing or not exc.retryable or isinstance(exc, ConnectionLost):
                    return  # other events tell that a queue is lost
            else:
                return
            await _wait(retries)


@asynccontextmanager
async def open_deliveries(
    agent: SMPClientAgent, *, handled: MutableMapping[QueuePlace, bytes] | None = None
) -> AsyncIterator[Deliveries]:
    """Read the events of an agent as `Deliveries`, for as long as the block lasts.

    ``handled`` has the id of the last message of each queue that was handled: a mapping that is
    kept in a file recognizes messages after a restart, too.  When the block ends, acknowledgements
    that are under way are completed.
    """
    async with open_inner_nursery() as nursery:
        deliveries = Deliveries(agent, nursery, {} if handled is None else handled)
        yield deliveries
        deliveries._closing = True


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
            await _wait(retries)


async def _wait(retries: Retries) -> None:
    # Any number will do that differs between programs.
    retries.failed(trio.current_time(), random.random())  # noqa: S311
    await trio.sleep(retries.wait(trio.current_time()))
