"""`ReceivingWork`: downloads files, as `simplex_trio.xftp` does, with rows for what is done."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import partial
from pathlib import Path

import trio

from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.duplex.file_routers import needs_approval, usable_for
from simplex_trio.duplex.machine.files.receiving import (
    acknowledged,
    approval_needed,
    description_found,
    name_noted,
    received,
    receiving_failed,
)
from simplex_trio.duplex.machine.files.rows import IncomingFile
from simplex_trio.duplex.machine.files.work import AcknowledgeFile, ReceiveFile
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.work.files.base import FileWorkBase
from simplex_trio.duplex.work.files.problems import is_temporary, problem_of
from simplex_trio.errors import SimplexError, StoreFull
from simplex_trio.wire.xftp.description import FileDescription, Replica
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.errors import FileTooLarge
from simplex_trio.xftp.files.arriving import receive_content
from simplex_trio.xftp.files.downloading import Downloader
from simplex_trio.xftp.files.packet_file import PacketFile
from simplex_trio.xftp.files.placing import placed_before, placing, usable_name

__all__ = ["ReceivingWork"]


class ReceivingWork(FileWorkBase):
    """Work on files to receive."""

    async def receive(self, work: ReceiveFile) -> None:
        """Download what is missing, and put the file in its place."""
        file = work.file
        try:
            await self._receive(file)
        except SimplexError as exc:
            if is_temporary(exc):
                raise
            problem = problem_of(exc, FileProblem.DESTINATION, FileProblem.GONE)
            await self._settle(partial(_fail, file.file_id, problem))

    async def _receive(self, file: IncomingFile) -> None:
        may_use = usable_for(self._settings.config, file)
        description = file.description
        asked = needs_approval(file.asked if description is None else description, may_use)
        if asked:
            await self._settle(lambda step: approval_needed(step, file.file_id, asked))
            return
        label = self._settings.label(file.user, file.file_id)
        async with self._clients.of(label) as clients:
            downloader = Downloader(
                clients,
                self._settings.transfer(label),
                partial(self._progress.tell, file.file_id),
                may_use,
                self._local.fetched_from.setdefault(file.file_id, {}),
            )
            if description is None:
                downloader.check_size(file.asked)
                found = await downloader.follow(file.asked, self._local.nameless)
                await self._settle(lambda step: description_found(step, file.file_id, found))
                return
            downloader.check_size(description)
            await self._receive_described(file, description, downloader)

    async def _receive_described(
        self, file: IncomingFile, description: FileDescription, downloader: Downloader
    ) -> None:
        folder = Path(os.fsdecode(file.folder))
        part = folder / f".{file.file_id}.xftp-part"
        name = None if file.placed_name is None else os.fsdecode(file.placed_name)
        placed = await in_thread(partial(_found, name, folder, part))
        if placed is None:
            if name is not None:
                await self._note(file.file_id, None)
            packets, is_new = await self._open(file.file_id, description.size)
            try:
                async with receive_content(
                    downloader, description, packets, part, is_new=is_new
                ) as senders_name:
                    placed = await self._place(file, part, senders_name)
            finally:
                with trio.CancelScope(shield=True):
                    await in_thread(packets.close)
        with trio.CancelScope(shield=True):
            path = str(placed)
            if not await self._settle(lambda step: received(step, file.file_id, path)):
                # It was cancelled in the last moment.
                await in_thread(partial(placed.unlink, missing_ok=True))

    async def _open(self, file_id: str, size: int) -> tuple[PacketFile, bool]:
        limit = self._settings.config.files.max_space
        if size > limit:
            raise FileTooLarge("the file is larger than all files together may be")
        if not self._local.reserve(file_id, size, limit):
            raise StoreFull("other files that are being received take all the space for them")
        return await in_thread(partial(self._local.open, file_id, size))

    # --- placing --------------------------------------------------------------------------------

    async def _place(self, file: IncomingFile, part: Path, senders_name: str) -> Path:
        name = usable_name(senders_name) if file.name is None else os.fsdecode(file.name)
        steps = placing(part, part.parent, name)
        try:
            given = await in_thread(partial(_advance, steps))
            return await self._named(file.file_id, steps, given)
        except BaseException:
            with trio.CancelScope(shield=True):
                await in_thread(steps.close)
            raise

    async def _named(
        self, file_id: str, steps: Generator[str, None, Path], given: str | Path
    ) -> Path:
        """Where the file is, once it has a name, which is stored before it gets it."""
        with trio.CancelScope(shield=True):
            while isinstance(given, str):
                await self._note(file_id, given)
                try:
                    given = await in_thread(partial(_advance, steps))
                except BaseException:
                    # Another program may take the name before the next attempt.
                    with trio.CancelScope(shield=True):
                        await self._note(file_id, None)
                    raise
        assert isinstance(given, Path)
        return given

    async def _note(self, file_id: str, name: str | None) -> None:
        await self._settle(lambda step: name_noted(step, file_id, name))

    # --- afterwards -----------------------------------------------------------------------------

    async def acknowledge(self, work: AcknowledgeFile) -> None:
        """Tell routers that they can forget a file, as far as that can be done at once."""
        file = work.file
        config = self._settings.config
        label = self._settings.label(file.user, file.file_id)
        fetched_from: dict[bytes, Replica] = self._local.fetched_from.pop(file.file_id, {})
        description = file.description
        assert description is not None
        redirecting = () if file.asked.redirect is None else file.asked.packets
        async with self._clients.of(label) as clients:
            downloader = Downloader(
                clients,
                self._settings.transfer(label),
                lambda _: None,
                usable_for(config, file),
                fetched_from,
            )
            await downloader.acknowledge((*description.packets, *redirecting))
        await self._settle(lambda step: acknowledged(step, file.file_id), durable=False)


def _found(name: str | None, folder: Path, part: Path) -> Path | None:
    """The file, if it got its name before a crash or an error."""
    placed = placed_before(name, folder, part)
    return placed if placed is not None and placed.exists() else None


def _advance(steps: Generator[str, None, Path]) -> str | Path:
    """The next name that the file is about to get, or in the end where it is."""
    try:
        return next(steps)
    except StopIteration as end:
        placed: Path = end.value
        return placed


def _fail(file_id: str, problem: FileProblem, step: Step) -> None:
    receiving_failed(step, file_id, problem)
