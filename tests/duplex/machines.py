"""`Machine`: the machine of connections and its store in memory, without an event loop."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import TypeVar

from simplex_trio.crypto.box import BoxKey
from simplex_trio.duplex.events import KeptEvent
from simplex_trio.duplex.machine.connection import Connection
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.step import Moment, OpenConnection, Spoken, Step
from simplex_trio.duplex.machine.work import Work, work_of
from simplex_trio.duplex.status import ConnectionStatus, status_of
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import MemoryDatabase
from simplex_trio.ratchet.kem import KEM, KEM_SECRET_KEY_SIZE, KEMKeyPair
from simplex_trio.wire.duplex.x3dh_keys import KEM_CIPHERTEXT_SIZE, KEM_PUBLIC_KEY_SIZE

__all__ = ["BOX_KEY", "NOW", "Crash", "Machine", "QuickKEM"]

T = TypeVar("T")
WorkT = TypeVar("WorkT", bound=Work)
EventT = TypeVar("EventT", bound=KeptEvent)

NOW = 1_800_000_000


class Crash(Exception):
    """The program ended before a step was stored."""


class QuickKEM(KEM):
    """A KEM without any security, whose keys cost nothing."""

    NAME = "quick"
    RELEASES_GIL = False

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(f"KEM {seed}")

    def generate(self) -> KEMKeyPair:
        public = self._random.randbytes(KEM_PUBLIC_KEY_SIZE)
        return KEMKeyPair(public, public.ljust(KEM_SECRET_KEY_SIZE, b"-"))

    def _encapsulate(self, public_key: bytes) -> tuple[bytes, bytes]:
        ciphertext = self._random.randbytes(KEM_CIPHERTEXT_SIZE)
        return ciphertext, sha256(public_key + ciphertext).digest()

    def _decapsulate(self, secret_key: bytes, ciphertext: bytes) -> bytes:
        return sha256(secret_key[:KEM_PUBLIC_KEY_SIZE] + ciphertext).digest()


class Machine:
    """One agent: its store, and the moment of its steps."""

    def __init__(
        self,
        name: str = "agent",
        *,
        spoken: Spoken | None = None,
        random: Callable[[int], bytes] | None = None,
        kem: KEM | None = None,
        kem_pair: Callable[[], KEMKeyPair | None] | None = None,
    ) -> None:
        self.name = name
        self.now: float = NOW
        self.opened_at: float = 0
        self.spoken = Spoken() if spoken is None else spoken
        self.random = Random(name).randbytes if random is None else random
        self.kem: KEM = QuickKEM() if kem is None else kem
        self.kem_pair = self.kem.generate if kem_pair is None else kem_pair
        self.database = MemoryDatabase()
        self.rows = SQLiteRows(self.database.connection)
        self.told: list[KeptEvent] = []
        """Everything that programs were told, in order."""
        self._read = 0

    def moment(self) -> Moment:
        return Moment(
            *(self.now, self.random, self.kem, self.kem_pair, self.spoken),
            opened_at=self.opened_at,
        )

    def step(self, decide: Callable[[Step], T], *, crash: bool = False) -> T:
        """What ``decide`` returns, once its step is stored; with ``crash`` nothing is."""
        try:
            with self.database.transaction():
                step = Step(self.rows, self.moment())
                value = decide(step)
                step.finish()
                for c in step.connections:
                    work = work_of(step, c)
                    if not c.is_removed:
                        self.rows.note_work(c.connection_id, bool(work))
                if crash:
                    raise Crash
        except BaseException:
            self.rows.forget_changes()
            raise
        self.rows.settle()
        self.told += step.events
        return value

    def on(
        self,
        connection_id: str,
        decide: Callable[[Step, OpenConnection], T],
        *,
        crash: bool = False,
    ) -> T:
        """A step about one connection."""
        return self.step(lambda step: decide(step, step.connection(connection_id)), crash=crash)

    def restart(self) -> None:
        """Forget everything that is not stored."""
        self.opened_at = self.now
        self.rows = SQLiteRows(self.database.connection)

    # --- looking --------------------------------------------------------------------------------

    def look(self, look: Callable[[Step], T]) -> T:
        return look(Step(self.rows, self.moment()))

    def connection(self, connection_id: str) -> OpenConnection:
        return self.look(lambda step: step.connection(connection_id))

    def is_known(self, connection_id: str) -> bool:
        return self.look(lambda step: step.find(connection_id)) is not None

    def status(self, connection_id: str) -> ConnectionStatus:
        return self.look(lambda step: status_of(step, connection_id))

    def connections(self) -> list[Connection]:
        return self.rows.find(Connection)

    def work(self, connection_id: str) -> list[Work]:
        def look(step: Step) -> list[Work]:
            c = step.find(connection_id)
            return [] if c is None else work_of(step, c)

        return self.look(look)

    def all_work(self) -> list[Work]:
        return [work for row in self.connections() for work in self.work(row.connection_id)]

    def only(self, connection_id: str, kind: type[WorkT], number: int | None = None) -> WorkT:
        """The one work of a kind."""
        found = [
            work
            for work in self.work(connection_id)
            if isinstance(work, kind) and number in (None, work.number)
        ]
        assert len(found) == 1, (kind, self.work(connection_id))
        return found[0]

    def deliveries(self, connection_id: str) -> list[Delivery]:
        return self.rows.find(Delivery, connection_id=connection_id)

    def stored_events(self) -> list[KeptEvent]:
        """The events that the program has not taken."""
        return [event for _, event in self.rows.events_after(0, -1)]

    def news(self) -> list[KeptEvent]:
        """What was told since the last call."""
        news = self.told[self._read :]
        self._read = len(self.told)
        return news

    def news_of(self, kind: type[EventT]) -> EventT:
        """The one event that was told since the last call."""
        [event] = self.news()
        assert isinstance(event, kind), event
        return event


BOX_KEY = BoxKey(bytes(32))
"""Of a router, for queues whose messages no router seals."""
