"""Descriptions as files: writing those of a file that was sent, and reading all of their forms."""

from __future__ import annotations

import errno
import shutil
from functools import partial
from pathlib import Path

from simplex_trio.errors import DecodeError
from simplex_trio.storage.files import create_file, sync_folder
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import (
    MAX_DESCRIPTION_SIZE,
    decode_description,
    encode_description,
)
from simplex_trio.wire.xftp.links import parse_file_link
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.files.names import candidates, shortened
from simplex_trio.xftp.files.send import SentFile

__all__ = [
    "LINK_SCHEMES",
    "MAX_SOURCE_SIZE",
    "load_description",
    "read_description",
    "save_descriptions",
]

MAX_SOURCE_SIZE = 4 * MAX_DESCRIPTION_SIZE
"""Bytes of a file with a description, or a link to one in which everything is escaped."""

LINK_SCHEMES = ("simplex:", "https://", "http://")
"""What links to files begin with, and names of files do not."""

_ROOM_FOR_SUFFIX = 20
"""Bytes for the suffix of the folder with the descriptions of a file."""


async def load_description(source: str | Path) -> FileDescription:
    """The description in a file, or in a link of either form.

    Raises `DecodeError` for anything else, and `StoreError` if the file cannot be read.
    """
    return await in_thread(partial(_load, str(source)))


def read_description(data: bytes) -> FileDescription:
    """The description in bytes: its text, or a link; else `DecodeError`."""
    if data.lstrip().startswith(tuple(map(str.encode, LINK_SCHEMES))):
        return parse_file_link(_text(data)).description
    return decode_description(data)


async def save_descriptions(sent: SentFile, folder: str | Path, name: str) -> list[Path]:
    """Write the descriptions of a file to a new folder ``name.xftp`` in ``folder``.

    They are ``rcv1.xftp`` and so on, one for each recipient, and ``snd.xftp.private`` for the
    sender, whose path is the last one returned.  Names that are too long are shortened.  Raises
    `StoreError`, after removing all of them.
    """
    folder_name = shortened(name, _ROOM_FOR_SUFFIX) + ".xftp"
    return await in_thread(partial(_write_all, sent, Path(folder), folder_name))


def _load(source: str) -> FileDescription:
    if source.startswith(LINK_SCHEMES):
        return parse_file_link(source).description
    with Path(source).open("rb") as file:
        return read_description(file.read(MAX_SOURCE_SIZE + 1))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("a link that is not UTF-8") from exc


def _write_all(sent: SentFile, folder: Path, name: str) -> list[Path]:
    target = _new_folder(folder, name)
    try:
        written = [
            _write(target / f"rcv{number}.xftp", description)
            for number, description in enumerate(sent.recipients, 1)
        ]
        written.append(_write(target / "snd.xftp.private", sent.sender))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    # Callers delete the state file next, so that the descriptions have to be durable.
    sync_folder(target)
    sync_folder(target.parent)
    return written


def _new_folder(folder: Path, name: str) -> Path:
    for each in candidates(name):
        try:
            (folder / each).mkdir(parents=True)
        except FileExistsError:
            continue
        return folder / each
    raise FileExistsError(errno.EEXIST, "all names like that are taken")


def _write(path: Path, description: FileDescription) -> Path:
    create_file(path, encode_description(description).encode())
    return path
