"""A program that sends a file to itself, and dies at any moment while it does.

Time is virtual, and threads are not used; the disk is the real one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch

import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.destination import Destination
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import UnknownFile
from simplex_trio.duplex.events import DuplexEvent
from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.duplex.file_events import (
    FileDeleted,
    FileFailed,
    FileNeedsApproval,
    FileReceived,
    FileSent,
)
from simplex_trio.duplex.file_status import FileState
from simplex_trio.duplex.store.store import DuplexStore, MemoryDatabase
from simplex_trio.engine.backoff import Backoff
from simplex_trio.testing.in_memory.crashes import Crash, CrashingDatabase
from simplex_trio.testing.in_memory.file_routers import Routers, SimulatedRouter

T = TypeVar("T")

SIZE = 150_000
"""Of a file in three packets."""

PARALLEL = 2

_TABLES = (
    "outgoing_files",
    "uploaded_packets",
    "incoming_files",
    "deleted_files",
    "deleted_packets",
    "events",
)

_PATIENCE = 24 * 3600


@define(eq=False)
class Notes:
    """What the program has noted; it outlives the program, as a database of its own would."""

    sending: str | None = None
    descriptions: tuple[str, ...] = ()
    receiving: dict[int, str] = field(factory=dict)
    received: dict[str, str] = field(factory=dict)
    is_deleting: bool = False
    is_deleted: bool = False


class Program:
    """The program, in all its lives."""

    def __init__(self, path: Path, folder: Path, *, recipients: int, redirect: bool) -> None:
        self.notes = Notes()
        self._path = path
        self._folder = folder
        self._recipients = recipients
        self._redirect = redirect

    async def run(self, agent: DuplexAgent) -> None:
        """Go on with everything, until all is done."""
        notes = self.notes
        if notes.sending is None:
            known = [each for each in await agent.files() if each.state is FileState.SENDING]
            sent = [each for each in await agent.files() if each.state is FileState.SENT]
            if known or sent:
                notes.sending = (known + sent)[0].file_id
            else:
                notes.sending = await agent.send_file(
                    self._path, recipients=self._recipients, redirect=self._redirect
                )
        while not notes.descriptions:
            await self._handle(agent)
        for number, text in enumerate(notes.descriptions):
            if number not in notes.receiving:
                begun = {
                    each.file_id for each in await agent.files() if each.state is not FileState.SENT
                } - set(notes.receiving.values())
                if begun:
                    notes.receiving[number] = begun.pop()
                else:
                    notes.receiving[number] = await agent.receive_file(text, self._folder)
            while notes.receiving[number] not in notes.received:
                await self._handle(agent)
        await agent.drain()
        if not notes.is_deleting:
            notes.is_deleting = True
        if not notes.is_deleted:
            with suppress(UnknownFile):  # it was deleted by an earlier life
                await agent.delete_file(notes.sending)
        while not notes.is_deleted:
            await self._handle(agent)
        await agent.drain()
        await agent._store.flush()
        while await agent._store.events_after(0, 1):
            await self._handle(agent)  # those that came again
            await agent._store.flush()

    async def _handle(self, agent: DuplexAgent) -> None:
        event: DuplexEvent = await agent.events.receive()
        notes = self.notes
        match event:
            case FileSent():
                assert event.file_id == notes.sending
                notes.descriptions = event.recipients
            case FileReceived():
                # A crash may come between the call that has begun it and its note.
                notes.received[event.file_id] = event.path
            case FileDeleted():
                assert event.left == 0
                notes.is_deleted = True
            case FileNeedsApproval():
                await agent.approve_file(event.file_id)
            case FileFailed():
                raise AssertionError(event)
        agent.events.take()


@contextmanager
def without_threads() -> Iterator[None]:
    """What would be done in a thread, whose end no clock tells, is done at once."""

    async def run_sync(function: Callable[..., T], *args: Any, **_options: Any) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)

    with (
        patch.object(trio.to_thread, "run_sync", run_sync),
        patch.object(trio.from_thread, "run_sync", lambda function, *args: function(*args)),
        patch.object(trio.from_thread, "check_cancelled", lambda: None),
    ):
        yield


class World:
    """A program, its disk, and the routers that it uses."""

    def __init__(
        self,
        place: Path,
        seed: int = 0,
        *,
        routers: int = 1,
        recipients: int = 2,
        redirect: bool = False,
        owns_routers: bool = True,
    ) -> None:
        self.random = Random(seed)
        self.place = place
        self.folder = place / "received"
        self.folder.mkdir()
        self.path = place / "file"
        self.path.write_bytes(Random(1).randbytes(SIZE))
        self.routers = [SimulatedRouter(number, self.random) for number in range(routers)]
        self.database = MemoryDatabase().connection
        self.program = Program(self.path, self.folder, recipients=recipients, redirect=redirect)
        self.lives = 0
        self.points = 0
        self._owns_routers = owns_routers

    async def live(self, crash: Crash) -> bool:
        """One life of the program; returns whether it has done everything."""
        self.lives += 1
        is_done = False
        try:
            with crash.scope:
                async with self._open_agent(crash) as agent:
                    with trio.fail_after(_PATIENCE):
                        await self.program.run(agent)
                    is_done = True
        except BaseException:
            if not crash.has_happened:
                raise
        self.points = crash.points
        return is_done and not crash.has_happened

    @asynccontextmanager
    async def _open_agent(self, crash: Crash) -> AsyncIterator[DuplexAgent]:
        async def nowhere(_: trio.Nursery, __: Destination) -> SMPClient:
            raise AssertionError("there are no queues")

        database = CrashingDatabase(self.database, crash)
        store = DuplexStore(database)
        random = self.random
        waits = Backoff(initial=0.5, maximum=20)
        files = FileConfig(
            servers=[router.address for router in self.routers],
            may_use=None if self._owns_routers else [],
            parallel=PARALLEL,
            attempts=2,
            backoff=waits,
            connect=Routers(self.routers, crash).connect,  # type: ignore[arg-type]
        )
        if not self._owns_routers:
            files = evolve(files, servers=files.servers)
        config = DuplexConfig(
            pq=False,
            files=files,
            command_backoff=waits,
            clock=lambda: 1_800_000_000 + trio.current_time(),
            random_bytes=random.randbytes,
        )
        config = evolve(config, agent=evolve(config.agent, random_fraction=random.random))
        try:
            async with open_smp_agent(config.agent, connector=nowhere) as below:
                agent = DuplexAgent(config, store, below, None, folder=self.place / "agent.files")
                async with trio.open_nursery() as nursery:
                    await nursery.start(agent.run)
                    yield agent
                    nursery.cancel_scope.cancel()
        finally:
            try:
                await store.aclose()
            finally:
                database.end()

    def check(self) -> None:
        """Everything was received once, and nothing is left anywhere."""
        notes = self.program.notes
        content = self.path.read_bytes()
        places = list(notes.received.values())
        assert len(places) == len(notes.descriptions)
        for place in places:
            assert Path(place).read_bytes() == content
        found = sorted(str(each) for each in self.folder.iterdir())
        assert found == sorted(places)
        local = self.place / "agent.files"
        assert not local.exists() or list(local.iterdir()) == []
        for table in _TABLES:
            (count,) = self.database.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert count == 0, table
        # What its sender could not learn or store before it crashed is left, and has no body.
        assert not any(router.bodies for router in self.routers)
        left = sum(len(router.packets) for router in self.routers)
        lost = sum(router.lost_registrations for router in self.routers)
        assert left <= lost + PARALLEL * (self.lives - 1)

    @property
    def uploads(self) -> int:
        return sum(router.uploads for router in self.routers)

    @property
    def downloads(self) -> int:
        return sum(router.downloads for router in self.routers)


def run(world: World, live: Callable[[], Any]) -> Any:
    """Run lives of a world on virtual time."""
    del world
    with without_threads():
        return trio.run(live, clock=MockClock(autojump_threshold=0))
