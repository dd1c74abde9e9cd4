"""How far a transfer of a file has come: a bar on a terminal, and a word now and then elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from simplex_trio.cli.output import ERR, aside, one_line
from simplex_trio.xftp.files.progress import Listener, Phase, Retrying, TransferEvent
from simplex_trio.xftp.files.progress import Progress as Done

__all__ = ["Bars", "showing_progress"]

_EVERY = 0.1
"""Seconds between two looks of a bar; pieces come much faster."""

_ROOM_FOR_BARS = 60
"""Columns of a terminal, less than which leave no room for a bar worth looking at."""


@contextmanager
def showing_progress() -> Iterator[Listener]:
    """What a transfer is to tell its progress to; on standard error."""
    if not ERR.is_terminal:
        yield _tell_retries
        return
    with _bars(ERR) as progress:
        yield Bars(progress).tell


def _tell_retries(event: TransferEvent) -> None:
    if isinstance(event, Retrying):
        aside(_retrying(event))


def _retrying(event: Retrying) -> str:
    return f"packet {event.packet}: {event.error}; again in {event.seconds:.0f} s"


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<11}"),
        *_measures(console),
        TransferSpeedColumn(table_column=_on_one_line()),
        TimeRemainingColumn(table_column=_on_one_line()),
        console=console,
        auto_refresh=False,
        get_time=monotonic,  # Trio's clock has stopped when they are drawn for the last time
        expand=True,
    )


def _measures(console: Console) -> tuple[ProgressColumn, ...]:
    """How much is done: all ways to say it, where there is room for them."""
    percentage = TaskProgressColumn()
    if console.width < _ROOM_FOR_BARS:
        return (percentage,)
    return BarColumn(bar_width=None), percentage, DownloadColumn(table_column=_on_one_line())


def _on_one_line() -> Column:
    return Column(no_wrap=True)


class Bars:
    """A bar for each phase of a transfer."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[Phase, TaskID] = {}
        self._refreshed = 0.0

    def tell(self, event: TransferEvent) -> None:
        """Bring the bars up to date."""
        if isinstance(event, Retrying):
            self._progress.console.print(one_line(_retrying(event)), style="dim", markup=False)
            return
        task = self._task(event)
        self._progress.update(task, completed=event.done, total=event.total)
        now = monotonic()
        if now - self._refreshed >= _EVERY or event.done == event.total:
            self._refreshed = now
            self._progress.refresh()

    def _task(self, event: Done) -> TaskID:
        if event.phase not in self._tasks:
            task = self._progress.add_task(event.phase.value, total=event.total)
            self._tasks[event.phase] = task
        return self._tasks[event.phase]
