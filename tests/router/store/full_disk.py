"""Run by test_full_disk.py in a process of its own: a store whose files may not grow any more.

Arguments: the path of the store, and how many bytes a file may have.  Writes lines of what
happened, in order, to the standard output.
"""

from __future__ import annotations

import resource
import sys

import trio

from simplex_trio.errors import StoreUnavailable
from simplex_trio.router.store.interface import DeleteMessages, PutQueue, Store
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.testing._store_values import message, queue


def _limit(size: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


async def _put(store: Store, number: int, size: int) -> bool:
    try:
        await store.commit([message(number, size=size)])
    except StoreUnavailable:
        print("refused", number, flush=True)
        return False
    print("put", number, flush=True)
    return True


async def _main(path: str, size: int) -> None:
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue())])
        _limit(size)
        number = 1
        while await _put(store, number, 16_000):
            number += 1
        # The router goes on: it reads, and writes what does not make the files grow.
        assert len(await store.bodies(range(1, number + 1))) == number - 1
        for later in range(number + 1, number + 6):
            assert not await _put(store, later, 16_000)
        # And when there is room again, all is as before.
        _limit(resource.RLIM_INFINITY)
        await _put(store, number, 16_000)
        await store.commit([DeleteMessages((1,))])
        print("deleted 1", flush=True)
        _limit(size)
        last = number + 6
        while await _put(store, last, 16_000):
            last += 1


trio.run(_main, sys.argv[1], int(sys.argv[2]))
