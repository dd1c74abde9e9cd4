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
from typing import Final

import trio

from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.signature_checks import SignatureChecks

__all__ = ["FEWEST_CHECKS", "SignatureThreads", "spare_processors"]

_log = logging.getLogger(__name__)

FEWEST_CHECKS: Final = 8
"""The fewest signatures in a block that a thread is started for.  Starting one, and hearing of its
end, takes the event loop about as long as verifying one signature with Ed25519."""

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
    """At most so many threads, while `run` runs; 0 for none.

    They take blocks in the order in which these came, and all of them work on the same block.  A
    connection has at most one block here, since it reads no other before the first is decided.
    """

    def __init__(self, threads: int = 0) -> None:
        self._most = min(threads, _MOST_THREADS)
        self._is_running = False
        self._started = 0
        self._blocks: deque[SignatureChecks] = deque()
        self._ended = trio.lowlevel.ParkingLot()

    def are_worth(self, count: int) -> bool:
        """Whether threads make it quicker to verify so many signatures."""
        return self._is_running and count >= FEWEST_CHECKS

    @contextmanager
    def verify_ahead(self, verifier: Verifier, checks: SignatureChecks) -> Iterator[None]:
        """Have threads verify what ``verifier`` is about to, while the block lasts."""
        verifier.expect(checks)
        self._blocks.append(checks)
        while self._started < min(self._most, checks.left // FEWEST_CHECKS):
            self._start()
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
            with trio.CancelScope(shield=True):
                while self._started:
                    await self._ended.park()

    def _start(self) -> None:
        self._started += 1
        token = trio.lowlevel.current_trio_token()
        # Unlike `trio.to_thread` it needs no task, and the thread is at work at once.
        trio.lowlevel.start_thread_soon(self._work, lambda _: token.run_sync_soon(self._has_ended))

    def _has_ended(self) -> None:
        self._started -= 1
        self._ended.unpark_all()

    def _remove(self, checks: SignatureChecks) -> None:
        with suppress(ValueError):  # another thread has removed it
            self._blocks.remove(checks)

    def _work(self) -> None:
        """What a thread does: verify until there are no blocks."""
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
