"""What the records of a router do, wherever they are."""

from __future__ import annotations

import random

import pytest
import trio

from simplex_trio.crypto.keys import Ed448PrivateKey, Ed25519PrivateKey
from simplex_trio.errors import StoreConflict, StoreUnavailable
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason
from simplex_trio.xftp.router.records.interface import PacketRecord, Records
from simplex_trio.xftp.router.records.limits import MOST_FORGOTTEN, NO_LIMITS, RecordLimits
from tests.xftp.record_stores import Opener

KEY = Ed25519PrivateKey(bytes(32)).public
OTHER_KEY = Ed448PrivateKey(b"\x01" * 57).public
INFO = PacketInfo(KEY, 65536, bytes(32))
SPAM = Blocked(BlockingReason.SPAM)


def nothing() -> None:
    """There is no body."""


class Body:
    """The body of a packet, as far as records see it."""

    def __init__(self) -> None:
        self.is_there = False
        self.calls = 0

    def place(self) -> None:
        self.calls += 1
        self.is_there = True

    def remove(self) -> None:
        self.calls += 1
        self.is_there = False


def fail() -> None:
    raise StoreUnavailable("the file system does not answer")


async def add(records: Records, number: int, recipients: int = 0, hour: int = 1) -> bytes:
    sender_id = bytes([number]) * 24
    added = [(bytes([number, 100 + each]) * 12, OTHER_KEY) for each in range(recipients)]
    assert await records.add(sender_id, INFO, added, hour, NO_LIMITS)
    return sender_id


def counted(records: Records) -> tuple[int, int]:
    return records.counts.packets, records.counts.rows


async def test_packets_are_found_by_all_of_their_ids(open_records: Opener) -> None:
    async with open_records() as records:
        packet = await add(records, 1, recipients=2)
        of_sender = PacketRecord(packet, INFO, False, None, KEY)
        of_recipient = PacketRecord(packet, INFO, False, None, OTHER_KEY)
        assert await records.by_sender(packet) == of_sender
        assert await records.by_recipient(bytes([1, 101]) * 12) == of_recipient
        assert await records.by_recipient(packet) is None
        assert await records.by_sender(bytes([1, 101]) * 12) is None
        assert counted(records) == (1, 3)


async def test_what_was_stored_is_there_after_a_restart(open_records: Opener) -> None:
    async with open_records() as records:
        packet, blocked = await add(records, 1, recipients=2), await add(records, 2)
        assert await records.put_body(packet, nothing, nothing)
        await records.block(blocked, SPAM, nothing)
        await records.put_statistics({"first": 1, "second": 2})
        await records.put_statistics({"second": 2**60, "third": 3})
    async with open_records() as records:
        assert await records.by_recipient(bytes([1, 100]) * 12) == PacketRecord(
            packet, INFO, True, None, OTHER_KEY
        )
        assert await records.by_sender(blocked) == PacketRecord(blocked, INFO, False, SPAM, KEY)
        assert counted(records) == (2, 4)
        assert await records.bytes_stored() == INFO.size
        assert await records.statistics() == {"first": 1, "second": 2**60, "third": 3}


async def test_ids_are_taken_once(open_records: Opener) -> None:
    async with open_records() as records:
        packet = await add(records, 1, recipients=1)
        with pytest.raises(StoreConflict):
            await add(records, 1)
        taken = [(bytes([9]) * 24, KEY), (bytes([1, 100]) * 12, KEY)]
        with pytest.raises(StoreConflict):
            await records.add(bytes(24), INFO, taken, 1, NO_LIMITS)
        with pytest.raises(StoreConflict):
            await records.add_recipients(packet, taken, 10, NO_LIMITS)
        assert counted(records) == (1, 2)
        assert await records.by_sender(bytes(24)) is None
        assert await records.by_recipient(bytes([9]) * 24) is None


async def test_recipients_are_added_and_deleted(open_records: Opener) -> None:
    async with open_records() as records:
        packet = await add(records, 1, recipients=1)
        others = [(bytes([8, each]) * 12, KEY) for each in range(3)]
        assert not await records.add_recipients(bytes(24), others, 10, NO_LIMITS)
        assert not await records.add_recipients(packet, others, 3, NO_LIMITS)
        assert await records.add_recipients(packet, others, 4, NO_LIMITS)
        assert counted(records) == (1, 5)
        for _ in range(2):
            await records.delete_recipient(others[0][0])
            assert counted(records) == (1, 4)
        assert await records.by_recipient(others[0][0]) is None
        assert await records.by_recipient(others[1][0]) is not None
        assert await records.delete(packet, nothing) == 0
        assert await records.by_recipient(others[1][0]) is None
        assert counted(records) == (0, 0)


async def test_a_body_comes_once_and_goes_with_its_packet(open_records: Opener) -> None:
    async with open_records() as records:
        packet, body = await add(records, 1), Body()
        assert await records.put_body(packet, body.place, body.remove)
        assert not await records.put_body(packet, fail, fail)
        assert body.is_there
        assert await records.with_bodies() == {packet}
        assert await records.delete(packet, body.remove) == INFO.size
        assert not body.is_there
        assert await records.delete(packet, body.remove) is None
        assert not await records.put_body(packet, fail, fail)
        assert await records.bytes_stored() == 0


async def test_a_packet_that_is_blocked(open_records: Opener) -> None:
    async with open_records() as records:
        packet, body = await add(records, 1), Body()
        assert await records.put_body(packet, body.place, body.remove)
        assert await records.block(packet, SPAM, body.remove) == INFO.size
        assert not body.is_there
        assert await records.block(packet, SPAM, body.remove) == 0
        assert not await records.put_body(packet, fail, fail)
        assert await records.block(bytes(24), SPAM, body.remove) is None
        assert counted(records) == (1, 1)
        assert await records.with_bodies() == set()


async def test_bodies_that_cannot_be_moved(open_records: Opener) -> None:
    """The records stay as they were."""
    async with open_records() as records:
        packet, body = await add(records, 1), Body()
        with pytest.raises(StoreUnavailable):
            await records.put_body(packet, fail, body.remove)
        assert body.calls == 0
        assert await records.put_body(packet, body.place, body.remove)
        with pytest.raises(StoreUnavailable):
            await records.delete(packet, fail)
        with pytest.raises(StoreUnavailable):
            await records.block(packet, SPAM, fail)
        assert await records.by_sender(packet) == PacketRecord(packet, INFO, True, None, KEY)
        assert counted(records) == (1, 1)


async def test_bodies_that_are_lost(open_records: Opener) -> None:
    async with open_records() as records:
        first, second = await add(records, 1), await add(records, 2)
        for packet in (first, second):
            await records.put_body(packet, nothing, nothing)
        await records.note_losses([first, bytes(24)])
        assert await records.with_bodies() == {second}
        assert await records.put_body(first, nothing, nothing)


async def test_old_packets_are_found_in_parts(open_records: Opener) -> None:
    async with open_records() as records:
        for number in range(5):
            await records.add(bytes([number]), INFO, [], 10 + number % 2, NO_LIMITS)
        found = await records.created_before(11, b"", 2)
        assert found == [b"\0", b"\2"]
        assert await records.created_before(11, found[-1], 2) == [b"\4"]
        assert await records.created_before(11, b"\4", 2) == []


async def test_numbers_are_those_of_the_tables(open_records: Opener) -> None:
    """Whatever happens, a second opening counts what the first has counted."""
    chosen = random.Random(1)
    known: list[bytes] = []
    recipients_known: list[bytes] = []
    for opening in range(2):
        async with open_records() as records:
            for number in range(opening * 80, opening * 80 + 80):
                limits = RecordLimits(8, 25, unused_before=number // 10)
                packet = chosen.choice([*known[-10:], b"another"])
                new = [(chosen.randbytes(24), KEY) for _ in range(chosen.randrange(6))]
                recipients_known += [each for each, _ in new]
                match chosen.randrange(5):
                    case 0 | 1:
                        known.append(chosen.randbytes(24))
                        await records.add(known[-1], INFO, new, number // 10, limits)
                    case 2:
                        await records.add_recipients(packet, new, 8, limits)
                    case 3:
                        await records.put_body(packet, nothing, nothing)
                    case 4:
                        await records.delete_recipient(
                            chosen.choice([*recipients_known[-20:], b"another"])
                        )
                        if not chosen.randrange(3):
                            await records.delete(packet, nothing)
                assert records.counts.packets <= 8
                assert records.counts.rows <= 25
            assert records.counts.forgotten
            packets = [each for each in known if await records.by_sender(each) is not None]
            recipients = [
                each for each in recipients_known if await records.by_recipient(each) is not None
            ]
            before = counted(records)
            assert before == (len(packets), len(packets) + len(recipients))
        async with open_records() as records:
            assert counted(records) == before


async def test_smaller_limits_than_before_are_reached_in_steps(open_records: Opener) -> None:
    async with open_records() as records:
        more = MOST_FORGOTTEN + 10
        for number in range(more):
            await records.add(number.to_bytes(24, "big"), INFO, [], 1, NO_LIMITS)
        limits = RecordLimits(2, 2, unused_before=10)
        assert not await records.add(b"a", INFO, [], 10, limits)
        assert (records.counts.packets, records.counts.forgotten) == (10, MOST_FORGOTTEN)
        assert await records.add(b"a", INFO, [], 10, limits)
        assert counted(records) == (2, 2)


async def test_the_oldest_unused_packets_make_room(open_records: Opener) -> None:
    """Of two rows that are lacking, one packet with a recipient is enough."""
    async with open_records() as records:
        packets = [await add(records, number, recipients=1, hour=number) for number in range(1, 6)]
        assert await records.put_body(packets[0], nothing, nothing)
        assert await records.block(packets[1], SPAM, nothing) == 0
        limits = RecordLimits(5, 10, unused_before=5)
        assert await records.add(b"new", INFO, [(b"recipient", KEY)], 6, limits)
        left = [each for each in packets if await records.by_sender(each) is not None]
        assert left == [packets[0], packets[1], packets[3], packets[4]]
        recipients = [(b"another", KEY), (b"a third", KEY)]
        assert not await records.add_recipients(packets[3], recipients, 9, limits)
        assert await records.by_sender(packets[3]) is not None
        assert counted(records) == (5, 10)


async def test_changes_of_many_tasks_happen_one_by_one(open_records: Opener) -> None:
    async with open_records() as records:
        limits = RecordLimits(10, 20, unused_before=0)
        packet = await add(records, 1)
        outcomes: list[bool] = []

        async def register(number: int) -> None:
            recipient = (bytes([number, 1]) * 12, KEY)
            outcomes.append(await records.add(bytes([number]) * 24, INFO, [recipient], 1, limits))

        async def put() -> None:
            placed.append(await records.put_body(packet, bodies[0].place, bodies[0].remove))

        placed: list[bool] = []
        bodies = [Body()]
        async with trio.open_nursery() as nursery:
            for number in range(2, 22):
                nursery.start_soon(register, number)
                nursery.start_soon(put)
        assert sum(outcomes) == 9
        assert sum(placed) == bodies[0].calls == 1
        assert counted(records) == (10, 19)


async def test_a_call_that_has_begun_is_not_cancelled(open_records: Opener) -> None:
    async with open_records() as records:
        packet, body = await add(records, 1), Body()
        with trio.CancelScope() as scope:

            def place() -> None:
                trio.from_thread.run_sync(scope.cancel)
                body.place()

            assert await records.put_body(packet, place, body.remove)
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            scope.cancel()
            await records.delete(packet, body.remove)
        assert body.is_there
        assert await records.with_bodies() == {packet}


async def test_closed_records(open_records: Opener) -> None:
    async with open_records() as records:
        packet = await add(records, 1)
    for call in (
        lambda: records.by_sender(packet),
        lambda: records.delete(packet, fail),
        records.bytes_stored,
    ):
        with pytest.raises(trio.ClosedResourceError):
            await call()
