"""The events about files of a `DuplexAgent`, and what a program should do about each."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias, final

from simplex_trio.duplex.kept_event import KeptEvent
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.files.progress import Phase

__all__ = [
    "AnyFileEvent",
    "FileDelayed",
    "FileDeleted",
    "FileEvent",
    "FileFailed",
    "FileNeedsApproval",
    "FileProblem",
    "FileProgress",
    "FileReceived",
    "FileSent",
]


class FileProblem(Enum):
    """What went wrong with a file, as far as a program can tell the difference."""

    NETWORK = "network"
    """Routers could not be reached, or did not answer in time."""
    QUOTA = "quota"
    """The routers to send to are full."""
    SPACE = "space"
    """There is no room on the disk, or none within `FileConfig.max_space`."""
    REFUSED = "refused"
    """All routers have refused, because of a wrong password for example."""
    UNREADABLE = "unreadable"
    """The file to send is not there any more, or cannot be read."""
    CHANGED = "changed"
    """The file to send is not the one that sending began with.  Send it again."""
    DESTINATION = "destination"
    """The file cannot be put where it was wanted.  Receive it somewhere else."""
    GONE = "gone"
    """No router has the file any more: it has expired, was deleted, or was received before.  Ask
    the sender for a new description."""
    DAMAGED = "damaged"
    """What the routers have is not what was described.  Ask the sender for a new description."""
    REDIRECT = "redirect"
    """The description leads to something else than it says."""
    TOO_LARGE = "too large"
    """The file is larger than `FileConfig.max_size` or `FileConfig.max_space`, or its description
    does not fit into a packet."""
    EXPIRED = "expired"
    """It was not done in the time that `FileConfig` allows for it."""


@frozen(repr=False)
class FileEvent(KeptEvent):
    """Base of the stored events of one file."""

    file_id: str


@final
@frozen(repr=False)
class FileSent(FileEvent):
    """A file is on its routers.  Give each recipient a description, and keep one's own.

    The file that was sent is not needed any more.  `DuplexAgent.delete_file` deletes it from the
    routers for as long as the agent knows its id, and `DuplexAgent.delete_described` with one's own
    descriptions after that.
    """

    recipients: tuple[str, ...]
    """One for each recipient, as text: anyone who has it can receive the file."""
    own: tuple[str, ...]
    """With which the file can be deleted: that of the file, and those of redirecting ones."""


@final
@frozen(repr=False)
class FileReceived(FileEvent):
    """A file is complete and in its place; the agent forgets it."""

    path: str
    """Where it is; nothing that was there before was replaced."""


@final
@frozen(repr=False)
class FileNeedsApproval(FileEvent):
    """A file is on routers that may not be used without asking, because they see the program.

    Call `DuplexAgent.approve_file`, or `DuplexAgent.delete_file`; until then it waits.
    """

    servers: tuple[ServerAddress, ...]


@final
@frozen(repr=False)
class FileDelayed(FileEvent):
    """A transfer does not get on, and will be tried again; told once for each problem.

    Nothing has to be done, but people may want to know, or make room for `FileProblem.SPACE`.
    """

    problem: FileProblem


@final
@frozen(repr=False)
class FileFailed(FileEvent):
    """A transfer was given up; `FileProblem` says what to do.  The agent forgets the file.

    Nothing is left of it here, and what is on routers is deleted.
    """

    problem: FileProblem


@final
@frozen(repr=False)
class FileDeleted(FileEvent):
    """A file that was to be deleted is gone from its routers."""

    left: int
    """Packets that could not be deleted, and are on their routers until they expire there."""


@final
@frozen(repr=False)
class FileProgress(Redacted):
    """How far a transfer has come, in bytes of the encrypted file; only told while it runs.

    ``done`` decreases when a packet has to start again.
    """

    file_id: str
    phase: Phase
    done: int
    total: int


AnyFileEvent: TypeAlias = (
    FileSent
    | FileReceived
    | FileNeedsApproval
    | FileDelayed
    | FileFailed
    | FileDeleted
    | FileProgress
)
"""What is told of files."""
