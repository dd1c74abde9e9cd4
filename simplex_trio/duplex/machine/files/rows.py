"""Files that are sent, received and deleted, as they are stored."""

from __future__ import annotations

from enum import Enum
from typing import final

from simplex_trio.crypto.keys import AuthPrivateKey
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.xftp.files.layout import Plan, StoredPacket

__all__ = [
    "Approval",
    "DeletedFile",
    "DeletedPacket",
    "IncomingFile",
    "IncomingStatus",
    "OutgoingFile",
    "OutgoingStatus",
    "RedirectUse",
    "UploadedPacket",
]


class OutgoingStatus(Enum):
    """How far a file to send has come."""

    SENDING = 1
    """Packets are still to be uploaded."""
    REDIRECTING = 2
    """All packets are on their routers; descriptions that lead to the file are being sent."""
    SENT = 3
    """The program was told; the rows are kept for a while, so that it can be deleted."""


class RedirectUse(Enum):
    """Whether recipients get descriptions of their description."""

    NEVER = 0
    ALWAYS = 1
    IF_LONG = 2


class IncomingStatus(Enum):
    """How far a file to receive has come."""

    ASKING = 1
    """The program is to approve the use of routers."""
    RECEIVING = 2
    ACKNOWLEDGING = 3
    """The file is in place; its routers are to be told that they can forget it."""


class Approval(Enum):
    """Which routers the program has approved, beside those that need no approval."""

    NONE = 0
    ASKED = 1
    """Those of the description that the program has given."""
    ALL = 2
    """Those of the description as well that this leads to."""


@final
@frozen(repr=False)
class OutgoingFile(Redacted):
    """A file to send, or the description of one."""

    file_id: str
    user: str
    created_at: int
    path: bytes
    """Where the content is, as the system has it; empty for a description."""
    plan: Plan
    redirect: RedirectUse
    status: OutgoingStatus = OutgoingStatus.SENDING
    digest: bytes | None = None
    """Of the encrypted file, once all of it was encrypted."""
    problem: FileProblem | None = None
    """What the program was told last of why this takes so long."""
    parent_id: str | None = None
    """Of a description: the file that it describes."""
    position: int = 0
    """Of a description: the recipient, from 0."""
    description: FileDescription | None = None
    """Of a description, once it was sent: what leads to it."""
    own_description: FileDescription | None = None


@final
@frozen(repr=False)
class UploadedPacket(Redacted):
    """A packet that a router knows of."""

    file_id: str
    number: int
    """From 1."""
    sender_id: bytes
    stored: StoredPacket
    is_uploaded: bool = False


@final
@frozen(repr=False)
class IncomingFile(Redacted):
    """A file to receive."""

    file_id: str
    user: str
    created_at: int
    folder: bytes
    """Where it is put, as the system has it."""
    name: bytes | None
    """What it is called there, unless as its sender has called it."""
    asked: FileDescription
    acknowledges: bool
    approval: Approval = Approval.NONE
    status: IncomingStatus = IncomingStatus.RECEIVING
    found: FileDescription | None = None
    """What a redirecting description has led to."""
    placed_name: bytes | None = None
    """The name that the file has in its folder, or was about to get."""
    problem: FileProblem | None = None
    """What the program was told last of why this takes so long."""

    @property
    def description(self) -> FileDescription | None:
        """The description of the file itself; `None` if it is still to be found."""
        if self.found is not None:
            return self.found
        return self.asked if self.asked.redirect is None else None


@final
@frozen(repr=False)
class DeletedFile(Redacted):
    """Packets that are to be deleted from routers."""

    file_id: str
    user: str
    created_at: int
    is_told: bool
    """Whether the program is told when they are gone."""


@final
@frozen(repr=False)
class DeletedPacket(Redacted):
    """One of them."""

    file_id: str
    server: ServerAddress
    sender_id: bytes
    key: AuthPrivateKey
