"""The router: what it takes, keeps, refuses and forgets."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from simplex_trio.errors import (
    ConnectionLost,
    DialFailed,
    StoreCorrupted,
    StoreForeign,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from simplex_trio.serving.config import ServingIntervals
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason, XFTPCode
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.router import body_files
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.records.tables import RecordTables
from simplex_trio.xftp.router.server import (
    XFTPRouter,
    open_xftp_router,
    serve_xftp_router,
)
from tests.scenarios.xftp import SMALLEST, NewPacket, client_at, refused, stored_packet
from tests.serving.credential_files import write_router
from tests.xftp.routers import CREDENTIALS, bodies, config
from tests.xftp.support import eventually

# --- the whole ------------------------------------------------------------------------------------


async def test_statistics(router: XFTPRouter) -> None:
    async with client_at(str(router.address)) as client:
        packet = await stored_packet(client)
        await packet.download(client)
        await client.acknowledge(packet.recipient_keys[0], packet.ids.recipient_ids[0])
        async with refused(XFTPCode.AUTH):
            await packet.download(client)
        now = router.statistics()
        assert (now.packets, now.bytes_stored, now.bytes_reserved) == (1, SMALLEST, 0)
        assert (now.clients, now.sockets_active, now.sockets_leaked) == (1, 1, 0)
        assert now.counters == {
            "packets_registered": 1,
            "recipients_added": 2,
            "packets_uploaded": 1,
            "uploads_failed": 0,
            "packets_downloaded": 1,
            "recipients_acknowledged": 1,
            "packets_deleted": 0,
            "packets_expired": 0,
            "packets_blocked": 0,
            "requests_refused": 1,
            "transfers_turned_away": 0,
            "packets_forgotten": 0,
        }
        assert repr(router) == "<XFTPRouter with 1 clients>"
        await client.delete(packet.sender_key, packet.ids.sender_id)
        assert router.statistics().bytes_stored == 0
    await eventually(lambda: not router.statistics().sockets_active)
    assert router.statistics().sockets_closed == 1


async def test_nothing_is_left_of_an_embedded_router() -> None:
    async with open_xftp_router() as router:
        folder = router._storage._bodies._path.parent
        async with client_at(str(router.address)) as client:
            await stored_packet(client)
        assert bodies(folder)
    assert not folder.exists()
    assert router.statistics().sockets_active == 0


async def test_several_ports() -> None:
    async with open_xftp_router(config(ports=(0, 0))) as router:
        first, second = router.ports
        assert router.address.port == first
        async with client_at(str(attrs.evolve(router.address, port=second))) as client:
            await client.ping()


async def test_closing_a_router_with_transfers_under_way(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:

        async def upload(client: XFTPClient) -> None:
            packet = NewPacket()
            await packet.register(client)

            async def endless() -> AsyncIterator[bytes]:
                yield packet.body[:1000]
                began.set()
                await trio.sleep_forever()

            with pytest.raises(ConnectionLost):
                await client.upload(packet.sender_key, packet.ids.sender_id, SMALLEST, endless())

        began = trio.Event()
        async with open_xftp_router(config(tmp_path)) as router:
            address = str(router.address)
            entered = trio.Event()
            leave = trio.Event()

            async def connected() -> None:
                async with client_at(address) as client:
                    entered.set()
                    nursery.start_soon(upload, client)
                    await leave.wait()

            nursery.start_soon(connected)
            await began.wait()
        assert bodies(tmp_path) == []
        leave.set()


# --- what is kept ---------------------------------------------------------------------------------


async def test_packets_survive_a_restart(tmp_path: Path) -> None:
    settings = config(tmp_path)
    async with (
        open_xftp_router(settings, credentials=CREDENTIALS) as router,
        client_at(str(router.address)) as client,
    ):
        stored, registered, deleted = await stored_packet(client), NewPacket(), NewPacket()
        await registered.register(client)
        await deleted.register(client)
        await deleted.upload(client)
        await client.delete(deleted.sender_key, deleted.ids.sender_id)
        await client.acknowledge(stored.recipient_keys[0], stored.ids.recipient_ids[0])
        identity = router.address.key_hash

    (tmp_path / "packets" / "left over.new").write_bytes(b"half of a body")
    (tmp_path / "packets" / "AAAA").write_bytes(b"whose record is gone")
    async with (
        open_xftp_router(settings, credentials=CREDENTIALS) as router,
        client_at(str(router.address)) as client,
    ):
        assert router.address.key_hash == identity
        now = router.statistics()
        assert (now.packets, now.bytes_stored) == (2, SMALLEST)
        assert len(bodies(tmp_path)) == 1
        assert await stored.download(client, 1) == stored.body
        for number, packet in ((0, stored), (0, deleted)):
            async with refused(XFTPCode.AUTH):
                await packet.download(client, number)
        await registered.upload(client)
        assert await registered.download(client) == registered.body


async def test_counters_survive_a_restart(tmp_path: Path) -> None:
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        await stored_packet(client)
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        assert router.statistics().counters["packets_uploaded"] == 1
        await stored_packet(client)
        assert router.statistics().counters["packets_uploaded"] == 2
        assert router.statistics().clients == 1


async def test_counters_are_stored_while_the_router_runs(tmp_path: Path) -> None:
    settings = config(tmp_path, intervals=ServingIntervals(statistics=0.01))
    async with (
        open_xftp_router(settings) as router,
        client_at(str(router.address)) as client,
    ):
        await stored_packet(client)
        stored: dict[str, int] = {}
        with trio.fail_after(20):
            while stored.get("packets_uploaded") != 1:
                stored = await router._storage.statistics()
        assert stored == router.statistics().counters


async def test_a_folder_is_for_one_router(tmp_path: Path) -> None:
    async with open_xftp_router(config(tmp_path)):
        with pytest.raises(StoreLocked):
            async with open_xftp_router(config(tmp_path)):
                raise AssertionError("there is one already")


@pytest.mark.parametrize("content", [b"not a database at all", b""])
async def test_records_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "records.sqlite"
    if content:
        path.write_bytes(content * 100)
    else:
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE other (x)")
        database.execute("PRAGMA user_version = 7")
        database.close()
    with pytest.raises((StoreForeign, StoreCorrupted)):
        async with open_xftp_router(config(tmp_path)):
            raise AssertionError("these are no records")


async def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        async with open_xftp_router(config(tmp_path / "file" / "folder")):
            raise AssertionError("there is no such folder")


async def test_a_body_that_has_vanished_from_the_disk(tmp_path: Path) -> None:
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        packet = await stored_packet(client)
        for path in bodies(tmp_path):
            path.unlink()
        async with refused(XFTPCode.AUTH):
            await packet.download(client)
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        assert router.statistics().bytes_stored == 0
        async with refused(XFTPCode.NO_FILE):
            await packet.download(client)
        await packet.upload(client)  # its sender may do so again
        assert await packet.download(client) == packet.body
        await client.delete(packet.sender_key, packet.ids.sender_id)


# --- two uploads, and a deletion meanwhile --------------------------------------------------------


async def test_one_body_per_packet(tmp_path: Path) -> None:
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
        client_at(str(router.address)) as another,
    ):
        packet = NewPacket()
        await packet.register(client)
        async with trio.open_nursery() as nursery:
            for each in (client, another) * 3:
                nursery.start_soon(packet.upload, each)
        assert router.statistics().bytes_stored == SMALLEST
        assert router.statistics().counters["packets_uploaded"] == 1
        assert len(bodies(tmp_path)) == 1
        async with refused(XFTPCode.SIZE):
            await packet.upload(client, packet.body[:-1])
        async with refused(XFTPCode.SIZE):
            await packet.upload(client, packet.body + b"!")
        assert await packet.download(client) == packet.body


@pytest.mark.parametrize("blocks", [False, True])
async def test_a_packet_that_goes_during_its_upload(tmp_path: Path, blocks: bool) -> None:
    reason = Blocked(BlockingReason.SPAM)
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        packet = NewPacket()
        await packet.register(client)

        async def interrupted() -> AsyncIterator[bytes]:
            yield packet.body[:1000]
            if blocks:
                await router.block_packet(packet.ids.sender_id, reason)
            else:
                await client.delete(packet.sender_key, packet.ids.sender_id)
            yield packet.body[1000:]

        async with refused(reason if blocks else XFTPCode.AUTH):
            await client.upload(packet.sender_key, packet.ids.sender_id, SMALLEST, interrupted())
        assert bodies(tmp_path) == []
        assert router.statistics().bytes_stored == 0


async def test_a_packet_that_goes_while_recipients_are_added(
    router: XFTPRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RecordTables.add_recipients

    def late(records: RecordTables, sender_id: bytes, *parameters: Any) -> bool:
        records.delete(sender_id, lambda: None)
        return add(records, sender_id, *parameters)

    async with client_at(str(router.address)) as client:
        packet = NewPacket()
        await packet.register(client)
        monkeypatch.setattr(RecordTables, "add_recipients", late)
        keys = [key.public for key in packet.recipient_keys]
        async with refused(XFTPCode.AUTH):
            await client.add_recipients(packet.sender_key, packet.ids.sender_id, keys)


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        packet = NewPacket()
        await packet.register(client)
        with monkeypatch.context() as patch:
            patch.setattr(body_files.IncomingBody, "write", full)
            async with refused(XFTPCode.FILE_IO):
                await packet.upload(client)
        assert bodies(tmp_path) == []
        await packet.upload(client)
        shutil.rmtree(tmp_path / "packets")
        another = NewPacket()
        await another.register(client)
        async with refused(XFTPCode.FILE_IO):
            await another.upload(client)


async def test_a_disk_that_is_full_when_the_body_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise StoreFull("No space left on device")

    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        packet = NewPacket()
        await packet.register(client)
        with monkeypatch.context() as patch:
            patch.setattr(RecordTables, "note_body", full)
            async with refused(XFTPCode.FILE_IO):
                await packet.upload(client)
        assert "No space left on device" in caplog.text
        assert bodies(tmp_path) == []
        assert router.statistics().bytes_stored == 0
        await packet.upload(client)
        assert await packet.download(client) == packet.body


async def test_bodies_that_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, and the account of packets and bytes stays right."""
    now = time.time()
    async with (
        open_xftp_router(config(tmp_path), clock=lambda: now) as router,
        client_at(str(router.address)) as client,
    ):
        deleted, stubborn, other = [await stored_packet(client) for _ in range(3)]
        unlink = Path.unlink
        kept = {to_base64url(each.ids.sender_id) for each in (deleted, stubborn)}

        def fail(path: Path, missing_ok: bool = False) -> None:
            if path.name in kept:
                raise OSError(errno.EIO, "Input/output error")
            unlink(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", fail)
            async with refused(XFTPCode.FILE_IO):
                await client.delete(deleted.sender_key, deleted.ids.sender_id)
            now += 50 * 3600
            assert await router.expire() == 1
            counted = router.statistics()
            assert (counted.packets, counted.bytes_stored) == (2, 2 * SMALLEST)
            async with refused(XFTPCode.AUTH):
                await other.download(client)
        await client.delete(deleted.sender_key, deleted.ids.sender_id)
        assert await router.expire() == 1
        counted = router.statistics()
        assert (counted.packets, counted.bytes_stored) == (0, 0)
        assert bodies(tmp_path) == []


# --- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": ""},
        {"password": "two words"},
        {"password": "a@b"},
        {"sizes": ()},
        {"sizes": (0,)},
        {"quota": -1},
        {"packet_ttl": 0},
        {"hosts": ()},
        {"hosts": ("no host",)},
        {"ports": ()},
        {"ports": (70000,)},
        {"buffered": 1},
    ],
)
def test_configurations_that_cannot_be_right(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        config(**wrong)


async def test_a_router_from_a_file(tmp_path: Path) -> None:
    made = write_router(tmp_path)
    (tmp_path / "xftp.toml").write_text(
        'hosts = ["127.0.0.1"]\n'
        'listen = "127.0.0.1"\n'
        "ports = [0]\n"
        'credentials = "."\n'
        'store = "files"\n'
        "metrics_port = 0\n"
    )
    settings = XFTPRouterConfig.load(tmp_path / "xftp.toml")
    async with (
        open_xftp_router(settings) as router,
        client_at(str(router.address)) as client,
    ):
        assert router.address.key_hash == made.identity_fingerprint
        await stored_packet(client)
        assert len(bodies(tmp_path / "files")) == 1
        assert router.metrics_port is not None
        text = await metrics_at(router.metrics_port)
    assert b"simplex_xftp_router_packets 1.0\n" in text
    assert b"simplex_xftp_router_clients 1.0\n" in text
    assert b"simplex_xftp_router_packets_uploaded_total 1.0\n" in text
    assert b"simplex_xftp_router_sockets_leaked 0.0\n" in text


async def metrics_at(port: int) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\n\r\n")
        return b"".join([data async for data in stream])


async def test_serving_until_cancelled(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        router: XFTPRouter = await nursery.start(serve_xftp_router, config(tmp_path))
        async with client_at(str(router.address)) as client:
            await client.ping()
        nursery.cancel_scope.cancel()
    with pytest.raises(DialFailed):
        async with client_at(str(router.address)):
            raise AssertionError("the router is closed")
