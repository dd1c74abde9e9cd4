"""What a bot and another program say to each other, written down as cases of tests/vectors.

The recorder stands between a bot and its agent: it sees bodies and connection infos as the agent
delivers and takes them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from attrs import define, field

from simplex_trio.chat.messages.event import Event
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    DuplexEvent,
    PeerInfo,
    PeerMessage,
    RequestReceived,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.transaction import Transaction
from tests.chat.messages.recorded import read
from tests.interop.driver import PATIENCE

__all__ = ["Recorder"]

T = TypeVar("T")

EventT = TypeVar("EventT", bound=Event)

_INFOS = {RequestReceived: "REQ", ConfirmationReceived: "CONF", PeerInfo: "INFO"}


@define(eq=False)
class Recorder:
    """The cases of a conversation, each with the action in whose course it was said."""

    cases: list[dict[str, Any]] = field(factory=list)
    _action: str = "before the first action"
    _connections: dict[str, int] = field(factory=dict)
    _more: trio.Event = field(factory=trio.Event)

    def record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record what bots say and hear that are opened from now on."""

        @asynccontextmanager
        async def open_recorded(*args: Any, **options: Any) -> AsyncIterator[_RecordedAgent]:
            async with open_duplex_agent(*args, **options) as agent:
                yield _RecordedAgent(agent, self)

        monkeypatch.setattr("simplex_trio.chat.opening.open_duplex_agent", open_recorded)

    @contextmanager
    def action(self, action: str) -> Iterator[None]:
        """What is said in the block is said in the course of ``action``."""
        self._action, before = action, self._action
        yield
        self._action = before

    async def heard(self, kind: type[EventT], count: int = 1) -> list[EventT]:
        """Wait until the other side has said so many events of a kind in the course of the action.

        The bot tells of some of them, and of others not.
        """
        with trio.fail_after(PATIENCE):
            while len(found := list(self._events(kind))) < count:
                await self._more.wait()
        return found

    def _events(self, kind: type[EventT]) -> Iterator[EventT]:
        for case in self.cases:
            if (case["action"], case["direction"]) == (self._action, "from_app"):
                for each in read(case):
                    event = getattr(each.message, "event", None)
                    if isinstance(event, kind):
                        yield event

    def add(
        self, direction: str, agent: str, connection: str | None, body: bytes, pq: bool | None
    ) -> None:
        number = connection and self._connections.setdefault(connection, len(self._connections))
        self.cases.append(
            {
                "name": f"{len(self.cases):02}-{direction.replace('_', '-')}",
                "kind": "chat_body",
                "action": self._action,
                "direction": direction,
                "agent": agent,
                "connection": number,
                "pq": pq,
                "bytes": body.hex(),
            }
        )
        self._more.set()
        self._more = trio.Event()

    def number_of(self, connection: str) -> int | None:
        """The number by which the cases call a connection."""
        return self._connections.get(connection)

    def write(self, path: Path, reference: str) -> None:
        """Write the cases as a file of tests/vectors."""
        content = {
            "file": path.name.partition(".")[0],
            "about": "bodies and connection infos between this package and the chat program",
            "reference": reference,
            "cases": self.cases,
        }
        text = json.dumps(content, indent=0).encode()
        # Without the time, so that the file depends on nothing but its content.
        path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


@define(eq=False)
class _Recorded:
    """Something that is used as before, but for what a recorder has to see."""

    _inner: Any
    _recorder: Recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _RecordedAgent(_Recorded):
    @property
    def events(self) -> _RecordedEvents:
        return _RecordedEvents(self._inner.events, self._recorder)

    async def join(self, link: Any, info: bytes, **options: Any) -> str:
        self._recorder.add("to_app", "join", None, info, options.get("pq"))
        connection_id: str = await self._inner.join(link, info, **options)
        return connection_id

    async def transact(self, decide: Callable[[Transaction], T], **options: Any) -> T:
        said: list[tuple[str, str | None, bytes]] = []

        def take(t: Transaction) -> T:
            said.clear()  # it may be called again
            return decide(_RecordedTransaction(t, self._recorder, said))  # type: ignore[arg-type]

        value: T = await self._inner.transact(take, **options)
        for call, connection, body in said:
            self._recorder.add("to_app", call, connection, body, None)
        return value


@define(eq=False)
class _RecordedTransaction(_Recorded):
    _said: list[tuple[str, str | None, bytes]]

    def send(self, connection_id: str, body: bytes, **options: Any) -> int:
        message_id: int = self._inner.send(connection_id, body, **options)
        self._said.append(("send", connection_id, body))
        return message_id

    def broadcast(self, connection_ids: list[str], body: bytes, **options: Any) -> list[Any]:
        outcomes: list[Any] = self._inner.broadcast(connection_ids, body, **options)
        self._said += [
            ("send", each, body)
            for each, outcome in zip(connection_ids, outcomes, strict=True)
            if isinstance(outcome, int)
        ]
        return outcomes

    def accept(
        self, event: ConfirmationReceived | RequestReceived, info: bytes, **options: Any
    ) -> str:
        is_request = isinstance(event, RequestReceived)
        call, known = ("accept", None) if is_request else ("allow", event.connection_id)
        self._said.append((call, known, info))
        connection_id: str = self._inner.accept(event, info, **options)
        return connection_id


class _RecordedEvents(_Recorded):
    def __aiter__(self) -> _RecordedEvents:
        return self

    async def __anext__(self) -> DuplexEvent:
        event: DuplexEvent = await self._inner.__anext__()
        match event:
            case RequestReceived() | ConfirmationReceived() | PeerInfo():
                kind = _INFOS[type(event)]
                self._recorder.add("from_app", kind, event.connection_id, event.info, event.pq)
            case PeerMessage():
                self._recorder.add("from_app", "MSG", event.connection_id, event.body, event.pq)
            case _:
                pass
        return event
