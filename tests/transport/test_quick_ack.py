from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import (
    check_half_closeable_stream,
    open_stream_to_socket_listener,
    wait_all_tasks_blocked,
)

from simplex_trio.transport import quick_ack
from simplex_trio.transport.config import KeepAlive
from simplex_trio.transport.quick_ack import QuickAckStream, set_keep_alive


async def socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    async with (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0] as listener:
        ours = await open_stream_to_socket_listener(listener)
        return ours, await listener.accept()


async def stream_pair() -> tuple[QuickAckStream, QuickAckStream]:
    ours, theirs = await socket_pair()
    return QuickAckStream(ours), QuickAckStream(theirs)


async def test_the_contract_of_streams() -> None:
    await check_half_closeable_stream(stream_pair, None)


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux has it")
async def test_quick_acknowledgements_are_asked_for_before_each_wait() -> None:
    ours, theirs = await stream_pair()
    async with ours, theirs:
        for size in (1, 16_406, 40_000, 1):
            ours.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def receive(left: int = size) -> None:
                    while left:
                        left -= len(await ours.receive_some())

                await wait_all_tasks_blocked()
                await theirs.send_all(bytes(size))
            assert ours.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


async def test_what_is_sent_in_many_pieces_arrives() -> None:
    data = bytes(i * 31 % 251 for i in range(1 << 20))
    ours, theirs = await stream_pair()
    async with ours, theirs, trio.open_nursery() as nursery:
        ours.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        nursery.start_soon(ours.send_all, memoryview(data))
        received = bytearray()
        while len(received) < len(data):
            received += await theirs.receive_some(100_000)
        assert received == data


async def read_once(stream: QuickAckStream) -> None:
    await stream.receive_some()


async def write_on(stream: QuickAckStream) -> None:
    while True:
        await stream.send_all(bytes(100_000))


@pytest.mark.parametrize("use", [read_once, write_on])
async def test_connection_that_was_reset_is_broken(
    use: Callable[[QuickAckStream], Awaitable[None]],
) -> None:
    ours, theirs = await stream_pair()
    async with ours:
        reset = struct.pack("ii", 1, 0)  # a close that is a reset
        theirs.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        await theirs.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await use(ours)


async def test_cancelled_read_loses_nothing_and_cancelled_write_sends_nothing() -> None:
    ours, theirs = await stream_pair()
    async with ours, theirs:
        with trio.CancelScope() as scope:
            scope.cancel()
            await theirs.send_all(b"never")
        await theirs.send_all(b"x")
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.receive_some()
        assert await ours.receive_some() == b"x"


async def test_systems_without_quick_acknowledgements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_ack, "_QUICK_ACK", None)
    ours, theirs = await stream_pair()
    async with ours, theirs:
        await theirs.send_all(b"x")
        assert await ours.receive_some() == b"x"


@pytest.mark.parametrize("most", [None, 256 * 1024])
async def test_reads_take_a_block_or_as_much_as_is_asked_for(most: int | None) -> None:
    ours, theirs = await stream_pair()
    theirs.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    ours.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    left = 512 * 1024
    sizes = []
    async with ours, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, bytes(left))
        await wait_all_tasks_blocked()
        while left:
            sizes.append(len(await ours.receive_some(most)))
            left -= sizes[-1]
    if most is None:
        assert max(sizes) == quick_ack._RECEIVE_SIZE
    else:
        assert 100_000 < max(sizes) <= most


async def test_nagles_algorithm_is_off() -> None:
    ours, theirs = await stream_pair()
    async with ours, theirs:
        for stream in (ours, theirs):
            assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_keep_alive() -> None:
    ours, theirs = await socket_pair()
    async with ours, theirs:
        set_keep_alive(ours.socket, KeepAlive(idle=31, interval=16, count=5))
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        for option, value in (
            (quick_ack._KEEP_IDLE, 31),
            (quick_ack._KEEP_INTERVAL, 16),
            (quick_ack._KEEP_COUNT, 5),
        ):
            assert option is None or ours.getsockopt(socket.IPPROTO_TCP, option) == value


async def test_keep_alive_where_a_part_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(quick_ack, "_KEEP_IDLE", None)
    monkeypatch.setattr(quick_ack, "_KEEP_COUNT", 9_999)
    ours, theirs = await socket_pair()
    async with ours, theirs:
        set_keep_alive(ours.socket, KeepAlive())
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "127.0.0.1" not in record.getMessage()


async def test_what_is_left_of_a_write_that_does_not_wait_goes_out_first() -> None:
    ours, theirs = await stream_pair()
    ours.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    data = bytes(i * 31 % 251 for i in range(1 << 20))
    async with ours, theirs:
        assert ours.send_nowait(b"all of it")
        assert await theirs.receive_some(9) == b"all of it"
        assert not ours.send_nowait(data)
        assert not ours.send_nowait(b"behind it")
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.send_all(b"")  # cancelled before anything, it keeps what is left
        received = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send_all, b", and more")
            while len(received) < len(data) + 19:
                received += await theirs.receive_some(100_000)
        assert received == data + b"behind it, and more"
        assert ours.send_nowait(b"")


async def test_a_write_that_does_not_wait_reports_what_the_socket_says() -> None:
    ours, theirs = await stream_pair()
    async with theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write_on, ours)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                ours.send_nowait(b"x")
            nursery.cancel_scope.cancel()
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            ours.send_nowait(b"x")
    ours, theirs = await stream_pair()
    async with ours:
        reset = struct.pack("ii", 1, 0)  # a close that is a reset
        theirs.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        await theirs.aclose()
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError):
            ours.send_nowait(b"x")
