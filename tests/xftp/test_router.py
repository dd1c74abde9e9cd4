"""The router: what it takes, keeps, refuses and forgets, and how it bears with its clients."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from h2 import events

from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_trio.crypto.padding import pad
from simplex_trio.errors import ConnectionLost, DialFailed
from simplex_trio.transport.connect import open_transport
from simplex_trio.transport.tls import TlsStream, utc_now
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import short, word16
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    read_response,
    seal_transmission,
    xftp_session,
)
from simplex_trio.wire.xftp.commands import FGET
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason, XFTPCode
from simplex_trio.wire.xftp.messages import ERR, FILE, OK, PONG
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.errors import StorageFailed
from simplex_trio.xftp.router import storage
from simplex_trio.xftp.router.config import PacketPolicy, XFTPClientLimits, XFTPRouterConfig
from simplex_trio.xftp.router.server import (
    EMBEDDED,
    XFTPRouter,
    open_xftp_router,
    serve_xftp_router,
)
from tests.scenarios.xftp import SMALLEST, NewPacket, client_at, refused, stored_packet
from tests.xftp.support import eventually
from tests.xftp.test_http2 import POST, Peer

CREDENTIALS = generate_router_credentials(now=utc_now())


def config(folder: Path | None = None, **settings: Any) -> XFTPRouterConfig:
    """An embedded router with other settings; those of its parts by their names."""
    packets = {n: settings.pop(n) for n in list(settings) if n in attrs.fields_dict(PacketPolicy)}
    limits = {
        n: settings.pop(n) for n in list(settings) if n in attrs.fields_dict(XFTPClientLimits)
    }
    return attrs.evolve(
        EMBEDDED,
        folder=folder,
        packets=PacketPolicy(**packets),
        limits=XFTPClientLimits(**limits),
        **settings,
    )


@pytest.fixture
async def router() -> AsyncIterator[XFTPRouter]:
    async with open_xftp_router() as router:
        yield router


def bodies(folder: Path) -> list[Path]:
    return list((folder / "packets").iterdir())


# --- the whole ----------------------------------------------------------------------------------


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
        }
        assert repr(router) == "<XFTPRouter with 1 clients>"
        await client.delete(packet.sender_key, packet.ids.sender_id)
        assert router.statistics().bytes_stored == 0
    await eventually(lambda: not router.statistics().sockets_active)
    assert router.statistics().sockets_closed == 1


async def test_nothing_is_left_of_an_embedded_router() -> None:
    async with open_xftp_router() as router:
        folder = router._storage._bodies.parent
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


# --- what is kept -------------------------------------------------------------------------------


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


async def test_a_folder_is_for_one_router(tmp_path: Path) -> None:
    async with open_xftp_router(config(tmp_path)):
        with pytest.raises(StorageFailed):
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
    with pytest.raises(StorageFailed):
        async with open_xftp_router(config(tmp_path)):
            raise AssertionError("these are no records")


async def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed):
        async with open_xftp_router(config(tmp_path / "file" / "folder")):
            raise AssertionError("there is no such folder")


async def test_bodies_are_encrypted_anew_for_each_download(router: XFTPRouter) -> None:
    async with client_at(str(router.address)) as client:
        packet = await stored_packet(client)
        seen = {(await raw_download(router, packet))[:64] for _ in range(2)}
        assert len({*seen, packet.body[:64]}) == 3


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
        await client.delete(packet.sender_key, packet.ids.sender_id)


# --- limits -------------------------------------------------------------------------------------


async def test_quota(tmp_path: Path) -> None:
    async with (
        open_xftp_router(config(tmp_path, quota=3 * SMALLEST)) as router,
        client_at(str(router.address)) as client,
    ):
        stored = [await stored_packet(client) for _ in range(3)]
        another = NewPacket()
        await another.register(client)
        async with refused(XFTPCode.QUOTA):
            await another.upload(client)
        await stored[0].upload(client)  # what is there already takes no more room
        await client.delete(stored[0].sender_key, stored[0].ids.sender_id)
        async with refused(XFTPCode.DIGEST):
            await another.upload(client, another.body[::-1])
        await another.upload(client)
        assert router.statistics().bytes_stored == 3 * SMALLEST
        assert router.statistics().bytes_reserved == 0
        assert len(bodies(tmp_path)) == 3


async def test_uploads_under_way_count_too() -> None:
    async with (
        open_xftp_router(config(quota=SMALLEST)) as router,
        client_at(str(router.address)) as client,
        client_at(str(router.address)) as another_client,
        trio.open_nursery() as nursery,
    ):
        first, second = NewPacket(), NewPacket()
        await first.register(client)
        await second.register(another_client)
        begun, go_on = trio.Event(), trio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield first.body[:10]
            begun.set()
            await go_on.wait()
            yield first.body[10:]

        nursery.start_soon(client.upload, first.sender_key, first.ids.sender_id, SMALLEST, slowly())
        await begun.wait()
        await eventually(lambda: router.statistics().bytes_reserved > 0)
        async with refused(XFTPCode.QUOTA):
            await second.upload(another_client)
        go_on.set()


async def test_sizes_and_numbers() -> None:
    settings = config(sizes=(SMALLEST, 1000), max_packets=2, max_recipients=3)
    async with open_xftp_router(settings) as router, client_at(str(router.address)) as client:
        small = NewPacket(size=1000)
        await small.register(client)
        await small.upload(client)
        assert await small.download(client) == small.body
        async with refused(XFTPCode.SIZE):
            await NewPacket(size=PACKET_SIZES[1]).register(client)
        async with refused(XFTPCode.QUOTA):
            await NewPacket(recipients=4).register(client)
        keys = [Ed25519PrivateKey.generate().public] * 2
        async with refused(XFTPCode.QUOTA):
            await client.add_recipients(small.sender_key, small.ids.sender_id, keys)
        await client.add_recipients(small.sender_key, small.ids.sender_id, keys[:1])
        await NewPacket().register(client)
        async with refused(XFTPCode.QUOTA):
            await NewPacket().register(client)


async def test_password() -> None:
    async with (
        open_xftp_router(config(password="sesame!")) as router,
        client_at(str(router.address)) as client,
    ):
        packet = NewPacket()
        for wrong in (None, b"sesame", b"sesame!!"):
            async with refused(XFTPCode.AUTH):
                await packet.register(client, wrong)
        await packet.register(client, b"sesame!")
        await packet.upload(client)
        assert await packet.download(client) == packet.body


async def test_a_router_that_takes_nothing_new(tmp_path: Path) -> None:
    async with (
        open_xftp_router(config(tmp_path), credentials=CREDENTIALS) as router,
        client_at(str(router.address)) as client,
    ):
        packet = await stored_packet(client)
    async with (
        open_xftp_router(config(tmp_path, accept_new=False)) as router,
        client_at(str(router.address)) as client,
    ):
        async with refused(XFTPCode.AUTH):
            await NewPacket().register(client)
        assert await packet.download(client) == packet.body


async def test_expiry(tmp_path: Path) -> None:
    now = 1000 * 3600 + 1800.0
    async with (
        open_xftp_router(config(tmp_path, expiry_hours=2), clock=lambda: now) as router,
        client_at(str(router.address)) as client,
    ):
        old = await stored_packet(client)
        now += 3600
        young = await stored_packet(client)
        now = 1003 * 3600 - 1
        assert await router.expire() == 0
        now += 1  # two hours after the end of the hour in which the first one was registered
        assert await router.expire() == 1
        async with refused(XFTPCode.AUTH):
            await old.download(client)
        assert await young.download(client) == young.body
        assert router.statistics().counters["packets_expired"] == 1
        assert len(bodies(tmp_path)) == 1
        now += 3600
        assert await router.expire() == 1
        assert router.statistics().packets == 0


async def test_packets_expire_by_themselves(tmp_path: Path) -> None:
    settings = config(tmp_path, expiry_check=0.01)
    now = time.time()
    async with (
        open_xftp_router(settings, clock=lambda: now) as router,
        client_at(str(router.address)) as client,
    ):
        await stored_packet(client)
        now += 50 * 3600
        await eventually(lambda: not router.statistics().packets)


# --- blocking -----------------------------------------------------------------------------------


async def test_blocked_packets(tmp_path: Path) -> None:
    reason = Blocked(BlockingReason.CONTENT)
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
        client_at(str(router.address), 2) as older,
    ):
        packet, pending = await stored_packet(client), NewPacket()
        await pending.register(client)
        assert await router.block(packet.ids.recipient_ids[0], reason)
        assert await router.block(pending.ids.sender_id, reason, of_sender=True)
        assert not await router.block(bytes(24), reason)
        assert bodies(tmp_path) == []
        assert router.statistics().bytes_stored == 0
        async with refused(reason):
            await packet.download(client, 1)
        async with refused(reason):
            await pending.upload(client)
        async with refused(reason):
            await client.delete(packet.sender_key, packet.ids.sender_id)
        async with refused(XFTPCode.AUTH):
            await packet.download(older, 1)
        async with refused(XFTPCode.AUTH):  # only those who may ask are told
            await client.delete(pending.sender_key, packet.ids.sender_id)
        assert router.statistics().counters["packets_blocked"] == 2


# --- two uploads, and a deletion meanwhile ------------------------------------------------------


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
                await router.block(packet.ids.sender_id, reason, of_sender=True)
            else:
                await client.delete(packet.sender_key, packet.ids.sender_id)
            yield packet.body[1000:]

        async with refused(reason if blocks else XFTPCode.AUTH):
            await client.upload(packet.sender_key, packet.ids.sender_id, SMALLEST, interrupted())
        assert bodies(tmp_path) == []
        assert router.statistics().bytes_stored == 0


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
            patch.setattr(storage.IncomingBody, "write", full)
            async with refused(XFTPCode.FILE_IO):
                await packet.upload(client)
        assert bodies(tmp_path) == []
        await packet.upload(client)
        shutil.rmtree(tmp_path / "packets")
        another = NewPacket()
        await another.register(client)
        async with refused(XFTPCode.FILE_IO):
            await another.upload(client)


# --- clients without manners --------------------------------------------------------------------


class RawClient:
    """A client that writes what it wants, block by block."""

    def __init__(self, tls: TlsStream) -> None:
        self.tls = tls
        self.peer = Peer(tls, client_side=True)
        self.session = xftp_session(3, tls.session.session_id)

    async def begin(self, headers: dict[str, str] | None = None) -> int:
        stream_id = self.peer.h2.get_next_available_stream_id()
        self.peer.h2.send_headers(stream_id, list((headers or POST).items()))
        await self.peer.flush()
        return stream_id

    async def post(self, body: bytes = b"", *, end: bool = True) -> int:
        stream_id = await self.begin()
        await self.send(stream_id, body, end=end)
        return stream_id

    async def send(self, stream_id: int, body: bytes, *, end: bool = True) -> None:
        for start in range(0, len(body), 16384):
            self.peer.h2.send_data(stream_id, body[start : start + 16384])
        if end:
            self.peer.h2.end_stream(stream_id)
        with suppress(trio.BrokenResourceError):
            await self.peer.flush()

    async def answer(self) -> bytes:
        """The body of the next answer that ends; empty if the connection does."""
        body = b""
        while True:
            data = await self.peer.see(events.Event)
            match data:
                case None | events.StreamEnded():
                    return body
                case events.DataReceived():
                    body += data.data
                    self.peer.h2.acknowledge_received_data(
                        data.flow_controlled_length, data.stream_id
                    )
                    await self.peer.flush()
                case events.StreamReset():
                    return b"reset"

    async def shake_hands(self, identity: bytes) -> None:
        await self.post()
        assert len(await self.answer()) == XFTP_BLOCK_SIZE
        await self.post(pad(word16(3) + short(identity), XFTP_BLOCK_SIZE))
        assert await self.answer() == b""

    def block(self, command: bytes, entity_id: bytes = b"", key: Any = None) -> bytes:
        unsent = prepare_transmission(self.session, bytes(24), entity_id, command)
        authorization = b"" if key is None else key.sign(unsent.authorized)
        return seal_transmission(unsent.finish(authorization), self.session)

    def answered(self, answer: bytes) -> Any:
        return read_response(answer[:XFTP_BLOCK_SIZE], self.session).message


async def raw_client(address: ServerAddress) -> RawClient:
    tls = await open_transport(address, alpn=("xftp/1",))
    client = RawClient(tls)
    await client.peer.flush()
    return client


async def raw_download(router: XFTPRouter, packet: NewPacket) -> bytes:
    """The body as it is on the way."""
    client = await raw_client(router.address)
    await client.shake_hands(router.address.key_hash)
    command = FGET(X25519PrivateKey.generate().public).encode(3)
    block = client.block(command, packet.ids.recipient_ids[0], packet.recipient_keys[0])
    await client.post(block)
    answer = await client.answer()
    assert isinstance(client.answered(answer), FILE)
    await trio.aclose_forcefully(client.tls)
    return answer[XFTP_BLOCK_SIZE:]


RawTest = Callable[[RawClient, XFTPRouter], Any]


async def with_raw_client(test: RawTest, **settings: Any) -> None:
    async with open_xftp_router(config(**settings)) as router:
        client = await raw_client(router.address)
        with trio.fail_after(10):
            await test(client, router)
        await trio.aclose_forcefully(client.tls)


async def test_commands_before_the_handshake() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        await client.post(client.block(b"PING"))
        assert b"HANDSHAKE" in (await client.answer())[:20]
        await client.shake_hands(router.address.key_hash)
        await client.post(client.block(b"PING"))
        assert client.answered(await client.answer()) == PONG()

    await with_raw_client(test)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "BLOCK"),
        (b"x" * 100, "BLOCK"),
        (bytes(XFTP_BLOCK_SIZE), "BLOCK"),
        (b"\xff" * XFTP_BLOCK_SIZE, "BLOCK"),
    ],
    ids=range(4),
)
async def test_requests_that_are_none(body: bytes, error: str) -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        await client.shake_hands(router.address.key_hash)
        await client.post(body)
        assert client.answered(await client.answer()) == ERR(XFTPCode(error))

    await with_raw_client(test)


async def test_requests_of_another_session_or_form() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        await client.shake_hands(router.address.key_hash)
        ours, client.session = client.session, xftp_session(3, bytes(32))
        block = client.block(b"PING")
        client.session = ours
        await client.post(block)
        assert client.answered(await client.answer()) == ERR(XFTPCode.SESSION)
        for command, error in (
            (b"NONE", "CMD UNKNOWN"),
            (b"PING!", "CMD UNKNOWN"),
            (b"FPUT x", "CMD SYNTAX"),
            (b"FPUT", "CMD NO_AUTH"),
        ):
            await client.post(client.block(command))
            answer = client.answered(await client.answer())
            assert str(answer.error) == error
        for extra in (b"!", bytes(100_000)):
            await client.post(client.block(b"PING") + extra)
            assert client.answered(await client.answer()) == ERR(XFTPCode.HAS_FILE)

    await with_raw_client(test)


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
async def test_other_methods_than_post(method: str) -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        stream_id = await client.begin({**POST, ":method": method})
        await client.send(stream_id, b"")
        response = await client.peer.see(events.ResponseReceived)
        assert (b":status", b"405") in response.headers

    await with_raw_client(test)


async def test_a_slow_block() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        await client.shake_hands(router.address.key_hash)
        await client.post(b"half", end=False)
        assert await client.answer() == b"reset"
        await client.post(client.block(b"PING"))
        assert client.answered(await client.answer()) == PONG()

    await with_raw_client(test, request_seconds=0.05)


async def uploading(client: RawClient, router: XFTPRouter, packet: NewPacket) -> None:
    await client.shake_hands(router.address.key_hash)
    async with client_at(str(router.address)) as registering:
        await packet.register(registering)


async def test_a_body_that_stops() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        packet = NewPacket()
        await uploading(client, router, packet)
        block = client.block(b"FPUT", packet.ids.sender_id, packet.sender_key)
        await client.post(block + packet.body[:1000], end=False)
        assert client.answered(await client.answer()) == ERR(XFTPCode.TIMEOUT)
        assert router.statistics().bytes_reserved == 0
        assert router.statistics().counters["uploads_failed"] == 1

    await with_raw_client(test, request_seconds=0.2)


async def test_a_body_that_drips() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        packet = NewPacket()
        await uploading(client, router, packet)
        block = client.block(b"FPUT", packet.ids.sender_id, packet.sender_key)
        stream_id = await client.post(block, end=False)

        async def drip() -> None:
            while True:
                await client.send(stream_id, b"x" * 600, end=False)
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            assert client.answered(await client.answer()) == ERR(XFTPCode.TIMEOUT)
            nursery.cancel_scope.cancel()

    await with_raw_client(test, body_seconds=0.3)


async def test_an_endless_body(tmp_path: Path) -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        packet = NewPacket()
        await uploading(client, router, packet)
        block = client.block(b"FPUT", packet.ids.sender_id, packet.sender_key)
        await client.post(block + packet.body + bytes(SMALLEST), end=False)
        assert client.answered(await client.answer()) == ERR(XFTPCode.SIZE)
        assert bodies(tmp_path) == []

    await with_raw_client(test, folder=tmp_path)


async def test_an_upload_without_a_body() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        packet = NewPacket()
        await uploading(client, router, packet)
        block = client.block(b"FPUT", packet.ids.sender_id, packet.sender_key)
        await client.post(block)
        assert client.answered(await client.answer()) == ERR(XFTPCode.NO_FILE)
        await client.post(block + packet.body)
        assert client.answered(await client.answer()) == OK()

    await with_raw_client(test)


async def test_a_client_that_takes_no_body() -> None:
    """Its window stays closed; after a while its request is given up, and nothing else is."""

    async def test(client: RawClient, router: XFTPRouter) -> None:
        async with client_at(str(router.address)) as storing:
            packet = await stored_packet(storing, PACKET_SIZES[1])
        await client.shake_hands(router.address.key_hash)
        command = FGET(X25519PrivateKey.generate().public).encode(3)
        await client.post(
            client.block(command, packet.ids.recipient_ids[0], packet.recipient_keys[0])
        )
        assert await client.peer.see(events.StreamReset)

    await with_raw_client(test, body_seconds=0.2)


async def test_a_degenerate_key() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        async with client_at(str(router.address)) as storing:
            packet = await stored_packet(storing)
        await client.shake_hands(router.address.key_hash)
        command = FGET(X25519PublicKey(bytes(32))).encode(3)
        await client.post(
            client.block(command, packet.ids.recipient_ids[0], packet.recipient_keys[0])
        )
        assert client.answered(await client.answer()) == ERR(XFTPCode.CRYPTO)

    await with_raw_client(test)


async def test_clients_that_do_not_shake_hands_are_sent_away() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        assert await client.peer.see(events.ConnectionTerminated)
        assert not await client.peer.see(events.DataReceived)

    await with_raw_client(test, handshake_seconds=0.05)


async def test_idle_clients_are_sent_away() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        await client.shake_hands(router.address.key_hash)
        assert await client.peer.see(events.ConnectionTerminated)

    await with_raw_client(test, handshake_seconds=0.3, idle_seconds=0.05)


async def test_a_client_that_leaves_in_the_middle(tmp_path: Path) -> None:
    async with open_xftp_router(config(tmp_path)) as router:
        packet = NewPacket()
        client = await raw_client(router.address)
        await uploading(client, router, packet)
        block = client.block(b"FPUT", packet.ids.sender_id, packet.sender_key)
        await client.post(block + packet.body[:1000], end=False)
        await eventually(lambda: bool(bodies(tmp_path)))
        await trio.aclose_forcefully(client.tls)
        await eventually(lambda: not router.statistics().sockets_active)
        assert bodies(tmp_path) == []
        assert router.statistics().bytes_reserved == 0


# --- configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": ""},
        {"password": "two words"},
        {"password": "a@b"},
        {"sizes": ()},
        {"sizes": (0,)},
        {"quota": -1},
        {"expiry_hours": 0},
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


async def test_serving_until_cancelled(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        router: XFTPRouter = await nursery.start(serve_xftp_router, config(tmp_path))
        async with client_at(str(router.address)) as client:
            await client.ping()
        nursery.cancel_scope.cancel()
    with pytest.raises(DialFailed):
        async with client_at(str(router.address)):
            raise AssertionError("the router is closed")
