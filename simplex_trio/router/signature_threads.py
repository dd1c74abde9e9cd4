"""`SignatureThreads`: threads that verify the signatures of large blocks ahead of the session.

A session decides the commands of a block one after the other, in the event loop, and has their
signatures verified when it comes to them.  Meanwhile threads verify those at the block's end, going
backwards, until they meet the session: with two processors the signatures of a block take half the
time.

The session never waits for a thread.  A verdict that is not there in time is computed in the event
loop, as it is without threads.  So threads change nothing but the time that it takes: neither the
order of decisions and answers, nor the turns of connections, nor what a cancellation does; and
where a clock is virtual, it has nothing to wait for.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import Final

import trio

from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.signature_checks import SignatureChecks

__all__ = ["FEWEST_CHECKS", "SignatureThreads", "spare_processors"]

_log = logging.getLogger(__name__)

FEWEST_CHECKS: Final = 16
"""The fewest signatures in a block for each thread that is called.  Calling one costs processor
time, on both sides, that would verify four signatures with Ed25519, so that two processors need
less time than one from 8 on; from 16 on they save a sixth, and in a full block a quarter."""

_MOST_THREADS: Final = 3
"""Further ones would have little to do: with three, the event loop verifies one signature in four,
and deciding the commands takes longer than all that."""


def spare_processors() -> int:
    """How many processors this process may use beside the one that the event loop is on."""
    usable: int | None
    if sys.version_info >= (3, 13):
        usable = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count()
    return (usable or 1) - 1


class SignatureThreads:
    """At most so many threads, while `run` runs; 0 for none.  They start with the first block.

    They take blocks in the order in which these came, and all of them work on the same block.  A
    connection has at most one block here, since it reads no other before the first is decided.
    """

    def __init__(self, threads: int = 0) -> None:
        self._most = min(threads, _MOST_THREADS)
        self._is_running = False
        self._started = 0
        self._blocks: deque[SignatureChecks] = deque()
        # Tells a waiting thread to look for blocks, or to end.
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._ended = trio.lowlevel.ParkingLot()

    def are_worth(self, count: int) -> bool:
        """Whether threads make it quicker to verify so many signatures."""
        return self._is_running and count >= FEWEST_CHECKS

    @contextmanager
    def verify_ahead(self, verifier: Verifier, checks: SignatureChecks) -> Iterator[None]:
        """Have threads verify what ``verifier`` is about to, while the block lasts."""
        verifier.expect(checks)
        self._blocks.append(checks)
        self._call(min(self._most, checks.left // FEWEST_CHECKS))
        try:
            yield
        finally:
            verifier.expect_none()
            checks.give_up()
            self._remove(checks)

    async def run(self) -> None:
        """Allow threads until this is cancelled, and return when they have ended.

        A thread ends after the signature that it is at, which takes less than a millisecond.
        """
        self._is_running = self._most > 0
        try:
            await trio.sleep_forever()
        finally:
            self._is_running = False
            with suppress(IndexError):
                while True:
                    self._blocks.popleft().give_up()
            for _ in range(self._started):
                self._calls.put(False)
            with trio.CancelScope(shield=True):
                while self._started:
                    await self._ended.park()

    def _call(self, count: int) -> None:
        while self._started < min(count, self._most):
            self._start()
        # Threads that are busy leave calls where they are, for the next block to count on.
        for _ in range(count - self._calls.qsize()):
            self._calls.put(True)

    def _start(self) -> None:
        ended = partial(self._tell_end, trio.lowlevel.current_trio_token())
        try:
            # `trio.to_thread` would need a task for each, and count them among the threads that
            # tests wait for.
            trio.lowlevel.start_thread_soon(self._work, ended)
        except RuntimeError:
            _log.warning("the system allows no further thread: %d verify", self._started)
            self._most = self._started
        else:
            self._started += 1

    def _tell_end(self, token: trio.lowlevel.TrioToken, _outcome: object) -> None:
        token.run_sync_soon(self._has_ended)  # called in the thread

    def _has_ended(self) -> None:
        self._started -= 1
        self._ended.unpark_all()

    def _remove(self, checks: SignatureChecks) -> None:
        with suppress(ValueError):  # another thread has removed it
            self._blocks.remove(checks)

    def _work(self) -> None:
        """What a thread does: verify whenever it is called, until it is told to end."""
        while self._calls.get():
            try:
                while self._blocks:
                    checks = self._blocks[0]
                    checks.run_from_the_end()
                    self._remove(checks)
            except IndexError:
                pass  # the last block was removed meanwhile
            except Exception:
                # A bug.  It must end no more than the session, which is going to meet it as well.
                _log.exception("a signature could not be verified")
