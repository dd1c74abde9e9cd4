"""How long an agent with many connections takes to start, and how much memory they take.

Run by hand: ``python -m tests.duplex.bench_start [CONNECTIONS] [--encrypted] [--profile]``.  The
router is our own, in another process than the agent, which starts in a fresh one.  What is printed
is JSON: seconds until the agent is open, until all queues are subscribed to, and KiB of memory.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import secrets
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import RouterUp
from simplex_trio.duplex.machine.connection import (
    Connection,
    ConnectionKind,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import open_duplex_store
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.router.store.interface import PutQueue
from simplex_trio.router.store.records import QueueRecord
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.queue_mode import QueueMode
from tests.bench.memory import resident_of
from tests.ratchet.pairs import talking

_AT_ONCE = 1000
_KEY = bytes(range(32))
_CONFIG = DuplexConfig(pq=False)


class Made:
    """One connection: its rows, and its queue as the router has it."""

    def __init__(self, number: int) -> None:
        self._id = f"connection{number:06}"
        self._key = Ed25519PrivateKey(secrets.token_bytes(32))
        self.queue = QueueRecord(
            recipient_id=secrets.token_bytes(24),
            sender_id=secrets.token_bytes(24),
            recipient_keys=(self._key.public,),
            dh_secret=secrets.token_bytes(32),
            created_day=20_000,
            updated_day=20_000,
            mode=QueueMode.MESSAGING,
        )

    def records(self, server: ServerAddress, ratchet: Ratchet) -> tuple[Any, ...]:
        connection_id, key = self._id, self._key
        e2e_key = X25519PrivateKey(secrets.token_bytes(32))
        return (
            Connection(
                connection_id,
                user="",
                kind=ConnectionKind.DUPLEX,
                created_at=0,
                agent_version=7,
                ratchet=ratchet,
                ready=True,
                sent_hash=secrets.token_bytes(32),
                received_hash=secrets.token_bytes(32),
            ),
            ReceivingQueue(
                connection_id,
                number=1,
                mode=QueueMode.MESSAGING,
                auth_key=key,
                e2e_key=e2e_key,
                client_version=4,
                status=ReceivingStatus.ACTIVE,
                server=server,
                recipient_id=self.queue.recipient_id,
                sender_id=self.queue.sender_id,
                delivery_key=BoxKey(self.queue.dh_secret),
                e2e_secret=BoxKey(secrets.token_bytes(32)),
            ),
            SendingQueue(
                connection_id,
                number=1,
                server=server,
                sender_id=secrets.token_bytes(24),
                mode=QueueMode.MESSAGING,
                auth_key=key,
                e2e_key=e2e_key.public,
                e2e_secret=BoxKey(secrets.token_bytes(32)),
                client_version=4,
                status=SendingStatus.ACTIVE,
            ),
        )


async def _fill_router(path: Path, queues: list[QueueRecord]) -> None:
    async with open_sqlite_store(path) as store:
        for start in range(0, len(queues), _AT_ONCE):
            await store.commit(list(map(PutQueue, queues[start : start + _AT_ONCE])))


async def _fill_agent(path: Path, key: bytes | None, records: list[Any]) -> None:
    async with open_duplex_store(path, key=key) as store:

        def insert(rows: SQLiteRows) -> None:
            for record in records:
                rows.insert(record)

        await store.transact(insert)


async def _measure(path: Path, key: bytes | None, count: int, *, traced: bool) -> dict[str, float]:
    async with open_duplex_agent(None, config=_CONFIG):
        pass  # what is imported and made once is not counted
    gc.collect()
    before = resident_of() or 0
    if traced:
        tracemalloc.start()
    began = time.perf_counter()
    async with open_duplex_agent(path, config=_CONFIG, key=key) as agent:
        opened = time.perf_counter() - began
        left = count
        async for event in agent.events:
            if isinstance(event, RouterUp):
                left -= len(event.connection_ids)
                del event
                if left <= 0:
                    break
        subscribed = time.perf_counter() - began
        gc.collect()
        found = {
            "open_seconds": opened,
            "subscribed_seconds": subscribed,
            "kib_each": ((resident_of() or 0) - before) / count / 1024,
        }
        if traced:
            found["python_kib_each"] = tracemalloc.get_traced_memory()[0] / count / 1024
        return {name: round(value, 3) for name, value in found.items()}


async def _main(arguments: argparse.Namespace) -> None:
    key = _KEY if arguments.encrypted else None
    options = [name for name in ("encrypted", "profile", "traced") if getattr(arguments, name)]
    count = arguments.connections
    ratchet = talking(offered=True, wanted=True)[0].ratchet
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [Made(number) for number in range(count)]
        await _fill_router(folder / "router.db", [each.queue for each in made])
        async with open_router(evolve(EMBEDDED, store=folder / "router.db")) as router:
            server = router.address
            records = [record for each in made for record in each.records(server, ratchet)]
            await _fill_agent(folder / "agent.db", key, records)
            command = [sys.executable, "-m", "tests.duplex.bench_start", str(count)]
            command += ["--child", str(folder / "agent.db")]
            await trio.run_process(command + [f"--{option}" for option in options])


def main() -> None:
    """Prepare both stores and run the agent in a process of its own; or be that process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connections", type=int, nargs="?", default=10_000)
    parser.add_argument("--encrypted", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--traced", action="store_true", help="count Python's memory, slowly")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is None:
        trio.run(_main, arguments)
        return
    key = _KEY if arguments.encrypted else None
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    measured = trio.run(_measure_child, arguments.child, key, arguments)
    measured["file_mib"] = round(arguments.child.stat().st_size / 2**20, 3)
    profile.disable()
    if arguments.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    print(json.dumps(measured))


async def _measure_child(
    path: Path, key: bytes | None, arguments: argparse.Namespace
) -> dict[str, float]:
    return await _measure(path, key, arguments.connections, traced=arguments.traced)


if __name__ == "__main__":
    main()
