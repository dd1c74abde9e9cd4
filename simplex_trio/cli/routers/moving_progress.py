"""How far a copy of a store is: a bar on a terminal, and a line now and then elsewhere."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from simplex_trio.cli.output import ERR, aside
from simplex_trio.router.moving.copying import Progress as Copied
from simplex_trio.router.moving.copying import Stage

__all__ = ["showing_progress"]

_EVERY = 0.1
"""Seconds between two looks of a bar."""

_LINE_EVERY = 5.0
"""Seconds between two lines; what takes less has none."""


@contextmanager
def showing_progress(*, json: bool) -> Iterator[Stage]:
    """What a copy is to tell its progress to; on standard error."""
    if json:
        yield _Lines(_json_line).tell
    elif ERR.is_terminal:
        with _bar() as progress:
            yield _Bars(progress).tell
    else:
        yield _Lines(lambda copied: aside(_in_words(copied))).tell


def _json_line(copied: Copied) -> None:
    value = {"stage": copied.stage, "done": copied.done, "of": copied.of}
    sys.stderr.write(json_format.dumps({"progress": value}) + "\n")


def _in_words(copied: Copied) -> str:
    of = "" if copied.of is None else f" of {copied.of:,}"
    return f"{copied.stage}: {copied.done:,}{of} records"


class _Lines:
    def __init__(self, write: Callable[[Copied], object]) -> None:
        self._write = write
        self._written = monotonic()

    def tell(self, copied: Copied) -> None:
        if monotonic() - self._written >= _LINE_EVERY:
            self._written = monotonic()
            self._write(copied)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=ERR,
        auto_refresh=False,
        get_time=monotonic,
        expand=True,
    )


class _Bars:
    """A bar for each stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._refreshed = 0.0

    def tell(self, copied: Copied) -> None:
        if copied.stage not in self._tasks:
            self._tasks[copied.stage] = self._progress.add_task(copied.stage, total=copied.of)
        self._progress.update(self._tasks[copied.stage], completed=copied.done, total=copied.of)
        now = monotonic()
        if now - self._refreshed >= _EVERY or copied.done == copied.of:
            self._refreshed = now
            self._progress.refresh()
