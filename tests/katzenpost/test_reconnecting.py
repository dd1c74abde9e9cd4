"""Daemons that go and come back: who notices, what is sent again, and how often it is tried."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import ConnectionLost, HungUp, RequestTimeout
from simplex_trio.katzenpost import (
    BoxIndex,
    ClientClosed,
    ClientConfig,
    DaemonAway,
    DaemonConnected,
    DaemonDisconnected,
    DaemonHangsUp,
    Destination,
    OperationCancelled,
    ReadCap,
    ReadChannel,
    ReadEnvelope,
    ReadState,
    Resent,
    ThinClient,
    WriteCap,
    WriteChannel,
    new_channel,
    new_client_token,
    open_thin_client,
)
from simplex_trio.testing.kpclientd import running_daemon
from tests.katzenpost.support import (
    COPY,
    SEED,
    START,
    STEADY,
    Peer,
    ScriptedDaemon,
    channel_with,
    next_event,
    simulated,
)


async def envelope_of(client: ThinClient, peer: Peer) -> ReadEnvelope:
    """An envelope that the scripted daemon made."""
    result: list[ReadEnvelope] = []

    async def ask() -> None:
        result.append(await client.encrypt_read(ReadCap(bytes(136)), BoxIndex(bytes(104))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        request = await peer.next("encrypt_read")
        await peer.answer(
            "encrypt_read",
            request,
            message_ciphertext=b"ciphertext",
            envelope_descriptor=b"descriptor",
            envelope_hash=b"#" * 32,
            next_message_box_index=bytes(104),
        )
    return result[0]


class Reading:
    """An operation in the background, and how it ended."""

    def __init__(self, client: ThinClient, envelope: ReadEnvelope) -> None:
        self.client = client
        self.envelope = envelope
        self.result: Resent | BaseException | None = None
        self.scope = trio.CancelScope()

    async def run(self) -> None:
        with self.scope:
            try:
                self.result = await self.client.start_resending(self.envelope)
            except Exception as exc:
                self.result = exc


# --- operations ---------------------------------------------------------------------------------


async def test_an_operation_is_sent_again_byte_by_byte(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        nursery.start_soon(reading.run)
        first = await peer.frames.receive_frame()
        for resumed in (True, False, True):
            await peer.hang_up()
            peer = await daemon.accept()
            await peer.greet(resumed=resumed)
            assert await peer.frames.receive_frame() == first
        await peer.hang_up()
        peer = await daemon.accept()
        await peer.greet(resumed=True)
        await peer.answer(START, await peer.next(START), plaintext=b"at last")
    assert isinstance(reading.result, Resent)
    assert reading.result.plaintext == b"at last"
    assert reading.result.courier is None


async def test_a_copy_command_is_sent_again_too(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(client.start_copy, WriteCap(bytes(168)))
        request = await peer.next(COPY)
        await peer.hang_up()
        peer = await daemon.accept()
        await peer.greet(resumed=True)
        assert await peer.next(COPY) == request
        await peer.answer(COPY, request)


async def test_an_operation_that_starts_while_the_daemon_is_away(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        daemon.away = True
        async with client.subscribe() as events:
            await peer.hang_up()
            await next_event(events, DaemonDisconnected)
        nursery.start_soon(reading.run)
        await trio.sleep(100)
        daemon.away = False
        peer = await daemon.accept()
        await peer.greet()
        await peer.answer(START, await peer.next(START), plaintext=b"x")
    assert isinstance(reading.result, Resent)


async def test_a_second_answer_is_ignored(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        nursery.start_soon(reading.run)
        request = await peer.next(START)
        await peer.answer(START, request, plaintext=b"first")
        await peer.answer(START, request, plaintext=b"second")
        await peer.answer(START, request, error_code=24)
        await envelope_of(client, peer)
    assert isinstance(reading.result, Resent)
    assert reading.result.plaintext == b"first"


@pytest.mark.parametrize("how", ["dropped", "restarted", "same token"])
async def test_callers_notice_nothing_but_time(autojump_clock: MockClock, how: str) -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        writer, reader = await new_channel(client)
        received = []

        async def read() -> None:
            async for message in reader.read():
                received.append(message)
                if len(received) == 3:
                    return

        nursery.start_soon(read)
        for number in range(3):
            await daemon.wait_asked(START)
            if how == "dropped":
                daemon.drop_connections()
            else:
                await daemon.restart(same_instance=how == "same token")
            await writer.write(b"message %d" % number)
    assert received == [b"message 0", b"message 1", b"message 2"]


async def test_the_daemon_drops_answers_while_we_are_away(autojump_clock: MockClock) -> None:
    """So an operation has to be sent again even to a daemon that goes on with it."""
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        writer, reader = await new_channel(client)
        nursery.start_soon(reader.receive)
        await daemon.wait_asked(START)
        async with open_thin_client(daemon.open_stream, STEADY) as other:
            daemon.drop_connections()
            await other.wait_daemon_connected()
            await WriteChannel(other, writer.state).write(b"while it was away")
            assert daemon.operations <= 1


# --- what the daemon answers by itself ----------------------------------------------------------


async def test_a_local_request_in_flight_fails_at_once(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ConnectionLost) as caught:
                await client.new_keypair(SEED)
            assert caught.value.retryable
            assert isinstance(caught.value.__cause__, trio.EndOfChannel)

        nursery.start_soon(ask)
        await peer.next("new_keypair")
        await peer.hang_up()
    assert trio.current_time() == 0


async def test_a_local_request_to_a_daemon_that_is_away(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    daemon_is_back = STEADY.reconnect.initial
    async with daemon.client() as (client, peer), client.subscribe() as events:
        await peer.hang_up()
        await next_event(events, DaemonDisconnected)
        with pytest.raises(DaemonAway):
            await client.new_keypair(SEED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.wait_daemon_connected)
            await (await daemon.accept()).greet()
        assert trio.current_time() == daemon_is_back


async def test_a_local_request_that_is_not_answered(autojump_clock: MockClock) -> None:
    async with ScriptedDaemon().client() as (client, _):
        with pytest.raises(RequestTimeout):
            await client.new_keypair(SEED)
        assert trio.current_time() == STEADY.request_timeout


# --- trying again -------------------------------------------------------------------------------


async def test_the_waits_double_up_to_a_minute(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer):
        await trio.sleep(100)
        daemon.away = True
        await peer.hang_up()
        lost = trio.current_time()
        await trio.sleep(300)
        times = [time - lost for time in daemon.dials[1:]]
        assert times == [1, 3, 7, 15, 31, 63, 123, 183, 243]
        assert repr(client).count("away") == 1


async def test_each_wait_is_shortened_at_random(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client(ClientConfig(random=lambda: 1.0)) as (_, peer):
        daemon.away = True
        await peer.hang_up()
        await trio.sleep(10)
        assert daemon.dials[1:] == pytest.approx([0.7, 2.1, 4.9])


async def test_after_a_connection_that_lasted_the_waits_start_over(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer):
        for _ in range(3):
            await trio.sleep(20)
            await peer.hang_up()
            peer = await daemon.accept()
            await peer.greet(resumed=True)
            await client.wait_daemon_connected()
        assert daemon.dials == [0, 21, 42, 63]


async def test_a_greeting_that_fails_is_a_try_that_fails(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(client.wait_daemon_connected)
        await peer.hang_up()
        for _ in range(2):
            await (await daemon.accept()).hang_up()
        await (await daemon.accept()).send("garbage")
        await (await daemon.accept()).greet()
    assert daemon.dials == [0, 1, 3, 7, 15]


async def test_a_daemon_that_is_deaf_is_tried_again(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer):
        await peer.hang_up()
        await daemon.accept()  # which is never greeted
        await (await daemon.accept()).greet()
        await client.wait_daemon_connected()
        assert daemon.dials == [0, 1, 1 + STEADY.connect_timeout + 2]


# --- a daemon that hangs up in a loop -----------------------------------------------------------


async def hang_up_always(daemon: ScriptedDaemon, after: str, peer: Peer) -> None:
    while True:
        try:
            await peer.next(after)
        finally:
            await peer.hang_up()
        peer = await daemon.accept()
        await peer.greet(resumed=True)


async def test_an_operation_at_which_the_daemon_hangs_up(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        envelope = await envelope_of(client, peer)
        nursery.start_soon(hang_up_always, daemon, START, peer)
        with pytest.raises(DaemonHangsUp) as caught:
            await client.start_resending(envelope)
        assert not caught.value.retryable
        assert len(daemon.dials) == STEADY.hang_ups
        assert client.operations == 0
        nursery.cancel_scope.cancel()


async def test_connections_that_last_are_no_loop(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        nursery.start_soon(reading.run)
        for _ in range(20):
            await peer.next(START)
            await trio.sleep(STEADY.steady_after)
            await peer.hang_up()
            peer = await daemon.accept()
            await peer.greet(resumed=True)
        await peer.answer(START, await peer.next(START))
    assert isinstance(reading.result, Resent)


async def test_channels_do_not_ask_for_ever_either(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        channel = ReadChannel(client, ReadState(ReadCap(bytes(136)), BoxIndex(bytes(104))))
        nursery.start_soon(hang_up_always, daemon, "encrypt_read", peer)
        with pytest.raises(DaemonHangsUp):
            await channel.receive()
        nursery.cancel_scope.cancel()


# --- tokens, and the end ------------------------------------------------------------------------


async def test_the_token_is_the_same_on_each_connection(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer):
        await peer.hang_up()
        peer = await daemon.accept()
        assert await peer.greet() == client.token


async def test_another_process_takes_over(autojump_clock: MockClock) -> None:
    token = new_client_token()
    async with running_daemon() as daemon:
        async with open_thin_client(daemon.open_stream, STEADY, token=token) as client:
            writer, reader = await new_channel(client)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reading_until_closed, client, reader.receive)
                await daemon.wait_asked(START)
                await client.detach()
        state = reader.state
        assert daemon.operations == 1  # it goes on
        async with (
            open_thin_client(daemon.open_stream, STEADY, token=token) as client,
            client.subscribe() as events,
        ):
            assert client.token == token
            await WriteChannel(client, writer.state).write(b"hello")
            message = await ReadChannel(client, state).receive()
            assert message.plaintext == b"hello"
            await events.aclose()
        assert daemon.operations == 0


async def test_a_detached_client_is_forgotten_after_ten_minutes(
    autojump_clock: MockClock,
) -> None:
    token = new_client_token()
    async with running_daemon() as daemon:
        async with open_thin_client(daemon.open_stream, STEADY, token=token) as client:
            _, reader = await new_channel(client)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reading_until_closed, client, reader.receive)
                await daemon.wait_asked(START)
                await client.detach()
        await trio.sleep(599)
        assert daemon.operations == 1
        await trio.sleep(2)
        assert daemon.operations == 0


async def reading_until_closed(client: ThinClient, call: Any) -> None:
    with pytest.raises(ClientClosed) as caught:
        await call()
    assert isinstance(caught.value, ConnectionLost)
    assert not caught.value.retryable


async def test_closing_wakes_every_caller(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        envelope = await envelope_of(client, peer)
        calls = [
            lambda: client.start_resending(envelope),
            lambda: client.new_keypair(SEED),
            lambda: client.ask(Destination(bytes(32), b"x"), b"hello"),
        ]
        for call in calls:
            nursery.start_soon(reading_until_closed, client, call)
            await trio.testing.wait_all_tasks_blocked()
        await client.aclose()
    assert trio.current_time() == 0
    names = [next(iter(await peer.receive())) for _ in range(4)]
    assert names[-1] == "thin_close"


async def test_closing_wakes_who_waits_for_a_daemon(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        envelope = await envelope_of(client, peer)
        daemon.away = True
        await peer.hang_up()
        nursery.start_soon(reading_until_closed, client, client.wait_daemon_connected)
        nursery.start_soon(reading_until_closed, client, lambda: client.start_resending(envelope))
        await trio.sleep(5)
        await client.aclose()
    for call in (client.wait_daemon_connected, lambda: client.new_keypair(SEED), client.detach):
        if call == client.detach:
            await client.detach()
        else:
            await reading_until_closed(client, call)


async def test_a_daemon_that_does_not_read_delays_closing_only_a_little(
    autojump_clock: MockClock,
) -> None:
    async with ScriptedDaemon().client() as (client, _):
        stream = client._session._connections._link.client._stream  # type: ignore[union-attr]
        stream.stream.stream.send_stream.send_all_hook = trio.sleep_forever
    assert trio.current_time() == STEADY.close_timeout


async def test_a_cancelled_program_still_says_farewell(autojump_clock: MockClock) -> None:
    async with running_daemon() as daemon:
        with trio.CancelScope() as scope:
            async with open_thin_client(daemon.open_stream, STEADY) as client:
                _, reader = await new_channel(client)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(reader.receive)
                    await daemon.wait_asked(START)
                    scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert daemon.operations == 0


async def test_the_programs_own_error_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with simulated():
            raise ZeroDivisionError


async def test_a_connection_is_tried_once_at_first() -> None:
    daemon = ScriptedDaemon()

    async def hang_up() -> None:
        await (await daemon.accept()).hang_up()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hang_up)
        with pytest.raises(HungUp):
            async with open_thin_client(daemon.dial, STEADY):
                raise AssertionError("there is no greeting")


async def test_connected_is_not_told_before_it_is_so(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon), client.subscribe() as events:
        daemon.drop_connections()
        await next_event(events, DaemonConnected)
        assert len((await client.new_keypair(SEED)).write_cap.raw) == 168


async def test_cancelled_by_the_daemon_is_cancelled(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        nursery.start_soon(reading.run)
        await peer.answer(START, await peer.next(START), error_code=24)
    assert isinstance(reading.result, OperationCancelled)


async def test_messages_of_a_channel_survive_a_restart(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon):
        await channel_with(client, b"one")
        await daemon.restart()
        await client.wait_daemon_connected()
        assert len(daemon.mixnet.boxes) == 1
