"""The simulated daemon, byte for byte, as any client of the protocol meets it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import DecodeError, DialFailed
from simplex_trio.testing.kpclientd import (
    SimulatedMixnet,
    open_simulated_daemon,
    running_daemon,
)
from simplex_trio.testing.kpclientd.messages import read_request
from simplex_trio.testing.kpclientd.serving import SHUTDOWN_SECONDS
from tests.katzenpost.raw import (
    QUERY,
    TOKEN,
    ask,
    connected,
    keys,
    raw_client,
    read_envelope,
)
from tests.katzenpost.support import COPY, SEED, START

RESPONSES = {
    "session_token_reply", "shutdown_event", "connection_status_event", "new_pki_document_event",
    "message_sent_event", "message_reply_event", "message_id_garbage_collected",
    "new_keypair_reply", "encrypt_read_reply", "encrypt_write_reply",
    "start_resending_encrypted_message_reply", "cancel_resending_encrypted_message_reply",
    "start_resending_copy_command_reply", "cancel_resending_copy_command_reply",
    "next_message_box_index_reply", "get_message_box_index_counter_reply",
    "get_pki_document_reply", "get_directory_authorities_reply",
    "create_courier_envelopes_from_payload_reply",
    "create_courier_envelopes_from_multi_payload_reply",
    "create_courier_envelopes_from_tombstone_range_reply",
    "voucher_mint_reply", "voucher_induct_reply", "voucher_open_reply",
    "voucher_derive_stream_reply",
}  # fmt: skip


# --- greeting, sessions, and the end ------------------------------------------------------------


async def test_every_response_names_all_kinds() -> None:
    async with running_daemon() as daemon, raw_client(daemon) as peer:
        first = await peer.receive()
        assert set(first) == RESPONSES
        assert [name for name in first if first[name] is not None] == ["connection_status_event"]
        assert set(await peer.receive()) == RESPONSES
        await peer.put("session_token", {"client_instance_token": TOKEN})
        reply = await peer.next("session_token_reply")
        assert reply["resumed"] is False
        assert len(reply["app_id"]) == 16


async def test_the_status_has_both_geometries() -> None:
    async with running_daemon() as daemon, raw_client(daemon) as peer:
        status = await peer.next("connection_status_event")
        assert status["is_connected"] is True
        assert status["err"] is None
        assert status["instance_token"] == daemon.instance_token
        assert status["sphinx_geometry"]["UserForwardPayloadLength"] == 2000
        assert status["pigeonhole_geometry"]["MaxPlaintextPayloadLength"] == 1553


async def test_a_client_that_comes_back_is_known(autojump_clock: MockClock) -> None:
    async with running_daemon() as daemon:
        async with raw_client(daemon, token=TOKEN) as peer:
            pass
        await trio.sleep(599)
        for resumed in (True, False):
            async with raw_client(daemon) as peer:
                await peer.receive()
                await peer.receive()
                await peer.put("session_token", {"client_instance_token": TOKEN})
                assert (await peer.next("session_token_reply"))["resumed"] is resumed
            await trio.sleep(601)


async def test_a_client_that_says_farewell_is_forgotten() -> None:
    async with running_daemon() as daemon:
        async with raw_client(daemon, token=TOKEN) as peer:
            await peer.put(START, await read_envelope(peer, await keys(peer)))
            await daemon.wait_asked(START)
            await peer.put("thin_close", {})
            with pytest.raises(trio.EndOfChannel):
                await peer.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert daemon.operations == 0
        async with raw_client(daemon) as peer:
            await peer.receive()
            await peer.receive()
            await peer.put("session_token", {"client_instance_token": TOKEN})
            assert (await peer.next("session_token_reply"))["resumed"] is False


async def test_a_client_without_a_token_is_forgotten_with_its_connection() -> None:
    async with running_daemon() as daemon:
        async with raw_client(daemon) as peer:
            await peer.receive()
            await peer.receive()
            await peer.put(START, await read_envelope(peer, await keys(peer)))
            await daemon.wait_asked(START)
            assert daemon.operations == 1
        await trio.testing.wait_all_tasks_blocked()
        assert daemon.operations == 0


async def test_a_restart_is_announced_and_forgets_everything() -> None:
    async with connected() as (daemon, peer):
        await peer.put(START, await read_envelope(peer, await keys(peer)))
        await daemon.wait_asked(START)
        before = daemon.instance_token
        await daemon.restart()
        assert await peer.next("shutdown_event") == {}
        with pytest.raises(trio.EndOfChannel):
            await peer.receive()
        assert daemon.instance_token != before
        assert daemon.operations == 0
        await daemon.restart(same_instance=True)
        async with raw_client(daemon) as peer:
            token = (await peer.next("connection_status_event"))["instance_token"]
            assert token == daemon.instance_token


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_daemon_on_a_socket_lets_clients_leave_first(
    mock_clock: MockClock, leaves: bool
) -> None:
    """A client that reads in one task and decides in another hears of the end before it sees it."""
    async with open_simulated_daemon() as daemon, raw_client(daemon, token=TOKEN) as peer:
        async with trio.open_nursery() as nursery:
            stopped = trio.Event()

            async def stop() -> None:
                await daemon.stop()
                stopped.set()

            nursery.start_soon(stop)
            assert await peer.next("shutdown_event") == {}
            await trio.testing.wait_all_tasks_blocked()
            assert not stopped.is_set()
            if leaves:
                await peer.frames.aclose()
            else:
                mock_clock.jump(SHUTDOWN_SECONDS)
                with pytest.raises(trio.EndOfChannel):
                    await peer.receive()
            await stopped.wait()
        assert trio.current_time() == (0 if leaves else SHUTDOWN_SECONDS)


async def test_a_daemon_that_was_stopped_is_not_there() -> None:
    async with connected() as (daemon, peer):
        await daemon.stop(graceful=False)
        with pytest.raises(trio.EndOfChannel):
            await peer.receive()
        with pytest.raises(DialFailed):
            await daemon.open_stream()
        daemon.start()
        async with raw_client(daemon, token=TOKEN):
            assert daemon.connections == 1


# --- strictness ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        {"encrypt_read": {"query_id": QUERY, "read_cap": bytes(135)}},
        {"encrypt_write": {"query_id": QUERY, "write_cap": bytes(169)}},
        {"next_message_box_index": {"query_id": QUERY, "message_box_index": bytes(103)}},
        {COPY: {"query_id": QUERY, "write_cap": b""}},
        {"new_keypair": {"query_id": "text", "seed": SEED}},
        {"new_keypair": {"query_id": QUERY, "seed": "text"}},
        {"new_keypair": 7},
        {"get_pki_document": {"query_id": QUERY, "epoch": -1}},
        {"get_pki_document": {"query_id": QUERY, "epoch": 1.5}},
        {"send_message": {"with_surb": 1}},
        {
            "create_courier_envelopes_from_multi_payload": {
                "query_id": QUERY,
                "destinations": [{"write_cap": bytes(3)}],
            }
        },
        [],
        "text",
    ],
)
async def test_it_hangs_up_on_what_it_cannot_read(request_: Any) -> None:
    async with connected() as (daemon, peer):
        await peer.send(request_)
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
            await peer.receive()
        assert not daemon.requests


async def test_it_hangs_up_on_frames_that_are_too_large() -> None:
    async with connected() as (_, peer):
        await peer.stream.send_all(b"\xff" * 4)
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
            await peer.receive()


async def test_short_ids_are_filled_up_and_long_ones_cut() -> None:
    async with connected() as (_, peer):
        for sent, expected in ((b"short", b"short".ljust(16, b"\0")), (bytes(20), bytes(16))):
            await peer.put("new_keypair", {"query_id": sent, "seed": SEED})
            assert (await peer.next("new_keypair_reply"))["query_id"] == expected


async def test_what_it_does_not_know_it_leaves_alone() -> None:
    async with connected() as (_, peer):
        await peer.send({"something_new": {}, "voucher_mint": None})
        await peer.put("new_keypair", {"query_id": QUERY, "seed": SEED, "added": "later"})
        assert (await peer.next("new_keypair_reply"))["error_code"] == 0
    with pytest.raises(DecodeError):
        read_request(b"\xff")


# --- what it answers by itself ------------------------------------------------------------------


async def test_errors_have_nulls_where_results_would_be() -> None:
    async with connected() as (_, peer):
        assert await ask(peer, "new_keypair", seed=bytes(31)) == {
            "query_id": QUERY,
            "write_cap": None,
            "read_cap": None,
            "first_message_index": None,
            "error_code": 3,
        }
        for name, fields in (
            ("encrypt_read", {}),
            ("encrypt_write", {"write_cap": bytes(168), "message_box_index": bytes(104)}),
            ("next_message_box_index", {}),
            ("get_message_box_index_counter", {}),
            ("create_courier_envelopes_from_payload", {}),
            ("create_courier_envelopes_from_multi_payload", {"destinations": []}),
            ("create_courier_envelopes_from_tombstone_range", {}),
            ("cancel_resending_encrypted_message", {}),
            ("cancel_resending_copy_command", {}),
        ):
            assert (await ask(peer, name, **fields))["error_code"] == 3
        reply = await ask(peer, "get_pki_document", epoch=5)
        assert (reply["error_code"], reply["payload"], reply["epoch"]) == (10, None, 5)


async def test_keys_have_their_sizes_and_numbers() -> None:
    async with connected() as (_, peer):
        pair = await keys(peer)
        index = pair["first_message_index"]
        assert [len(pair["write_cap"]), len(pair["read_cap"]), len(index)] == [168, 136, 104]
        assert pair["write_cap"].endswith(index)
        assert pair["read_cap"].endswith(index)
        following = (await ask(peer, "next_message_box_index", message_box_index=index))[
            "next_message_box_index"
        ]
        counters = [
            (await ask(peer, "get_message_box_index_counter", message_box_index=each))["counter"]
            for each in (index, following)
        ]
        assert counters[1] == counters[0] + 1
        assert int.from_bytes(index[:8], "little") == counters[0]


async def test_a_tombstone_range_of_none_loses_the_buffer() -> None:
    async with connected() as (_, peer):
        pair = await keys(peer)
        reply = await ask(
            peer,
            "create_courier_envelopes_from_tombstone_range",
            dest_write_cap=pair["write_cap"],
            dest_start_index=pair["first_message_index"],
            max_count=0,
            buffer=b"lost",
            is_last=True,
        )
        assert reply["envelopes"] is None
        assert reply["buffer"] is None
        assert reply["next_dest_index"] == pair["first_message_index"]


async def test_without_a_document(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(epoch=None)
    async with running_daemon(mixnet) as daemon, raw_client(daemon) as peer:
        await peer.next("connection_status_event")
        assert trio.current_time() == 30
        assert await peer.next("new_pki_document_event") == {"payload": None}
        pair = await keys(peer)
        read = {"read_cap": pair["read_cap"], "message_box_index": pair["first_message_index"]}
        assert (await ask(peer, "encrypt_read", **read))["error_code"] == 4
        operation = {**read, "message_ciphertext": b"c", "envelope_descriptor": b"d"}
        reply = await ask(peer, START, **operation, envelope_hash=bytes(32))
        assert (reply["error_code"], reply["courier_identity_hash"]) == (4, None)
        assert (await ask(peer, COPY, write_cap=pair["write_cap"]))["error_code"] == 4
