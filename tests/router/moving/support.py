"""Everything that a store can have, and the places that it is copied from and to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from attrs import frozen

from simplex_trio.router.moving.copying import Destination
from simplex_trio.router.moving.export_file import new_export, open_export
from simplex_trio.router.moving.export_format import ExportHeader
from simplex_trio.router.moving.new_postgres import new_postgres_store
from simplex_trio.router.moving.new_store import new_sqlite_store
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteQueue,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
    Reading,
)
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.postgres_reading import open_postgres_reading
from simplex_trio.router.store.records import Suspended
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.errors.values import Blocked, BlockingNotice, BlockingReason
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.new_queue import QueueMode
from tests.router.store.support import (
    LINK_DATA,
    OTHER_LINK_DATA,
    Contents,
    contents,
    full_queue,
    head,
    link,
    message,
    notification,
    notifier,
    queue,
    service,
)

__all__ = ["EVERYTHING", "FILES", "PLACES", "Place", "contents_after", "filled"]

EVERYTHING: tuple[Change, ...] = (
    PutService(service("a")),
    PutService(service("b", role=ServiceRole.NOTIFIER)),
    PutQueue(queue("gone")),
    PutQueue(full_queue("a"), LINK_DATA),
    PutQueue(queue("b", recipient_keys=(), mode=QueueMode.MESSAGING)),
    PutQueue(queue("c", status=Suspended(1_700_000_000), notifier=notifier("c"))),
    PutQueue(queue("d", status=Blocked(BlockingReason.CONTENT, BlockingNotice(86_400)))),
    PutQueue(queue("e", link=link("e", OTHER_LINK_DATA)), OTHER_LINK_DATA),
    message(7, "b"),
    message(3, "a", size=16_000),
    message(4, "a"),
    message(5, "gone"),
    PutMessage(queue("a").recipient_id, head(9, is_quota_notice=True), b""),
    PutMessage(queue("b").recipient_id, head(2**40, notification=True), b"x"),
    PutNotification(notification(8, "a")),
    PutNotification(notification(2, "c")),
    PutStatistics({"sent": 17, "größer": -(2**62), "received": 0}),
    DeleteQueue(queue("gone").recipient_id),
    DeleteMessages((4,)),
)
"""Every kind of record with every kind of value, and gaps where something was deleted."""

FILES = ("sqlite", "export")
PLACES = (*FILES, "postgres")


@frozen
class Place:
    """A store or a file of one of the kinds in `PLACES`."""

    kind: str
    path: Path
    url: DatabaseURL | None = None

    def new(self, *, is_complete: bool = True) -> AbstractAsyncContextManager[Destination]:
        if self.kind == "postgres":
            assert self.url is not None
            return new_postgres_store(self.url)
        if self.kind == "sqlite":
            return new_sqlite_store(self.path)
        return new_export(self.path, ExportHeader(is_complete))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        if self.kind == "postgres":
            assert self.url is not None
            async with open_postgres_reading(self.url) as reading:
                yield reading
        elif self.kind == "sqlite":
            async with open_sqlite_store(self.path) as store, store.reading() as reading:
                yield reading
        else:
            async with open_export(self.path) as reading:
                yield reading


@asynccontextmanager
async def filled(changes: Iterable[Change]) -> AsyncIterator[Reading]:
    """What these changes put into a store in memory."""
    store = MemoryStore()
    await store.commit(changes)
    async with store.reading() as reading:
        yield reading


async def contents_after(changes: Iterable[Change]) -> Contents:
    """What these changes leave."""
    store = MemoryStore()
    await store.commit(changes)
    return await contents(store)
