"""`Crash`: the end of one life of a program, at any commit and any use of the network.

A program that has crashed does nothing any more: whatever its tasks still try, on the way out,
raises `Crashed`.  Its connections to routers are closed, as the system does it for a process that
was killed.  Its database has what was committed; or if the power was lost, what was committed up to
the last commit that was to be durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from sqlite3 import Connection
from typing import TypeVar

import trio

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.duplex.store.store import MemoryDatabase, MemoryFile
from simplex_trio.frozen import frozen
from simplex_trio.testing.in_memory.connector import Network, Reachable
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["Crash", "Crashed", "CrashingDatabase", "CrashingFile", "RouterInSight"]

T = TypeVar("T")


class Crashed(BaseException):
    """The program is dead."""


class Crash:
    """Ends what is in ``scope`` at the n-th point at which that is possible, if at all."""

    def __init__(self, at: int | None, *, loses_power: bool = False) -> None:
        self.scope: trio.CancelScope = trio.CancelScope()
        self.at = at
        self.loses_power = loses_power
        self.points: int = 0
        self.place: str = ""
        """Where it happened."""

    @property
    def has_happened(self) -> bool:
        return bool(self.place)

    def now(self) -> None:
        """End the program here, if it has not crashed yet."""
        if not self.has_happened:
            self.place = "killed"
            self.scope.cancel()

    def point(self, place: str) -> None:
        """Raise `Crashed` if this is the point, or was passed already."""
        if not self.has_happened:
            self.points += 1
            if self.points != self.at:
                return
            self.place = place
            self.scope.cancel()
        raise Crashed


class CrashingDatabase(MemoryDatabase):
    """A database whose program may crash before, in and after each transaction.

    Transactions since the last durable one are parts of a larger one, which can still be undone.
    """

    def __init__(self, connection: Connection, crash: Crash) -> None:
        super().__init__(connection)
        self._crash = crash

    async def run(self, function: Callable[[], T]) -> T:
        self._crash.point("before a transaction")
        value = await super().run(function)
        self._crash.point("before the outcome of a transaction is known")
        return value

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        execute = self.connection.execute
        if not self.connection.in_transaction:
            execute("BEGIN IMMEDIATE")
        execute("SAVEPOINT one")
        try:
            yield
            self._crash.point("before a commit")
        except BaseException:
            execute("ROLLBACK TO one")
            execute("RELEASE one")
            raise
        execute("RELEASE one")
        if durable:
            execute("COMMIT")
        self._crash.point("after a commit")

    def end(self) -> None:
        """The program has ended, in one way or the other."""
        self.is_closed = True
        if self.connection.in_transaction:
            loses_power = self._crash.has_happened and self._crash.loses_power
            self.connection.execute("ROLLBACK" if loses_power else "COMMIT")


class CrashingFile(MemoryFile):
    """A file in memory whose programs may crash."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.crash: Crash = Crash(None)
        """The end of the program that has it open."""
        self._opened: CrashingDatabase | None = None

    def _on(self, connection: Connection) -> CrashingDatabase:
        self._opened = CrashingDatabase(connection, self.crash)
        return self._opened

    def end(self) -> None:
        """The program has ended, in one way or the other."""
        if self._opened is not None:
            self._opened.end()


class _CrashingStream(trio.abc.Stream):
    """A connection whose program may crash before, in and after each use of it."""

    def __init__(self, stream: trio.abc.Stream, crash: Crash, random: Random) -> None:
        self._stream = stream
        self._crash = crash
        self._random = random

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        was_alive = not self._crash.has_happened
        try:
            self._crash.point("before writing to a router")
        except Crashed:
            if was_alive and data and self._random.random() < 0.5:
                # The system had a part of it already.
                with trio.CancelScope(shield=True):
                    await self._stream.send_all(data[: self._random.randrange(len(data))])
            raise
        await self._stream.send_all(data)
        self._crash.point("after writing to a router")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = await self._stream.receive_some(max_bytes)
        self._crash.point("after reading from a router")
        return bytes(data)

    async def aclose(self) -> None:
        await self._stream.aclose()


@frozen(eq=False)
class _CrashingNetwork:
    network: Network
    crash: Crash
    random: Random

    async def connect(self, name: str) -> trio.abc.Stream:
        self.crash.point("before connecting")
        stream = await self.network.connect(name)
        return _CrashingStream(stream, self.crash, self.random)


class RouterInSight:
    """A router, as a program sees it that may crash."""

    def __init__(self, router: Reachable, crash: Crash, random: Random) -> None:
        self.network: Network = _CrashingNetwork(router.network, crash, random)
        self.name: str = router.name
        self.address: ServerAddress = router.address
        self.credentials: RouterCredentials = router.credentials
        self.client_chains: dict[bytes, CertificateChain] = router.client_chains
