"""How a router bears with clients without manners."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from h2 import events
from h2.settings import SettingCodes

from simplex_trio.crypto.keys import X25519PrivateKey, X25519PublicKey
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    xftp_session,
)
from simplex_trio.wire.xftp.commands import FGET
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.wire.xftp.messages import ERR, FILE, OK, PONG
from simplex_trio.wire.xftp.packet_sizes import PACKET_SIZES
from simplex_trio.xftp.router.config import XFTPClientLimits
from simplex_trio.xftp.router.server import (
    XFTPRouter,
    open_xftp_router,
)
from tests.scenarios.xftp import SMALLEST, NewPacket, client_at, stored_packet
from tests.xftp.raw import POST, RawClient, raw_client
from tests.xftp.routers import bodies, config
from tests.xftp.support import eventually


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
        assert router.statistics().counters["requests_refused"] == 1

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


async def test_a_slow_block(caplog: pytest.LogCaptureFixture) -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        await client.shake_hands(router.address.key_hash)
        await client.post(b"half", end=False)
        assert await client.answer() == b"reset"
        await client.post(client.block(b"PING"))
        assert client.answered(await client.answer()) == PONG()

    await with_raw_client(test, request_seconds=0.05)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


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
        await eventually(lambda: router.statistics().open_files == 1)
        assert router.statistics().counters["uploads_failed"] == 0  # it may still succeed
        assert client.answered(await client.answer()) == ERR(XFTPCode.TIMEOUT)
        assert router.statistics().open_files == 0
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
    """Its window stays closed; its request and file are given up as one that stops sending is."""

    async def test(client: RawClient, router: XFTPRouter) -> None:
        async with client_at(str(router.address)) as storing:
            packet = await stored_packet(storing, PACKET_SIZES[1])
        await client.shake_hands(router.address.key_hash)
        command = FGET(X25519PrivateKey.generate().public).encode(3)
        await client.post(
            client.block(command, packet.ids.recipient_ids[0], packet.recipient_keys[0])
        )
        client.peer.h2.increment_flow_control_window(2**20)  # but not that of the request
        stream_id = await client.post(client.block(b"PING"))
        while (data := await client.peer.see(events.DataReceived)).stream_id != stream_id:
            pass
        assert client.answered(data.data) == PONG()
        reset = await client.peer.see(events.StreamReset)
        assert reset.stream_id == stream_id - 2
        await eventually(lambda: router.statistics().open_files == 0)

    await with_raw_client(test, request_seconds=0.2)


async def test_a_client_that_takes_no_answer() -> None:
    async def test(client: RawClient, router: XFTPRouter) -> None:
        await client.shake_hands(router.address.key_hash)
        client.peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        await client.post(client.block(b"PING"))
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


async def test_clients_are_sent_away_sooner_when_it_is_crowded(
    mock_clock: trio.testing.MockClock,
) -> None:
    crowded = evolve(config(), limits=XFTPClientLimits(connections=1))
    async with open_xftp_router(crowded) as router:
        client = await raw_client(router.address)
        assert await client.peer.see(events.RemoteSettingsChanged)
        mock_clock.jump(crowded.limits.crowded_handshake_seconds)
        assert await client.peer.see(events.ConnectionTerminated)
        await trio.aclose_forcefully(client.tls)


async def test_idle_clients_are_sent_away(mock_clock: trio.testing.MockClock) -> None:
    limits = XFTPClientLimits()
    async with open_xftp_router(config()) as router:
        client = await raw_client(router.address)
        await client.shake_hands(router.address.key_hash)
        mock_clock.jump(limits.handshake_seconds + 1)
        await client.post(client.block(b"PING"))
        assert client.answered(await client.answer()) == PONG()
        mock_clock.jump(limits.idle_seconds - 1)
        await ping(client)
        mock_clock.jump(1)
        assert await client.peer.see(events.ConnectionTerminated)
        await trio.aclose_forcefully(client.tls)


async def test_short_idleness_counts_from_the_beginning(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with open_xftp_router(config(idle_seconds=5)) as router:
        silent = await raw_client(router.address)
        known = await raw_client(router.address)
        await known.shake_hands(router.address.key_hash)
        assert await silent.peer.see(events.RemoteSettingsChanged)
        mock_clock.jump(5)
        for client in (silent, known):
            assert await client.peer.see(events.ConnectionTerminated)
            await trio.aclose_forcefully(client.tls)


async def ping(client: RawClient) -> None:
    """As HTTP/2 does it, which is not a request."""
    client.peer.h2.ping(bytes(8))
    await client.peer.flush()
    assert await client.peer.see(events.PingAckReceived)


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
        now = router.statistics()
        assert (now.bytes_reserved, now.open_files) == (0, 0)


async def test_bodies_are_encrypted_anew_for_each_download(router: XFTPRouter) -> None:
    async with client_at(str(router.address)) as client:
        packet = await stored_packet(client)
        seen = {(await raw_download(router, packet))[:64] for _ in range(2)}
        assert len({*seen, packet.body[:64]}) == 3
