"""`FileCalls`: the calls of a `DuplexAgent` that are about files."""

from __future__ import annotations

import errno
import os
from functools import partial
from os import PathLike
from pathlib import Path

from attrs import evolve

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import NoServers, UnknownFile
from simplex_trio.duplex.file_plans import FileToReceive, FileToSend
from simplex_trio.duplex.file_status import FileState, FileStatus, file_status_of
from simplex_trio.duplex.machine.files.deleting import delete_described, delete_file
from simplex_trio.duplex.machine.files.receiving import approve, start_receiving
from simplex_trio.duplex.machine.files.rows import RedirectUse
from simplex_trio.duplex.machine.files.sending import start_sending
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.files.works import FileWorks
from simplex_trio.wire.xftp.description import FileDescription, FileParty
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import FileTooLarge
from simplex_trio.xftp.files.descriptions import read_description
from simplex_trio.xftp.files.planning import file_plan
from simplex_trio.xftp.files.progress import Phase
from simplex_trio.xftp.support import require_support

__all__ = ["FileCalls"]


class FileCalls:
    """Files that are sent, received and deleted in the background, and across restarts.

    The calls raise `UnknownFile` for an id that is not known, and `XFTPSupportMissing` without the
    necessary libraries, which the extra ``xftp`` installs.
    """

    _config: DuplexConfig
    _core: Core
    _file_works: FileWorks

    async def plan_sending(
        self,
        path: str | PathLike[str],
        *,
        recipients: int = 1,
        replicas: int = 1,
        name: str | None = None,
        redirect: bool | None = None,
        user: str = "",
    ) -> FileToSend:
        """Look at a file to send, for `Transaction.send_file`; `send_file` says what is what.

        Nothing is stored or sent.  Raises as `send_file` does.
        """
        require_support()
        files = self._config.files
        if len({each.address for each in files.servers}) < replicas:
            raise NoServers("the agent has too few routers to put files on")
        place, size = await in_thread(partial(_looked_at, Path(path)))
        plan = file_plan(
            place.name if name is None else name,
            size,
            recipients=recipients,
            replicas=replicas,
            max_size=files.max_size,
            random=self._config.random_bytes,
        )
        use = {None: RedirectUse.IF_LONG, True: RedirectUse.ALWAYS, False: RedirectUse.NEVER}
        return FileToSend(os.fsencode(place), plan, use[redirect], user)

    async def send_file(
        self,
        path: str | PathLike[str],
        *,
        recipients: int = 1,
        replicas: int = 1,
        name: str | None = None,
        redirect: bool | None = None,
        user: str = "",
    ) -> str:
        """Put a file on routers, encrypted, for so many recipients; returns its id at once.

        `FileSent` tells that it is there, and has the descriptions; until then the file must stay
        as it is.  Each packet goes to ``replicas`` routers.  Recipients see ``name`` instead of the
        file's own name.  With ``redirect`` each of them gets a short description of the real one;
        by default if that is longer than `FileConfig.longest_description`.

        Raises `FileTooLarge`, `NoServers` if there are fewer routers than replicas, `ValueError`
        for no recipients or too many, and `StoreError` if the file cannot be read.
        """
        planned = await self.plan_sending(
            path,
            recipients=recipients,
            replicas=replicas,
            name=name,
            redirect=redirect,
            user=user,
        )
        return await self._core.step(lambda step: start_sending(step, planned))

    async def plan_receiving(
        self,
        description: FileDescription | str,
        path: str | PathLike[str],
        *,
        acknowledge: bool = True,
        approve: bool = False,
        user: str = "",
    ) -> FileToReceive:
        """Read a description, for `Transaction.receive_file`; `receive_file` says what is what.

        Nothing is stored, and no router is asked.  Raises as `receive_file` does.
        """
        require_support()
        asked = await self._read(description)
        if asked.party is not FileParty.RECIPIENT:
            raise ValueError("a file is received with the description for a recipient")
        if asked.size > self._config.files.max_size:
            raise FileTooLarge("the file is larger than is wanted")
        folder, name = await in_thread(partial(_place_of, os.fspath(path)))
        return FileToReceive(
            asked,
            os.fsencode(folder),
            None if name is None else os.fsencode(name),
            acknowledge,
            approve,
            user,
        )

    async def receive_file(
        self,
        description: FileDescription | str,
        path: str | PathLike[str],
        *,
        acknowledge: bool = True,
        approve: bool = False,
        user: str = "",
    ) -> str:
        """Receive a file; returns its id at once.  `FileReceived` tells that it is complete.

        ``description`` is one for a recipient, as a value, a text or a link.  If ``path`` is a
        folder, the file is put there under its sender's name, made safe; otherwise at ``path``.  In
        either case its name gets a number if it is taken.  With ``acknowledge`` routers are told to
        forget the file, so that it can be received once.

        Routers see the address of this program, and the sender chooses them: `FileConfig.may_use`
        says which are used without asking, or ``approve`` that all are; `FileNeedsApproval` asks.

        Raises `DecodeError` for what is no description, `ValueError` for one of a sender,
        `FileTooLarge`, and `StoreError` if there is no such folder.
        """
        planned = await self.plan_receiving(
            description, path, acknowledge=acknowledge, approve=approve, user=user
        )
        return await self._core.step(lambda step: start_receiving(step, planned))

    async def approve_file(self, file_id: str) -> None:
        """Use the routers that `FileNeedsApproval` has named."""
        if not await self._core.step(lambda step: approve(step, file_id)):
            raise UnknownFile

    async def delete_file(self, file_id: str) -> None:
        """Cancel a transfer, or delete a file that was sent from its routers.

        What was begun ends at once, and nothing is left of it here.  Of a file to send, what is on
        routers is deleted in the background, and `FileDeleted` tells when it is gone.
        """
        if not await self._core.step(lambda step: delete_file(step, file_id)):
            raise UnknownFile

    async def delete_described(self, own: FileDescription | str, *, user: str = "") -> str:
        """Delete a file from its routers with the description for its sender.

        Returns an id, with which `FileDeleted` tells when it is gone.  Raises `DecodeError` for
        what is no description, and `ValueError` for that of a recipient.
        """
        require_support()
        description = await self._read(own)
        if description.party is not FileParty.SENDER:
            raise ValueError("a file is deleted with the description for its sender")
        return await self._core.step(lambda step: delete_described(step, description, user))

    async def files(self, *, user: str | None = None) -> list[FileStatus]:
        """All files that are being sent, received or deleted, or were sent, of all users or one."""
        found = await self._core.read(_all_files)
        return [self._with_progress(each) for each in found if user in (None, each.user)]

    async def file_status(self, file_id: str) -> FileStatus:
        """How far a file has come."""
        found = await self._core.read(lambda rows: file_status_of(rows, file_id))
        if found is None:
            raise UnknownFile
        return self._with_progress(found)

    def _with_progress(self, status: FileStatus) -> FileStatus:
        latest = self._file_works.progress.latest(status.file_id)
        if latest is None or status.state is not FileState.RECEIVING:
            return status
        if latest.total != status.size:  # of the description that has led to this one
            return status
        match latest.phase:
            case Phase.DOWNLOADING:
                return evolve(status, done=latest.done)
            case Phase.DECRYPTING:
                return evolve(status, done=status.size)
            case _:
                return status

    @staticmethod
    async def _read(description: FileDescription | str) -> FileDescription:
        if isinstance(description, FileDescription):
            return description
        # In a thread, since a long one takes long.
        return await in_thread(partial(read_description, description.encode()))


def _looked_at(path: Path) -> tuple[Path, int]:
    """The absolute path of a file, which a program started elsewhere finds too, and its size."""
    if path.exists() and not path.is_file():  # opening a pipe would not come back
        raise OSError(errno.EINVAL, "this is not a file")
    with path.open("rb") as file:
        return path.absolute(), file.seek(0, os.SEEK_END)


def _place_of(given: str) -> tuple[Path, str | None]:
    """The folder for a file, and the name that it is to have."""
    path = Path(given)
    if path.is_dir():
        return path.absolute(), None
    folder = path.absolute().parent
    # What ends with a slash is meant to be a folder, and there is none.
    os.stat(given if given.endswith(("/", os.sep)) else folder)
    return folder, path.name


def _all_files(rows: SQLiteRows) -> list[FileStatus]:
    found = [file_status_of(rows, file_id) for file_id in rows.file_ids()]
    return [status for status in found if status is not None]
