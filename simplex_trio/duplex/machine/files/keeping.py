"""What takes too long, and what was kept long enough."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.duplex.file_events import FileDelayed, FileProblem
from simplex_trio.duplex.machine.files.deleting import (
    delete_file,
    files_deleted,
    forget_outgoing,
)
from simplex_trio.duplex.machine.files.receiving import acknowledged, receiving_failed
from simplex_trio.duplex.machine.files.rows import (
    DeletedFile,
    IncomingFile,
    IncomingStatus,
    OutgoingFile,
    OutgoingStatus,
)
from simplex_trio.duplex.machine.files.sending import sending_failed
from simplex_trio.duplex.machine.step import Step
from simplex_trio.frozen import frozen

__all__ = ["KeepingTimes", "delayed", "forget_files_of", "forget_old_files"]


@frozen
class KeepingTimes:
    """In seconds, from the call that began it."""

    send_within: int
    receive_within: int
    keep_sent: int
    delete_within: int


def delayed(step: Step, file_id: str, problem: FileProblem) -> None:
    """A transfer does not get on; the program is told once of each problem."""
    rows = step.rows
    outgoing = rows.get(OutgoingFile, file_id)
    if outgoing is not None:
        if outgoing.parent_id is not None:
            delayed(step, outgoing.parent_id, problem)
        elif outgoing.problem is not problem:
            rows.update(outgoing, evolve(outgoing, problem=problem))
            step.tell(FileDelayed(file_id, problem))
    incoming = rows.get(IncomingFile, file_id)
    if incoming is not None and incoming.problem is not problem:
        rows.update(incoming, evolve(incoming, problem=problem))
        step.tell(FileDelayed(file_id, problem))


def forget_old_files(step: Step, times: KeepingTimes) -> None:
    """Give up what was not done in time, and forget files that were sent long ago."""
    rows, now = step.rows, step.moment.seconds
    for outgoing in rows.find(OutgoingFile):
        if outgoing.parent_id is not None:
            continue
        age = now - outgoing.created_at
        if outgoing.status is not OutgoingStatus.SENT:
            if age >= times.send_within:
                sending_failed(step, outgoing.file_id, FileProblem.EXPIRED)
        elif age >= times.keep_sent:
            _forget_sent(step, outgoing)
    for incoming in rows.find(IncomingFile):
        if now - incoming.created_at < times.receive_within:
            continue
        if incoming.status is IncomingStatus.ACKNOWLEDGING:
            acknowledged(step, incoming.file_id)
        else:
            receiving_failed(step, incoming.file_id, FileProblem.EXPIRED)
    for deleted in rows.find(DeletedFile):
        if now - deleted.created_at >= times.delete_within:
            files_deleted(step, deleted.file_id, given_up=True)


def forget_files_of(step: Step, user: str) -> None:
    """Cancel the transfers of a user, and forget files that were sent, which stay on routers."""
    for incoming in step.rows.find(IncomingFile, user=user):
        delete_file(step, incoming.file_id)
    for outgoing in step.rows.find(OutgoingFile, user=user):
        if outgoing.parent_id is not None:
            continue
        if outgoing.status is OutgoingStatus.SENT:
            _forget_sent(step, outgoing)
        else:
            forget_outgoing(step, outgoing.file_id, is_told=False)


def _forget_sent(step: Step, file: OutgoingFile) -> None:
    """Forget a file that stays on its routers; its packets go with the row."""
    for each in (*step.rows.find(OutgoingFile, parent_id=file.file_id), file):
        step.rows.delete(each)
        step.files.add(each.file_id)
