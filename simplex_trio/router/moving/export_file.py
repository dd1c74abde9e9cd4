"""Exports on the disk: written for their owner alone, whole or not at all, and read again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import trio

from simplex_trio.errors import StoreCorrupted, StoreUnavailable
from simplex_trio.router.moving.copying import Destination
from simplex_trio.router.moving.export_format import (
    FRAME_HEAD,
    MAGIC,
    ExportHeader,
    ExportReader,
    encode_end,
    encode_header,
    encode_portion,
)
from simplex_trio.router.moving.records import Tally, encode_records
from simplex_trio.router.store.interface import Filling, Reading
from simplex_trio.storage.failures import translated
from simplex_trio.storage.files import sync_folder

__all__ = ["is_export", "new_export", "open_export"]


def is_export(path: Path) -> bool:
    """Whether the file begins as an export does; raises `OSError`.  It blocks."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


# --- reading ------------------------------------------------------------------------------------


@asynccontextmanager
async def open_export(path: Path) -> AsyncIterator[Reading]:
    """Read an export.

    Raises `StoreUnavailable` if it cannot be read, `StoreForeign` if it is another file, and
    `StoreCorrupted` if it is damaged; this is known for certain after its last portion.
    """
    file = await trio.to_thread.run_sync(_open, path)
    try:
        reading = _ExportReading(file)
        await trio.to_thread.run_sync(reading.begin)
        yield reading
    finally:
        file.close()


def _open(path: Path) -> BinaryIO:
    with translated("the export"):
        return path.open("rb")


class _ExportReading(Reading):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reader = ExportReader()
        self.is_complete: bool = False
        self.records: int | None = None

    def begin(self) -> None:
        """Read the header; for a worker thread."""
        with translated("the export"):
            self._reader.check_magic(self._file.read(len(MAGIC)))
        self._next_frame()
        header = self._reader.header
        if header is None:
            raise StoreCorrupted("the export, which has no header")
        self.is_complete, self.records = header.is_complete, header.records

    async def portion(self) -> Sequence[Filling]:
        return await trio.to_thread.run_sync(self._portion)

    def _portion(self) -> Sequence[Filling]:
        while True:
            changes = self._next_frame()
            if changes is None or changes:
                return changes or ()

    def _next_frame(self) -> Sequence[Filling] | None:
        with translated("the export"):
            head = self._file.read(FRAME_HEAD.size)
            if not head:
                self._reader.check_ended()
                return None
            return self._reader.feed(head, self._file.read(self._reader.frame_size(head)))


# --- writing ------------------------------------------------------------------------------------


@asynccontextmanager
async def new_export(path: Path, header: ExportHeader) -> AsyncIterator[Destination]:
    """An export that is to be at ``path``, where nothing may be, when it is kept.

    Until then it is in a file beside it, and after the block that is gone.
    """
    temporary, file = await trio.to_thread.run_sync(_create, path)
    try:
        with file:
            export = _NewExport(file, temporary, path, header)
            await trio.to_thread.run_sync(export.begin)
            yield export
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _create(path: Path) -> tuple[Path, BinaryIO]:
    _check_free(path)
    with translated("the export"):
        # For its owner's eyes only from the start.
        descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
        return Path(name), os.fdopen(descriptor, "w+b")


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise StoreUnavailable(
            f"{path.name} is there already, and stays as it is"
        ) from FileExistsError()


class _NewExport(Destination):
    def __init__(self, file: BinaryIO, temporary: Path, path: Path, header: ExportHeader) -> None:
        self._file = file
        self._temporary = temporary
        self._path = path
        self._header = header
        self._tally = Tally()

    def begin(self) -> None:
        """Write the header; for a worker thread."""
        with translated("the export"):
            self._file.write(encode_header(self._header))

    async def write(self, changes: Sequence[Filling]) -> None:
        await trio.to_thread.run_sync(self._write, changes)

    def _write(self, changes: Sequence[Filling]) -> None:
        records = [record for change in changes for record in encode_records(change)]
        self._tally.add(records)
        with translated("the export"):
            for frame in encode_portion(records):
                self._file.write(frame)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reading]:
        await trio.to_thread.run_sync(self._end)
        async with open_export(self._temporary) as reading:
            yield reading

    def _end(self) -> None:
        with translated("the export"):
            self._file.write(encode_end(self._tally))
            self._file.flush()
            os.fsync(self._file.fileno())

    async def keep(self) -> None:
        await trio.to_thread.run_sync(partial(_put_in_place, self._temporary, self._path))


def _put_in_place(temporary: Path, path: Path) -> None:
    _check_free(path)
    with translated("the export"):
        os.link(temporary, path)  # which replaces nothing
        sync_folder(path.absolute().parent)
