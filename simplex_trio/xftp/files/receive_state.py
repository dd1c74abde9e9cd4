"""`ReceiveState`: the state file of a download.

::

    format, name of the placed file, description, packets

Without a path the state is in a nameless file, which ends with the program.

Everything here is for worker threads.
"""

from __future__ import annotations

import hmac
import os
import struct
import tempfile
from hashlib import sha256
from io import FileIO
from pathlib import Path

from simplex_trio.errors import DecodeError
from simplex_trio.storage.files import write_all
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.wire.xftp.description_text import (
    MAX_DESCRIPTION_SIZE,
    decode_description,
    encode_description,
)
from simplex_trio.xftp.disk import claim, create_locked
from simplex_trio.xftp.errors import StateInUse, StateMismatch
from simplex_trio.xftp.files.packet_file import PacketFile

__all__ = ["ReceiveState"]

_FORMAT = b"simplex-trio xftp receiving 1\n"
_NAME = struct.Struct(">H510s")
_LENGTHS = struct.Struct(">32sI")  # the digest of the description that was asked for; a length
_NAME_AT = len(_FORMAT)
_LENGTHS_AT = _NAME_AT + _NAME.size
_TEXT_AT = _LENGTHS_AT + _LENGTHS.size
_ALIGNMENT = 4096


def _identity(description: FileDescription) -> bytes:
    return sha256(encode_description(description).encode()).digest()


class ReceiveState(PacketFile):
    """An open state file; the caller closes it."""

    def __init__(
        self, file: FileIO, path: Path | None, description: FileDescription, packets_at: int
    ) -> None:
        super().__init__(file, packets_at)
        self.description = description
        """The description of the file itself, after a redirect."""
        self.path = path

    @classmethod
    def open(cls, path: Path, asked: FileDescription) -> ReceiveState | None:
        """The state in the file at ``path``, or `None` if there is none yet.

        If the file is incomplete and too short, the packets at its end count as missing.

        Raises `StateMismatch` if the file is not a state, or that of another description, and
        `StateInUse`.
        """
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            return None
        try:
            claim(file.fileno())
            description, packets_at = _read_head(file, _identity(asked))
        except BaseException:
            file.close()
            raise
        state = cls(file, path, description, packets_at)
        if not state.is_complete:
            file.truncate(packets_at + description.size)
        return state

    @classmethod
    def create(
        cls,
        path: Path | None,
        folder: Path,
        asked: FileDescription,
        description: FileDescription,
    ) -> ReceiveState:
        """A state without packets, in a new file: at ``path``, or nameless in ``folder``.

        Raises `StateInUse` if another program creates one at the same path.
        """
        text = encode_description(description).encode()
        packets_at = _packets_at(_TEXT_AT + len(text))
        head = _FORMAT + bytes(_NAME.size) + _LENGTHS.pack(_identity(asked), len(text)) + text
        # Atomic: a file with the name of a state is a complete one.
        unfinished = None if path is None else path.with_name(path.name + ".new")
        file: FileIO
        if unfinished is None:
            file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        else:
            file = os.fdopen(create_locked(unfinished, 0o600), "r+b", buffering=0)
        try:
            write_all(file.fileno(), head)
            file.truncate(packets_at + description.size)
            if path is not None and unfinished is not None:
                if path.exists():
                    raise StateInUse("this transfer was begun a moment ago")
                os.replace(unfinished, path)
        except BaseException:
            if unfinished is not None:
                unfinished.unlink(missing_ok=True)  # before the lock is released
            file.close()
            raise
        return cls(file, path, description, packets_at)

    @property
    def is_complete(self) -> bool:
        """Whether the file is in place, and everything after that is done as well."""
        return self.placed_name is not None and self._size() < self._packets_at

    def complete(self) -> None:
        """Drop the packets: the file is in place, and everything after that is done as well."""
        self._file.truncate(self._packets_at - 1)

    def discard(self) -> None:
        """Remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)  # before the lock is released
        self.close()

    # --- the placed file ----------------------------------------------------------------------

    @property
    def placed_name(self) -> str | None:
        """The name that the file has in its folder, or was about to get."""
        length, encoded = _NAME.unpack(self._read(_NAME_AT, _NAME.size))
        name = os.fsdecode(encoded[:length])
        if name != os.path.basename(name) or name in (".", "..") or "\0" in name:
            raise StateMismatch("the state file is damaged")
        return name or None

    def note_placed_name(self, name: str | None) -> None:
        encoded = b"" if name is None else os.fsencode(name)
        with self._lock:
            self._file.seek(_NAME_AT)
            write_all(self._file.fileno(), _NAME.pack(len(encoded), encoded))


def _packets_at(text_end: int) -> int:
    """Where the packets begin: after the text, and at least one zero byte."""
    return (text_end // _ALIGNMENT + 1) * _ALIGNMENT


def _read_head(file: FileIO, asked: bytes) -> tuple[FileDescription, int]:
    head = file.read(_TEXT_AT)
    if len(head) != _TEXT_AT or not head.startswith(_FORMAT):
        raise StateMismatch("the state file is not that of a file being received")
    identity, length = _LENGTHS.unpack(head[_LENGTHS_AT:])
    if not hmac.compare_digest(identity, asked):
        raise StateMismatch("the state file belongs to another transfer")
    if length > MAX_DESCRIPTION_SIZE:
        raise StateMismatch("the state file is damaged")
    packets_at = _packets_at(_TEXT_AT + length)
    try:
        description = decode_description(file.read(length))
    except DecodeError as exc:
        raise StateMismatch("the state file is damaged") from exc
    return description, packets_at
