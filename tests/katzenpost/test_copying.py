"""Copy commands: to one channel, to several, in several steps, and after a crash."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.errors import DecodeError, EncodeError, TooLarge, UnexpectedResponseError
from simplex_trio.katzenpost import (
    BoxIndex,
    CopyFailed,
    CopyPayload,
    CopyState,
    CopyStream,
    ReadCap,
    ReadChannel,
    ReadState,
    ReplicaCode,
    ReplicaError,
    WriteCap,
    WriteChannel,
    copy,
    new_channel,
    new_copy,
)
from simplex_trio.testing.kpclientd import Pace, SimulatedMixnet
from simplex_trio.testing.kpclientd.copy_streams import StreamReader
from tests.katzenpost.support import COPY, START, ScriptedDaemon, simulated


def to(channel: WriteChannel, payload: bytes) -> CopyPayload:
    return CopyPayload(payload, channel.state.write_cap, channel.state.next_index)


async def read_all(channel: ReadChannel) -> list[bytes]:
    return [message async for message in channel.read(wait=False)]


# --- in one go ----------------------------------------------------------------------------------


async def test_copying_to_one_channel() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        await writer.write(b"before")
        await copy(client, [(writer, b"x" * 4000)])
        await writer.write(b"after")
        found = await read_all(reader)
        assert found == [b"before", b"x" * 1549, b"x" * 1549, b"x" * 902, b"after"]


async def test_copying_to_several_channels() -> None:
    async with simulated() as (client, _):
        channels = [await new_channel(client) for _ in range(3)]
        await copy(client, [(writer, b"to %d" % n) for n, (writer, _) in enumerate(channels)])
        for number, (writer, reader) in enumerate(channels):
            assert await read_all(reader) == [b"to %d" % number]
            await writer.write(b"more")
            assert await read_all(reader) == [b"more"]


async def test_copies_that_are_none() -> None:
    async with simulated() as (client, _):
        writer, _ = await new_channel(client)
        with pytest.raises(EncodeError):
            await copy(client, [])
        with pytest.raises(EncodeError):
            await copy(client, [(writer, b"1"), (writer, b"2")])
        other, _ = await new_channel(client)
        with pytest.raises(EncodeError):  # it would be left out without a word
            await copy(client, [(writer, b"1"), (other, b"")])


async def test_a_copy_that_fails_advances_nothing() -> None:
    async with simulated() as (client, daemon):
        one, reader = await new_channel(client)
        two, other = await new_channel(client)
        before = one.state, two.state
        daemon.mixnet.fail_next("copy", 6)
        with pytest.raises(CopyFailed) as caught:
            await copy(client, [(one, b"1"), (two, b"2")])
        assert caught.value.replica_code is ReplicaCode.STORAGE_FULL
        assert caught.value.failed_envelope == 1
        assert (one.state, two.state) == before
        await copy(client, [(two, b"2"), (one, b"1")])
        assert await read_all(reader) == [b"1"]
        assert await read_all(other) == [b"2"]


async def test_what_was_written_before_a_failure_stays() -> None:
    async with simulated() as (client, _):
        one, reader = await new_channel(client)
        two, _ = await new_channel(client)
        old = WriteChannel(client, two.state)
        await two.write(b"in the way")
        with pytest.raises(CopyFailed) as caught:
            await copy(client, [(one, b"1"), (old, b"2")])
        assert caught.value.replica_code is ReplicaCode.BOX_ALREADY_EXISTS
        assert caught.value.failed_envelope == 2
        assert await read_all(reader) == [b"1"]
        await one.write(b"1")  # it is in doubt, and finds out
        await one.write(b"next")
        assert await read_all(reader) == [b"next"]


async def test_a_courier_can_be_chosen() -> None:
    async with simulated() as (client, daemon):
        writer, _ = await new_channel(client)
        courier = client.services("courier")[1]
        await copy(client, [(writer, b"x")], courier=courier)
        (request,) = daemon.asked(COPY)
        assert request["courier_identity_hash"] == courier.destination.node_hash
        assert request["courier_queue_id"] == courier.destination.queue_id
        await copy(client, [(writer, b"y")])
        assert daemon.asked(COPY)[1]["courier_identity_hash"] is None


# --- in several steps ---------------------------------------------------------------------------


async def test_steps_are_packed_into_one_stream() -> None:
    async with simulated() as (client, daemon):
        channels = [await new_channel(client) for _ in range(4)]
        deleted = await channels[0][0].write(b"to be deleted")
        stream = await new_copy(client)
        for number, (writer, _) in enumerate(channels):
            await stream.add([to(writer, b"step %d" % number)])
        after = await stream.add_tombstones(channels[0][0].state.write_cap, deleted, 1)
        assert after == channels[0][0].state.next_index
        assert stream.state.additions == 5
        assert stream.state.buffer
        await stream.finish()
        for number, (_, reader) in enumerate(channels):
            assert await read_all(reader) == [b"step %d" % number]
        starts = [
            request["is_start"]
            for request in daemon.asked("create_courier_envelopes_from_multi_payload")
        ]
        assert starts[0] is True
        assert starts[-1] is False


async def test_the_start_is_marked_on_the_first_element_and_the_end_on_the_last() -> None:
    """Even if nothing comes out of the first steps."""
    async with simulated() as (client, _daemon):
        writer, reader = await new_channel(client)
        stream = await new_copy(client)
        temporary = ReadChannel(client, reading_end(stream))
        index = writer.state.next_index
        for _ in range(3):
            (index,) = await stream.add([CopyPayload(b"x", writer.state.write_cap, index)])
        await stream.finish()
        elements = await read_all(temporary)
        assert [element[0] for element in elements] == [1, *[0] * (len(elements) - 2), 2]
        reading = StreamReader()
        envelopes = [each for element in elements for each in reading.read(element)]
        assert len(envelopes) == 3
        assert reading.is_complete
        assert await read_all(reader) == [b"x"] * 3


def reading_end(stream: CopyStream) -> ReadState:
    return ReadState(ReadCap(stream.state.write_cap.raw[32:]), stream.state.next_index)


async def test_the_last_step_can_be_marked() -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        stream = await new_copy(client)
        await stream.add([to(writer, b"x")], last=True)
        assert stream.state.complete
        with pytest.raises(EncodeError):
            await stream.add([to(writer, b"y")])
        with pytest.raises(EncodeError):
            await stream.add_tombstones(writer.state.write_cap, writer.state.next_index, 1)
        await stream.finish()
        assert await read_all(reader) == [b"x"]
        assert len(daemon.asked("create_courier_envelopes_from_multi_payload")) == 1


async def test_a_row_of_boxes_is_deleted_by_copy() -> None:
    async with simulated() as (client, _):
        writer, reader = await new_channel(client)
        indices = [await writer.write(b"%d" % number) for number in range(5)]
        stream = await new_copy(client)
        assert await stream.add_tombstones(writer.state.write_cap, indices[1], 3) == indices[4]
        await stream.finish()
        assert await read_all(reader) == [b"0", b"4"]


async def test_an_empty_stream_is_not_sent() -> None:
    async with simulated() as (client, daemon):
        stream = await new_copy(client)
        with pytest.raises(EncodeError):
            await stream.finish()
        writer, _ = await new_channel(client)
        with pytest.raises(EncodeError):
            await stream.add_tombstones(writer.state.write_cap, writer.state.next_index, 0)
        with pytest.raises(TooLarge):
            await stream.add([to(writer, bytes(10 * 1024 * 1024 + 1))])
        assert not daemon.asked(COPY)


async def test_the_verdict_on_a_stream_is_final() -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        stream = await new_copy(client)
        await stream.add([to(writer, b"x")])
        daemon.mixnet.fail_next("copy", 6)
        for _ in range(2):
            with pytest.raises(CopyFailed):
                await stream.finish()
        assert await read_all(reader) == []


# --- after a crash ------------------------------------------------------------------------------


async def test_a_stream_goes_on_after_a_crash_at_any_point(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=1))
    async with simulated(mixnet) as (client, _):
        writers = [await new_channel(client) for _ in range(3)]
        payloads = [b"a" * 6000, b"b", b"c" * 3000]
        saved = b""

        async def keep(state: bytes) -> None:
            nonlocal saved
            saved = state

        async def work() -> None:
            if saved:
                stream = CopyStream(client, CopyState.from_bytes(saved), keep)
            else:
                stream = await new_copy(client, save=keep)
            await stream.flush()
            for number in range(stream.state.additions, 3):
                await stream.add([to(writers[number][0], payloads[number])])
            await stream.finish()

        crashes = 0
        done = False
        while not done:
            with trio.move_on_after(1.5):  # a moment after the boxes of one step were written
                await work()
                done = True
            crashes += not done
        assert crashes >= 2
        for payload, (_, reader) in zip(payloads, writers, strict=True):
            assert b"".join(await read_all(reader)) == payload


async def test_a_failed_step_is_made_up_for() -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        stream = await new_copy(client)
        daemon.mixnet.fail_next("write", 6)
        with pytest.raises(ReplicaError):
            await stream.add([to(writer, b"x" * 5000)])
        assert stream.state.waiting
        assert stream.state.additions == 1
        await stream.finish()
        assert b"".join(await read_all(reader)) == b"x" * 5000


async def test_what_cannot_be_saved_is_not_written() -> None:
    async with simulated() as (client, daemon):
        writer, reader = await new_channel(client)
        full = True

        async def keep(_state: bytes) -> None:
            await trio.lowlevel.checkpoint()
            if full:
                raise OSError("no space left")

        stream = await new_copy(client, save=keep)
        before = stream.state
        with pytest.raises(OSError, match="no space"):
            await stream.add([to(writer, b"x" * 5000)])
        assert stream.state == before
        await stream.flush()
        assert len(daemon.mixnet.boxes) == 0
        full = False
        await stream.add([to(writer, b"y" * 5000)])
        assert stream.state.additions == 1
        await stream.finish()
        assert b"".join(await read_all(reader)) == b"y" * 5000


async def test_states_of_streams() -> None:
    state = CopyState(
        WriteCap(bytes(168)),
        BoxIndex(bytes(104)),
        boxes=3,
        started=True,
        buffer=b"rest",
        waiting=(b"1", b"2"),
        additions=7,
        next_indices=(BoxIndex(b"\1" * 104),),
    )
    assert CopyState.from_bytes(state.to_bytes()) == state
    for data in (b"", state.to_bytes()[1:], b"\xa0"):
        with pytest.raises(DecodeError):
            CopyState.from_bytes(data)


async def test_a_stream_that_is_too_long(autojump_clock: MockClock) -> None:
    state = CopyState(WriteCap(bytes(168)), BoxIndex(bytes(104)), boxes=65_536, started=True)
    async with simulated() as (client, _):
        writer, _ = await new_channel(client)
        stream = CopyStream(client, state)
        with pytest.raises(TooLarge):
            await stream.add([to(writer, b"x" * 5000)])
        assert stream.state == state


async def test_a_daemon_that_does_not_end_the_stream() -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        state = CopyState(WriteCap(bytes(168)), BoxIndex(bytes(104)), additions=1, buffer=b"x")

        async def finish() -> None:
            with pytest.raises(UnexpectedResponseError):
                await CopyStream(client, state).finish()

        nursery.start_soon(finish)
        name = "create_courier_envelopes_from_multi_payload"
        request = await peer.next(name)
        assert request["buffer"] == b"x"
        assert request["is_start"] is True
        await peer.answer(name, request, envelopes=None, next_dest_indices=[bytes(104)])


async def test_boxes_are_written_a_few_at_a_time(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=1))
    async with simulated(mixnet) as (client, daemon):
        writer, _ = await new_channel(client)
        stream = await new_copy(client)
        await stream.add([to(writer, bytes(24_000))])
        boxes = len(daemon.asked(START))
        assert boxes == stream.state.boxes > 16
        assert trio.current_time() == -(-boxes // 8)


async def test_elements_of_one_payload() -> None:
    async with simulated() as (client, _):
        writer, _ = await new_channel(client)
        made = await client.elements_of_payload(to(writer, b"x"), is_start=True, is_last=True)
        assert made.buffer == b""
        assert made.elements[0][0] == 1
        assert made.elements[-1][0] == 2
        nothing = await client.elements_of_payload(to(writer, b""), is_start=True, is_last=True)
        assert nothing.elements == ()
        assert nothing.next_indices == (writer.state.next_index,)
