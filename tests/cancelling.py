"""Calls that are cancelled at random, several of them at once, as often as wanted.

`tests.client.support.cancelled_at_every_step` cancels one call at each step that there is; what
several calls of one object do to each other when some of them are cancelled has too many cases for
that.  ``SIMPLEX_TRIO_CANCELLATIONS`` says how many rounds there are, or which: ``10000``, or
``137-137``.  A round is the same each time it is played, as far as sockets and threads allow.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from random import Random

import trio

from simplex_trio.errors import SimplexError
from tests.client.support import CancelAfter
from tests.xftp.support import eventually

__all__ = ["Call", "Cancelled", "rounds", "until_idle"]

Call = Callable[[Random], Awaitable[object]]

_AT_ONCE = 4
_MOST_STEPS = 400
_SECONDS = 0.2
_LEAST_CUT_SHORT = 0.2


def rounds(ordinary: int) -> Iterator[Random]:
    """The randomness of each round; ``ordinary`` is how many there are unless told."""
    first, _, last = os.environ.get("SIMPLEX_TRIO_CANCELLATIONS", str(ordinary)).rpartition("-")
    for number in range(int(first or 1), int(last) + 1):
        yield Random(number)


class Cancelled:
    """How often each call was made, and how often it was cancelled before it had ended."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.cut_short: Counter[str] = Counter()

    async def some_of(self, calls: Mapping[str, Call], chosen: Random) -> None:
        """Make a few calls at once, and cancel each after a number of steps of any tasks."""
        async with trio.open_nursery() as nursery:
            for _ in range(chosen.randint(1, _AT_ONCE)):
                name = chosen.choice(list(calls))
                # As often after few steps as after many.
                steps = round(_MOST_STEPS ** chosen.random())
                nursery.start_soon(self._make, name, calls[name], steps, Random(chosen.random()))

    async def _make(self, name: str, call: Call, steps: int, chosen: Random) -> None:
        # A call that waits for what does not happen is cancelled when nothing happens.
        with trio.move_on_after(_SECONDS) as scope:
            instrument = CancelAfter(steps, scope)
            trio.lowlevel.add_instrument(instrument)
            try:
                await call(chosen)
            except SimplexError:
                pass  # calls that run at once may be in each other's way
            finally:
                trio.lowlevel.remove_instrument(instrument)
        self.made[name] += 1
        self.cut_short[name] += scope.cancelled_caught

    def check(self, calls: Mapping[str, Call]) -> None:
        """Whether it was of any use, if there were rounds enough to tell."""
        if self.made.total() > 10 * len(calls):
            assert set(self.made) == set(calls)
        assert self.cut_short.total() > _LEAST_CUT_SHORT * self.made.total()


async def until_idle(tasks: int) -> None:
    """Return when there are no more than so many tasks: those of connections end a bit later."""
    await eventually(lambda: trio.lowlevel.current_statistics().tasks_living <= tasks)
