"""An agent with many connections that do nothing: what a start reads, and what is kept."""

from __future__ import annotations

import gc
import secrets
import tracemalloc
from pathlib import Path
from typing import Any, NoReturn

import trio

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.machine.connection import (
    Connection,
    ConnectionKind,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
)
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.records import Table
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import open_duplex_store
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.queue_mode import QueueMode
from tests.ratchet.pairs import talking

CONNECTIONS = 2000
MOST = 1024
"""Bytes of Python objects for each; with what SQLite and the allocator take it is some 2 KiB."""

SERVER = ServerAddress.parse(f"smp://{'A' * 43}=@router.example")


async def unreachable(*_: object, **__: object) -> NoReturn:
    await trio.sleep_forever()
    raise AssertionError


def rows_of(number: int, ratchet: Ratchet) -> tuple[Any, ...]:
    """The rows of a connection that is ready."""
    connection_id = f"connection{number:06}"
    key = Ed25519PrivateKey(secrets.token_bytes(32))
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
            server=SERVER,
            recipient_id=secrets.token_bytes(24),
            sender_id=secrets.token_bytes(24),
            delivery_key=BoxKey(secrets.token_bytes(32)),
            e2e_secret=BoxKey(secrets.token_bytes(32)),
        ),
        SendingQueue(
            connection_id,
            number=1,
            server=SERVER,
            sender_id=secrets.token_bytes(24),
            mode=QueueMode.MESSAGING,
            auth_key=key,
            e2e_key=e2e_key.public,
            e2e_secret=BoxKey(secrets.token_bytes(32)),
            client_version=4,
            status=SendingStatus.ACTIVE,
        ),
    )


async def fill(path: Path) -> None:
    ratchet = talking()[0].ratchet
    records = [record for number in range(CONNECTIONS) for record in rows_of(number, ratchet)]

    def insert(rows: SQLiteRows) -> None:
        for record in records:
            rows.insert(record)

    async with open_duplex_store(path) as store:
        await store.transact(insert)


async def test_idle_connections_take_little(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "agent.db"
    await fill(path)
    read: list[str] = []
    record = Table.record

    def noted(self: Table[Any], row: tuple[Any, ...]) -> Any:
        read.append(self.kind.__name__)
        return record(self, row)

    config = DuplexConfig(pq=False)
    async with open_duplex_agent(None, config=config, connector=unreachable):
        pass  # what is made once is not counted
    monkeypatch.setattr(Table, "record", noted)
    gc.collect()
    tracemalloc.start()
    try:
        async with open_duplex_agent(path, config=config, connector=unreachable) as agent:
            assert read == ["SubscribedQueue"] * CONNECTIONS
            read.clear()
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0] / CONNECTIONS
            assert len(await agent.connections()) == CONNECTIONS
    finally:
        tracemalloc.stop()
    assert taken < MOST, taken
