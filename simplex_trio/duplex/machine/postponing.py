"""Work that has failed for a reason that may pass: how long it waits, and what the program is told.

This is about everything but messages, whose deliveries have the same in their own rows.
"""

from __future__ import annotations

from typing import final

from attrs import evolve

from simplex_trio.duplex.events import ConnectionWarning
from simplex_trio.duplex.machine.connection import Deletion
from simplex_trio.duplex.machine.deleting import queue_deleted
from simplex_trio.duplex.machine.delivering import SendFailure
from simplex_trio.duplex.machine.receiving import old_queue_drained
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import DeleteQueue, DrainQueue, Lane, Work
from simplex_trio.engine.backoff import Backoff
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["KEEP_DELETING", "MIN_DELETE_FAILURES", "PostponedWork", "postpone", "work_done"]

KEEP_DELETING = 7 * 24 * 3600
"""Seconds for which a router may not be reached before a queue that is to be deleted is left to it.
Until it is deleted, the queue takes the peer's messages as if someone read them."""

MIN_DELETE_FAILURES = 10
"""As many attempts have to have failed as well: a program that was not running has made none."""


@final
@frozen(repr=False)
class PostponedWork(Redacted):
    """What is known of a work whose last attempt has failed; gone once the work is done."""

    connection_id: str
    kind: str
    """Of the work's lane."""
    queue: int
    failures: int
    """How many attempts have failed in a row."""
    first_failure: float
    wait: float
    """How long the last wait between attempts was, in seconds."""
    problem: str | None
    """The problem that the program was warned of last."""


def postpone(
    step: Step,
    c: OpenConnection,
    work: Work,
    failure: SendFailure,
    backoff: Backoff,
    *,
    is_watched: bool,
) -> float | None:
    """An attempt has failed.  Returns how long to wait before the next, or `None` for none.

    ``is_watched`` says that a call waits, which raises the error: then the program knows.
    """
    now, lane = step.moment.now, work.lane
    known = _find(step, lane)
    before = known or PostponedWork(c.connection_id, lane.kind, lane.queue, 0, now, 0, None)
    elapsed = now - before.first_failure
    wait = backoff.next_wait(None if known is None else known.wait, elapsed)
    after = evolve(before, failures=before.failures + 1, wait=wait)
    if isinstance(work, DeleteQueue):
        if after.failures >= MIN_DELETE_FAILURES and elapsed >= KEEP_DELETING:
            work_done(step, work)
            queue_deleted(step, c, work.number)
            return None
    elif isinstance(work, DrainQueue):
        if after.failures >= MIN_DELETE_FAILURES and elapsed >= KEEP_DELETING:
            # What is still in it is lost; meanwhile messages come through the queue after it.
            work_done(step, work)
            old_queue_drained(step, c, work.number)
            return None
    elif failure is not SendFailure.TEMPORARY and after.problem != failure.problem.value:
        after = evolve(after, problem=failure.problem.value)
        if not is_watched and c.row.deletion is Deletion.NO:
            step.tell(ConnectionWarning(c.connection_id, failure.problem))
    if known is None:
        step.rows.insert(after)
    else:
        step.rows.update(known, after)
    return wait


def work_done(step: Step, work: Work) -> None:
    """A work has succeeded, or failed for good: its next failure is another's first."""
    known = _find(step, work.lane)
    if known is not None:
        step.rows.delete(known)


def _find(step: Step, lane: Lane) -> PostponedWork | None:
    return step.rows.get(PostponedWork, lane.connection_id, lane.kind, lane.queue)
