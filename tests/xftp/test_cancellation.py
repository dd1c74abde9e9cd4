"""Every request, cancelled at every step that anything makes meanwhile.

Afterwards the connection works, nothing is left of the request on either side, and all windows are
as open as before.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.wire.xftp.commands import FGET, FNEW, FPUT, PING, PacketInfo
from simplex_trio.wire.xftp.messages import OK, PONG, SIDS
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.router.records.limits import RecordLimits
from simplex_trio.xftp.router.storage import open_storage
from tests.client.support import cancelled_at_every_step
from tests.xftp.routers import bodies
from tests.xftp.support import Asked, client_of

KEY = Ed25519PrivateKey(bytes(32))
BODY = bytes(100_000)
DIGEST = sha256(BODY).digest()


async def router(asked: Asked) -> None:
    match asked.command:
        case PING():
            await asked.answer(PONG())
        case FNEW():
            await asked.answer(SIDS(b"sender", (b"recipient",)))
        case FPUT():
            while await asked.body.read_up_to(50_000):
                pass
            await asked.answer(OK())
        case FGET():
            await asked.send(*asked.file(BODY))


async def body() -> AsyncGenerator[bytes]:
    for start in range(0, len(BODY), 30_000):
        yield BODY[start : start + 30_000]


async def upload(client: XFTPClient) -> None:
    await client.upload(KEY, b"id", len(BODY), body())


async def download(client: XFTPClient) -> None:
    async with client.download(KEY, b"id", size=len(BODY), digest=DIGEST) as pieces:
        assert sum([len(piece) async for piece in pieces]) == len(BODY)


CALLS: dict[str, Callable[[XFTPClient], Awaitable[object]]] = {
    "ping": lambda client: client.ping(),
    "register": lambda client: client.register(
        KEY, size=len(BODY), digest=DIGEST, recipient_keys=[KEY.public]
    ),
    "upload": upload,
    "download": download,
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_cancelled_request_leaves_nothing(name: str, autojump_clock: MockClock) -> None:
    async with client_of(router) as client:
        http = client._http
        window = http._h2._inbound_flow_control_window_manager

        async def check(_: bool) -> None:
            await trio.sleep(1)  # the reset is sent, and answered
            assert client.is_usable
            assert (len(http._streams), http._h2.open_outbound_streams) == (0, 0)
            assert client._sending.value == client._config.sending
            assert window.current_window_size + window._bytes_processed == window.max_window_size
            await client.ping()

        assert await cancelled_at_every_step(lambda: CALLS[name](client), check) > 5


async def test_a_cancelled_upload_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    info = PacketInfo(KEY.public, len(BODY), DIGEST)
    kept = 0
    async with open_storage(tmp_path, 10**9, lambda size: b"0" * size) as storage:

        async def store() -> None:
            nonlocal kept
            limits = RecordLimits(1, 2)
            ids = await storage.register(info, [KEY.public], 1, limits)
            assert ids is not None
            packet = await storage.find(ids[0], from_sender=True)
            assert packet is not None
            async with aclosing(body()) as pieces:
                kept += await storage.store(packet, pieces)

        async def check(_: bool) -> None:
            packet = await storage.find(b"0" * 24, from_sender=True)
            has_body = packet is not None and packet.has_body
            assert len(bodies(tmp_path)) == has_body
            assert storage.bytes_stored == has_body * len(BODY)
            assert storage.bytes_reserved == 0
            assert storage.packets == (packet is not None)
            if packet is not None:
                assert await storage.delete(packet.sender_id)
            assert (storage.packets, storage.bytes_stored, storage.bytes_of_records) == (0, 0, 0)

        assert await cancelled_at_every_step(store, check) > 5
        assert kept
