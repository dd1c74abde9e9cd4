"""How a client ends, and how another one goes on where it left off."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import ConnectionLost, EncodeError, HungUp
from simplex_trio.katzenpost import (
    ECHO,
    ClientClosed,
    DaemonConnected,
    Destination,
    MessageReply,
    OperationCancelled,
    ReadChannel,
    ThinClient,
    WriteChannel,
    new_channel,
    new_client_token,
    open_thin_client,
)
from simplex_trio.testing.kpclientd import Pace, SimulatedMixnet, running_daemon
from tests.katzenpost.operations import Reading, envelope_of
from tests.katzenpost.support import (
    SEED,
    START,
    STEADY,
    ScriptedDaemon,
    channel_with,
    next_event,
    simulated,
)


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


async def test_replies_that_were_kept_for_another_process(autojump_clock: MockClock) -> None:
    token = new_client_token()
    async with running_daemon(SimulatedMixnet(pace=Pace(round_trip=5))) as daemon:
        async with open_thin_client(daemon.open_stream, STEADY, token=token) as client:
            surb_id = await client.send_for_reply(client.service(ECHO), b"hello")
            await daemon.wait_asked("send_message")
            await client.detach()
        await trio.sleep(10)
        async with open_thin_client(daemon.open_stream, STEADY, token=token) as client:
            async with client.subscribe() as events:
                reply = await next_event(events, MessageReply)
                assert reply.surb_id == surb_id
                assert reply.payload.startswith(b"hello")
            async with client.subscribe() as events:
                assert "2 unread" in repr(events)  # what is known, and no reply


@pytest.mark.parametrize("size", [0, 15, 17])
async def test_a_token_of_another_length_is_refused_at_once(size: int) -> None:
    daemon = ScriptedDaemon()
    with pytest.raises(EncodeError):
        async with open_thin_client(daemon.dial, STEADY, token=bytes(size)):
            raise AssertionError("this is no token")
    assert not daemon.dials


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
    daemon = ScriptedDaemon()
    async with daemon.client():
        daemon.stop_reading()
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
