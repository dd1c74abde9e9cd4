"""A program with an agent, to be killed at any time and started again: it goes on where it was.

It prints a line for everything that happens, so that its tests can choose where to kill it, and
``done`` when it has told its peer everything, has the receipts, and was told everything.  It keeps
running then, for the peer's sake.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

import trio

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import AlreadyJoined, CannotRotate
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    DuplexEvent,
    InvitationReady,
    MessageSent,
    PeerMessage,
    ReceiptReceived,
)
from simplex_trio.duplex.opening import open_duplex_agent

COUNT = 15
"""How many messages are to be stored by the agent for certain, not counting the last one."""

END = "end"

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS sent (
    number INTEGER PRIMARY KEY, body TEXT, message_id INTEGER UNIQUE,
    is_sent INTEGER DEFAULT 0, has_receipt INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS received (
    place INTEGER PRIMARY KEY, message_id INTEGER UNIQUE, body TEXT UNIQUE);
"""


class Notes:
    """What the program has done and was told, in a file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        self._connection.close()

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def fact(self, name: str) -> str | None:
        found = self.rows("SELECT value FROM facts WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def learn(self, name: str, value: str) -> None:
        self.rows("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def begin_sending(self) -> str:
        """The next body; it is noted before the call, whose outcome may remain unknown."""
        ((stored,),) = self.rows("SELECT count(message_id) FROM sent")
        ((last,),) = self.rows("SELECT coalesce(max(number), 0) FROM sent")
        assert isinstance(last, int)
        assert isinstance(stored, int)
        body = str(last + 1) if stored < COUNT else f"{END} {last + 1}"
        self.rows("INSERT INTO sent (number, body) VALUES (?, ?)", last + 1, body)
        return body

    def stored(self, body: str, message_id: int) -> None:
        self.rows("UPDATE sent SET message_id = ? WHERE body = ?", message_id, body)

    @property
    def has_sent_all(self) -> bool:
        ((stored,),) = self.rows("SELECT count(message_id) FROM sent")
        return stored == COUNT + 1

    def receive(self, message_id: int, body: str) -> None:
        """A message, which comes again with the same id if it was not acknowledged."""
        known = self.rows("SELECT body FROM received WHERE message_id = ?", message_id)
        if known:
            assert known == [(body,)]
        else:
            self.rows("INSERT INTO received (message_id, body) VALUES (?, ?)", message_id, body)

    @property
    def is_done(self) -> bool:
        open_ends = "message_id IS NOT NULL AND NOT (is_sent AND has_receipt)"
        return (
            self.has_sent_all
            and not self.rows(f"SELECT 1 FROM sent WHERE {open_ends}")
            and bool(self.rows("SELECT 1 FROM received WHERE body LIKE ?", f"{END}%"))
        )


class Program:
    def __init__(self, role: str, folder: Path, *, moves: bool) -> None:
        self.moves = moves
        """Whether the queue is moved now and then, while messages are under way."""
        self.is_joiner = role == "bob"
        self.notes = Notes(folder / f"{role}.notes")
        self.link = folder / "link"
        self.ready = trio.Event()
        if self.notes.fact("ready"):
            self.ready.set()

    async def run(self, agent: DuplexAgent) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, agent)
            nursery.start_soon(self._connect, agent)
            nursery.start_soon(self._send, agent)

    async def _connect(self, agent: DuplexAgent) -> None:
        if self.is_joiner:
            while not self.link.exists():  # noqa: ASYNC110 - it is written by another process
                await trio.sleep(0.01)
            link = self.link.read_text()
            with suppress(AlreadyJoined):
                await agent.join(link, b"Bob", wait=False)
        elif connection_ids := await agent.connections():
            status = await agent.status(connection_ids[0])
            if status.link is not None:
                self._publish(status.link)
        else:
            await agent.create(info=b"Alice", wait=False)

    def _publish(self, link: str) -> None:
        unfinished = self.link.with_suffix(".unfinished")
        unfinished.write_text(link)
        unfinished.replace(self.link)

    async def _send(self, agent: DuplexAgent) -> None:
        await self.ready.wait()
        connection_id = self.notes.fact("ready")
        assert connection_id is not None
        while not self.notes.has_sent_all:
            body = self.notes.begin_sending()
            self.notes.stored(body, await agent.send(connection_id, body.encode()))
            print("stored", flush=True)
            if self.moves and int(body.split()[-1]) % 5 == 1:
                with suppress(CannotRotate):
                    await agent.rotate(connection_id)

    async def _read(self, agent: DuplexAgent) -> None:
        async for event in agent.events:
            await self._handle(agent, event)
            print(type(event).__name__, flush=True)
            if self.notes.is_done:
                print("done", flush=True)

    async def _handle(self, agent: DuplexAgent, event: DuplexEvent) -> None:
        match event:
            case InvitationReady(link=link):
                self._publish(link)
            case ConfirmationReceived():
                await agent.accept(event)
            case ConnectionReady(connection_id=connection_id):
                self.notes.learn("ready", connection_id)
                self.ready.set()
            case MessageSent(message_id=message_id):
                self.notes.rows("UPDATE sent SET is_sent = 1 WHERE message_id = ?", message_id)
            case ReceiptReceived(message_id=message_id):
                self.notes.rows("UPDATE sent SET has_receipt = 1 WHERE message_id = ?", message_id)
            case PeerMessage(message_id=message_id, body=body):
                self.notes.receive(message_id, body.decode())
                await agent.acknowledge(event, receipt=True)


async def main(role: str, folder: Path, routers: list[str], *, pq: bool, moves: bool) -> None:
    config = DuplexConfig(pq=pq)
    async with open_duplex_agent(folder / f"{role}.db", servers=routers, config=config) as agent:
        print("open", flush=True)
        await Program(role, folder, moves=moves).run(agent)


if __name__ == "__main__":
    _role, _folder, _options, *_routers = sys.argv[1:]
    trio.run(
        lambda: main(
            *(_role, Path(_folder), _routers), pq="pq" in _options, moves="moves" in _options
        )
    )
