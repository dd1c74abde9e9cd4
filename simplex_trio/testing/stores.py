"""`check_store`: whether a `simplex_trio.router.store.Store` keeps its contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeAlias

import trio
import trio.testing
from attrs import evolve

from simplex_trio.errors import StoreConflict
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
    Snapshot,
    Store,
)
from simplex_trio.router.store.records import Suspended
from simplex_trio.testing._cancelling import cancelled_at
from simplex_trio.testing._store_values import (
    LINK_DATA,
    OTHER_LINK_DATA,
    body,
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
from simplex_trio.wire.errors.values import Blocked, BlockingNotice, BlockingReason
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.new_queue import QueueMode

__all__ = ["STORE_CHECKS", "Opener", "check_store"]

Opener: TypeAlias = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens another store, empty, for as long as the block lasts."""

A = queue("a").recipient_id
B = queue("b").recipient_id

_QUEUES = (
    queue(),
    full_queue(),
    queue(recipient_keys=()),
    queue(mode=QueueMode.MESSAGING),
    queue(notifier=notifier()),
    queue(status=Suspended(1_700_000_000)),
    queue(status=Blocked(BlockingReason.SPAM)),
    queue(status=Blocked(BlockingReason.CONTENT, BlockingNotice(86_400))),
    queue(status=Blocked(BlockingReason.CONTENT, BlockingNotice())),
)

_CONFLICTS: dict[str, Change] = {
    "sender id": PutQueue(queue("c", sender_id=queue("a").sender_id)),
    "link id": PutQueue(queue("c", link=link("a")), LINK_DATA),
    "notifier id": PutQueue(queue("c", notifier=notifier("a"))),
    "link without data": PutQueue(queue("c", link=link("c"))),
    "sequence number of a message": message(1, "b"),
    "unknown queue": message(5, "unknown"),
    "sequence number of a notification": PutNotification(notification(1)),
    "unknown notifier": PutNotification(notification(5, "unknown")),
    "certificate": PutService(service("b", certificate_hash=service("a").certificate_hash)),
}


async def check_store(open_store: Opener) -> None:
    """Run a store through all that the router relies on.

    Each call of ``open_store`` must give another store, with nothing in it.  Raises
    `AssertionError` where the store does anything but what `Store` says, and what the store raises
    itself where it should not.  That commits outlast a crash, only the store's own tests can show.

    It takes a second or two for a store that is kept in a file.  Cancelling it leaves nothing
    behind but what the store that is open then leaves.
    """
    for check in STORE_CHECKS:
        await check(open_store)


@contextmanager
def _raises(expected: type[Exception], why: str = "") -> Iterator[None]:
    try:
        yield
    except expected:
        return
    raise AssertionError(f"{expected.__name__} was not raised{why and ': '}{why}")


async def _a_new_store_is_empty(open_store: Opener) -> None:
    async with open_store() as store:
        assert await store.load() == Snapshot()
        assert await store.bodies([1, 2]) == {}
        assert await store.link_data(A) is None


# --- queues -------------------------------------------------------------------------------------


async def _a_queue_comes_back_as_it_was(open_store: Opener) -> None:
    for record in _QUEUES:
        async with open_store() as store:
            await store.commit([PutQueue(record, LINK_DATA if record.link else None)])
            assert (await store.load()).queues == [record]


async def _replacing_a_queue_leaves_what_belongs_to_it(open_store: Opener) -> None:
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


async def _a_deleted_queue_takes_along_what_belongs_to_it(open_store: Opener) -> None:
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


async def _deleting_what_is_gone_does_not_matter(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([DeleteQueue(A), DeleteMessages((1, 2)), DeleteNotifications((3,))])
        assert await store.load() == Snapshot()


async def _a_deleted_queue_can_be_made_again(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(full_queue(), LINK_DATA), message(1), DeleteQueue(A)])
        await store.commit([PutQueue(full_queue(), LINK_DATA), message(1)])
        assert (await contents(store)).messages == {A: [head(1)]}


# --- links --------------------------------------------------------------------------------------


async def _link_data_is_replaced_with_or_without_the_record(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(link=link()), LINK_DATA)])
        await store.commit([PutQueue(queue(link=link()), OTHER_LINK_DATA)])
        assert await store.link_data(A) == OTHER_LINK_DATA


async def _link_data_goes_with_the_link(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(link=link()), LINK_DATA)])
        await store.commit([PutQueue(queue())])
        assert await store.link_data(A) is None
        with _raises(StoreConflict):
            await store.commit([PutQueue(queue(link=link()))])


async def _another_link_needs_data_of_its_own(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(link=link("a")), LINK_DATA)])
        with _raises(StoreConflict):
            await store.commit([PutQueue(queue(link=link("b")))])
        assert (await contents(store)).queues == {A: queue(link=link("a"))}
        await store.commit([PutQueue(queue(link=link("b")), OTHER_LINK_DATA)])
        assert await store.link_data(A) == OTHER_LINK_DATA


# --- messages -----------------------------------------------------------------------------------


async def _messages_come_back_in_their_order(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue("a")), PutQueue(queue("b"))])
        await store.commit([message(3, "a"), message(1, "b")])
        await store.commit([message(2, "a"), message(9, "a")])
        snapshot = await store.load()
        assert snapshot.messages == {A: [head(2), head(3), head(9)], B: [head(1)]}
        assert snapshot.next_sequence == 10
        assert await store.bodies([9, 4, 1]) == {9: body(9), 1: body(1)}


async def _flags_and_notices_come_back(open_store: Opener) -> None:
    silent, notified = head(1), head(2, notification=True)
    notice = head(3, is_quota_notice=True)
    async with open_store() as store:
        await store.commit([PutQueue(queue())])
        await store.commit([PutMessage(A, each, b"") for each in (silent, notified, notice)])
        assert (await store.load()).messages == {A: [silent, notified, notice]}
        assert await store.bodies([3]) == {3: b""}


async def _deleted_messages_are_gone(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue()), *(message(number) for number in range(1, 6))])
        await store.commit([DeleteMessages((1, 2)), DeleteMessages((4,))])
        found = await contents(store)
        assert found.messages == {A: [head(3), head(5)]}
        assert found.bodies == {3: body(3), 5: body(5)}
        await store.commit([DeleteMessages((3, 5))])
        assert (await store.load()).messages == {}


# --- services, notifications, statistics --------------------------------------------------------


async def _services_come_back(open_store: Opener) -> None:
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


async def _notifications_stay_until_they_are_deleted(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue(notifier=notifier()))])
        await store.commit([PutNotification(notification(number)) for number in (4, 2, 3)])
        await store.commit([DeleteNotifications((2, 8))])
        snapshot = await store.load()
        assert snapshot.notifications == [notification(3), notification(4)]
        assert snapshot.next_sequence == 5


async def _notifications_go_with_their_notifier(open_store: Opener) -> None:
    for other in (None, notifier("b")):
        async with open_store() as store:
            await store.commit([PutQueue(queue(notifier=notifier()))])
            await store.commit([PutNotification(notification(1))])
            await store.commit([PutQueue(queue(notifier=other))])
            assert (await store.load()).notifications == []


async def _counters_are_set_one_by_one(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutStatistics({"sent": 1, "größer": -(2**62)})])
        await store.commit([PutStatistics({"sent": 7, "received": 2**62}), PutStatistics({})])
        assert (await store.load()).statistics == {
            "sent": 7,
            "größer": -(2**62),
            "received": 2**62,
        }


# --- conflicts ----------------------------------------------------------------------------------


async def _a_conflict_leaves_everything_as_it_was(open_store: Opener) -> None:
    for name, change in _CONFLICTS.items():
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
            with _raises(StoreConflict, name):
                await store.commit([*everything, change])
            assert await contents(store) == before, name
            await store.commit(everything)
            assert await contents(store) != before


# --- many tasks, cancelling, closing ------------------------------------------------------------


async def _commits_of_many_tasks_take_effect_in_their_order(open_store: Opener) -> None:
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


async def _a_conflict_fails_its_own_caller_only(open_store: Opener) -> None:
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


async def _a_cancelled_commit_has_written_nothing_or_all(open_store: Opener) -> None:
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


async def _reading_can_be_cancelled(open_store: Opener) -> None:
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


async def _commits_are_checkpoints(open_store: Opener) -> None:
    async with open_store() as store:
        with trio.testing.assert_checkpoints():
            await store.commit([])
        with trio.testing.assert_checkpoints():
            await store.commit([PutQueue(queue())])
        with trio.testing.assert_checkpoints():
            await store.bodies([])


async def _a_closed_store_refuses_everything(open_store: Opener) -> None:
    async with open_store() as store:
        await store.aclose()
        with _raises(trio.ClosedResourceError):
            await store.load()
        with _raises(trio.ClosedResourceError):
            await store.commit([])
        with _raises(trio.ClosedResourceError):
            await store.bodies([1])
        with _raises(trio.ClosedResourceError):
            await store.link_data(A)
        await store.aclose()


async def _closing_finishes_the_commits_that_have_been_called(open_store: Opener) -> None:
    async with open_store() as store:
        await store.commit([PutQueue(queue())])
        async with trio.open_nursery() as nursery:
            for number in range(1, 21):
                nursery.start_soon(store.commit, [message(number)])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(store.aclose)
            nursery.start_soon(store.aclose)


async def _cancelling_does_not_keep_a_store_from_closing(open_store: Opener) -> None:
    for step in range(6):
        async with open_store() as store:
            with cancelled_at(step):
                await store.aclose()
            with _raises(trio.ClosedResourceError):
                await store.load()


STORE_CHECKS: tuple[Callable[[Opener], Awaitable[None]], ...] = (
    _a_new_store_is_empty,
    _a_queue_comes_back_as_it_was,
    _replacing_a_queue_leaves_what_belongs_to_it,
    _a_deleted_queue_takes_along_what_belongs_to_it,
    _deleting_what_is_gone_does_not_matter,
    _a_deleted_queue_can_be_made_again,
    _link_data_is_replaced_with_or_without_the_record,
    _link_data_goes_with_the_link,
    _another_link_needs_data_of_its_own,
    _messages_come_back_in_their_order,
    _flags_and_notices_come_back,
    _deleted_messages_are_gone,
    _services_come_back,
    _notifications_stay_until_they_are_deleted,
    _notifications_go_with_their_notifier,
    _counters_are_set_one_by_one,
    _a_conflict_leaves_everything_as_it_was,
    _commits_of_many_tasks_take_effect_in_their_order,
    _a_conflict_fails_its_own_caller_only,
    _a_cancelled_commit_has_written_nothing_or_all,
    _reading_can_be_cancelled,
    _commits_are_checkpoints,
    _a_closed_store_refuses_everything,
    _closing_finishes_the_commits_that_have_been_called,
    _cancelling_does_not_keep_a_store_from_closing,
)
"""What `check_store` runs, each with a store of its own, for test runners that name them."""
