"""What other clients of this protocol are known to do wrong; none of it may happen here.

Each test is about one mistake, in the order in which they were listed.  Some have more thorough
tests elsewhere, which are named then.
"""

from __future__ import annotations

import inspect
import logging
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

import simplex_trio.katzenpost
from simplex_trio.errors import ConnectionLost, EncodeError, SimplexError, TooLarge
from simplex_trio.katzenpost import (
    ECHO,
    BoxIndex,
    ClientClosed,
    CodedError,
    DaemonConnected,
    DaemonDisconnected,
    DaemonError,
    MessageReply,
    OperationCancelled,
    ReadCap,
    TcpDial,
    TombstonesIncomplete,
    WriteCap,
    load_dial,
    new_channel,
    new_client_token,
    open_thin_client,
)
from simplex_trio.katzenpost import errors as katzenpost_errors
from simplex_trio.testing.kpclientd import SimulatedMixnet, open_simulated_daemon, running_daemon
from tests.katzenpost.support import SEED, START, STEADY, ScriptedDaemon, next_event, simulated


async def test_1_concurrent_questions_do_not_take_each_others_replies() -> None:
    async with open_simulated_daemon() as daemon, open_thin_client(daemon.dial) as client:
        answered = 0

        async def ask(question: bytes) -> None:
            nonlocal answered
            reply = await client.ask(client.service(ECHO), question)
            assert reply.rstrip(b"\0") == question
            answered += 1

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(ask, b"%d" % (number + 1))
        assert answered == 8


async def test_2_closing_wakes_who_waits() -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        _, reader = await new_channel(client)

        async def wait() -> None:
            with pytest.raises(ClientClosed):
                await reader.receive()

        nursery.start_soon(wait)
        await daemon.wait_asked(START)
        await client.aclose()


@pytest.mark.parametrize("away", [True, False])
async def test_3_cancelling_wakes_who_waits_offline_and_away(
    autojump_clock: MockClock, away: bool
) -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        _, reader = await new_channel(client)

        async def wait() -> None:
            with pytest.raises(OperationCancelled):
                await reader.receive()

        nursery.start_soon(wait)
        await daemon.wait_asked(START)
        async with client.subscribe() as events:
            if away:
                await daemon.stop()
                await next_event(events, DaemonDisconnected)
            else:
                daemon.mixnet.set_online(False)
        await client.cancel_all()
    assert trio.current_time() == 0


async def test_4_local_requests_in_flight_do_not_outlive_their_connection(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ConnectionLost):
                await client.directory_authorities()

        nursery.start_soon(ask)
        await peer.next("get_directory_authorities")
        await peer.hang_up()


async def test_5_a_malformed_capability_is_not_sent() -> None:
    """For a daemon that hangs up all the same see test_reconnecting."""
    async with simulated() as (client, daemon):
        for kind, size in ((WriteCap, 167), (ReadCap, 137), (BoxIndex, 0)):
            with pytest.raises(EncodeError):
                kind(bytes(size))
        with pytest.raises(EncodeError):
            await client.cancel_resending(bytes(31))
        with pytest.raises(EncodeError):
            await client.new_keypair(bytes(5))
        assert daemon.connections == 1
        assert not daemon.requests


async def test_6_a_service_node_without_services_is_no_obstacle() -> None:
    async with simulated(SimulatedMixnet(idle_service_node=True)) as (client, _):
        assert client.document.service_nodes[0].services == ()
        assert client.service(ECHO).name == ECHO


async def test_7_what_is_typed_bytes_is_bytes() -> None:
    async with simulated() as (client, _):
        keys = await client.new_keypair(SEED)
        envelope = await client.encrypt_write(b"x", keys.write_cap, keys.first_index)
        assert (await client.start_resending(envelope)).plaintext == b""
        made = await client.elements_of_tombstones(
            keys.write_cap, keys.first_index, 1, is_start=True, is_last=True
        )
        assert made.buffer == b""
        assert isinstance(made.elements, tuple)


async def test_8_send_errors_are_raised_and_sizes_checked(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon):
        to = client.service(ECHO)
        with pytest.raises(TooLarge):
            await client.send(to, bytes(2001))
        async with client.subscribe() as events:
            await daemon.stop()
            await next_event(events, DaemonDisconnected)
        with pytest.raises(ConnectionLost):
            await client.send(to, b"x")


async def test_9_looking_at_a_document_does_not_change_it() -> None:
    async with simulated() as (client, _):
        before = client.services(ECHO)
        assert "servicenode1" in repr(client.document)
        with pytest.raises(TypeError):
            client.document.raw["ServiceNodes"] = []  # type: ignore[index]
        assert client.services(ECHO) == before


async def test_10_nothing_in_a_reconnect_ends_the_reconnecting(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer):
        await peer.hang_up()
        broken = await daemon.accept()
        await broken.put("connection_status_event", {"sphinx_geometry": 7})
        broken = await daemon.accept()
        await broken.stream.send_all(b"\0\0\0\1\xff")
        await (await daemon.accept()).greet()
        await client.wait_daemon_connected()
    with trio.move_on_after(1) as cancelled:  # and cancelling does end it
        async with daemon.client() as (_, peer):
            daemon.away = True
            await peer.hang_up()
            await trio.sleep_forever()
    assert cancelled.cancelled_caught


async def test_11_events_come_in_the_order_in_which_they_happened() -> None:
    async with ScriptedDaemon().client() as (client, peer), client.subscribe() as events:
        for number in range(50):
            await peer.put("message_reply_event", {"surbid": number.to_bytes(16, "big")})
        for number in range(50):
            assert (await next_event(events, MessageReply)).surb_id[-1] == number


async def test_12_logging_is_left_alone_and_tells_no_secrets(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("simplex_trio")
    level = logger.level
    caplog.set_level(logging.DEBUG)
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client, SEED)
        await writer.write(b"the secret text")
        await reader.receive()
        async with client.subscribe() as events:
            daemon.drop_connections()
            await next_event(events, DaemonConnected)
        secrets = [SEED, writer.state.write_cap.raw, reader.state.next_index.raw, client.token]
    assert logger.level == level
    ours = [record for record in caplog.records if record.name.startswith("simplex_trio")]
    assert ours
    for secret in (*secrets, b"the secret text"):
        assert repr(secret)[2:-1] not in caplog.text
        assert secret.hex() not in caplog.text


async def test_13_errors_have_a_common_base_and_cancelling_reaches_the_daemon() -> None:
    """For ambiguous codes see test_values."""
    for name in katzenpost_errors.__all__:
        kind = getattr(katzenpost_errors, name)
        if inspect.isclass(kind):
            assert issubclass(kind, SimplexError)
    assert issubclass(DaemonError, CodedError)
    async with simulated() as (client, daemon):
        _, reader = await new_channel(client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.receive)
            await daemon.wait_asked(START)
            nursery.cancel_scope.cancel()
        await daemon.wait_asked("cancel_resending_encrypted_message")
        assert daemon.operations == 0


async def test_14_there_is_a_context_manager_and_types() -> None:
    package = Path(simplex_trio.katzenpost.__file__).parents[1]
    assert (package / "py.typed").exists()
    async with simulated() as (client, _):
        await client.aclose()
        await client.aclose()  # which is no error


async def test_15_another_process_can_resume(autojump_clock: MockClock) -> None:
    token = new_client_token()
    async with running_daemon() as daemon:
        async with open_thin_client(daemon.open_stream, STEADY, token=token) as client:
            await client.detach()
        peer_events = []
        async with (
            open_thin_client(daemon.open_stream, STEADY, token=token) as client,
            client.subscribe() as events,
        ):
            daemon.drop_connections()
            peer_events.append(await next_event(events, DaemonConnected))
        assert peer_events == [DaemonConnected(same_daemon=True, resumed=True)]


async def test_16_finished_tombstones_are_kept_when_one_fails() -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:

        async def make() -> None:
            with pytest.raises(TombstonesIncomplete) as caught:
                await client.tombstone_range(WriteCap(bytes(168)), BoxIndex(bytes(104)), 2)
            assert len(caught.value.made.envelopes) == 1

        nursery.start_soon(make)
        await peer.answer(
            "encrypt_write",
            await peer.next("encrypt_write"),
            message_ciphertext=b"c",
            envelope_descriptor=b"d",
            envelope_hash=bytes(32),
            next_message_box_index=bytes(104),
        )
        await peer.answer("encrypt_write", await peer.next("encrypt_write"), error_code=3)


async def test_17_the_plain_network_is_both_versions_of_ip(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "::1"):
        async with open_simulated_daemon(TcpDial(host, 0)) as daemon:
            path = tmp_path / "thinclient.toml"
            daemon.write_config(path)
            dial = load_dial(path)
            assert isinstance(dial, TcpDial)
            assert dial.network == "tcp"
            async with open_thin_client(path) as client:
                assert client.is_connected


async def test_18_the_first_connection_says_whether_trying_again_helps(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    daemon.away = True
    for tries in range(1, 4):
        with pytest.raises(SimplexError) as caught:
            async with open_thin_client(daemon.dial, STEADY):
                raise AssertionError("there is no daemon")
        assert caught.value.retryable
        assert len(daemon.dials) == tries
