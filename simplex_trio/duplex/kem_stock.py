"""`KEMStock`: key pairs of the KEM that are made before a ratchet needs them.

A pair takes half a millisecond with one implementation and some thirty with the other, which lets
nothing else run in its process meanwhile.  So pairs are made in a worker thread where that is
enough, and else in a worker process; a step of a ratchet takes one that is there already.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from simplex_trio.duplex import kem_worker
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.ratchet.kem import KEM, KEM_SECRET_KEY_SIZE, KEMKeyPair
from simplex_trio.ratchet.sntrup761 import Pqcrypto, load_kem
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.duplex.x3dh_keys import KEM_PUBLIC_KEY_SIZE

__all__ = [
    "KEM_STOCK_SIZE",
    "MAX_WORKER_FAILURES",
    "KEMStock",
    "KEMStockStatistics",
    "makes_pairs_in_process",
    "open_kem_stock",
]

KEM_STOCK_SIZE = 16
"""How many pairs are kept: 47 kB, which the slow implementation makes in half a second.

If the stock is empty, `KEMStock.take` waits for the next pair.
"""

MAX_WORKER_FAILURES = 3
"""So many worker processes in a row may end without having made a pair.

After that pairs are made in a thread, which holds up the program for as long as each takes.
"""

_LENGTH = kem_worker.LENGTH_SIZE + KEM_PUBLIC_KEY_SIZE + KEM_SECRET_KEY_SIZE
_PREFIX = (_LENGTH - kem_worker.LENGTH_SIZE).to_bytes(kem_worker.LENGTH_SIZE, "big")

# With -P the worker's folder is not looked through for modules of the names that it imports.
_WORKER: list[str] = [sys.executable, "-P", kem_worker.__file__]

_logger = logging.getLogger(__name__)


def makes_pairs_in_process(kem: KEM) -> bool:
    """Whether pairs of this implementation are made by a worker process.

    A frozen program has no interpreter to run one with, and uses a thread.
    """
    return isinstance(kem, Pqcrypto) and bool(sys.executable) and not hasattr(sys, "frozen")


@frozen
class KEMStockStatistics:
    """What a stock holds at this moment."""

    ready: int
    """How many pairs there are."""
    size: int
    """How many there are when it is full."""
    waiting: int
    """How many tasks wait for one."""


class KEMStock:
    """A stock of key pairs; `open_kem_stock` opens one."""

    def __init__(self, kem: KEM, size: int) -> None:
        self.kem = kem
        self._put, self._take = trio.open_memory_channel[KEMKeyPair](size)

    def __repr__(self) -> str:
        return f"<KEMStock of {self.kem.NAME}: {self.statistics()}>"

    async def take(self) -> KEMKeyPair:
        """A pair, given out once; `trio.ClosedResourceError` if the stock is closed.

        If this is cancelled, no pair is lost.
        """
        return await self._take.receive()

    def take_nowait(self) -> KEMKeyPair | None:
        """A pair, if there is one at the moment."""
        try:
            return self._take.receive_nowait()
        except (trio.WouldBlock, trio.ClosedResourceError):
            return None

    def give_back(self, pair: KEMKeyPair) -> None:
        """Return a pair that the step which it was taken for has not used.

        It is dropped if the stock is full or closed.
        """
        try:
            self._put.send_nowait(pair)
        except (trio.WouldBlock, trio.BrokenResourceError):
            return

    def statistics(self) -> KEMStockStatistics:
        """Numbers for people to look at."""
        channel = self._take.statistics()
        return KEMStockStatistics(
            channel.current_buffer_used,
            int(channel.max_buffer_size),
            channel.tasks_waiting_receive,
        )

    async def _fill(self) -> None:
        if makes_pairs_in_process(self.kem):
            await self._fill_by_process()
            _logger.warning("no worker process makes KEM keys, so a thread does")
        await self._fill_by_thread()

    async def _fill_by_thread(self) -> None:
        limiter = trio.CapacityLimiter(1)
        while True:
            await self._put.send(await trio.to_thread.run_sync(self.kem.generate, limiter=limiter))

    async def _fill_by_process(self) -> None:
        """Return once worker processes have failed too often."""
        failures = 0
        while failures < MAX_WORKER_FAILURES:
            try:
                made = await self._run_worker()
            except (OSError, DecodeError) as exc:
                _logger.info("a worker process for KEM keys failed: %s", type(exc).__name__)
                made = 0
            failures = 0 if made else failures + 1

    async def _run_worker(self) -> int:
        """Take pairs from one worker until it ends, and return how many there were.

        Leaving this in any way ends the worker.
        """
        made = 0
        async with open_inner_nursery() as nursery:
            run = partial(
                trio.run_process,
                _WORKER,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            process: trio.Process = await nursery.start(run)
            assert process.stdout is not None
            async with process.stdout as output:
                buffered = bytearray()
                # While the stock is full nothing is read, so that the worker waits too.
                while received := await output.receive_some():
                    buffered += received
                    while len(buffered) >= _LENGTH:
                        await self._put.send(_pair(bytes(buffered[:_LENGTH])))
                        del buffered[:_LENGTH]
                        made += 1
            nursery.cancel_scope.cancel()
        return made


def _pair(data: bytes) -> KEMKeyPair:
    reader = Reader(data)
    reader.expect(_PREFIX)
    return KEMKeyPair.decode(reader)


@asynccontextmanager
async def open_kem_stock(
    kem: KEM | None = None, *, size: int = KEM_STOCK_SIZE
) -> AsyncIterator[KEMStock]:
    """Open a stock that is filled in the background.

    ``kem`` is the best implementation there is unless another is given.  Leaving the block ends the
    thread or the worker process and closes the stock.  Raises `KEMSupportMissing` where no
    implementation is installed.
    """
    stock = KEMStock(load_kem() if kem is None else kem, size)
    try:
        async with open_inner_nursery() as nursery:
            nursery.start_soon(stock._fill)
            yield stock
            nursery.cancel_scope.cancel()
    finally:
        stock._take.close()
