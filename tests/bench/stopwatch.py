"""`Stopwatch`: the time that operations took, and the processor time that they took of whom.

Other programs on the same machine change the time that goes by far more than the processor time, so
on a busy machine only the latter can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from attrs import evolve

from tests.bench.figures import Figures

__all__ = ["Stopwatch", "processor_seconds"]

_WHOLE_PROCESS = 2  # CPUCLOCK_SCHED of Linux: all threads, in nanoseconds


def processor_seconds(pid: int) -> float | None:
    """The processor time that another process has used, with all of its threads.

    `None` where the system has no such clock, or no such process.
    """
    if not hasattr(time, "clock_gettime"):
        return None
    try:
        return time.clock_gettime((~pid << 3) | _WHOLE_PROCESS)
    except OSError:
        return None


class Stopwatch:
    """Runs from when it is made; ``router`` is the process id of the router, if it is one of ours.

    ``process`` is that of what is measured, unless it is this process.

    What it returns are figures for so many operations, done since then.
    """

    def __init__(self, router: int | None = None, process: int | None = None) -> None:
        self._router, self._process = router, process
        self._router_start = None if router is None else processor_seconds(router)
        self._own_start = self._own()
        self._start = time.perf_counter()

    def of_all(self, count: int) -> Figures:
        """Of operations that were done together."""
        return self._with_processors(
            count, Figures.of_all(count, time.perf_counter() - self._start)
        )

    def of_each(self, seconds: Sequence[float]) -> Figures:
        """Of operations that were done one after the other, and took so long each."""
        return self._with_processors(len(seconds), Figures.of_each(seconds))

    def _own(self) -> float | None:
        return time.process_time() if self._process is None else processor_seconds(self._process)

    def _with_processors(self, count: int, figures: Figures) -> Figures:
        now = self._own()
        own = None if now is None or self._own_start is None else now - self._own_start
        router = None if self._router is None else processor_seconds(self._router)
        taken = (
            None if router is None or self._router_start is None else router - self._router_start
        )
        return evolve(
            figures,
            cpu_us=None if own is None else own / count * 1e6,
            router_cpu_us=None if taken is None else taken / count * 1e6,
        )
