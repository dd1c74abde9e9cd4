"""Storage with records in PostgreSQL, and packets to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.xftp.router.records.interface import PacketRecord
from simplex_trio.xftp.router.records.limits import NO_LIMITS
from simplex_trio.xftp.router.storage import Storage, open_storage

__all__ = ["BODY", "INFO", "KEY", "body_in_pieces", "has_body", "opened", "registered", "stored"]

BODY = b"x" * 1000
KEY = Ed25519PrivateKey(bytes(32)).public
INFO = PacketInfo(KEY, len(BODY), sha256(BODY).digest())


def opened(
    folder: Path, url: DatabaseURL, *, standby: bool = False, accept_loss: bool = False
) -> AbstractAsyncContextManager[Storage]:
    return open_storage(
        folder, 10**6, token_bytes, records=url, standby=standby, accept_loss=accept_loss
    )


async def body_in_pieces() -> AsyncIterator[bytes]:
    yield BODY[:500]
    yield BODY[500:]


async def registered(storage: Storage) -> PacketRecord:
    ids = await storage.register(INFO, [KEY], 1, NO_LIMITS)
    assert ids is not None
    packet = await storage.find(ids[0], from_sender=True)
    assert packet is not None
    return packet


async def stored(storage: Storage) -> PacketRecord:
    packet = await registered(storage)
    assert await storage.store(packet, body_in_pieces())
    return packet


async def has_body(storage: Storage, packet: PacketRecord) -> bool:
    found = await storage.find(packet.sender_id, from_sender=True)
    assert found is not None
    body = await storage.open_body(found)
    if body is not None:
        body.close()
    assert found.has_body is (body is not None)
    return found.has_body
