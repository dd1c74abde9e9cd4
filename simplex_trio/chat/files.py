"""`IncomingFile`: a file that a contact offers, as handlers have it in their hands."""

from __future__ import annotations

import mimetypes
import os
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, final
from uuid import uuid4

from attrs import define, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import FileNotReceived
from simplex_trio.chat.machine.file_records import FileState, OfferedFile
from simplex_trio.chat.machine.receiving_files import refuse
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.transfers import OnProgress
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.redaction import Redacted
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import FileTooLarge
from simplex_trio.xftp.files.names import safe_name
from simplex_trio.xftp.support import require_support

if TYPE_CHECKING:
    from simplex_trio.chat.groups import Member
    from simplex_trio.chat.people import Contact

__all__ = ["MAX_READ", "FileCalls", "GroupFile", "IncomingFile"]

MAX_READ = 10 * 2**20
"""How many bytes `IncomingFile.read` takes unless it is told otherwise: all of them are in memory
then."""


class FileCalls:
    """A file that has come with a message, and can be received.

    It stays known for two days, as long as routers keep files, also across restarts.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _core: ChatCore
        _record: OfferedFile
        _is_done: bool

    @property
    def name(self) -> str:
        """What its sender calls it, made safe: one component of a path, without surprises."""
        return safe_name(self._record.name)

    @property
    def size(self) -> int:
        """How many bytes it has, as its sender says; a larger file is not received."""
        return self._record.size

    @property
    def content(self) -> Content:
        """What the message with it says: `Image`, `Voice`, `Video`, `File` and so on.

        In files of `Contact.files`, and those that handlers of `Handlers.on_file` get, pictures and
        long texts are left out.
        """
        return self._record.content

    @property
    def media_type(self) -> str | None:
        """What kind of file its name suggests, such as ``image/png``; look before you trust it."""
        return mimetypes.guess_type(self.name)[0]

    @property
    def message_id(self) -> bytes:
        """The id of the message with it."""
        return self._record.msg_id

    @property
    def state(self) -> FileState:
        """How far it had come when this was told."""
        return self._record.state

    @property
    def path(self) -> Path | None:
        """Where it is, if it was complete when this was told."""
        where = self._record.where
        return None if where is None else Path(where)

    @property
    def problem(self) -> FileProblem | None:
        """Why it could not be received."""
        return self._record.problem

    async def save(
        self,
        path: str | PathLike[str] | None = None,
        *,
        max_size: int | None = None,
        approve: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """Receive the file, wait until it is complete, and return where it is.

        If ``path`` is a folder, it is put there under its `name`, otherwise at ``path``; in either
        case with a number if there is something already.  Without it the folder that `open_bot` was
        given is meant.  A file that was wanted before goes where that call wanted it.

        In a handler this settles the message, as `IncomingMessage.ask` does, and the handler's turn
        is suspended: what the contact or the group does next is dealt with meanwhile, because the
        file may come after it.  When the file is complete, the handler goes on as soon as no other
        one of that conversation runs.  If the program ends before the handler does, or the call is
        cancelled, the file is received all the same, and handlers of `Handlers.on_file` are told.

        ``on_progress`` is called with the `~simplex_trio.xftp.Progress` of the encrypted file.

        Raises `FileTooLarge` if it has more than ``max_size`` bytes, `FileTakenBack` or another
        `FileNotReceived` if it does not come, `ApprovalNeeded` if it is on routers that the agent's
        `FileConfig.may_use` does not allow, unless ``approve``; and `StoreError` if there is no
        such folder, `ValueError` if none was given.
        """
        require_support()
        if max_size is not None and self.size > max_size:
            raise FileTooLarge("the file is larger than is wanted")
        record = self._record
        if record.state is FileState.RECEIVED and record.where is not None:
            return Path(record.where)
        if self._is_done:
            raise FileNotReceived(None)
        folder = self._core.settings.folder
        given = folder if path is None else os.fspath(path)
        if given is None:
            raise ValueError("there is no folder for files: name one here, or in open_bot")
        place = await in_thread(partial(_place, given, self.name))
        return await self._receive(place, approve=approve, on_progress=on_progress)

    async def read(
        self,
        *,
        max_size: int = MAX_READ,
        approve: bool = False,
        on_progress: OnProgress | None = None,
    ) -> bytes:
        """Receive the file as `save` does, and return its content, without leaving it on the disk.

        If the program ends meanwhile, the file is received into the folder for copies beside the
        store, where `IncomingFile.path` of the file that `Handlers.on_file` tells of leads.

        Raises as `save`; if the file was wanted before, it is read where it was put, and stays.
        """
        require_support()
        if self.size > max_size:
            raise FileTooLarge("the file is larger than is wanted")
        core = self._core
        place = await in_thread(partial(core.copies.place, f"read-{uuid4().hex}"))
        path = await self._receive(place, approve=approve, on_progress=on_progress)
        return await in_thread(partial(_content, path, remove=path == place))

    async def _receive(self, place: Path, *, approve: bool, on_progress: OnProgress | None) -> Path:
        transfers = self._core.transfers
        path = await transfers.receive(
            self._record, place, approve=approve, on_progress=on_progress
        )
        self._is_done = True  # type: ignore[misc]
        return path

    async def refuse(self) -> None:
        """Do not receive the file, or stop receiving it; it is forgotten, and nothing is left.

        Its sender is not told.  Calls that wait for it raise `FileTakenBack`.
        """
        await self._core.step(lambda store: refuse(store, self._record))
        self._is_done = True  # type: ignore[misc]


@final
@define(eq=False, repr=False)
class IncomingFile(FileCalls, Redacted):
    """A file that has come with a message of a contact, and can be received.

    It stays known for two days, as long as routers keep files, also across restarts.
    """

    contact: Contact = field(repr=False)
    """Who has sent it."""
    _core: ChatCore = field(repr=False)
    _record: OfferedFile = field(repr=False)
    _is_done: bool = field(default=False, repr=False)


@final
@define(eq=False, repr=False)
class GroupFile(FileCalls, Redacted):
    """A file that has come with a message of a member of a group; all else is as there."""

    member: Member = field(repr=False)
    """Who has sent it."""
    _core: ChatCore = field(repr=False)
    _record: OfferedFile = field(repr=False)
    _is_done: bool = field(default=False, repr=False)


def _place(given: str, name: str) -> Path:
    """Where a file is to be put; raises the system's errors if there is no such folder."""
    path = Path(given).absolute()
    if path.is_dir():
        return path / name
    # What ends with a slash is meant to be a folder, and there is none.
    os.stat(given if given.endswith(("/", os.sep)) else path.parent)
    return path


def _content(path: Path, *, remove: bool) -> bytes:
    content = path.read_bytes()
    if remove:
        path.unlink(missing_ok=True)
    return content
