"""How far a file has come, as programs are told."""

from __future__ import annotations

import os
from enum import Enum
from typing import final

from simplex_trio.duplex.machine.files.rows import (
    DeletedFile,
    IncomingFile,
    IncomingStatus,
    OutgoingFile,
    OutgoingStatus,
    UploadedPacket,
)
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["FileState", "FileStatus", "file_status_of"]


class FileState(Enum):
    """What a file waits for."""

    SENDING = "sending"
    """Routers are to take it."""
    SENT = "sent"
    """Nothing: it can be deleted."""
    ASKING = "asking"
    """The program is to approve routers."""
    RECEIVING = "receiving"
    """Routers are to send it."""
    RECEIVED = "received"
    """Routers are to be told that it was received."""
    DELETING = "deleting"
    """Routers are to delete it."""


@final
@frozen(repr=False)
class FileStatus(Redacted):
    """A file as it is stored at this moment."""

    file_id: str
    user: str
    state: FileState
    created_at: int
    """When sending, receiving or deleting it was begun, in seconds since 1970."""
    size: int
    """Bytes of the encrypted file, all replicas included; 0 if that is not known."""
    done: int
    """How many of them were sent or received, as far as that is known."""
    path: str
    """The file that is sent, or the folder of one that is received; empty for one to delete."""


_INCOMING = {
    IncomingStatus.ASKING: FileState.ASKING,
    IncomingStatus.RECEIVING: FileState.RECEIVING,
    IncomingStatus.ACKNOWLEDGING: FileState.RECEIVED,
}


def file_status_of(rows: Rows, file_id: str) -> FileStatus | None:
    """The status of a file; `None` if there is none, or it is the description of one."""
    outgoing = rows.get(OutgoingFile, file_id)
    if outgoing is not None:
        return None if outgoing.parent_id is not None else _sent(rows, outgoing)
    incoming = rows.get(IncomingFile, file_id)
    if incoming is not None:
        description = incoming.description
        size = 0 if description is None else description.size
        is_done = incoming.status is IncomingStatus.ACKNOWLEDGING
        return FileStatus(
            file_id,
            incoming.user,
            _INCOMING[incoming.status],
            incoming.created_at,
            size,
            size if is_done else 0,
            os.fsdecode(incoming.folder),
        )
    deleted = rows.get(DeletedFile, file_id)
    if deleted is None or not deleted.is_told:
        return None
    return FileStatus(file_id, deleted.user, FileState.DELETING, deleted.created_at, 0, 0, "")


def _sent(rows: Rows, file: OutgoingFile) -> FileStatus:
    plan = file.plan
    uploaded = rows.find(UploadedPacket, file_id=file.file_id, is_uploaded=True)
    is_sent = file.status is OutgoingStatus.SENT
    size = plan.encrypted_size * plan.replicas
    done = size if is_sent else min(size, sum(plan.sizes[each.number - 1] for each in uploaded))
    return FileStatus(
        file.file_id,
        file.user,
        FileState.SENT if is_sent else FileState.SENDING,
        file.created_at,
        size,
        done,
        os.fsdecode(file.path),
    )
