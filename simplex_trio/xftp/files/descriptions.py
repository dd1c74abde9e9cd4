"""Descriptions as files: where a sending leaves them, and reading them in all their forms."""

from __future__ import annotations

import os
from pathlib import Path

from simplex_trio.errors import DecodeError
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import (
    MAX_DESCRIPTION_SIZE,
    decode_description,
    encode_description,
)
from simplex_trio.wire.xftp.links import parse_file_link
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.files.names import candidates
from simplex_trio.xftp.files.send import SentFile

__all__ = ["load_description", "save_descriptions"]

_SCHEMES = ("simplex:", "https://", "http://")


async def load_description(source: str | Path) -> FileDescription:
    """The description in a file, or in a link of either form.

    Raises `DecodeError` for anything else, and `StorageFailed` if the file cannot be read.
    """
    text = str(source)
    if _is_link(text):
        return parse_file_link(text).description
    data = await in_thread(lambda: _read(Path(text)))
    if data.startswith(tuple(map(str.encode, _SCHEMES))):
        return parse_file_link(_text(data)).description
    return decode_description(data)


async def save_descriptions(sent: SentFile, folder: str | Path, name: str) -> list[Path]:
    """Write the descriptions of a file to a new folder ``name.xftp`` in ``folder``.

    They are ``rcv1.xftp`` and so on, one for each recipient, and ``snd.xftp.private`` for the
    sender, whose path is the last one returned.  Raises `StorageFailed`.
    """
    return await in_thread(lambda: _write_all(sent, Path(folder), f"{name}.xftp"))


def _is_link(text: str) -> bool:
    return text.startswith(_SCHEMES)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_DESCRIPTION_SIZE + 1)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("a link that is not UTF-8") from exc


def _write_all(sent: SentFile, folder: Path, name: str) -> list[Path]:
    target = _new_folder(folder, name)
    written: list[Path] = []
    for number, description in enumerate(sent.recipients, 1):
        written.append(_write(target / f"rcv{number}.xftp", description))
    written.append(_write(target / "snd.xftp.private", sent.sender))
    return written


def _new_folder(folder: Path, name: str) -> Path:
    for each in candidates(name):
        try:
            (folder / each).mkdir(parents=True)
        except FileExistsError:
            continue
        return folder / each
    raise FileExistsError("all names like that are taken")


def _write(path: Path, description: FileDescription) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(encode_description(description))
        file.flush()
        os.fsync(file.fileno())
    return path
