"""Daemons that go and come back: who notices, what is sent again, and how often it is tried."""

from __future__ import annotations

import cbor2
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import ConnectionLost, RequestTimeout
from simplex_trio.katzenpost import (
    BoxIndex,
    ClientConfig,
    DaemonAway,
    DaemonDisconnected,
    DaemonHangsUp,
    ReadCap,
    ReadChannel,
    ReadState,
    Resent,
    WriteCap,
    WriteChannel,
    new_channel,
    open_thin_client,
)
from simplex_trio.katzenpost.session.doubt import UNEXPLAINED_ENDS
from tests.katzenpost.operations import Reading, envelope_of
from tests.katzenpost.support import (
    CANCEL,
    COPY,
    SEED,
    START,
    STEADY,
    Peer,
    ScriptedDaemon,
    next_event,
    simulated,
)

# --- operations ---------------------------------------------------------------------------------


async def test_an_operation_is_sent_again_byte_by_byte(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        nursery.start_soon(reading.run)
        first = await peer.frames.receive_frame()
        for resumed in (True, False):
            for _ in range(UNEXPLAINED_ENDS):
                await envelope_of(client, peer)  # which shows that the daemon has read the rest
                await peer.hang_up()
                peer = await daemon.accept()
                await peer.greet(resumed=resumed)
                await client.wait_daemon_connected()
                assert await peer.frames.receive_frame() == first
        await peer.answer(START, cbor2.loads(first)[START], plaintext=b"at last")
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
    """So an operation has to be sent again even to a daemon that went on with it."""
    slow = ClientConfig(reconnect=Backoff(initial=10.0), random_fraction=lambda: 0.0)
    async with simulated(config=slow) as (client, daemon), trio.open_nursery() as nursery:
        writer, reader = await new_channel(client)

        async def read() -> None:
            assert (await reader.receive()).plaintext == b"while it was away"
            assert trio.current_time() == 10

        nursery.start_soon(read)
        await daemon.wait_asked(START)
        daemon.drop_connections()
        async with open_thin_client(daemon.open_stream, STEADY) as other:
            await WriteChannel(other, writer.state).write(b"while it was away")
        assert daemon.operations == 0


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
    async with daemon.client(ClientConfig(random_fraction=lambda: 1.0)) as (_, peer):
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
            await peer.next_in_doubt(after)
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
        # The last is for finding out that the daemon does without it.
        assert len(daemon.dials) == UNEXPLAINED_ENDS + STEADY.hang_ups + 1
        assert client.operations == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("lasting", [0.0, 0.5, STEADY.steady_after])
async def test_connections_that_end_are_no_refusals(
    autojump_clock: MockClock, lasting: float
) -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        writer, reader = await new_channel(client)
        received = []

        async def read() -> None:
            received.append(await reader.receive())

        nursery.start_soon(read)
        await daemon.wait_asked(START)
        async with client.subscribe() as events:
            for _ in range(4 * STEADY.hang_ups):
                await trio.sleep(lasting)
                daemon.drop_connections()
                await next_event(events, DaemonDisconnected)
                await client.wait_daemon_connected()
        await writer.write(b"after all")
    assert [message.plaintext for message in received] == [b"after all"]


async def test_connections_that_end_as_soon_as_they_are_used_are_no_refusals(
    autojump_clock: MockClock,
) -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        writer, reader = await new_channel(client)
        nursery.start_soon(reader.receive)
        for count in range(1, 4 * STEADY.hang_ups):
            await daemon.wait_asked(START, count)
            daemon.drop_connections()
        await writer.write(b"after all")


async def test_a_daemon_that_ends_whenever_it_is_asked_refuses_nothing(
    autojump_clock: MockClock,
) -> None:
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        writer, reader = await new_channel(client)
        nursery.start_soon(reader.receive)
        for count in range(1, 4 * STEADY.hang_ups):
            await daemon.wait_asked(START, count)
            await daemon.restart(graceful=False, same_instance=count % 2 == 0)
        await writer.write(b"after all")


async def test_a_daemon_that_never_says_more_than_hello_refuses_nothing(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        nursery.start_soon(reading.run)
        for _ in range(4 * STEADY.hang_ups):
            await peer.receive()
            await peer.hang_up()
            peer = await daemon.accept()
            await peer.greet(resumed=True)
        await peer.answer(START, await peer.next_in_doubt(START))
    assert isinstance(reading.result, Resent)


async def test_a_daemon_that_is_slow_to_answer_is_asked_all_the_same(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        reading = Reading(client, await envelope_of(client, peer))
        nursery.start_soon(reading.run)
        for _ in range(UNEXPLAINED_ENDS):
            await peer.next(START)
            await peer.hang_up()
            peer = await daemon.accept()
            await peer.greet(resumed=True)
        await peer.next(CANCEL)
        await peer.answer(START, await peer.next(START))
    assert isinstance(reading.result, Resent)


async def test_a_refused_operation_does_not_fail_the_others(autojump_clock: MockClock) -> None:
    """All of them have been on all of the connections at which the daemon hung up."""
    daemon = ScriptedDaemon()
    refused = b"!" * 32
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        envelope = await envelope_of(client, peer)
        good = Reading(client, envelope)
        bad = Reading(client, evolve(envelope, hash=refused))

        connections = [peer]

        async def greet_again() -> None:
            await connections[-1].hang_up()
            connections.append(await daemon.accept())
            await connections[-1].greet(resumed=True)

        async def serve() -> None:
            while True:
                name, request = await connections[-1].next_of_any()
                if name == CANCEL:
                    await connections[-1].answer(CANCEL, request)
                elif request["envelope_hash"] == refused:
                    await greet_again()

        nursery.start_soon(good.run)
        async with trio.open_nursery() as serving:
            serving.start_soon(serve)
            await bad.run()
            serving.cancel_scope.cancel()
        assert good.result is None
        await greet_again()
        await connections[-1].answer(START, await connections[-1].next_in_doubt(START))
    assert isinstance(bad.result, DaemonHangsUp)
    assert isinstance(bad.result, DaemonHangsUp)
    assert isinstance(good.result, Resent)


async def test_channels_do_not_ask_for_ever_either(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        channel = ReadChannel(client, ReadState(ReadCap(bytes(136)), BoxIndex(bytes(104))))
        nursery.start_soon(hang_up_always, daemon, "encrypt_read", peer)
        with pytest.raises(DaemonHangsUp):
            await channel.receive()
        nursery.cancel_scope.cancel()
