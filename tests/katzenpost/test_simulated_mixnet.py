"""The simulated daemon: what goes through its mixnet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from simplex_trio.katzenpost import TcpDial, open_thin_client
from simplex_trio.testing.kpclientd import (
    LIFELIKE,
    ListeningDaemon,
    Pace,
    SimulatedMixnet,
    running_daemon,
    serve_simulated_daemon,
)
from simplex_trio.testing.kpclientd import boxes as simulated_boxes
from simplex_trio.testing.kpclientd.boxes import ENVELOPE_SIZE, Envelope
from simplex_trio.testing.kpclientd.consensus import endpoints
from simplex_trio.testing.kpclientd.copy_streams import StreamReader, encode_elements
from simplex_trio.testing.kpclientd.serving import open_simulated_daemon
from tests.katzenpost.raw import (
    QUERY,
    TOKEN,
    ask,
    connected,
    keys,
    raw_client,
    read_envelope,
    write_first_box,
)
from tests.katzenpost.support import COPY, SEED, START

# --- services -----------------------------------------------------------------------------------

ECHO = next(each for each in endpoints() if each.service == "echo")


async def test_replies_are_kept_for_who_is_away(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=1))
    async with running_daemon(mixnet) as daemon:
        async with raw_client(daemon, token=TOKEN) as peer:
            for number in range(3):
                await peer.put(
                    "send_message",
                    {
                        "with_surb": True,
                        "surbid": bytes([number]) * 16,
                        "destination_id_hash": ECHO.node_hash,
                        "recipient_queue_id": ECHO.queue_id,
                        "payload": b"hello",
                    },
                )
            sent = await peer.next("message_sent_event")
            assert sent["message_id"] is None
            assert isinstance(sent["sent_at"], int)
            assert sent["reply_eta"] == 1_000_000_000
            assert "err" not in sent
            await daemon.wait_asked("send_message", 3)
        await trio.sleep(10)
        async with raw_client(daemon) as peer:
            await peer.next("connection_status_event")
            await peer.next("new_pki_document_event")
            await peer.put("session_token", {"client_instance_token": TOKEN})
            kept = [await peer.next("message_reply_event") for _ in range(3)]
            assert {reply["surbid"][0] for reply in kept} == {0, 1, 2}
            assert all(len(reply["payload"]) == 2000 for reply in kept)
            assert (await peer.next("session_token_reply"))["resumed"] is True


@pytest.mark.parametrize("with_surb", [True, False])
async def test_a_message_that_cannot_be_sent(with_surb: bool) -> None:
    async with connected() as (_, peer):
        for node_hash, payload in ((bytes(32), b""), (ECHO.node_hash, bytes(2001))):
            await peer.put(
                "send_message",
                {
                    "with_surb": with_surb,
                    "surbid": bytes(16),
                    "destination_id_hash": node_hash,
                    "recipient_queue_id": ECHO.queue_id,
                    "payload": payload,
                },
            )
            if with_surb:
                assert (await peer.next("message_sent_event"))["err"]
        assert (await keys(peer))["error_code"] == 0  # and otherwise silence


# --- operations ---------------------------------------------------------------------------------


async def test_a_cancelled_operation_is_answered_before_who_cancels() -> None:
    async with connected() as (daemon, peer):
        operation = await read_envelope(peer, await keys(peer))
        await peer.put(START, operation)
        await daemon.wait_asked(START)
        name = "cancel_resending_encrypted_message"
        await peer.put(name, {"query_id": QUERY, "envelope_hash": operation["envelope_hash"]})
        first = await peer.next(f"{START}_reply")
        assert (first["query_id"], first["error_code"]) == (operation["query_id"], 24)
        assert first["plaintext"] is None
        assert await peer.next(f"{name}_reply") == {"query_id": QUERY, "error_code": 0}
        again = await ask(peer, name, envelope_hash=operation["envelope_hash"])
        assert again["error_code"] == 0


async def test_an_operation_that_is_started_twice_is_answered_twice() -> None:
    async with connected() as (daemon, peer):
        pair = await keys(peer)
        operation = await read_envelope(peer, pair)
        for query_id in (b"1" * 16, b"2" * 16):
            await peer.put(START, {**operation, "query_id": query_id})
        await daemon.wait_asked(START, 2)
        name = "cancel_resending_encrypted_message"
        await peer.put(name, {"query_id": QUERY, "envelope_hash": operation["envelope_hash"]})
        assert (await peer.next(f"{START}_reply"))["query_id"] == b"2" * 16  # it finds the later
        await peer.next(f"{name}_reply")
        async with raw_client(daemon, token=b"another token...") as other:
            await write_first_box(other, pair, b"text")
        reply = await peer.next(f"{START}_reply")
        assert (reply["query_id"], reply["plaintext"]) == (b"1" * 16, b"text")


async def test_answers_to_operations_are_lost_on_who_is_away() -> None:
    async with running_daemon() as daemon:
        async with raw_client(daemon, token=TOKEN) as peer:
            pair = await keys(peer)
            await peer.put(START, await read_envelope(peer, pair))
            await daemon.wait_asked(START)
        await trio.testing.wait_all_tasks_blocked()
        assert daemon.operations == 1
        async with raw_client(daemon, token=b"another token...") as other:
            await write_first_box(other, pair, b"text")
        assert daemon.operations == 0
        async with raw_client(daemon, token=TOKEN) as peer:  # which finds nothing but its greeting
            assert (await keys(peer))["error_code"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"read_cap": None},
        {"write_cap": bytes(168)},
        {"message_ciphertext": b""},
        {"envelope_descriptor": None},
        {"envelope_hash": None},
    ],
)
async def test_operations_that_are_none(changes: dict[str, Any]) -> None:
    async with connected() as (_, peer):
        operation = await read_envelope(peer, await keys(peer))
        await peer.put(START, {**operation, **changes})
        assert (await peer.next(f"{START}_reply"))["error_code"] == 3


async def test_a_read_without_its_index_fails() -> None:
    async with connected() as (_, peer):
        pair = await keys(peer)
        await write_first_box(peer, pair, b"text")
        operation = await read_envelope(peer, pair)
        for index, code in ((None, 4), (bytes(104), 23)):
            await peer.put(START, {**operation, "message_box_index": index})
            assert (await peer.next(f"{START}_reply"))["error_code"] == code


async def test_conflicts_are_told_only_to_who_asks() -> None:
    flag = "no_idempotent_box_already_exists"
    async with connected() as (_, peer):
        pair = await keys(peer)
        assert (await write_first_box(peer, pair, b"one"))["error_code"] == 0
        assert (await write_first_box(peer, pair, b"two"))["error_code"] == 0
        assert (await write_first_box(peer, pair, b"one", **{flag: True}))["error_code"] == 0
        assert (await write_first_box(peer, pair, b"two", **{flag: True}))["error_code"] == 10


async def test_while_too_much_waits_nothing_is_read(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet()
    async with connected(mixnet) as (_daemon, peer):
        pair = await keys(peer)
        operation = await read_envelope(peer, pair)
        mixnet.set_online(False)
        await peer.next("connection_status_event")
        for number in range(18):  # 16 that wait, one that is next, and one that blocks
            await peer.put(START, {**operation, "query_id": bytes([number]) * 16})
        await peer.put("new_keypair", {"query_id": QUERY, "seed": SEED})
        with trio.move_on_after(60) as waited:
            await peer.receive()
        assert waited.cancelled_caught
        mixnet.set_online(True)
        await peer.next("connection_status_event")
        assert (await peer.next("new_keypair_reply"))["query_id"] == QUERY


async def test_a_client_that_does_not_read_is_dropped(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    async with running_daemon() as daemon:
        ours, theirs = memory_stream_pair()
        nursery.start_soon(daemon.serve_stream, ours)
        assert await theirs.receive_some()
        ours.send_stream.send_all_hook = trio.sleep_forever
        daemon.mixnet.start_epoch(1001)
        await trio.sleep(59)
        assert daemon.connections == 1
        await trio.sleep(2)
        assert daemon.connections == 0


# --- copy commands ------------------------------------------------------------------------------


async def test_the_verdict_on_a_copy_is_remembered_for_half_an_hour(
    autojump_clock: MockClock,
) -> None:
    async with connected() as (_daemon, peer):
        pair = await keys(peer)
        failed = await ask(peer, COPY, write_cap=pair["write_cap"])
        assert failed["error_code"] == 26
        assert (failed["replica_error_code"], failed["failed_envelope_index"]) == (1, 1)
        elements, _ = encode_elements([], b"", is_start=True, is_last=True, flush=True)
        assert elements == []
        await write_first_box(peer, pair, b"\3\0\0\0\0")
        assert (await ask(peer, COPY, write_cap=pair["write_cap"]))["error_code"] == 26
        await trio.sleep(30 * 60)
        reply = await ask(peer, COPY, write_cap=pair["write_cap"])
        assert reply == {"query_id": QUERY, "error_code": 0}


async def test_a_stream_of_nonsense_is_refused() -> None:
    async with connected() as (_, peer):
        pair = await keys(peer)
        await write_first_box(peer, pair, b"nonsense")
        reply = await ask(peer, COPY, write_cap=pair["write_cap"])
        assert (reply["error_code"], reply["replica_error_code"]) == (26, 5)
        assert (await ask(peer, COPY))["error_code"] == 3


def envelope(number: int) -> Envelope:
    return Envelope(bytes([number]) * 32, 1, bytes(32), b"content %d" % number)


@pytest.mark.parametrize("flush", [True, False])
def test_elements_of_a_stream(flush: bool) -> None:
    first, rest = encode_elements(
        [envelope(1), envelope(2)], b"", is_start=True, is_last=False, flush=flush
    )
    second, nothing = encode_elements(
        [envelope(3)], rest, is_start=not first, is_last=True, flush=flush
    )
    assert nothing == b""
    assert (rest == b"") is flush
    assert all(len(element) <= simulated_boxes.MAX_PLAINTEXT for element in first + second)
    reader = StreamReader()
    found = [each for element in first + second for each in reader.read(element)]
    assert found == [envelope(1), envelope(2), envelope(3)]
    assert reader.is_complete
    assert [element[0] for element in first + second] == [1, *[0] * (len(first + second) - 2), 2]


def test_envelopes_are_of_one_size() -> None:
    sizes = {
        len(Envelope(bytes(32), epoch, bytes(32), content).to_bytes())
        for epoch in (0, 2**32)
        for content in (None, b"", simulated_boxes.seal_box(bytes(32), bytes(104), bytes(1553)))
    }
    assert sizes == {ENVELOPE_SIZE}


# --- for programs -------------------------------------------------------------------------------


async def test_it_can_be_served_for_others(
    nursery: trio.Nursery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "thinclient.toml"

    async def serve(task_status: trio.TaskStatus[ListeningDaemon]) -> None:
        listen = TcpDial("127.0.0.1", 0)
        await serve_simulated_daemon(listen, pace=Pace(), config_path=path, task_status=task_status)

    daemon: ListeningDaemon = await nursery.start(serve)
    assert "protects nothing" in caplog.text
    async with open_thin_client(path) as client:
        assert client.is_connected
        assert daemon.connections == 1
    assert LIFELIKE.round_trip > 0


async def test_a_port_that_is_taken() -> None:
    async with open_simulated_daemon() as daemon:
        with pytest.raises(OSError, match="in use"):
            async with open_simulated_daemon(daemon.dial):
                raise AssertionError("there is one already")
