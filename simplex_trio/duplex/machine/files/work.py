"""`file_work_of`: what has to be done for a file, read off its rows.

A file has one work at a time, which is all that is left to do with it: what was done of that is in
the rows.
"""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar, final

from simplex_trio.duplex.machine.files.rows import (
    DeletedFile,
    IncomingFile,
    IncomingStatus,
    OutgoingFile,
    OutgoingStatus,
)
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.duplex.machine.work import Lane
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = [
    "AcknowledgeFile",
    "DeletePackets",
    "FileWork",
    "ReceiveFile",
    "SendFile",
    "file_work_of",
]


FileT = TypeVar("FileT", OutgoingFile, IncomingFile, DeletedFile)


@frozen(repr=False, eq=False)
class _FileWork(Redacted, Generic[FileT]):
    file: FileT
    """The file as it was stored."""

    @property
    def file_id(self) -> str:
        return self.file.file_id

    @property
    def lane(self) -> Lane:
        return Lane(self.file_id, type(self).__name__)


@final
class SendFile(_FileWork[OutgoingFile]):
    """Upload what routers do not have yet."""


@final
class ReceiveFile(_FileWork[IncomingFile]):
    """Download what is missing, and put the file in place."""


@final
class AcknowledgeFile(_FileWork[IncomingFile]):
    """Tell routers that they can forget a file."""


@final
class DeletePackets(_FileWork[DeletedFile]):
    """Delete packets from their routers."""


FileWork: TypeAlias = SendFile | ReceiveFile | AcknowledgeFile | DeletePackets


def file_work_of(rows: Rows, file_id: str) -> list[FileWork]:
    """Everything that has to be done for a file, as it is now."""
    found: list[FileWork] = []
    outgoing = rows.get(OutgoingFile, file_id)
    if outgoing is not None and outgoing.status is OutgoingStatus.SENDING:
        found.append(SendFile(outgoing))
    incoming = rows.get(IncomingFile, file_id)
    if incoming is not None and incoming.status is IncomingStatus.RECEIVING:
        found.append(ReceiveFile(incoming))
    if incoming is not None and incoming.status is IncomingStatus.ACKNOWLEDGING:
        found.append(AcknowledgeFile(incoming))
    deleted = rows.get(DeletedFile, file_id)
    if deleted is not None:
        found.append(DeletePackets(deleted))
    return found
