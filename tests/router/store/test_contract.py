"""Every store keeps the contract, and `check_store` finds those that do not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import pytest

from simplex_trio.errors import StoreConflict
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteQueue,
    PutQueue,
    Snapshot,
    Store,
)
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.records import LinkRecord
from simplex_trio.testing.stores import STORE_CHECKS, check_store
from simplex_trio.wire.smp.links import QueueLinkData
from tests.router.store.support import (
    LINK_DATA,
    OTHER_LINK_DATA,
    Opener,
    body,
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


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__.strip("_"))
async def test_contract(open_store: Opener, check: Callable[[Opener], Awaitable[None]]) -> None:
    await check(open_store)


async def test_all_of_it_at_once() -> None:
    await check_store(lambda: opened(MemoryStore()))


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    yield store
    await store.aclose()


class LosesBodies(MemoryStore):
    async def bodies(self, sequences: Iterable[int]) -> dict[int, bytes]:
        return {n: body for n, body in (await super().bodies(list(sequences))).items() if n != 2}


class TakesHalfOfACommit(MemoryStore):
    async def commit(self, changes: Iterable[Change]) -> None:
        for change in changes:
            await super().commit([change])


class LetsConflictsPass(MemoryStore):
    async def commit(self, changes: Iterable[Change]) -> None:
        with suppress(StoreConflict):
            await super().commit(changes)


class NeverCloses(MemoryStore):
    async def aclose(self) -> None:
        pass


class KeepsWhatIsDeleted(MemoryStore):
    async def commit(self, changes: Iterable[Change]) -> None:
        await super().commit([each for each in changes if not isinstance(each, DeleteMessages)])


@pytest.mark.parametrize(
    "faulty", [LosesBodies, TakesHalfOfACommit, LetsConflictsPass, NeverCloses, KeepsWhatIsDeleted]
)
async def test_faults_are_found(faulty: type[MemoryStore]) -> None:
    with pytest.raises(AssertionError):
        await check_store(lambda: opened(faulty()))


def test_link_data_is_of_the_link_in_the_record() -> None:
    changed = QueueLinkData(b"changed", LINK_DATA.user)
    assert not link().keeps_fixed_part(changed)
    assert link().keeps_fixed_part(OTHER_LINK_DATA)
    assert LinkRecord.of(b"id", LINK_DATA) != LinkRecord.of(b"id", changed)
    for record in (queue(), queue(link=link(data=changed))):
        with pytest.raises(ValueError, match="not that of the queue's link"):
            PutQueue(record, LINK_DATA)


def test_values_do_not_show_what_they_hold() -> None:
    held = [octets(label) for label in ("recipient a", "sender a", "link a", "notifier a")]
    held += [octets("secret", 32), octets("notifier secret", 32), octets("message 1"), body(1)]
    queue_with_all = full_queue()
    snapshot = Snapshot([queue_with_all], {A: [head(1)]}, [service()], [notification(1)], {"x": 1})
    values = [queue_with_all, notifier(), link(), head(1), message(1), notification(1), snapshot]
    for value in (*values, PutQueue(queue_with_all, LINK_DATA), DeleteQueue(A)):
        assert not any(repr(secret)[2:-1] in repr(value) for secret in held)
