"""What every store does, whatever it is made of."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve

from simplex_trio.errors import StoreConflict
from simplex_trio.router.store import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    LinkRecord,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
    QueueRecord,
    Snapshot,
    Suspended,
)
from simplex_trio.wire.errors.values import Blocked, BlockingNotice, BlockingReason
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import QueueMode
from tests.router.store.support import (
    LINK_DATA,
    OTHER_LINK_DATA,
    Opener,
    body,
    cancelled_at,
    contents,
    full_queue,
    head,
    link,
    message,
    notification,
    notifier,
    octets,
    queue,
    service,
)

A = queue("a").recipient_id
B = queue("b").recipient_id


async def test_a_new_store_is_empty(open_store: Opener) -> None:
    async with open_store() as store:
        assert await store.load() == Snapshot()
        assert await store.bodies([1, 2]) == {}
        assert await store.link_data(A) is None


# --- queues -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(queue(), id="plain"),
        pytest.param(full_queue(), id="everything"),
        pytest.param(queue(recipient_keys=()), id="no keys"),
        pytest.param(queue(mode=QueueMode.MESSAGING), id="messaging"),
        pytest.param(queue(notifier=notifier()), id="notifier without service"),
        pytest.param(queue(status=Suspended(1_700_000_000)), id="suspended"),
        pytest.param(queue(status=Blocked(BlockingReason.SPAM)), id="blocked"),
        pytest.param(
            queue(status=Blocked(BlockingReason.CONTENT, BlockingNotice(86_400))), id="notice"
        ),
        pytest.param(
            queue(status=Blocked(BlockingReason.CONTENT, BlockingNotice())), id="endless notice"
        ),
    ],
)
async def test_a_queue_comes_back_as_it_was(open_store: Opener, record: QueueRecord) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(record, LINK_DATA if record.link else None)])
        assert (await store.load()).queues == [record]


async def test_replacing_a_queue_leaves_what_belongs_to_it(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(full_queue(), LINK_DATA), message(1)])
        await store.commit([PutNotification(notification(1))])
        replaced = full_queue(status=Suspended(5), recipient_keys=(), service_id=None)
        await store.commit([PutQueue(replaced)])
        found = await contents(store)
        assert found.queues == {A: replaced}
        assert found.links == {A: LINK_DATA}
        assert found.bodies == {1: body(1)}
        assert found.notifications == [notification(1)]


async def test_a_deleted_queue_takes_along_what_belongs_to_it(open_store: Opener) -> None:
    async with open_store() as store:
        for name, number in (("a", 1), ("b", 2)):
            await store.commit([PutQueue(full_queue(name), LINK_DATA), message(number, name)])
            await store.commit([PutNotification(notification(number, name))])
        await store.commit([DeleteQueue(A)])
        found = await contents(store)
        assert found.queues == {B: full_queue("b")}
        assert found.links == {B: LINK_DATA}
        assert found.messages == {B: [head(2)]}
        assert found.bodies == {2: body(2)}
        assert found.notifications == [notification(2, "b")]
        assert await store.link_data(A) is None
        assert await store.bodies([1]) == {}


async def test_deleting_what_is_gone_does_not_matter(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([DeleteQueue(A), DeleteMessages((1, 2)), DeleteNotifications((3,))])
        assert await store.load() == Snapshot()


async def test_a_deleted_queue_can_be_made_again(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(full_queue(), LINK_DATA), message(1), DeleteQueue(A)])
        await store.commit([PutQueue(full_queue(), LINK_DATA), message(1)])
        assert (await contents(store)).messages == {A: [head(1)]}


# --- links --------------------------------------------------------------------------------------


async def test_link_data_is_replaced_with_or_without_the_record(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(link=link()), LINK_DATA)])
        await store.commit([PutQueue(queue(link=link()), OTHER_LINK_DATA)])
        assert await store.link_data(A) == OTHER_LINK_DATA


async def test_link_data_goes_with_the_link(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(link=link()), LINK_DATA)])
        await store.commit([PutQueue(queue())])
        assert await store.link_data(A) is None
        with pytest.raises(StoreConflict):
            await store.commit([PutQueue(queue(link=link()))])


async def test_another_link_needs_data_of_its_own(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(link=link("a")), LINK_DATA)])
        with pytest.raises(StoreConflict):
            await store.commit([PutQueue(queue(link=link("b")))])
        assert (await contents(store)).queues == {A: queue(link=link("a"))}
        await store.commit([PutQueue(queue(link=link("b")), OTHER_LINK_DATA)])
        assert await store.link_data(A) == OTHER_LINK_DATA


def test_link_data_is_of_the_link_in_the_record() -> None:
    changed = QueueLinkData(b"changed", LINK_DATA.user)
    assert not link().keeps_fixed_part(changed)
    assert link().keeps_fixed_part(OTHER_LINK_DATA)
    assert LinkRecord.of(b"id", LINK_DATA) != LinkRecord.of(b"id", changed)
    for record in (queue(), queue(link=link(data=changed))):
        with pytest.raises(ValueError, match="not that of the queue's link"):
            PutQueue(record, LINK_DATA)


# --- messages -----------------------------------------------------------------------------------


async def test_messages_come_back_in_their_order(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue("a")), PutQueue(queue("b"))])
        await store.commit([message(3, "a"), message(1, "b")])
        await store.commit([message(2, "a"), message(9, "a")])
        snapshot = await store.load()
        assert snapshot.messages == {A: [head(2), head(3), head(9)], B: [head(1)]}
        assert snapshot.next_sequence == 10
        assert await store.bodies([9, 4, 1]) == {9: body(9), 1: body(1)}


async def test_flags_and_notices_come_back(open_store: Opener) -> None:
    silent, notified = head(1), head(2, notification=True)
    notice = head(3, is_quota_notice=True)
    async with open_store() as store:
        await store.commit([PutQueue(queue())])
        await store.commit([PutMessage(A, each, b"") for each in (silent, notified, notice)])
        assert (await store.load()).messages == {A: [silent, notified, notice]}
        assert await store.bodies([3]) == {3: b""}


async def test_deleted_messages_are_gone(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue()), *(message(number) for number in range(1, 6))])
        await store.commit([DeleteMessages((1, 2)), DeleteMessages((4,))])
        found = await contents(store)
        assert found.messages == {A: [head(3), head(5)]}
        assert found.bodies == {3: body(3), 5: body(5)}
        await store.commit([DeleteMessages((3, 5))])
        assert (await store.load()).messages == {}


# --- services, notifications, statistics --------------------------------------------------------


async def test_services_come_back(open_store: Opener) -> None:
    first, second = service("a"), service("b", role=ServiceRole.NOTIFIER)
    async with open_store() as store:
        await store.commit([PutService(first), PutService(second)])
        assert (await contents(store)).services == {
            first.service_id: first,
            second.service_id: second,
        }
        renewed = evolve(first, certificate_hash=octets("renewed", 32), used_day=20_100)
        await store.commit([PutService(renewed)])
        assert (await contents(store)).services[first.service_id] == renewed
        await store.commit([PutService(service("c", certificate_hash=first.certificate_hash))])
        await store.commit([DeleteService(second.service_id), DeleteService(b"no such service")])
        assert set((await contents(store)).services) == {
            first.service_id,
            service("c").service_id,
        }
        again = service("d", certificate_hash=second.certificate_hash)
        await store.commit([PutService(again)])
        assert (await contents(store)).services[again.service_id] == again


async def test_notifications_stay_until_they_are_deleted(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(notifier=notifier()))])
        await store.commit([PutNotification(notification(number)) for number in (4, 2, 3)])
        await store.commit([DeleteNotifications((2, 8))])
        snapshot = await store.load()
        assert snapshot.notifications == [notification(3), notification(4)]
        assert snapshot.next_sequence == 5


@pytest.mark.parametrize("other", [None, notifier("b")])
async def test_notifications_go_with_their_notifier(open_store: Opener, other: object) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(notifier=notifier()))])
        await store.commit([PutNotification(notification(1))])
        await store.commit([PutQueue(queue(notifier=other))])
        assert (await store.load()).notifications == []


async def test_counters_are_set_one_by_one(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutStatistics({"sent": 1, "größer": -(2**62)})])
        await store.commit([PutStatistics({"sent": 7, "received": 2**62}), PutStatistics({})])
        assert (await store.load()).statistics == {
            "sent": 7,
            "größer": -(2**62),
            "received": 2**62,
        }


# --- conflicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(PutQueue(queue("c", sender_id=queue("a").sender_id)), id="sender id"),
        pytest.param(PutQueue(queue("c", link=link("a")), LINK_DATA), id="link id"),
        pytest.param(PutQueue(queue("c", notifier=notifier("a"))), id="notifier id"),
        pytest.param(PutQueue(queue("c", link=link("c"))), id="link without data"),
        pytest.param(message(1, "b"), id="sequence number of a message"),
        pytest.param(message(5, "unknown"), id="unknown queue"),
        pytest.param(PutNotification(notification(1)), id="sequence number of a notification"),
        pytest.param(PutNotification(notification(5, "unknown")), id="unknown notifier"),
        pytest.param(
            PutService(service("b", certificate_hash=service("a").certificate_hash)),
            id="certificate",
        ),
    ],
)
async def test_a_conflict_leaves_everything_as_it_was(open_store: Opener, change: Change) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(full_queue("a"), LINK_DATA), PutQueue(queue("b"))])
        await store.commit([message(1), message(2), PutNotification(notification(1))])
        await store.commit([PutService(service("a")), PutStatistics({"sent": 3})])
        before = await contents(store)
        everything: list[Change] = [
            PutQueue(queue("a")),
            PutQueue(full_queue("d"), LINK_DATA),
            message(8, "d"),
            PutNotification(notification(9, "d")),
            DeleteQueue(A),
            PutQueue(queue("b", status=Suspended(4), link=link("e")), LINK_DATA),
            PutQueue(full_queue("a"), LINK_DATA),
            message(1),
            DeleteMessages((2,)),
            PutNotification(notification(1)),
            PutService(service("a")),
            DeleteService(service("g").service_id),
            PutService(service("f")),
            PutStatistics({"sent": 4, "received": 1}),
        ]
        with pytest.raises(StoreConflict):
            await store.commit([*everything, change])
        assert await contents(store) == before
        await store.commit(everything)
        assert await contents(store) != before


# --- many tasks, cancelling, closing ------------------------------------------------------------


async def test_commits_of_many_tasks_take_effect_in_their_order(open_store: Opener) -> None:
    async def count(number: int) -> None:
        await store.commit([PutStatistics({"last": number}), message(number)])

    async with open_store() as store:
        await store.commit([PutQueue(queue())])
        for first in range(1, 600, 100):
            async with trio.open_nursery() as nursery:
                for number in range(first, first + 100):
                    nursery.start_soon(count, number)
                    await trio.lowlevel.cancel_shielded_checkpoint()
            assert (await store.load()).statistics == {"last": first + 99}
        assert len((await store.load()).messages[A]) == 600


async def test_a_conflict_fails_its_own_caller_only(open_store: Opener) -> None:
    failed: list[int] = []

    async def put(number: int, name: str) -> None:
        try:
            await store.commit([message(number, name)])
        except StoreConflict:
            failed.append(number)

    async with open_store() as store:
        await store.commit([PutQueue(queue())])
        async with trio.open_nursery() as nursery:
            for number in range(1, 41):
                nursery.start_soon(put, number, "a" if number % 5 else "unknown")
        assert sorted(failed) == [5, 10, 15, 20, 25, 30, 35, 40]
        assert len((await store.load()).messages[A]) == 32


async def test_a_cancelled_commit_has_written_nothing_or_all(open_store: Opener) -> None:
    outcomes = set()
    async with open_store() as store:
        await store.commit([PutQueue(queue())])
        for step in range(6):
            first = 2 * step + 1
            with cancelled_at(step) as scope:
                await store.commit([message(first), message(first + 1)])
                assert step, "cancelled before it began"
            found = await store.bodies([first, first + 1])
            assert len(found) == (0 if scope.cancelled_caught else 2)
            outcomes.add(scope.cancelled_caught)
    assert outcomes == {True, False}


async def test_reading_can_be_cancelled(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(full_queue(), LINK_DATA), message(1)])
        for step in range(6):
            with cancelled_at(step):
                await store.load()
            with cancelled_at(step):
                await store.bodies([1])
            with cancelled_at(step):
                await store.link_data(A)
        assert (await contents(store)).bodies == {1: body(1)}


async def test_commits_are_checkpoints(open_store: Opener) -> None:
    async with open_store() as store:
        with trio.testing.assert_checkpoints():
            await store.commit([])
        with trio.testing.assert_checkpoints():
            await store.commit([PutQueue(queue())])
        with trio.testing.assert_checkpoints():
            await store.bodies([])


async def test_a_closed_store_refuses_everything(open_store: Opener) -> None:
    async with open_store() as store:
        await store.aclose()
        for call in (store.load(), store.commit([]), store.bodies([1]), store.link_data(A)):
            with pytest.raises(trio.ClosedResourceError):
                await call
        await store.aclose()


async def test_closing_finishes_the_commits_that_have_been_called(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue())])
        async with trio.open_nursery() as nursery:
            for number in range(1, 21):
                nursery.start_soon(store.commit, [message(number)])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(store.aclose)
            nursery.start_soon(store.aclose)


async def test_cancelling_does_not_keep_a_store_from_closing(open_store: Opener) -> None:
    for step in range(6):
        async with open_store() as store:
            with cancelled_at(step):
                await store.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await store.load()


def test_values_do_not_show_what_they_hold() -> None:
    held = [octets(label) for label in ("recipient a", "sender a", "link a", "notifier a")]
    held += [octets("secret", 32), octets("notifier secret", 32), octets("message 1"), body(1)]
    queue_with_all = full_queue()
    snapshot = Snapshot([queue_with_all], {A: [head(1)]}, [service()], [notification(1)], {"x": 1})
    values = [queue_with_all, notifier(), link(), head(1), message(1), notification(1), snapshot]
    for value in (*values, PutQueue(queue_with_all, LINK_DATA), DeleteQueue(A)):
        assert not any(repr(secret)[2:-1] in repr(value) for secret in held)
