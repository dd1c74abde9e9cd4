"""What a router refuses, forgets and blocks: quota, sizes, numbers, password, expiry."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.errors import StoreUnavailable
from simplex_trio.serving.config import ServingIntervals
from simplex_trio.wire.xftp.commands import FGET
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason, XFTPCode
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.bodies import PIECE_SIZE
from simplex_trio.xftp.errors import XFTPRouterError
from simplex_trio.xftp.router.config import PacketPolicy
from simplex_trio.xftp.router.records.limits import ROW_BYTES
from simplex_trio.xftp.router.server import (
    open_xftp_router,
)
from simplex_trio.xftp.router.short_lives import ShortLives
from simplex_trio.xftp.router.storage import Storage
from tests.scenarios.xftp import SMALLEST, NewPacket, client_at, refused, stored_packet
from tests.xftp.raw import raw_client
from tests.xftp.routers import CREDENTIALS, bodies, config
from tests.xftp.support import eventually

# --- limits ---------------------------------------------------------------------------------------


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


async def test_of_uploads_under_way_counts_what_has_come() -> None:
    size = PIECE_SIZE + 1000
    async with (
        open_xftp_router(config(quota=size, sizes=(SMALLEST, size))) as router,
        client_at(str(router.address)) as client,
        client_at(str(router.address)) as another_client,
    ):
        first, second = NewPacket(size=size), NewPacket()
        await first.register(client)
        await second.register(another_client)

        async def slowly() -> AsyncIterator[bytes]:
            yield first.body[:10]
            await eventually(lambda: router.statistics().open_files == 1)
            await second.upload(another_client)  # there is room for it as yet
            yield first.body[10:]

        async with refused(XFTPCode.QUOTA):
            await client.upload(first.sender_key, first.ids.sender_id, size, slowly())
        assert router.statistics().bytes_stored == SMALLEST
        await another_client.delete(second.sender_key, second.ids.sender_id)
        await second.register(another_client)

        async def most_of_it() -> AsyncIterator[bytes]:
            yield first.body[:-1]
            await eventually(lambda: router.statistics().bytes_reserved == PIECE_SIZE)
            async with refused(XFTPCode.QUOTA):
                await second.upload(another_client)
            yield first.body[-1:]

        await client.upload(first.sender_key, first.ids.sender_id, size, most_of_it())


@pytest.mark.parametrize(
    ("quota", "size", "connections", "requests"),
    [
        (4 * PACKET_SIZES[-1], PACKET_SIZES[-1], 1, 4),
        # Of the usual packets the default quota takes 2,560, more than a test wants to begin with.
        (PacketPolicy().quota, 64 * 1024 * 1024, 26, 7),
    ],
    ids=["small quota", "default quota"],
)
async def test_uploads_that_stall_keep_no_room(
    quota: int, size: int, connections: int, requests: int
) -> None:
    settings = config(quota=quota, sizes=(SMALLEST, size))
    async with open_xftp_router(settings) as router, AsyncExitStack() as stack:
        honest = await stack.enter_async_context(client_at(str(router.address)))
        key = Ed25519PrivateKey.generate()
        ids = await honest.register(key, size=size, digest=bytes(32), recipient_keys=[key.public])
        for _ in range(connections):
            stalling = await raw_client(router.address)
            stack.push_async_callback(trio.aclose_forcefully, stalling.tls)
            await stalling.shake_hands(router.address.key_hash)
            block = stalling.block(b"FPUT", ids.sender_id, key)
            for _ in range(requests):
                await stalling.post(block + b"x", end=False)
        await eventually(lambda: router.statistics().open_files == connections * requests)
        packet = await stored_packet(honest)
        assert await packet.download(honest) == packet.body


async def test_open_files_are_shared(tmp_path: Path) -> None:
    """A connection has its limit, and an address has half of all if it is alone."""
    settings = config(tmp_path, open_files=8, open_files_per_connection=3)
    async with open_xftp_router(settings) as router, AsyncExitStack() as stack:
        honest = await stack.enter_async_context(client_at(str(router.address)))
        packet, pending = await stored_packet(honest, PACKET_SIZES[1]), NewPacket()
        await pending.register(honest)
        for expected in (3, 4):
            greedy = await raw_client(router.address)
            stack.push_async_callback(trio.aclose_forcefully, greedy.tls)
            await greedy.shake_hands(router.address.key_hash)
            get = FGET(X25519PrivateKey.generate().public).encode(3)
            block = greedy.block(get, packet.ids.recipient_ids[0], packet.recipient_keys[0])
            for _ in range(5):
                await greedy.post(block)
            await eventually(lambda: router.statistics().open_files == expected)  # noqa: B023
        await eventually(lambda: router.statistics().counters["transfers_turned_away"] == 6)
        async with refused(XFTPCode.TIMEOUT):
            await packet.download(honest, 1)
        async with refused(XFTPCode.TIMEOUT):
            await pending.upload(honest)
        await trio.aclose_forcefully(greedy.tls)
        await eventually(lambda: router.statistics().open_files == 3)
        await pending.upload(honest)
        assert await packet.download(honest, 1) == packet.body


async def test_records_are_bounded_in_bytes(tmp_path: Path) -> None:
    hour = 3600
    now = 1000.0 * hour
    settings = config(tmp_path, max_record_bytes=8 * ROW_BYTES, max_recipients=5)
    async with (
        open_xftp_router(settings, clock=lambda: now) as router,
        client_at(str(router.address)) as client,
    ):
        keys = [Ed25519PrivateKey.generate().public] * 4
        used, unused = NewPacket(recipients=1), NewPacket(recipients=1)
        await used.register(client)
        await used.upload(client)
        await unused.register(client)
        async with refused(XFTPCode.QUOTA):
            await NewPacket(recipients=4).register(client)
        await client.add_recipients(unused.sender_key, unused.ids.sender_id, keys)
        assert router.statistics().bytes_of_records == 8 * ROW_BYTES
        async with refused(XFTPCode.QUOTA):
            await client.add_recipients(used.sender_key, used.ids.sender_id, keys[:1])
        now += hour
        async with refused(XFTPCode.QUOTA):
            await NewPacket(recipients=1).register(client)
        now += hour  # what was registered in the hour before the last one makes room
        await NewPacket(recipients=1).register(client)
        assert router.statistics().counters["packets_forgotten"] == 1
        assert router.statistics().bytes_of_records == 4 * ROW_BYTES
        async with refused(XFTPCode.AUTH):
            await unused.upload(client)
        assert await used.download(client) == used.body
    async with open_xftp_router(settings) as router:
        assert router.statistics().bytes_of_records == 4 * ROW_BYTES


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


async def test_many_registrations_at_once_are_no_more_than_allowed() -> None:
    async with (
        open_xftp_router(config(max_packets=3)) as router,
        client_at(str(router.address)) as client,
    ):

        async def register() -> None:
            with suppress(XFTPRouterError):
                await NewPacket().register(client)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(register)
        assert router.statistics().packets == 3


async def test_a_smaller_quota_than_is_used(tmp_path: Path) -> None:
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
    ):
        packets = [await stored_packet(client) for _ in range(2)]
    async with (
        open_xftp_router(config(tmp_path, quota=SMALLEST)) as router,
        client_at(str(router.address)) as client,
    ):
        another = NewPacket()
        await another.register(client)
        for packet in packets:
            async with refused(XFTPCode.QUOTA):
                await another.upload(client)
            assert await packet.download(client) == packet.body
            await client.delete(packet.sender_key, packet.ids.sender_id)
        await another.upload(client)


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


async def test_packets_may_be_kept_for_good(tmp_path: Path) -> None:
    forever = config(tmp_path, packet_ttl=10**30, max_packets=10**30)
    async with open_xftp_router(forever) as router:
        assert await router.expire() == 0


async def test_expiry(tmp_path: Path) -> None:
    now = 1000 * 3600 + 1800.0
    async with (
        open_xftp_router(config(tmp_path, packet_ttl=2 * 3600), clock=lambda: now) as router,
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
    settings = config(tmp_path, expiry=0.01)
    now = time.time()
    async with (
        open_xftp_router(settings, clock=lambda: now) as router,
        client_at(str(router.address)) as client,
    ):
        await stored_packet(client)
        now += 50 * 3600
        await eventually(lambda: not router.statistics().packets)


async def test_expiry_within_an_hour(tmp_path: Path) -> None:
    now = 1000 * 3600 + 1800.0
    settings = config(tmp_path, packet_ttl=60)
    async with (
        open_xftp_router(settings, clock=lambda: now) as router,
        client_at(str(router.address)) as client,
    ):
        first = await stored_packet(client)
        await client.delete(first.sender_key, first.ids.sender_id)
        await stored_packet(client)
        now += 59
        await stored_packet(client)
        assert await router.expire() == 0
        now += 1
        assert await router.expire() == 1
        assert router.statistics().packets == 1
    async with open_xftp_router(settings, clock=lambda: now) as router:
        # When the last one was registered is not known any more, but for the hour.
        now = 1002 * 3600 - 1
        assert await router.expire() == 0
        now += 1
        assert await router.expire() == 1


def test_packets_that_are_kept_for_less_than_an_hour() -> None:
    lives = ShortLives(most=3)
    assert lives.oldest is None
    for number in range(4):
        lives.add(bytes([number]), number)
    assert len(lives) == 3  # the first one is left to the records
    assert list(lives.take_older(2)) == [b"\1", b"\2"]
    assert lives.oldest == 3
    assert list(lives.take_older(2)) == []


async def test_packets_of_seconds_expire_by_themselves(tmp_path: Path) -> None:
    settings = config(tmp_path, packet_ttl=1)
    now = 1000.0
    async with open_xftp_router(settings, clock=lambda: now) as router:
        assert router._seconds_to_expiry() == 1
        async with client_at(str(router.address)) as client:
            await stored_packet(client)
            now += 0.25
            assert router._seconds_to_expiry() == 0.75
            now += 1
            assert router._seconds_to_expiry() == 0
            await router.reload(attrs.evolve(settings, intervals=ServingIntervals(expiry=5)))
            await eventually(lambda: not router.statistics().packets)


async def test_expiry_that_fails_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    times: list[float] = []

    async def fail(_: Storage, __: int) -> int:
        times.append(trio.current_time())
        await (trio.sleep_forever if len(times) > 100 else trio.lowlevel.checkpoint)()
        raise StoreUnavailable("the disk fails")

    settings = config(tmp_path, packet_ttl=1)
    monkeypatch.setattr(Storage, "delete_created_before", fail)
    async with open_xftp_router(settings, clock=lambda: 1000.0) as router:
        router._commands.short_lives.add(b"too old", 0.0)
        await trio.sleep(60)
    assert 1 < len(times) < 10


# --- blocking -------------------------------------------------------------------------------------


async def test_blocked_packets(tmp_path: Path) -> None:
    reason = Blocked(BlockingReason.CONTENT)
    async with (
        open_xftp_router(config(tmp_path)) as router,
        client_at(str(router.address)) as client,
        client_at(str(router.address), 2) as older,
    ):
        packet, pending = await stored_packet(client), NewPacket()
        await pending.register(client)
        assert await router.block_packet(packet.ids.recipient_ids[0], reason)
        assert await router.block_packet(pending.ids.sender_id, reason)
        assert not await router.block_packet(bytes(24), reason)
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
