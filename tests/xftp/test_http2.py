"""HTTP/2 as client and as server: bodies both ways, cancelling, slow and hostile peers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.errors import ConnectionLost
from simplex_trio.xftp.errors import StreamReset
from simplex_trio.xftp.http2.client import Http2Client, open_http2_client
from simplex_trio.xftp.http2.connection import Http2ProtocolError
from simplex_trio.xftp.http2.limits import Http2Limits
from simplex_trio.xftp.http2.server import Http2Server, ServerRequest
from simplex_trio.xftp.http2.stream import Http2Stream

KIB = 1024
POST = {":method": "POST", ":scheme": "https", ":authority": "a.example", ":path": "/"}
SMALL = Http2Limits(streams=4, stream_window=64 * KIB, connection_window=128 * KIB, outbox=64 * KIB)

Handler = Callable[[ServerRequest], Awaitable[object]]


async def whole_body(stream: Http2Stream) -> bytes:
    body = bytearray()
    while piece := await stream.receive_some():
        body += piece
    return bytes(body)


async def echo(request: ServerRequest) -> None:
    """Send back what comes, while it comes."""
    await request.respond({"x-answer": "yes"})
    while piece := await request.stream.receive_some():
        await request.stream.send(piece)
    await request.stream.send(b"", end=True)


@asynccontextmanager
async def connected(
    handler: Handler,
    *,
    client_limits: Http2Limits | None = None,
    server_limits: Http2Limits | None = None,
) -> AsyncIterator[tuple[Http2Client, Http2Server]]:
    ours, theirs = memory_stream_pair()
    server = Http2Server(theirs, handler, server_limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        async with open_http2_client(ours, client_limits) as client:
            yield client, server
        await server.wait_until_over()


# --- requests -----------------------------------------------------------------------------------


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


# --- cancelling ---------------------------------------------------------------------------------


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


# --- flow control -------------------------------------------------------------------------------


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


# --- connections that end -----------------------------------------------------------------------


async def test_a_lost_connection_fails_everybody_and_cancels_nobody() -> None:
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


# --- peers without manners ----------------------------------------------------------------------


class Peer:
    """The other side of a connection, with h2 and without any restraint."""

    def __init__(self, stream: trio.abc.Stream, *, client_side: bool) -> None:
        self.stream = stream
        self.h2 = H2Connection(
            H2Configuration(
                client_side=client_side, validate_outbound_headers=False, header_encoding=None
            )
        )
        self.h2.initiate_connection()
        self.seen: list[events.Event] = []

    async def flush(self) -> None:
        await self.stream.send_all(self.h2.data_to_send())

    async def see(self, kind: type[events.Event]) -> Any:
        """Read until an event of this kind; `None` if the connection ends first."""
        while True:
            for event in self.seen:
                if isinstance(event, kind):
                    self.seen.remove(event)
                    return event
            try:
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self.seen += self.h2.receive_data(data)
            await self.flush()


@asynccontextmanager
async def served_peer(
    handler: Handler = echo, limits: Http2Limits | None = None
) -> AsyncIterator[tuple[Peer, Http2Server]]:
    ours, theirs = memory_stream_pair()
    server = Http2Server(theirs, handler, limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        peer = Peer(ours, client_side=True)
        await peer.flush()
        yield peer, server
        await ours.aclose()
        await server.wait_until_over()


async def ended(server: Http2Server) -> None:
    with trio.fail_after(5):
        await server.wait_until_over()
    with pytest.raises(ConnectionLost) as caught:
        server.check()
    assert isinstance(caught.value.__cause__, Http2ProtocolError)


async def test_rapid_reset() -> None:
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
async def test_floods(kind: str) -> None:
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


async def test_asking_without_taking_the_answers() -> None:
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
async def test_bytes_that_are_no_http2(data: bytes) -> None:
    ours, theirs = memory_stream_pair()
    server = Http2Server(theirs, echo)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        await ours.send_all(data)
        await ended(server)


async def test_more_requests_than_allowed() -> None:
    async def handler(request: ServerRequest) -> None:
        await trio.sleep_forever()

    async with served_peer(handler, SMALL) as (peer, server):
        peer.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
        for _ in range(SMALL.streams + 1):
            peer.h2.send_headers(peer.h2.get_next_available_stream_id(), list(POST.items()))
        await peer.flush()
        await ended(server)


async def test_header_bombs() -> None:
    """A few bytes that refer to a long header again and again."""
    async with served_peer() as (peer, server):
        bomb = [*POST.items(), *[("x-bomb", "x" * 3000)] * 100]
        peer.h2.send_headers(1, bomb)
        await peer.flush()
        await ended(server)


async def test_endless_headers() -> None:
    async with served_peer() as (peer, server):
        await peer.stream.send_all(b"\0\0\1\1\0\0\0\0\1\x82")
        with suppress(trio.BrokenResourceError):
            for _ in range(1000):
                await peer.stream.send_all(b"\0\0\0\x09\0\0\0\0\1")
        await ended(server)


async def test_data_beyond_the_window() -> None:
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


async def test_a_goodbye_ends_the_connection() -> None:
    async with served_peer() as (peer, server):
        peer.h2.close_connection()
        await peer.flush()
        await ended(server)


# --- servers without manners --------------------------------------------------------------------


@asynccontextmanager
async def client_of_peer(
    limits: Http2Limits | None = None,
) -> AsyncIterator[tuple[Http2Client, Peer]]:
    ours, theirs = memory_stream_pair()
    async with open_http2_client(ours, limits) as client:
        peer = Peer(theirs, client_side=False)
        await peer.flush()
        yield client, peer
        await theirs.aclose()


async def test_a_server_says_goodbye() -> None:
    async with client_of_peer() as (client, peer), client.request(POST) as stream:
        await stream.send(b"", end=True)
        await peer.see(events.RequestReceived)
        peer.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        await peer.flush()
        with pytest.raises(ConnectionLost):
            await stream.receive_headers()
        assert not client.is_usable


async def test_a_server_takes_no_more_than_it_said() -> None:
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


async def test_padding_is_no_content() -> None:
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


async def test_a_server_pushes_nothing() -> None:
    async with client_of_peer() as (client, peer), client.request(POST) as stream:
        await stream.send(b"", end=True)
        request = await peer.see(events.RequestReceived)
        assert request
        await peer.stream.send_all(b"\0\0\4\5\4\0\0\0\1" + b"\0\0\0\2")
        with pytest.raises(ConnectionLost):
            await stream.receive_headers()
