"""The garbage collector of a program that runs for good and holds much in memory.

What a connection or a queue leaves behind is freed by counting references, so that the collector
finds next to nothing; but it looks at everything that there is, again and again, and nothing else
runs meanwhile: for a tenth of a second and more with 100,000 queues.  A library does not change the
collector of its process.  The program of a router is a process of its own, and may.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

__all__ = ["THRESHOLDS", "collect_while", "collector_for_much"]

THRESHOLDS: Final = (20_000, 20, 20)
"""How many objects more than before there are when the collector looks at the newest ones, and how
often it does that before it looks at older ones.  With the usual 700 it looks at what belongs to
commands on their way, which are gone a moment later; 20,000 objects are a few MiB."""

_EVERY: Final = 60.0
"""Seconds between two looks while a router stands by, in which it tries a hundred times to open the
store.  What a failure leaves is some kB, in cycles."""


@contextmanager
def collector_for_much() -> Iterator[Callable[[], None]]:
    """Keep the collector quiet while much is loaded; call what it gives when that is done.

    What there is then is not looked at any more, and neither is it freed later if it becomes part
    of a cycle: queues and records do not.  At the end everything is as before.
    """
    before, was_enabled = gc.get_threshold(), gc.isenabled()
    gc.collect()  # what imports have left, which would otherwise stay for good
    gc.disable()

    def loaded() -> None:
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        if was_enabled:
            gc.enable()

    try:
        yield loaded
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        if was_enabled:
            gc.enable()


async def collect_while(waits: Callable[[], bool]) -> None:
    """Collect garbage regularly for as long as ``waits`` returns true.

    A router may stand by for years before it loads what there is.
    """
    await trio.sleep(_EVERY)
    while waits():
        gc.collect()
        await trio.sleep(_EVERY)
