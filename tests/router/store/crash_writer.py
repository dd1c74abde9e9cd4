"""Run by test_crash.py in a process of its own, until it is killed: many tasks that write.

Arguments: the path of the store, and the first number to use, which is even.  Each task writes a
line before and after each of its commits, so that their reader knows what must, may and must
not be in the store:

``put N`` and ``has N``: two messages, N and N + 1, in one commit, with a counter of such commits;
``drop N`` and ``dropped N``: both deleted again, in one commit.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from itertools import count

import trio

from simplex_trio.router.store.interface import DeleteMessages, PutQueue, PutStatistics, Store
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.testing._store_values import message, queue

QUEUES = "abcde"
TASKS = 20


def size_of(number: int) -> int:
    """How long the body of a message is: some small, some as large as they may be."""
    return number * 7919 % 16_049


def queue_of(number: int) -> str:
    return QUEUES[number // 2 % len(QUEUES)]


def _say(*words: object) -> None:
    # One write, so that lines never mix, and unbuffered, so that none is lost with the process.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def _work(store: Store, numbers: Iterator[int], chosen: random.Random) -> None:
    mine: list[int] = []
    while True:
        if mine and chosen.random() < 0.45:
            number = mine.pop(chosen.randrange(len(mine)))
            _say("drop", number)
            await store.commit([DeleteMessages((number, number + 1))])
            _say("dropped", number)
        else:
            number = next(numbers)
            pair = [message(n, queue_of(n), size_of(n)) for n in (number, number + 1)]
            _say("put", number)
            await store.commit([pair[0], PutStatistics({f"counter {number}": 1}), pair[1]])
            _say("has", number)
            mine.append(number)


async def _main(path: str, first: str) -> None:
    numbers = count(int(first), 2)
    async with open_sqlite_store(path) as store:
        await store.commit([PutQueue(queue(name)) for name in QUEUES])
        async with trio.open_nursery() as nursery:
            for task in range(TASKS):
                nursery.start_soon(_work, store, numbers, random.Random(f"{first} {task}"))


if __name__ == "__main__":
    trio.run(_main, sys.argv[1], sys.argv[2])
