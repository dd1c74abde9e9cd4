"""`compare`: something beside the bare calls of the libraries that it cannot do without."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from tests.bench.figures import Figures

__all__ = ["compare"]

_TURNS = 5


def compare(count: int, whole: Callable[[], object], bare: Callable[[], object]) -> Figures:
    """The rate of ``count`` operations, and how many times the bare calls they take.

    Both are measured in turns and the best of each counts, since noise only ever adds.
    """
    seconds, bare_seconds = [], []
    for _ in range(_TURNS):
        seconds.append(_timed(whole))
        bare_seconds.append(_timed(bare))
    return Figures(rate=count / min(seconds), bare=min(seconds) / min(bare_seconds))


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
