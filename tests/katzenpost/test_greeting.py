"""The first messages on a connection, in all the ways in which they may come, and go wrong."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from simplex_trio.errors import ConnectTimeout, HandshakeFailed, HungUp, MalformedHello
from simplex_trio.katzenpost import (
    IncompatibleDaemon,
    MessageReply,
    NewDocument,
    Unreadable,
    open_thin_client,
)
from simplex_trio.katzenpost.session.greeting import Greeting, greet
from simplex_trio.katzenpost.wire.framing import LengthPrefixedStream
from simplex_trio.testing.kpclientd.consensus import document
from tests.katzenpost.support import STATUS, STEADY, Peer, ScriptedDaemon

TOKEN = b"sixteen bytes..."


@asynccontextmanager
async def greeting() -> AsyncIterator[tuple[Peer, Callable[[], Awaitable[Greeting]]]]:
    """The daemon's end of a connection, and what waits for the greeting at the other."""
    ours, theirs = memory_stream_pair()
    results: list[Greeting | BaseException] = []

    async def run() -> None:
        try:
            results.append(await greet(LengthPrefixedStream(theirs), TOKEN))
        except HandshakeFailed as exc:
            results.append(exc)

    async def result() -> Greeting:
        while not results:
            await trio.testing.wait_all_tasks_blocked()
        if isinstance(results[0], BaseException):
            raise results[0]
        return results[0]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield Peer(ours), result
        nursery.cancel_scope.cancel()


async def test_an_ordinary_greeting() -> None:
    async with greeting() as (peer, result):
        assert await peer.greet(resumed=True) == TOKEN
        found = await result()
    assert found.resumed
    assert found.status.instance_token == STATUS["instance_token"]
    assert [type(event) for event in found.events] == [type(found.status), NewDocument]


@pytest.mark.parametrize("payload", [None, b"", b"no document"])
async def test_a_daemon_without_a_document(payload: bytes | None) -> None:
    async with greeting() as (peer, result):
        await peer.put("connection_status_event", STATUS)
        await peer.put("new_pki_document_event", {"payload": payload})
        await peer.next("session_token")
        await peer.put("session_token_reply", {"app_id": bytes(16), "resumed": False})
        found = await result()
    assert isinstance(found.events[1], Unreadable if payload else NewDocument)


async def test_other_messages_in_between() -> None:
    reply = {"surbid": bytes(16), "payload": b"kept"}
    async with greeting() as (peer, result):
        await peer.put("new_pki_document_event", {"payload": document(1)})
        await peer.put("something_later", {"x": 1})
        await peer.put("connection_status_event", {**STATUS, "is_connected": False})
        await peer.next("session_token")
        await peer.put("connection_status_event", STATUS)
        for _ in range(20):
            await peer.put("message_reply_event", reply)
        await peer.put("new_keypair_reply", {"query_id": bytes(16), "error_code": 3})
        await peer.put("new_pki_document_event", {"payload": document(2)})
        await peer.put("session_token_reply", {"app_id": bytes(16), "resumed": True})
        found = await result()
    assert found.status.is_connected
    assert sum(isinstance(event, MessageReply) for event in found.events) == 20
    assert len(found.events) == 24


async def test_a_daemon_that_floods_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplex_trio.katzenpost.session.greeting._MAX_EVENTS", 40)
    async with greeting() as (peer, result):
        await peer.put("connection_status_event", STATUS)
        with contextlib.suppress(trio.BrokenResourceError):
            for _ in range(50):
                await peer.put("message_reply_event", {"surbid": bytes(16)})
        with pytest.raises(MalformedHello):
            await result()


@pytest.mark.parametrize("name", ["message_reply_event", "something_later"])
async def test_a_daemon_that_floods_us_with_bytes(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("simplex_trio.katzenpost.session.greeting._MAX_BYTES", 100_000)
    async with greeting() as (peer, result):
        await peer.put("connection_status_event", STATUS)
        with contextlib.suppress(trio.BrokenResourceError):
            for _ in range(20):
                await peer.put(name, {"surbid": bytes(16), "payload": bytes(10_000)})
        with pytest.raises(MalformedHello):
            await result()


@pytest.mark.parametrize("missing", ["sphinx_geometry", "pigeonhole_geometry"])
async def test_a_daemon_that_does_not_tell_its_sizes(missing: str) -> None:
    async with greeting() as (peer, result):
        await peer.put("connection_status_event", {**STATUS, missing: None})
        with pytest.raises(IncompatibleDaemon):
            await result()


@pytest.mark.parametrize(
    "first", [[], 7, "HTTP/1.1 400 Bad Request", {"connection_status_event": 7}]
)
async def test_something_else_answers(first: Any) -> None:
    async with greeting() as (peer, result):
        await peer.send(first)
        with pytest.raises(HandshakeFailed):
            await result()


async def test_bytes_of_another_protocol() -> None:
    async with greeting() as (peer, result):
        await peer.stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(MalformedHello):
            await result()


async def test_an_answer_before_the_question() -> None:
    async with greeting() as (peer, result):
        await peer.put("connection_status_event", STATUS)
        await peer.put("session_token_reply", {"app_id": bytes(16), "resumed": True})
        with pytest.raises(MalformedHello):
            await result()


@pytest.mark.parametrize("when", [0, 1, 2])
async def test_a_daemon_that_hangs_up(when: int) -> None:
    async with greeting() as (peer, result):
        if when > 0:
            await peer.put("connection_status_event", STATUS)
        if when > 1:
            await peer.put("new_pki_document_event", {"payload": None})
            await peer.next("session_token")
        await peer.hang_up()
        with pytest.raises(HungUp) as caught:
            await result()
    assert caught.value.retryable


async def test_the_daemon_may_take_its_half_minute(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()

    async def greet_late() -> None:
        peer = await daemon.accept()
        await trio.sleep(35)
        await peer.greet()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(greet_late)
        async with open_thin_client(daemon.dial, STEADY) as client:
            assert client.is_connected


async def test_but_not_for_ever(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    with pytest.raises(ConnectTimeout):
        async with open_thin_client(daemon.dial, STEADY):
            raise AssertionError("there is no greeting")
    assert trio.current_time() == STEADY.connect_timeout
    peer = await daemon.accept()
    with pytest.raises(trio.EndOfChannel):  # and nothing is left open
        await peer.receive()


async def test_the_first_connection_is_not_tried_twice(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    daemon.away = True
    with pytest.raises(Exception, match="away"):
        async with open_thin_client(daemon.dial, STEADY):
            raise AssertionError("there is no daemon")
    assert len(daemon.dials) == 1
