"""`ProgressTeller`: the progress of transfers, told no more often than people can follow."""

from __future__ import annotations

import trio

from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.file_events import FileProgress
from simplex_trio.xftp.files.progress import Progress, TransferEvent

__all__ = ["ProgressTeller"]

_PERIOD = 0.5
"""Seconds between two events about one phase of a transfer, not counting its end."""


class ProgressTeller:
    """The progress of all transfers, while they run."""

    def __init__(self, events: DuplexEvents) -> None:
        self._events = events
        self._latest: dict[str, Progress] = {}
        self._told_at: dict[str, float] = {}

    def tell(self, file_id: str, event: TransferEvent) -> None:
        """Take in an event of a transfer, and tell of it if it is time."""
        if not isinstance(event, Progress):
            return
        before, self._latest[file_id] = self._latest.get(file_id), event
        now = trio.current_time()
        is_new = before is None or before.phase is not event.phase
        is_due = now - self._told_at.get(file_id, -_PERIOD) >= _PERIOD
        if is_new or is_due or event.done == event.total:
            self._told_at[file_id] = now
            told = FileProgress(file_id, event.phase, event.done, event.total)
            self._events.put_progress(told)

    def latest(self, file_id: str) -> Progress | None:
        """What was told of a file last, or would have been, if its transfer has begun."""
        return self._latest.get(file_id)

    def forget(self, file_id: str) -> None:
        """A transfer has ended."""
        self._latest.pop(file_id, None)
        self._told_at.pop(file_id, None)
