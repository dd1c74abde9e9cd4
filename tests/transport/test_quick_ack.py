from __future__ import annotations

import logging
import socket

import pytest
import trio
import trio.testing
from trio.testing import check_half_closeable_stream, open_stream_to_socket_listener

from simplex_trio.transport import quick_ack
from simplex_trio.transport.config import KeepAlive
from simplex_trio.transport.quick_ack import QuickAckStream, set_keep_alive, widen_reads


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
async def test_quick_acknowledgements_are_asked_for_before_each_read() -> None:
    ours, theirs = await socket_pair()
    async with ours, theirs:
        stream = QuickAckStream(ours)
        for _ in range(3):
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            await theirs.send_all(b"x")
            assert await stream.receive_some() == b"x"
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


async def test_systems_without_quick_acknowledgements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_ack, "_QUICK_ACK", None)
    ours, theirs = await stream_pair()
    async with ours, theirs:
        await theirs.send_all(b"x")
        assert await ours.receive_some() == b"x"


async def sizes_of_reads(stream: QuickAckStream, sender: trio.SocketStream) -> list[int]:
    """How much each read takes of half a megabyte that has arrived."""
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    stream.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    left = 512 * 1024
    sizes = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.send_all, bytes(left))
        await trio.testing.wait_all_tasks_blocked()
        while left:
            sizes.append(len(await stream.receive_some()))
            left -= sizes[-1]
    return sizes


async def test_reads_take_no_more_than_a_block() -> None:
    ours, theirs = await socket_pair()
    async with ours, theirs:
        assert max(await sizes_of_reads(QuickAckStream(ours), theirs)) == quick_ack._RECEIVE_SIZE


async def test_wide_reads_grow_with_what_arrives() -> None:
    ours, theirs = await socket_pair()
    async with ours, theirs:
        stream = QuickAckStream(ours)
        widen_reads(stream)
        sizes = await sizes_of_reads(stream, theirs)
        assert sizes[0] <= quick_ack._RECEIVE_SIZE
        assert 100_000 < max(sizes) <= quick_ack._WIDE_RECEIVE_SIZE
        await theirs.send_all(b"x")
        assert await stream.receive_some() == b"x"
        assert stream._size == quick_ack._RECEIVE_SIZE


def test_streams_in_memory_have_no_reads_to_widen() -> None:
    widen_reads(trio.testing.memory_stream_pair()[0])


async def test_nagles_algorithm_is_off() -> None:
    ours, theirs = await socket_pair()
    async with ours, theirs:
        for stream in (ours, theirs):
            QuickAckStream(stream)
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


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
