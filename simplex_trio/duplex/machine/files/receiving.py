"""Receiving files: from the description to the file in its place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from attrs import evolve

from simplex_trio.duplex.file_events import (
    FileFailed,
    FileNeedsApproval,
    FileProblem,
    FileReceived,
)
from simplex_trio.duplex.file_plans import FileToReceive
from simplex_trio.duplex.machine.files.rows import Approval, IncomingFile, IncomingStatus
from simplex_trio.duplex.machine.step import Step
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription

__all__ = [
    "acknowledged",
    "approval_needed",
    "approve",
    "description_found",
    "name_noted",
    "received",
    "receiving_failed",
    "start_receiving",
]


def start_receiving(step: Step, planned: FileToReceive) -> str:
    """Receive a file; returns its id."""
    file_id = step.moment.new_id()
    step.rows.insert(
        IncomingFile(
            file_id,
            planned.user,
            step.moment.seconds,
            planned.folder,
            planned.name,
            planned.description,
            planned.acknowledges,
            Approval.ALL if planned.is_approved else Approval.NONE,
        )
    )
    step.files.add(file_id)
    return file_id


def _change(step: Step, file_id: str, **changes: Any) -> IncomingFile | None:
    """Change a file, unless it was deleted meanwhile."""
    file = step.rows.get(IncomingFile, file_id)
    if file is None:
        return None
    after = evolve(file, **changes)
    step.rows.update(file, after)
    step.files.add(file_id)
    return after


def approval_needed(step: Step, file_id: str, servers: Sequence[ServerAddress]) -> None:
    """Some routers may be used only if the program says so."""
    if _change(step, file_id, status=IncomingStatus.ASKING) is not None:
        step.tell(FileNeedsApproval(file_id, tuple(servers)))


def approve(step: Step, file_id: str) -> bool:
    """Use the routers that were asked for; returns whether there is such a file."""
    file = step.rows.get(IncomingFile, file_id)
    if file is None:
        return False
    if file.status is IncomingStatus.ASKING:
        is_last = file.description is not None
        approval = Approval.ALL if is_last else Approval.ASKED
        _change(step, file_id, status=IncomingStatus.RECEIVING, approval=approval)
    return True


def description_found(step: Step, file_id: str, found: FileDescription) -> None:
    """A redirecting description has led to another one."""
    _change(step, file_id, found=found)


def name_noted(step: Step, file_id: str, name: str | None) -> None:
    """The file is about to get a name, or has none after all."""
    _change(step, file_id, placed_name=None if name is None else os.fsencode(name))


def received(step: Step, file_id: str, path: str) -> bool:
    """The file is in its place; returns false if it was deleted meanwhile."""
    file = step.rows.get(IncomingFile, file_id)
    if file is None:
        return False
    step.tell(FileReceived(file_id, path))
    if file.acknowledges:
        _change(step, file_id, status=IncomingStatus.ACKNOWLEDGING)
    else:
        _forget(step, file)
    return True


def acknowledged(step: Step, file_id: str) -> None:
    """Routers were told as far as they could be; nothing is left to do."""
    file = step.rows.get(IncomingFile, file_id)
    if file is not None:
        _forget(step, file)


def receiving_failed(step: Step, file_id: str, problem: FileProblem) -> None:
    """A file cannot be received, and is forgotten."""
    file = step.rows.get(IncomingFile, file_id)
    if file is not None:
        _forget(step, file)
        step.tell(FileFailed(file_id, problem))


def _forget(step: Step, file: IncomingFile) -> None:
    step.rows.delete(file)
    step.files.add(file.file_id)
