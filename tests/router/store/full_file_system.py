"""Run by test_room.py, where it may mount: a store on a file system of a few megabytes.

Arguments: a directory to mount it on, and the kind of changes that fill it.  The disk is filled
with these until the store refuses them; then queues are suspended, and their notifiers and links
dropped.  Another file takes all that is left, and still everything can be deleted, in small steps,
as clients and expiry do.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

import trio
from attrs import evolve

from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.errors import StoreFull
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
    Store,
)
from simplex_trio.router.store.records import QueueRecord, Suspended
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.testing._store_values import (
    LINK_DATA,
    Contents,
    contents,
    full_queue,
    link,
    message,
    notification,
    notifier,
    octets,
    queue,
    service,
)

_MEBIBYTE = 1024 * 1024
_SIZE = 24 * _MEBIBYTE
_OWNED = [queue(f"owned {number}") for number in range(2000)]
_KEYS = tuple(Ed25519PublicKey(octets(f"key {number}", 32)) for number in range(200))


T = TypeVar("T")


def _in_groups(values: Iterable[T]) -> Iterator[tuple[T, ...]]:
    rest = iter(values)
    while group := tuple(islice(rest, 32)):
        yield group


def _growing(kind: str) -> Iterator[Change]:
    match kind:
        case "messages":
            yield from (message(number, "a", 16_000) for number in count(1))
        case "queues":
            yield from (
                PutQueue(full_queue(f"{n}", recipient_keys=_KEYS, link=None)) for n in count()
            )
        case "keys":
            yield from (PutQueue(evolve(each, recipient_keys=_KEYS)) for each in _OWNED)
        case "links":
            for number, each in enumerate(_OWNED):
                yield PutQueue(evolve(each, link=link(f"{number}")), LINK_DATA)
        case "services":
            yield from (PutService(service(f"{n}")) for n in count())
        case "notifications":
            for number in count(1):
                yield PutNotification(evolve(notification(number), sealed=bytes(8000)))


async def _fill(store: Store, kind: str) -> int:
    filled = 0
    changes = _growing(kind)
    size = 16
    while size:
        group = [next(changes) for _ in range(size)]
        try:
            await store.commit(group)
        except StoreFull:
            size //= 2  # the last room is taken by smaller changes
        else:
            filled += size
    return filled


def _take_the_rest(directory: Path) -> None:
    """As other programs may."""
    with (directory / "other").open("wb", buffering=0) as file:
        for size in (_MEBIBYTE, 4096):
            while True:
                try:
                    if file.write(bytes(size)) < size:
                        break
                except OSError:
                    break
    assert shutil.disk_usage(directory).free < 4096


async def _end(store: Store, queues: Iterable[QueueRecord]) -> None:
    """OFF, NDEL and LDEL, and the counters, which work in the room that is kept."""
    for each in queues:
        ended = evolve(each, status=Suspended(1_700_000_000), notifier=None, link=None)
        await store.commit([PutQueue(ended), PutStatistics({"ended": 1})])


async def _delete(store: Store, found: Contents) -> None:
    """ACK, DEL and expiry, which work even without that."""
    for numbers in _in_groups([n.sequence for n in found.notifications]):
        await store.commit([DeleteNotifications(numbers)])
    for numbers in _in_groups(found.bodies):
        await store.commit([DeleteMessages(numbers)])
    for ids in _in_groups(found.queues):
        await store.commit([DeleteQueue(recipient_id) for recipient_id in ids])
    left = await contents(store)
    assert not any((left.queues, left.bodies, left.notifications, left.links))


async def _main(directory: Path, kind: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(directory)]
    await trio.run_process(command)
    path = directory / "router.db"
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue("a", notifier=notifier("a"))), *map(PutQueue, _OWNED)])
        print("filled by", await _fill(store, kind))
        found = await contents(store)
        await _end(store, list(found.queues.values())[-50:])
        _take_the_rest(directory)
        await _delete(store, found)
    (directory / "other").unlink()
    async with open_sqlite_store(path) as store:
        assert not (await contents(store)).queues
    print("all deleted")


trio.run(_main, Path(sys.argv[1]), sys.argv[2])
