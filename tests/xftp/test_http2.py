"""HTTP/2 as client and as server: bodies both ways, cancelling, slow peers."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from h2 import events
from h2.settings import SettingCodes
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.errors import ConnectionLost
from simplex_trio.xftp.errors import StreamReset
from simplex_trio.xftp.http2.client import Http2Client, open_http2_client
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest
from tests.xftp.http2 import (
    KIB,
    SMALL,
    client_of_peer,
    connected,
    echo,
    served_peer,
    whole_body,
)
from tests.xftp.raw import POST, Peer

# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 16384, 300_000])
async def test_a_body_each_way(size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    async with (
        connected(echo, client_limits=SMALL, server_limits=SMALL) as (client, _),
        client.request(POST) as stream,
        trio.open_nursery() as nursery,
    ):

        async def send() -> None:
            await stream.send(body, end=True)

        nursery.start_soon(send)
        headers = await stream.receive_headers()
        assert headers[b":status"] == b"200"
        assert headers[b"x-answer"] == b"yes"
        assert await whole_body(stream) == body
        assert stream.received_end


async def test_many_requests_at_once_take_turns() -> None:
    running = peak = 0

    async def count(request: ServerRequest) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await echo(request)
        running -= 1

    async with connected(count, server_limits=SMALL) as (client, server):

        async def ask(number: int) -> None:
            body = b"%d" % number * 1000
            async with client.request(POST) as stream:
                await stream.send(body, end=True)
                assert await whole_body(stream) == body

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, number)
        assert peak == SMALL.streams
        await wait_all_tasks_blocked()
        assert server.open_requests == 0


async def test_a_server_that_answers_before_it_has_read() -> None:
    async def refuse(request: ServerRequest) -> None:
        await request.respond()
        await request.stream.send(b"no", end=True)

    async with connected(refuse, server_limits=SMALL) as (client, _):
        async with client.request(POST) as stream:
            await stream.send(bytes(1000))
            assert await whole_body(stream) == b"no"
            with pytest.raises((StreamReset, ConnectionLost)):
                await stream.send(bytes(10 * 64 * KIB), end=True)
        async with client.request(POST) as stream:
            await stream.send(b"", end=True)
            assert await whole_body(stream) == b"no"


async def test_dropped_data_does_not_use_up_the_window(autojump_clock: MockClock) -> None:
    """Neither what had arrived, nor what arrives when the request is over, nor padding."""

    async def refuse(request: ServerRequest) -> None:
        if request.headers[b":path"] == b"/":
            await echo(request)
        else:
            await trio.sleep(1)
            await request.respond(end=True)

    async with served_peer(refuse, SMALL) as (peer, server):
        window = server._h2._inbound_flow_control_window_manager
        for stream_id in range(1, 100, 2):
            peer.h2.send_headers(stream_id, list({**POST, ":path": "/refused"}.items()))
            peer.h2.send_data(stream_id, bytes(10 * KIB), pad_length=200)
            await peer.flush()
            await trio.sleep(2)
            peer.h2.send_data(stream_id, bytes(10 * KIB), pad_length=200)
            await peer.flush()
            assert await peer.see(events.StreamReset)
        await trio.sleep(1)
        assert server.is_usable
        assert window.current_window_size + window._bytes_processed == window.max_window_size
        assert not server._streams


async def test_draining_what_the_client_goes_on_to_send() -> None:
    async def refuse(request: ServerRequest) -> None:
        await request.respond()
        await request.stream.send(b"no", end=True)
        await request.drain(1000 * KIB)

    body = bytes(500 * KIB)
    async with (
        connected(refuse, server_limits=SMALL) as (client, _),
        client.request(POST) as stream,
    ):
        await stream.send(body, end=True)
        assert await whole_body(stream) == b"no"


async def test_a_handler_that_fails_concerns_one_request(caplog: Any) -> None:
    async def fail(request: ServerRequest) -> None:
        if await whole_body(request.stream) == b"bad":
            raise RuntimeError("a bug")
        await request.respond(end=True)

    async with connected(fail) as (client, _):
        async with client.request(POST) as stream:
            await stream.send(b"bad", end=True)
            with pytest.raises(StreamReset):
                await stream.receive_headers()
        async with client.request(POST) as stream:
            await stream.send(b"good", end=True)
            assert await whole_body(stream) == b""
    assert "a request failed" in caplog.text


async def test_requests_that_are_over_are_forgotten() -> None:
    async def take(request: ServerRequest) -> None:
        await whole_body(request.stream)
        await request.respond(end=True)

    async with connected(take) as (client, server):
        for _ in range(1200):
            async with client.request(POST) as stream:
                await stream.send(bytes(4 * KIB), end=True)
                await stream.receive_headers()
                assert await whole_body(stream) == b""
        for side in (client, server):
            assert not side._streams
            assert len(side._h2.streams) < 10
            assert len(side._h2._closed_streams) <= 1000


# --- cancelling -----------------------------------------------------------------------------------


async def test_cancelling_requests_leaves_the_connection_usable(
    autojump_clock: MockClock,
) -> None:
    begun = cancelled = 0

    async def endless(request: ServerRequest) -> None:
        nonlocal begun, cancelled
        if request.headers[b":path"] == b"/":
            await echo(request)
            return
        begun += 1
        try:
            await request.respond()
            while True:
                await request.stream.send(bytes(10_000))
        finally:
            cancelled += 1

    async with connected(endless, client_limits=SMALL) as (client, server):

        async def download() -> None:
            with trio.move_on_after(1):
                async with client.request({**POST, ":path": "/endless"}) as stream:
                    await stream.send(b"", end=True)
                    while True:
                        await stream.receive_some()
                        await trio.sleep(0.01)

        for _ in range(5):
            async with trio.open_nursery() as nursery:
                for _ in range(SMALL.streams):
                    nursery.start_soon(download)
            assert client.is_usable
        await trio.sleep(10)
        assert cancelled == begun > 2 * SMALL.streams
        assert server.open_requests == 0
        async with client.request(POST) as stream:
            await stream.send(b"still here", end=True)
            assert await whole_body(stream) == b"still here"


async def test_an_upload_that_is_cancelled_ends_too_early(autojump_clock: MockClock) -> None:
    received: list[bytes] = []

    async def take(request: ServerRequest) -> None:
        received.append(await whole_body(request.stream))
        await request.respond(end=True)

    async with connected(take) as (client, _):
        with trio.move_on_after(1):
            async with client.request(POST) as stream:
                await stream.send(b"begun")
                await trio.sleep(5)
        await trio.sleep(1)
        assert received == [b"begun"]
        async with client.request(POST) as stream:
            await stream.send(b"", end=True)
            await stream.receive_headers()


async def test_resets_are_spread_over_time(autojump_clock: MockClock) -> None:
    """Routers of the reference end a connection that has more than four in a second."""
    times: list[float] = []

    async def wait(request: ServerRequest) -> None:
        try:
            await trio.sleep_forever()
        finally:
            times.append(trio.current_time())

    async with connected(wait) as (client, _):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(begin_and_give_up, client)
        await trio.sleep(10)
    assert len(times) == 10
    assert all(later - earlier > 1 for earlier, later in zip(times, times[4:], strict=False))


async def begin_and_give_up(client: Http2Client) -> None:
    async with client.request(POST) as stream:
        await stream.send(b"", end=True)
        await trio.sleep(0.1)


async def test_waiting_for_a_place_can_be_cancelled(autojump_clock: MockClock) -> None:
    async def wait(request: ServerRequest) -> None:
        await trio.sleep(5)
        await request.respond(end=True)

    limits = Http2Limits(streams=1)
    async with connected(wait, client_limits=limits) as (client, _), client.request(POST) as stream:
        await stream.send(b"", end=True)
        with trio.move_on_after(1) as scope:
            async with client.request(POST):
                raise AssertionError("there is no place")
        assert scope.cancelled_caught
        await stream.receive_headers()


# --- flow control ---------------------------------------------------------------------------------


async def test_a_slow_reader_stops_the_sender(autojump_clock: MockClock) -> None:
    sent = 0

    async def pour(request: ServerRequest) -> None:
        nonlocal sent
        await request.respond()
        for _ in range(100):
            await request.stream.send(bytes(10 * KIB))
            sent += 10 * KIB
        await request.stream.send(b"", end=True)

    async with (
        connected(pour, client_limits=SMALL) as (client, _),
        client.request(POST) as stream,
    ):
        await stream.send(b"", end=True)
        await stream.receive_headers()
        await trio.sleep(100)
        assert sent <= SMALL.stream_window
        total = 0
        while piece := await stream.receive_some():
            total += len(piece)
            await trio.sleep(1)
            assert sent - total <= SMALL.stream_window
        assert total == 1000 * KIB


async def test_a_slow_network_stops_the_sender(autojump_clock: MockClock) -> None:
    """What waits to be written is bounded, however wide the windows are."""
    ours, theirs = memory_stream_pair()
    flowing = trio.Event()
    pump = theirs.send_stream.send_all_hook
    assert pump is not None

    async def slow() -> None:
        await flowing.wait()
        await pump()

    wide = Http2Limits(stream_window=2**24, connection_window=2**24, outbox=64 * KIB)
    sent = 0

    async def pour(request: ServerRequest) -> None:
        nonlocal sent
        theirs.send_stream.send_all_hook = slow
        await request.respond()
        while True:
            await request.stream.send(bytes(KIB))
            sent += KIB

    server = Http2Server(theirs, pour)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        async with open_http2_client(ours, wide) as client, client.request(POST) as stream:
            await stream.send(b"", end=True)
            await trio.sleep(10)
            assert sent <= 2 * 256 * KIB + KIB
            flowing.set()
            await stream.receive_some()
        await server.aclose()


async def test_a_piece_of_any_size_waits_as_smaller_ones_do() -> None:
    """However wide the windows are, and however long frames may be."""
    ours, theirs = memory_stream_pair()
    async with open_http2_client(ours) as client:
        peer = Peer(theirs, client_side=False)
        peer.h2.update_settings(
            {SettingCodes.INITIAL_WINDOW_SIZE: 2**30, SettingCodes.MAX_FRAME_SIZE: 2**24 - 1}
        )
        peer.h2.increment_flow_control_window(2**30)
        await peer.flush()
        await wait_all_tasks_blocked()
        ours.send_stream.send_all_hook = trio.sleep_forever
        async with client.request(POST) as stream, trio.open_nursery() as nursery:
            await wait_all_tasks_blocked()
            nursery.start_soon(stream.send, bytes(8 * 1024 * KIB))
            await wait_all_tasks_blocked()
            assert client._outbox_size < 2 * client.limits.outbox
            peer.h2.ping(bytes(8))
            await peer.flush()
            await wait_all_tasks_blocked()
            assert client.is_usable
            nursery.cancel_scope.cancel()


# --- connections that end -------------------------------------------------------------------------


async def test_a_lost_connection_fails_all_requests_and_cancels_no_task() -> None:
    async with client_of_peer() as (client, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            async with client.request(POST) as stream:
                await stream.send(b"", end=True)
                with pytest.raises(ConnectionLost):
                    await stream.receive_headers()
                with pytest.raises(ConnectionLost):
                    await stream.receive_some()

        async def pour() -> None:
            async with client.request(POST) as stream:
                with pytest.raises(ConnectionLost):
                    await stream.send(bytes(1_000_000))

        for task in (ask, ask, pour):
            nursery.start_soon(task)
        await wait_all_tasks_blocked()
        await peer.stream.aclose()
        await client.wait_until_over()
        assert not client.is_usable
        with pytest.raises(ConnectionLost):
            async with client.request(POST):
                raise AssertionError("there is no connection")


async def test_leaving_the_block_with_requests_under_way() -> None:
    async def leave() -> None:
        async with connected(echo) as (client, _), client.request(POST) as stream:
            await stream.send(bytes(100))
            raise KeyError

    with pytest.RaisesGroup(KeyError):
        await leave()


async def test_closing_twice_and_repr() -> None:
    async with connected(echo) as (client, server):
        assert repr(client) == "<Http2Client open, 0 requests>"
        async with client.request(POST) as stream:
            assert repr(stream) == "<Http2Stream 1>"
        await client.aclose()
        await client.aclose()
        assert repr(client) == "<Http2Client over, 0 requests>"
        await server.wait_until_over()


async def test_a_peer_that_takes_nothing_is_given_up(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    del theirs

    async def never() -> None:
        await trio.sleep_forever()

    ours.send_stream.send_all_hook = never
    async with open_http2_client(ours, Http2Limits(write_seconds=100)) as client:
        with trio.fail_after(101):
            await client.wait_until_over()


async def test_the_text_of_a_bug_stays_out_of_what_is_raised() -> None:
    async with connected(lambda request: request.respond(end=True)) as (client, _):
        client._end(RuntimeError("about a file"))
        with pytest.raises(ConnectionLost) as caught:
            client.check()
    assert str(caught.value) == "the connection is gone: RuntimeError"
