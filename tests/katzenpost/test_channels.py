"""Channels that carry their places themselves."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import DecodeError, EncodeError, TooLarge
from simplex_trio.katzenpost import (
    BoxNotFound,
    ReadChannel,
    ReadState,
    ReplicaError,
    StaleEnvelope,
    WriteChannel,
    WriteState,
    new_channel,
)
from simplex_trio.testing.kpclientd import Pace, SimulatedMixnet
from tests.katzenpost.support import SEED, START, simulated


async def read_all(channel: ReadChannel) -> list[bytes]:
    return [message async for message in channel.read(wait=False)]


async def test_messages_arrive_in_order() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        written = [b"message %d" % number for number in range(5)]
        for message in written:
            await writer.write(message)
        assert await read_all(reader) == written
        assert await read_all(reader) == []
        await writer.write(b"later")
        assert await read_all(reader) == [b"later"]


async def test_reading_waits_for_what_will_be_written(autojump_clock: MockClock) -> None:
    async with simulated() as (client, _), trio.open_nursery() as nursery:
        writer, reader = await new_channel(client)

        async def write() -> None:
            for number in range(3):
                await trio.sleep(10)
                await writer.write(b"%d" % number)

        nursery.start_soon(write)
        messages = []
        async for message in reader.read():
            messages.append((message, trio.current_time()))
            if len(messages) == 3:
                break
        assert messages == [(b"0", 10), (b"1", 20), (b"2", 30)]


async def test_two_readers_each_read_everything() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        another = ReadChannel(client, ReadState.from_bytes(reader.state.to_bytes()))
        await writer.write(b"hello")
        assert await read_all(reader) == await read_all(another) == [b"hello"]


async def test_several_tasks_may_write_and_read() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        received = []

        async def read() -> None:
            received.append((await reader.receive()).plaintext or b"")

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(writer.write, b"%d" % number)
                nursery.start_soon(read)
        assert sorted(received) == [b"0", b"1", b"2", b"3", b"4"]


async def test_states_are_saved_and_restored() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        for text in (b"one", b"two"):
            await writer.write(text)
        assert (await reader.receive()).plaintext == b"one"
        writer = WriteChannel(client, WriteState.from_bytes(writer.state.to_bytes()))
        reader = ReadChannel(client, ReadState.from_bytes(reader.state.to_bytes()))
        await writer.write(b"three")
        assert await read_all(reader) == [b"two", b"three"]


async def test_states_are_not_mistaken_for_each_other() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
    for data in (b"", b"garbage", reader.state.to_bytes(), writer.state.to_bytes()[:-1]):
        with pytest.raises(DecodeError):
            WriteState.from_bytes(data)
    with pytest.raises(DecodeError):
        ReadState.from_bytes(writer.state.to_bytes())
    later = reader.state.to_bytes().replace(b"gversion\x01", b"gversion\x02")
    with pytest.raises(DecodeError, match="later"):
        ReadState.from_bytes(later)


async def test_places_advance_only_after_success() -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        before = writer.state, reader.state
        daemon.mixnet.fail_next("write", 6)
        with pytest.raises(ReplicaError):
            await writer.write(b"text")
        daemon.mixnet.fail_next("read", 7)
        with pytest.raises(ReplicaError):
            await reader.receive()
        with pytest.raises(BoxNotFound):
            await reader.receive(wait=False)
        assert (writer.state, reader.state) == before
        index = await writer.write(b"text")
        assert index == before[0].next_index
        assert await read_all(reader) == [b"text"]


async def test_a_cancelled_read_takes_nothing(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        with trio.move_on_after(1):
            await reader.receive()
        await daemon.wait_asked("cancel_resending_encrypted_message")
        await writer.write(b"text")
        assert (await reader.receive()).plaintext == b"text"


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("then", [b"the same", b"another"])
async def test_after_an_interrupted_write_nothing_is_lost(
    autojump_clock: MockClock, landed: bool, then: bytes
) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=1))
    async with simulated(mixnet) as (client, daemon):
        writer, reader = await new_channel(client)
        with trio.move_on_after(10) as scope:
            if landed:
                # The message is written, but the answer gets lost with the connection.
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(writer.write, b"the same")
                    await daemon.wait_asked(START)
                    await trio.sleep(0.5)
                    daemon.drop_connections()
                    await trio.sleep(1)
                    scope.cancel()
            else:
                daemon.mixnet.set_online(False)
                await writer.write(b"the same")
        daemon.mixnet.set_online(True)
        await client.wait_daemon_connected()
        assert len(daemon.mixnet.boxes) == landed
        await writer.write(then)
        await writer.write(b"last")
        expected = [b"the same"] if landed else []
        expected += [then] if not landed or then != b"the same" else []
        assert await read_all(reader) == [*expected, b"last"]


async def test_a_writer_restored_from_an_old_state_finds_its_place() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        old = writer.state
        for text in (b"one", b"two"):
            await writer.write(text)
        await WriteChannel(client, old).write(b"three")
        again, _ = await new_channel(client, SEED)
        await again.write(b"seeded")
        assert await read_all(reader) == [b"one", b"two", b"three"]
        twice, seeded = await new_channel(client, SEED)
        await twice.write(b"twice")
        assert await read_all(seeded) == [b"seeded", b"twice"]


async def test_only_a_writer_in_doubt_asks_for_the_replicas_word() -> None:
    async with simulated() as (client, daemon):
        writer, _ = await new_channel(client)
        await writer.write(b"one")
        restored = WriteChannel(client, writer.state)
        await restored.write(b"two")
        await restored.write(b"three")
        flag = "no_idempotent_box_already_exists"
        assert [request[flag] for request in daemon.asked(START)] == [False, True, False]


async def test_messages_that_are_none() -> None:
    async with simulated() as (client, daemon):
        writer, _ = await new_channel(client)
        with pytest.raises(EncodeError):
            await writer.write(b"")
        with pytest.raises(TooLarge):
            await writer.write(bytes(1554))
        assert not daemon.asked("encrypt_write")


async def test_deleted_messages_are_passed_over() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        indices = [await writer.write(b"%d" % number) for number in range(4)]
        assert await writer.tombstone(indices[1], 2) == indices[3]
        again = ReadChannel(client, reader.state)
        assert await read_all(reader) == [b"0", b"3"]
        messages = [await again.receive() for _ in range(4)]
        assert [message.plaintext for message in messages] == [b"0", None, None, b"3"]
        assert [message.index for message in messages] == indices


async def test_boxes_can_be_passed_over_unread() -> None:
    async with simulated() as (client, _daemon):
        writer, reader = await new_channel(client)
        for number in range(3):
            await writer.write(b"%d" % number)
        await reader.skip(2)
        assert await read_all(reader) == [b"2"]


async def test_an_envelope_that_became_too_old_is_made_anew(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=1))
    async with simulated(mixnet) as (client, daemon):
        writer, reader = await new_channel(client)

        async def read() -> None:
            assert (await reader.receive()).plaintext == b"text"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(writer.write, b"text")
            await daemon.wait_asked(START, 2)
            daemon.mixnet.replica_epoch += 2
        assert len(daemon.asked(START)) == 4


async def test_but_not_for_ever(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=1))
    async with simulated(mixnet) as (client, daemon):
        writer, _ = await new_channel(client)

        async def time_flies() -> None:
            for number in range(1, 10):
                await daemon.wait_asked(START, number)
                daemon.mixnet.replica_epoch += 2

        async with trio.open_nursery() as nursery:
            nursery.start_soon(time_flies)
            with pytest.raises(StaleEnvelope):
                await writer.write(b"text")
            nursery.cancel_scope.cancel()


async def test_who_waits_for_months_may_need_many(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        week = 7 * 24 * 3600

        async def read() -> None:
            assert (await reader.receive()).plaintext == b"at last"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for number in range(1, 9):
                await daemon.wait_asked(START, number)
                await trio.sleep(week)
                daemon.mixnet.replica_epoch += 2
                daemon.drop_connections()  # so that a courier sees the envelope again
            await client.wait_daemon_connected()
            await trio.sleep(week)
            await writer.write(b"at last")


async def test_a_daemon_that_stops_waiting_does_not_end_the_messages() -> None:
    async with simulated() as (client, daemon):
        _, reader = await new_channel(client)
        daemon.mixnet.fail_next("read", 1)
        with pytest.raises(BoxNotFound):
            await anext(reader.read())


async def test_nothing_secret_is_shown() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client, SEED)
        await writer.write(b"the secret text")
        message = await reader.receive()
        shown = repr([writer, reader, writer.state, reader.state, message])
        for secret in (writer.state.write_cap.raw, reader.state.next_index.raw, b"the secret text"):
            assert repr(secret)[2:-1] not in shown
