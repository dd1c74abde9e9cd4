"""Run by test_crash.py in a process of its own, until it is killed: many tasks that write.

Arguments: the path or the URL of the store, and the first number to use, which is even.  Each task
writes a line before and after each of its commits, so that their reader knows what must, may and
must not be in the store:

``put N`` and ``has N``: two messages, N and N + 1, in one commit, with a counter of such commits;
``drop N`` and ``dropped N``: both deleted again, in one commit.

Some commits do both, with the changes of the one between those of the other.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import trio

from simplex_trio.errors import StoreUnavailable
from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    PutQueue,
    PutStatistics,
    Store,
)
from simplex_trio.router.store.opening import open_store
from simplex_trio.storage.postgres.url import DatabaseURL
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
        dropped = [mine.pop(chosen.randrange(len(mine)))] if mine and chosen.random() < 0.5 else []
        put = [next(numbers)] if not dropped or chosen.random() < 0.2 else []
        changes: list[Change] = []
        for number in put:
            first, second = (message(n, queue_of(n), size_of(n)) for n in (number, number + 1))
            changes += [first, PutStatistics({f"counter {number}": 1}), second]
        for number in dropped:
            changes.insert(0, DeleteMessages((number,)))
            changes.insert(2, DeleteMessages((number + 1,)))
        _say_each(("drop", dropped), ("put", put))
        try:
            await store.commit(changes)
        except StoreUnavailable:
            continue  # the database is away, and nothing has changed
        _say_each(("dropped", dropped), ("has", put))
        mine += put


def _say_each(*said: tuple[str, list[int]]) -> None:
    for what, numbers in said:
        for number in numbers:
            _say(what, number)


async def _main(place: str, first: str) -> None:
    is_url = DatabaseURL.is_one(place)
    numbers = count(int(first), 2)
    async with open_store(DatabaseURL.parse(place) if is_url else Path(place)) as store:
        await store.commit([PutQueue(queue(name)) for name in QUEUES])
        async with trio.open_nursery() as nursery:
            for task in range(TASKS):
                nursery.start_soon(_work, store, numbers, random.Random(f"{first} {task}"))


if __name__ == "__main__":
    trio.run(_main, sys.argv[1], sys.argv[2])
