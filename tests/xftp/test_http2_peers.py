"""HTTP/2 with peers that do not keep to it.

How large a flood may be depends on time, which therefore stands still while one is sent.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
from h2 import events
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.errors import ConnectionLost
from simplex_trio.xftp.http2.connection import Http2ProtocolError
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest
from tests.xftp.http2 import (
    KIB,
    SMALL,
    client_of_peer,
    echo,
    served_peer,
    whole_body,
)
from tests.xftp.raw import POST, Peer

# --- peers without manners ------------------------------------------------------------------------


async def ended(server: Http2Server) -> None:
    with trio.fail_after(5):
        await server.wait_until_over()
    with pytest.raises(ConnectionLost) as caught:
        server.check()
    assert isinstance(caught.value.__cause__, Http2ProtocolError)


async def test_rapid_reset(autojump_clock: MockClock) -> None:
    begun = 0

    async def handler(request: ServerRequest) -> None:
        nonlocal begun
        begun += 1
        await trio.sleep_forever()

    async with served_peer(handler) as (peer, server):
        for _ in range(1000):
            stream_id = peer.h2.get_next_available_stream_id()
            peer.h2.send_headers(stream_id, list(POST.items()))
            peer.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        with suppress(trio.BrokenResourceError):
            await peer.flush()
        await ended(server)
        assert begun < 300
        assert server.open_requests == 0


@pytest.mark.parametrize("kind", ["ping", "settings", "empty data", "priority", "window"])
async def test_floods(kind: str, autojump_clock: MockClock) -> None:
    async with served_peer() as (peer, server):
        peer.h2.send_headers(1, list(POST.items()))
        await peer.flush()
        assert await peer.see(events.ResponseReceived)
        for _ in range(3000):
            match kind:
                case "ping":
                    peer.h2.ping(bytes(8))
                case "settings":
                    peer.h2.update_settings({SettingCodes.MAX_FRAME_SIZE: 20000})
                case "empty data":
                    peer.h2.send_data(1, b"")
                case "priority":
                    peer.h2.prioritize(1, weight=3)
                case "window":
                    peer.h2.increment_flow_control_window(1)
        with suppress(trio.BrokenResourceError):
            await peer.flush()
        await ended(server)


@pytest.mark.parametrize("kind", ["reset", "window", "service", "data"])
async def test_floods_for_a_request_that_is_over(kind: str, autojump_clock: MockClock) -> None:
    """Of such frames h2 says nothing, and some of them it answers."""
    async with served_peer() as (peer, server):
        peer.h2.send_headers(1, list(POST.items()), end_stream=kind != "data")
        await peer.flush()
        assert await peer.see(events.ResponseReceived)
        if kind == "data":
            peer.h2.reset_stream(1)
            await peer.flush()
        await wait_all_tasks_blocked()
        assert server.open_requests == 0
        frames = {
            "reset": b"\0\0\4\3\0\0\0\0\1" + bytes(4),
            "window": b"\0\0\4\x08\0\0\0\0\1" + b"\0\0\0\1",
            "service": b"\0\0\2\x0a\0\0\0\0\0" + bytes(2),
            "data": b"\0\0\0\0\0\0\0\0\1",
        }
        with suppress(trio.BrokenResourceError):
            await peer.stream.send_all(frames[kind] * 3000)
        await ended(server)


async def test_a_window_that_is_opened_by_single_bytes(autojump_clock: MockClock) -> None:
    async def pour(request: ServerRequest) -> None:
        await request.respond()
        await request.stream.send(bytes(100_000), end=True)

    async with served_peer(pour) as (peer, server):
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        await peer.flush()
        await peer.see(events.SettingsAcknowledged)
        peer.h2.send_headers(1, list(POST.items()), end_stream=True)
        await peer.flush()
        with suppress(trio.BrokenResourceError):
            for _ in range(3000):
                await peer.stream.send_all(b"\0\0\4\x08\0\0\0\0\1\0\0\0\1")
        await ended(server)


async def test_unknown_settings_do_not_fill_the_memory(autojump_clock: MockClock) -> None:
    async with served_peer() as (peer, server):
        with suppress(trio.BrokenResourceError):
            for first in range(100, 60_000, 1000):
                numbers = range(first, first + 1000)
                content = b"".join(number.to_bytes(2, "big") + bytes(4) for number in numbers)
                head = len(content).to_bytes(3, "big") + b"\4" + bytes(5)
                await peer.stream.send_all(head + content)
                await wait_all_tasks_blocked()
        await ended(server)
        assert len(server._h2.remote_settings) < 2000


async def test_who_is_sent_away_is_told_why(autojump_clock: MockClock) -> None:
    async with served_peer() as (peer, server):
        for _ in range(3000):
            peer.h2.ping(bytes(8))
        await peer.flush()
        goodbye = await peer.see(events.ConnectionTerminated)
        assert goodbye.error_code == ErrorCodes.ENHANCE_YOUR_CALM
        await ended(server)


async def test_asking_without_taking_the_answers(autojump_clock: MockClock) -> None:
    """Each answer to a ping is small; together they must not fill the memory."""
    ours, theirs = memory_stream_pair()
    server = Http2Server(theirs, echo, Http2Limits(backlog=64 * KIB))
    server._guard.burst = server._guard._left = 1e9  # not the flood is to be found here

    async def never() -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        theirs.send_stream.send_all_hook = never
        peer = Peer(ours, client_side=True)
        for _ in range(10_000):
            peer.h2.ping(bytes(8))
        await peer.flush()
        await ended(server)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x05\0\0\0\0\1",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\4\x08\0\0\0\0\0" + bytes(4),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x7f\xff\xff\0\0\0\0\0\1" + bytes(1000),
    ],
    ids=["http/1", "noise", "no settings", "no increment", "too long"],
)
async def test_bytes_that_are_no_http2(data: bytes, autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    server = Http2Server(theirs, echo)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        await ours.send_all(data)
        await ended(server)


async def test_more_requests_than_allowed(autojump_clock: MockClock) -> None:
    async def handler(request: ServerRequest) -> None:
        await trio.sleep_forever()

    async with served_peer(handler, SMALL) as (peer, server):
        peer.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
        for _ in range(SMALL.streams + 1):
            peer.h2.send_headers(peer.h2.get_next_available_stream_id(), list(POST.items()))
        await peer.flush()
        await ended(server)


async def test_header_bombs(autojump_clock: MockClock) -> None:
    """A few bytes that refer to a long header again and again."""
    async with served_peer() as (peer, server):
        bomb = [*POST.items(), *[("x-bomb", "x" * 3000)] * 100]
        peer.h2.send_headers(1, bomb)
        await peer.flush()
        await ended(server)


async def test_endless_headers(autojump_clock: MockClock) -> None:
    async with served_peer() as (peer, server):
        await peer.stream.send_all(b"\0\0\1\1\0\0\0\0\1\x82")
        with suppress(trio.BrokenResourceError):
            for _ in range(1000):
                await peer.stream.send_all(b"\0\0\0\x09\0\0\0\0\1")
        await ended(server)


async def test_pieces_of_headers_are_not_kept_without_end(autojump_clock: MockClock) -> None:
    async with served_peer() as (peer, server):
        content = bytes(60 * KIB)
        head = len(content).to_bytes(3, "big")
        await peer.stream.send_all(head + b"\1\0\0\0\0\1" + content)
        with suppress(trio.BrokenResourceError):
            await peer.stream.send_all(head + b"\x09\0\0\0\0\1" + content)
        await ended(server)


async def test_data_beyond_the_window(autojump_clock: MockClock) -> None:
    async def handler(request: ServerRequest) -> None:
        await trio.sleep_forever()

    async with served_peer(handler, SMALL) as (peer, server):
        peer.h2.send_headers(1, list(POST.items()))
        await peer.flush()
        frame = b"\0\x40\0\0\0\0\0\0\1" + bytes(16384)
        with suppress(trio.BrokenResourceError):
            for _ in range(20):
                await peer.stream.send_all(frame)
        await ended(server)


async def test_a_goodbye_ends_the_connection(autojump_clock: MockClock) -> None:
    async with served_peer() as (peer, server):
        peer.h2.close_connection()
        await peer.flush()
        await ended(server)


# --- servers without manners ----------------------------------------------------------------------


async def test_a_server_says_goodbye(autojump_clock: MockClock) -> None:
    async with client_of_peer() as (client, peer), client.request(POST) as stream:
        await stream.send(b"", end=True)
        await peer.see(events.RequestReceived)
        peer.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        await peer.flush()
        with pytest.raises(ConnectionLost):
            await stream.receive_headers()
        assert not client.is_usable


async def test_a_server_takes_no_more_than_it_said(autojump_clock: MockClock) -> None:
    async with client_of_peer() as (client, peer), client.request(POST) as first:
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        await peer.flush()
        await wait_all_tasks_blocked()
        entered = trio.Event()

        async def second() -> None:
            async with client.request(POST):
                entered.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(second)
            await wait_all_tasks_blocked()
            assert not entered.is_set()
            await first.send(b"", end=True)
            request = await peer.see(events.RequestReceived)
            peer.h2.send_headers(request.stream_id, [(":status", "200")], end_stream=True)
            await peer.flush()
            assert await whole_body(first) == b""
            await entered.wait()


async def test_a_server_that_takes_nothing(autojump_clock: MockClock) -> None:
    async with client_of_peer() as (client, peer):
        peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        await peer.flush()
        await wait_all_tasks_blocked()
        with trio.fail_after(5), pytest.raises(ConnectionLost):
            async with client.request(POST):
                raise AssertionError("there is no place")


async def test_padding_is_no_content(autojump_clock: MockClock) -> None:
    async with client_of_peer() as (client, peer), client.request(POST) as stream:
        await stream.send(b"", end=True)
        request = await peer.see(events.RequestReceived)
        peer.h2.send_headers(request.stream_id, [(":status", "200")])
        for _ in range(100):
            peer.h2.send_data(request.stream_id, b"", pad_length=255)
        peer.h2.send_data(request.stream_id, b"x", pad_length=3)
        peer.h2.send_data(request.stream_id, b"", end_stream=True)
        await peer.flush()
        assert await whole_body(stream) == b"x"


async def test_data_on_its_way_when_a_request_is_given_up(autojump_clock: MockClock) -> None:
    """The request is reset once, not once for each frame that still arrives."""
    async with client_of_peer() as (client, peer):
        async with client.request(POST) as stream:
            await stream.send(b"", end=True)
            await peer.see(events.RequestReceived)
            peer.h2.send_headers(1, [(":status", "200")])
            peer.h2.send_data(1, bytes(16 * KIB))
            await peer.flush()
            await stream.receive_some()
        await wait_all_tasks_blocked()
        for _ in range(32):  # without h2, which has not heard of the reset yet
            await peer.stream.send_all(b"\0\x40\0\0\0\0\0\0\1" + bytes(16 * KIB))
        await wait_all_tasks_blocked()
        window = client._h2._inbound_flow_control_window_manager
        assert window.current_window_size + window._bytes_processed == window.max_window_size
        client._h2.ping(bytes(8))
        client.flush()
        data = b""
        while b"\0\0\x08\6" not in data:
            data += await peer.stream.receive_some(65536)
        assert data.count(b"\0\0\4\3\0\0\0\0\1") == 1


async def test_a_server_pushes_nothing(autojump_clock: MockClock) -> None:
    async with client_of_peer() as (client, peer), client.request(POST) as stream:
        await stream.send(b"", end=True)
        request = await peer.see(events.RequestReceived)
        assert request
        await peer.stream.send_all(b"\0\0\4\5\4\0\0\0\1" + b"\0\0\0\2")
        with pytest.raises(ConnectionLost):
            await stream.receive_headers()
