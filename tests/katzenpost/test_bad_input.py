"""A daemon that sends nonsense: it costs at most the connection, and never more than that."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from simplex_trio.errors import ConnectionLost, DecodeError, MalformedResponse
from simplex_trio.katzenpost import (
    BoxIndex,
    DaemonConnected,
    DaemonDisconnected,
    DaemonHangsUp,
    EventsDropped,
    ReadCap,
    ReadEnvelope,
    Unreadable,
)
from simplex_trio.katzenpost.session.codec import KatzenpostCodec
from simplex_trio.katzenpost.wire.framing import MAX_FRAME_SIZE, framed
from tests.katzenpost.support import SEED, START, STATUS, STEADY, ScriptedDaemon, next_event

INDEX = BoxIndex(bytes(104))
ENVELOPE = ReadEnvelope(b"c", b"d", bytes(32), INDEX, INDEX, ReadCap(bytes(136)))


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\3garbage",
        (MAX_FRAME_SIZE + 1).to_bytes(4, "big"),
        b"\xff" * 100,
        b"\0\0\0\0",
        b"\0\0\0\1\x80",
        b"\0\0\0\x02\x81\x80",
        b"\0\0\0\x64" + b"\x81" * 100,
    ],
)
async def test_garbage_ends_the_connection_and_not_the_client(
    autojump_clock: MockClock, data: bytes
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), client.subscribe() as events:
        await peer.stream.send_all(data)
        lost = await next_event(events, DaemonDisconnected)
        assert isinstance(lost.reason, DecodeError)
        peer = await daemon.accept()
        await peer.greet(resumed=True)
        await next_event(events, DaemonConnected)


async def test_a_message_that_is_cut_off(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), client.subscribe() as events:
        await peer.stream.send_all(b"\0\0\0\x10abc")
        await peer.hang_up()
        assert isinstance(
            (await next_event(events, DaemonDisconnected)).reason, trio.BrokenResourceError
        )
        await (await daemon.accept()).greet()
        await next_event(events, DaemonConnected)


@pytest.mark.parametrize(
    "reply",
    [7, [], "x", {}, {"query_id": None}, {"query_id": 7}, {"query_id": b""}],
)
async def test_an_answer_to_no_request_ends_the_connection(
    autojump_clock: MockClock, reply: Any
) -> None:
    """The caller that it was for would wait for ever."""
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ConnectionLost):
                await client.new_keypair(SEED)

        nursery.start_soon(ask)
        await peer.next("new_keypair")
        await peer.put("new_keypair_reply", reply)


async def test_unknown_keys_are_ignored() -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            assert await client.index_counter(INDEX) == 7

        nursery.start_soon(ask)
        request = await peer.next("get_message_box_index_counter")
        await peer.send({"something_new": {"x": 1}, 7: b"", b"bytes": None, "later_event": []})
        await peer.send(
            {
                "shutdown_event": None,
                "get_message_box_index_counter_reply": {
                    "query_id": request["query_id"],
                    "error_code": 0,
                    "counter": 7,
                    "added": "later",
                },
                "added_reply": None,
            }
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"write_cap": None},
        {"write_cap": bytes(167), "read_cap": bytes(136), "first_message_index": bytes(104)},
        {"write_cap": "text", "read_cap": bytes(136), "first_message_index": bytes(104)},
        {"error_code": "none"},
    ],
)
async def test_an_answer_that_cannot_be_read_fails_one_caller(fields: dict[str, object]) -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(MalformedResponse):
                await client.new_keypair(SEED)

        nursery.start_soon(ask)
        await peer.answer("new_keypair", await peer.next("new_keypair"), **fields)
        await trio.testing.wait_all_tasks_blocked()
        assert client.daemon_is_connected


async def test_events_that_cannot_be_read_change_nothing() -> None:
    async with ScriptedDaemon().client() as (client, peer), client.subscribe() as events:
        before = client.status, client.document
        await peer.put("connection_status_event", {**STATUS, "sphinx_geometry": None})
        await peer.put("new_pki_document_event", {"payload": b"garbage"})
        await peer.put("message_sent_event", {"sent_at": "noon"})
        await peer.put("message_reply_event", 7)  # type: ignore[arg-type]
        for _ in range(4):
            assert isinstance((await next_event(events, Unreadable)).error, DecodeError)
        assert (client.status, client.document) == before


async def test_geometries_with_more_than_is_known() -> None:
    async with ScriptedDaemon().client() as (client, peer), client.subscribe() as events:
        later = {**STATUS["sphinx_geometry"], "Added": {"later": 1}, "UserForwardPayloadLength": 9}
        await peer.put("connection_status_event", {**STATUS, "sphinx_geometry": later})
        while client.status.sphinx.max_payload != 9:
            await events.receive()


async def test_a_daemon_with_much_to_say_is_not_cut_off() -> None:
    async with ScriptedDaemon().client() as (client, peer), client.subscribe() as events:
        reply = framed(cbor2.dumps({"message_reply_event": {"surbid": bytes(16)}}))
        for _ in range(10):
            await peer.stream.send_all(reply * 1000)
        await trio.testing.wait_all_tasks_blocked()
        assert client.daemon_is_connected
        assert (await next_event(events, EventsDropped)).count > 8000


async def test_garbage_in_a_loop_is_bounded(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:

        async def answer_nonsense() -> None:
            connection = peer
            while True:
                await connection.next_in_doubt(START)
                await connection.put(f"{START}_reply", {})
                connection = await daemon.accept()
                await connection.greet(resumed=True)

        nursery.start_soon(answer_nonsense)
        with pytest.raises(DaemonHangsUp):
            await client.start_resending(ENVELOPE)
        assert len(daemon.dials) == STEADY.hang_ups
        nursery.cancel_scope.cancel()


noise = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.binary(max_size=20) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
names = st.sampled_from(
    [
        "connection_status_event",
        "new_pki_document_event",
        "message_sent_event",
        "message_reply_event",
        "message_id_garbage_collected",
        "shutdown_event",
        "session_token_reply",
        "new_keypair_reply",
        "something_else",
    ]
)


@given(st.dictionaries(names, noise | st.dictionaries(st.sampled_from(list(STATUS)), noise)))
def test_any_message_is_read_or_refused(message: dict[str, Any]) -> None:
    try:
        list(KatzenpostCodec(bytes(16)).open(framed(cbor2.dumps(message))))
    except DecodeError:
        return


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        list(KatzenpostCodec(bytes(16)).open(framed(data)))
    except DecodeError:
        return


def test_the_codec_has_no_pings() -> None:
    codec = KatzenpostCodec(b"token")
    assert codec.session_id == b"token"
    with pytest.raises(NotImplementedError):
        codec.ping()
