"""A program that says in groups what a test tells it to, and writes down all that is said.

It is an agent without a chat layer above: a test reads each message that arrives, and answers.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
from attrs import define, field, frozen

from simplex_trio.chat.messages.batches import pack_group
from simplex_trio.chat.messages.bodies import Chunk, Forwarded, Received, decode_body
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.message import (
    MESSAGE_ID_SIZE,
    ChatMessage,
    XGrpMsgForward,
    message_id,
)
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.chat.messages.versions import CHAT_VERSIONS
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexEvent,
    PeerInfo,
    PeerMessage,
    RequestReceived,
)
from simplex_trio.duplex.opening import open_duplex_agent
from tests.interop.driver import PATIENCE
from tests.interop.recording import Recorder

__all__ = ["Heard", "RawSide", "new_id", "open_raw_side"]

EventT = TypeVar("EventT", bound=Event)

_AGENTS = {
    RequestReceived: "REQ",
    ConfirmationReceived: "CONF",
    PeerInfo: "INFO",
    PeerMessage: "MSG",
}


def new_id() -> bytes:
    """An id of a message or a member, as the apps make them."""
    return message_id(os.urandom(MESSAGE_ID_SIZE))


@frozen
class Heard:
    """A message that has arrived, and with what."""

    arrived: Any
    element: Received

    @property
    def event(self) -> Any:
        message = self.element.message
        return message if isinstance(message, Chunk) else message.event

    @property
    def connection(self) -> str:
        connection: str = self.arrived.connection_id
        return connection

    @property
    def id(self) -> bytes:
        """The message's id; every message of a group that something refers to has one."""
        message = self.element.message
        assert isinstance(message, ChatMessage)
        assert message.id is not None
        return message.id


def inside(heard: Heard) -> Heard:
    """What is passed on in a message, if it is one for that."""
    event = heard.event
    if not isinstance(event, XGrpMsgForward):
        return heard
    by = Forwarded(int(event.msg_ts.moment.timestamp()), event.member_id, event.member_name)
    return Heard(heard.arrived, Received(event.msg, by))


@define(eq=False)
class RawSide:
    """An agent, and what it has heard and not yet looked at."""

    agent: DuplexAgent
    recorder: Recorder
    versions: ChatVersions = CHAT_VERSIONS
    """What it says that it speaks, in every message."""
    _heard: list[Heard] = field(factory=list)
    _ready: set[str] = field(factory=set)
    _more: trio.Event = field(factory=trio.Event)

    async def listen(self) -> None:
        """Hear, record and acknowledge everything, until cancelled."""
        async for event in self.agent.events:
            await self._take(event)
            self._more.set()
            self._more = trio.Event()

    async def _take(self, event: DuplexEvent) -> None:
        match event:
            case ConnectionReady():
                self._ready.add(event.connection_id)
            case RequestReceived() | ConfirmationReceived() | PeerInfo() | PeerMessage():
                is_message = isinstance(event, PeerMessage)
                body = event.body if isinstance(event, PeerMessage) else event.info
                agent = _AGENTS[type(event)]
                self.recorder.add("from_app", agent, event.connection_id, body, event.pq)
                elements = decode_body(body)
                for each in elements:
                    assert isinstance(each, Received), (self.recorder.cases[-1], each)
                    self._heard.append(Heard(event, each))
                if is_message:
                    assert isinstance(event, PeerMessage)
                    await self.agent.acknowledge(event)
            case _:
                pass

    # --- hearing --------------------------------------------------------------------------------

    async def hear(
        self,
        kind: type[Event] | type[Chunk],
        connection: str | None = None,
        fits: Callable[[Heard], object] = lambda heard: True,
        *,
        passed_on: bool = False,
    ) -> Heard:
        """The next message of a kind, from a connection if one is named; others are kept.

        What hosts pass on in JSON is a message of its own, unless ``passed_on``.
        """
        with trio.fail_after(PATIENCE):
            while True:
                for each in self._heard:
                    found = inside(each) if passed_on else each
                    is_from = connection is None or each.connection == connection
                    if is_from and isinstance(found.event, kind) and fits(found):
                        self._heard.remove(each)
                        return found
                await self._more.wait()

    async def ready(self, connection: str) -> None:
        """Wait until a connection is ready."""
        with trio.fail_after(PATIENCE):
            while connection not in self._ready:
                await self._more.wait()

    # --- saying ---------------------------------------------------------------------------------

    async def join(self, link: str, event: Event, *, pq: bool | None = False) -> str:
        """Join a link with an event as information; returns the connection's id.

        What the owner of an address answers is to be accepted.
        """
        return await self.join_with(
            link, ChatMessage(event, versions=self.versions).encode(), pq=pq
        )

    async def join_with(self, link: str, info: bytes, *, pq: bool | None = False) -> str:
        connection = await self.agent.join(link, info, decides=True, pq=pq, wait=False)
        self.recorder.add("to_app", "join", connection, info, pq)
        return connection

    async def accept(self, heard: Heard, event: Event) -> str:
        """Accept a confirmation or a request; returns the connection's id."""
        info = ChatMessage(event, versions=self.versions).encode()
        connection = await self.agent.accept(heard.arrived, info, pq=False)
        call = "accept" if isinstance(heard.arrived, RequestReceived) else "allow"
        self.recorder.add("to_app", call, connection, info, None)
        return connection

    async def say(self, connection: str, *events: Event) -> bytes:
        """Say something, in one body if it fits; returns the id of the last message."""
        messages = [ChatMessage(event, new_id(), self.versions) for event in events]
        for body in pack_group(messages).bodies:
            await self.say_body(connection, body)
        assert messages[-1].id is not None
        return messages[-1].id

    async def say_body(self, connection: str, body: bytes) -> None:
        await self.agent.send(connection, body)
        self.recorder.add("to_app", "send", connection, body, None)


@asynccontextmanager
async def open_raw_side(recorder: Recorder, router: str) -> AsyncIterator[RawSide]:
    """A side with an agent whose store is in memory."""
    async with open_duplex_agent(None, servers=[router]) as agent, trio.open_nursery() as nursery:
        side = RawSide(agent, recorder)
        nursery.start_soon(side.listen)
        yield side
        nursery.cancel_scope.cancel()
