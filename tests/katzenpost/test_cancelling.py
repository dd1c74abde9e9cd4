"""Operations that are called off: by name, all at once, or by cancelling who waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import cbor2
import pytest
import trio
from trio.testing import MockClock

from simplex_trio.katzenpost import (
    BoxIndex,
    CopyFailed,
    DaemonDisconnected,
    DaemonError,
    OperationCancelled,
    ReadCap,
    ReadEnvelope,
    ThinClient,
    WriteCap,
)
from simplex_trio.katzenpost.session.link import MAX_UNREAD
from simplex_trio.testing.kpclientd import Pace, SimulatedDaemon, SimulatedMixnet
from tests.katzenpost.support import (
    COPY,
    SEED,
    START,
    STEADY,
    ScriptedDaemon,
    next_event,
    simulated,
)

CANCEL = "cancel_resending_encrypted_message"
CANCEL_COPY = "cancel_resending_copy_command"


def made_up(number: int = 0) -> ReadEnvelope:
    index = BoxIndex(bytes(104))
    return ReadEnvelope(b"c", b"d", bytes([number]) * 32, index, index, ReadCap(bytes(136)))


async def wait_for(client: ThinClient, envelope: ReadEnvelope) -> None:
    with pytest.raises(OperationCancelled):
        await client.start_resending(envelope)


@asynccontextmanager
async def waiting() -> AsyncIterator[tuple[ThinClient, SimulatedDaemon, list[ReadEnvelope]]]:
    """A client with three reads in flight that all end with `OperationCancelled`."""
    async with simulated() as (client, daemon), trio.open_nursery() as nursery:
        keys = await client.new_keypair(SEED)
        envelopes = []
        for _ in range(3):
            envelopes.append(await client.encrypt_read(keys.read_cap, keys.first_index))
            nursery.start_soon(wait_for, client, envelopes[-1])
        await daemon.wait_asked(START, 3)
        yield client, daemon, envelopes


async def test_cancelling_one() -> None:
    async with waiting() as (client, daemon, envelopes):
        await client.cancel_resending(envelopes[0])
        await client.cancel_resending(envelopes[1].hash)
        await trio.testing.wait_all_tasks_blocked()
        assert client.operations == daemon.operations == 1
        await client.cancel_resending(envelopes[2])


async def test_cancelling_all() -> None:
    async with waiting() as (client, daemon, _):
        await client.cancel_all()
        await trio.testing.wait_all_tasks_blocked()
        assert client.operations == daemon.operations == 0
        await client.cancel_all()


async def test_cancels_that_are_refused_together_are_one_error(autojump_clock: MockClock) -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(wait_for, client, made_up(number))
            await peer.next(START)

        async def cancel() -> None:
            with pytest.raises(DaemonError):
                await client.cancel_all()

        nursery.start_soon(cancel)
        cancels = [await peer.next(CANCEL) for _ in range(3)]
        answers = [
            {f"{CANCEL}_reply": {"query_id": cancel["query_id"], "error_code": 4}}
            for cancel in cancels
        ]
        await peer.frames.send_frames(map(cbor2.dumps, answers))  # so that all come at once


async def test_cancelling_what_is_not_there() -> None:
    async with simulated() as (client, _):
        await client.cancel_resending(bytes(32))
        await client.cancel_copy(WriteCap(bytes(168)))


async def test_cancelling_a_copy_command(autojump_clock: MockClock) -> None:
    mixnet = SimulatedMixnet(pace=Pace(round_trip=100))
    async with simulated(mixnet) as (client, daemon), trio.open_nursery() as nursery:
        keys = await client.new_keypair(SEED)

        async def copy() -> None:
            with pytest.raises(OperationCancelled):
                await client.start_copy(keys.write_cap)

        nursery.start_soon(copy)
        await daemon.wait_asked(COPY)
        await client.cancel_copy(keys.write_cap)
        assert trio.current_time() == 0


async def test_the_daemon_may_answer_in_any_order(autojump_clock: MockClock) -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(wait_for, client, made_up())
        operation = await peer.next(START)
        nursery.start_soon(client.cancel_resending, made_up())
        cancel = await peer.next(CANCEL)
        await peer.answer(CANCEL, cancel)
        await trio.testing.wait_all_tasks_blocked()
        await peer.answer(START, operation, error_code=24)


async def test_an_operation_that_ended_meanwhile_has_its_result() -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:

        async def wait() -> None:
            assert (await client.start_resending(made_up())).plaintext == b"just in time"

        nursery.start_soon(wait)
        operation = await peer.next(START)
        nursery.start_soon(client.cancel_resending, made_up())
        cancel = await peer.next(CANCEL)
        await peer.answer(START, operation, plaintext=b"just in time")
        await peer.answer(CANCEL, cancel)


# --- what the daemon does not know yet ----------------------------------------------------------


async def test_an_operation_that_the_daemon_did_not_find_is_cancelled_again(
    autojump_clock: MockClock,
) -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(wait_for, client, made_up())
        operation = await peer.next(START)
        nursery.start_soon(client.cancel_resending, made_up())
        await peer.answer(CANCEL, await peer.next(CANCEL))  # without an answer to the operation
        times = []
        for _ in range(3):
            await peer.answer(CANCEL, await peer.next(CANCEL))
            times.append(trio.current_time())
        assert times == [0, 2, 12]
        await peer.answer(START, operation, error_code=24)
        with trio.move_on_after(1000):
            await peer.receive()
            raise AssertionError("the operation has ended")


async def test_cancels_overtake_operations_in_the_daemons_queue(
    autojump_clock: MockClock,
) -> None:
    """The daemon answers cancels at once, but operations only when it is their turn."""
    mixnet = SimulatedMixnet(pace=Pace(sending=1.0))
    async with simulated(mixnet) as (client, daemon), trio.open_nursery() as nursery:
        keys = await client.new_keypair(SEED)
        envelope = await client.encrypt_read(keys.read_cap, keys.first_index)
        nursery.start_soon(wait_for, client, envelope)
        await trio.testing.wait_all_tasks_blocked()
        await client.cancel_resending(envelope)
        await daemon.wait_asked(START)  # all the same
        assert daemon.operations == 1
        await trio.sleep(5)
        assert daemon.operations == 0


# --- a daemon with a full queue -----------------------------------------------------------------


async def test_only_a_few_operations_are_ahead_of_a_cancel(autojump_clock: MockClock) -> None:
    """The daemon stops reading while 16 operations wait for their turn."""
    mixnet = SimulatedMixnet(pace=Pace(sending=2.0))
    async with simulated(mixnet) as (client, _), trio.open_nursery() as nursery:
        keys = await client.new_keypair(SEED)
        for envelope in [
            await client.encrypt_read(keys.read_cap, keys.first_index) for _ in range(100)
        ]:
            nursery.start_soon(wait_for, client, envelope)
        await trio.testing.wait_all_tasks_blocked()
        await client.next_index(keys.first_index)
        assert trio.current_time() <= MAX_UNREAD * 2.0
        await client.cancel_all()
        await trio.testing.wait_all_tasks_blocked()
        assert client.operations == 0
        assert trio.current_time() <= MAX_UNREAD * 2.0 + STEADY.cancel_timeout
        nursery.cancel_scope.cancel()


async def test_operations_wait_until_others_have_been_read(autojump_clock: MockClock) -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        for number in range(2 * MAX_UNREAD + 1):
            nursery.start_soon(wait_for, client, made_up(number))
        starts = []
        for code in (0, 4):  # any answer will do
            starts += [await peer.next(START) for _ in range(MAX_UNREAD)]
            question = await peer.next(CANCEL)
            assert question["envelope_hash"] not in [each["envelope_hash"] for each in starts]
            await trio.sleep(STEADY.request_timeout)
            question = await peer.next(CANCEL)  # none will not
            await peer.answer(CANCEL, question, error_code=code)
        starts.append(await peer.next(START))
        for start in starts:
            await peer.answer(START, start, error_code=24)


# --- while the daemon is away -------------------------------------------------------------------


@pytest.mark.parametrize("resumed", [True, False])
async def test_cancelling_while_the_daemon_is_away(
    autojump_clock: MockClock, resumed: bool
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), client.subscribe() as events:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_for, client, made_up())
            await peer.next(START)
            await peer.hang_up()
            await next_event(events, DaemonDisconnected)
            await client.cancel_resending(made_up())
        assert trio.current_time() == 0
        peer = await daemon.accept()
        await peer.greet(resumed=resumed)
        with trio.move_on_after(0.5) as waited:
            cancel = await peer.next(CANCEL)
            assert cancel["envelope_hash"] == made_up().hash
            await peer.answer(CANCEL, cancel)
        assert waited.cancelled_caught is not resumed  # one that forgot us needs no telling


async def test_cancelling_all_while_the_daemon_is_away(autojump_clock: MockClock) -> None:
    async with waiting() as (client, daemon, _), client.subscribe() as events:
        daemon.drop_connections()
        await next_event(events, DaemonDisconnected)
        await client.cancel_all()
        assert trio.current_time() == 0
        await client.wait_daemon_connected()
        await trio.testing.wait_all_tasks_blocked()
        assert daemon.operations == 0


async def test_a_cancel_whose_connection_is_lost(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(wait_for, client, made_up())
        await peer.next(START)
        nursery.start_soon(client.cancel_resending, made_up())
        await peer.next(CANCEL)
        await peer.hang_up()
        peer = await daemon.accept()
        await peer.greet(resumed=True)
        assert (await peer.next(CANCEL))["envelope_hash"] == made_up().hash


async def test_a_cancel_that_is_not_answered_wakes_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async with ScriptedDaemon().client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(wait_for, client, made_up())
        await peer.next(START)
        await client.cancel_resending(made_up())
        assert trio.current_time() == STEADY.cancel_timeout


async def test_an_operation_that_was_never_sent_is_not_cancelled_at_the_daemon(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), client.subscribe() as events:
        await peer.hang_up()
        await next_event(events, DaemonDisconnected)
        with trio.move_on_after(0.5):
            await client.start_resending(made_up())
        peer = await daemon.accept()
        await peer.greet(resumed=True)
        with trio.move_on_after(100):
            await peer.receive()
            raise AssertionError("there is nothing to say")


# --- cancelling who waits -----------------------------------------------------------------------


async def test_cancelling_the_task_tells_the_daemon(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        envelope = await client.encrypt_read(keys.read_cap, keys.first_index)
        with trio.move_on_after(5):
            await client.start_resending(envelope)
        assert trio.current_time() == 5
        await daemon.wait_asked(CANCEL)
        assert client.operations == daemon.operations == 0


async def test_started_again_after_that_it_is_not_cancelled(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            await client.start_resending(made_up())
        await peer.next(START)
        await peer.hang_up()
        peer = await daemon.accept()

        async def wait() -> None:
            assert (await client.start_resending(made_up())).plaintext == b"x"

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await peer.greet(resumed=True)
        # The earlier one is, lest the daemon does both.
        await peer.answer(CANCEL, await peer.next(CANCEL))
        await peer.answer(START, await peer.next(START), plaintext=b"x")
    with trio.move_on_after(1000):
        assert await peer.next("thin_close") == {}


async def test_what_is_wanted_again_while_others_are_cancelled(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            async with trio.open_nursery() as both:
                for number in range(2):
                    both.start_soon(client.start_resending, made_up(number))
        for _ in range(2):
            await peer.next(START)
        first = await peer.next(CANCEL)
        other = made_up(1) if first["envelope_hash"] == made_up(0).hash else made_up(0)

        async def wait() -> None:
            assert (await client.start_resending(other)).plaintext == b"x"

        nursery.start_soon(wait)
        await peer.answer(CANCEL, await peer.next(CANCEL))  # of its earlier try
        operation = await peer.next(START)
        await peer.answer(CANCEL, first)
        with trio.move_on_after(1) as nothing_else:
            await peer.receive()
        assert nothing_else.cancelled_caught
        await peer.answer(START, operation, plaintext=b"x")


async def test_a_debt_outlives_another_try(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), client.subscribe() as events:
        with trio.move_on_after(1):
            await client.start_resending(made_up())
        await peer.next(START)
        await peer.hang_up()
        await next_event(events, DaemonDisconnected)
        with trio.move_on_after(0.1):
            await client.start_resending(made_up())
        peer = await daemon.accept()
        await peer.greet(resumed=True)
        assert (await peer.next(CANCEL))["envelope_hash"] == made_up().hash


async def test_trying_again_and_again_leaves_nothing(autojump_clock: MockClock) -> None:
    """The daemon resends what it is given as many times as it is given it."""
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        envelope = await client.encrypt_read(keys.read_cap, keys.first_index)
        for _ in range(5):
            with trio.move_on_after(5):
                await client.start_resending(envelope)
        await trio.testing.wait_all_tasks_blocked()
        assert len(daemon.asked(START)) == len(daemon.asked(CANCEL)) == 5
        assert daemon.operations == 0


async def test_what_was_sent_again_is_cancelled_as_many_times(autojump_clock: MockClock) -> None:
    """A daemon that knew us has it twice then, and ends one of the two."""
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(wait_for, client, made_up())
        await peer.next(START)
        await peer.hang_up()
        peer = await daemon.accept()
        await peer.greet(resumed=True)
        operation = await peer.next(START)
        nursery.start_soon(client.cancel_resending, made_up())
        cancel = await peer.next(CANCEL)
        await peer.answer(START, operation, error_code=24)
        await peer.answer(CANCEL, cancel)
        cancel = await peer.next(CANCEL)
        await peer.answer(START, operation, error_code=24)
        await peer.answer(CANCEL, cancel)


async def test_a_daemon_that_forgot_us_has_it_once(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(wait_for, client, made_up())
        await peer.next(START)
        await peer.hang_up()
        peer = await daemon.accept()
        await peer.greet(resumed=False)
        await peer.answer(START, await peer.next(START), error_code=24)
        with trio.move_on_after(1000):
            await peer.receive()
            raise AssertionError("the operation has ended")


async def test_debts_are_paid_however_short_connections_are(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, peer):
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(client.start_resending, made_up(number))
        for _ in range(6):
            await peer.next(START)
        told = set()
        for _ in range(6):
            await peer.hang_up()
            peer = await daemon.accept()
            await peer.greet(resumed=True)
            told.add((await peer.next(CANCEL))["envelope_hash"])
        assert told == {made_up(number).hash for number in range(6)}


async def test_who_detaches_has_told_before_what_is_not_wanted(autojump_clock: MockClock) -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        envelope = await client.encrypt_read(keys.read_cap, keys.first_index)
        with trio.move_on_after(5):
            await client.start_resending(envelope)
        await client.detach()
        assert daemon.operations == 0


async def test_a_daemon_that_does_not_read_delays_detaching_only_a_little(
    autojump_clock: MockClock,
) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (client, _):
        daemon.stop_reading()
        with trio.move_on_after(1):
            await client.start_resending(made_up())
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.detach()
        assert trio.current_time() == 1 + STEADY.close_timeout


async def test_a_failed_copy_is_not_a_cancelled_one() -> None:
    async with simulated() as (client, daemon):
        keys = await client.new_keypair(SEED)
        with pytest.raises(CopyFailed) as caught:
            await client.start_copy(keys.write_cap)
        assert (caught.value.replica_code, caught.value.failed_envelope) == (1, 1)
        assert not daemon.asked(CANCEL_COPY)
