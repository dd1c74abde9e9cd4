"""`Pages`: the files of a folder as pages for browsers, usually a web client.

Links to files, as web clients create them, point to the router that has the file; so a router has
to serve such a client for these links to work.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import unquote_to_bytes

from simplex_trio.errors import StoreUnavailable
from simplex_trio.serving.http import HttpRequest, HttpResponse
from simplex_trio.xftp.disk import in_thread

__all__ = ["Page", "Pages"]

_PIECE: Final = 64 * 1024

_INDEX: Final = "index.html"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""A list of our own, because the types that systems know differ from machine to machine."""

_OTHER_TYPE: Final = "application/octet-stream"

_LONGEST_TARGET: Final = 1024
_LONGEST_NAME: Final = 255
"""In bytes; systems have limits like these, and raise errors beyond."""

_VISIBLE_DOTS: Final = ".well-known"
"""The one name with a leading dot that is public, by RFC 8615."""


class Page:
    """A file that is open; use it in a ``with`` block, or close it."""

    def __init__(self, file: io.FileIO, size: int, content_type: str) -> None:
        self.size: int = size
        self._file = file
        self._left = size
        self._type = content_type

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {
            "content-type": self._type,
            "content-length": str(self.size),
            "cache-control": "no-cache",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }

    async def read(self) -> bytes:
        """The next piece, empty after the last; never more than `size` in all, if the file grows.

        Raises `StoreError`, also if the file has become shorter.
        """
        piece = await in_thread(lambda: self._file.read(min(_PIECE, self._left)))
        if self._left and not piece:
            raise StoreUnavailable("it has become shorter meanwhile")
        self._left -= len(piece)
        return piece

    async def pieces(self) -> AsyncGenerator[bytes]:
        """All pieces; raises what `read` raises."""
        while piece := await self.read():
            yield piece

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Pages:
    """The files of a folder, and those of the folders in it.

    Without a folder there is one page, which ``front`` answers with.
    """

    def __init__(
        self,
        folder: Path | None,
        front: Callable[[HttpRequest], HttpResponse] | None = None,
    ) -> None:
        self._folder = folder
        self._front = front

    def answer(self, target: bytes) -> HttpResponse | None:
        """The answer to a request where there is no folder; `None` where `open` has it."""
        if self._folder is not None or self._front is None:
            return None
        path = target.partition(b"?")[0].decode("ascii", "replace")
        return self._front(HttpRequest(path, wants_body=True))

    async def open(self, target: bytes) -> Page | None:
        """The page for the target of a request, its path and query; `None` if there is none.

        A folder stands for its ``index.html``.  Files outside the folder are not opened, whatever
        the target or a symbolic link says, and neither are hidden names; symbolic links to hidden
        files inside the folder are followed, since the operator has put them there.  Raises
        `StoreError`.
        """
        folder, names = self._folder, _names(target)
        if folder is None or names is None:
            return None
        return await in_thread(lambda: _open(folder, names))


def _open(folder: Path, names: list[str]) -> Page | None:
    folder = folder.resolve()
    wanted = folder.joinpath(*names)
    for candidate in (wanted, wanted / _INDEX):
        try:
            path = candidate.resolve()
            if path.is_relative_to(folder) and path.is_file():
                return _open_file(path)
        except (FileNotFoundError, NotADirectoryError, RuntimeError):
            pass  # it was removed just now, or is a circular link
    return None


def _open_file(path: Path) -> Page | None:
    file = io.FileIO(path, "rb", opener=_open_at_once)
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        return None
    return Page(file, found.st_size, _TYPES.get(path.suffix.lower(), _OTHER_TYPE))


def _open_at_once(path: str, flags: int) -> int:
    # A pipe may have replaced the file just now, and opening it would block.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _names(target: bytes) -> list[str] | None:
    """The components of the path of a page; `None` for an invalid path."""
    path, _, _query = target.partition(b"?")
    if len(path) > _LONGEST_TARGET:
        return None
    try:
        names = [name for name in unquote_to_bytes(path).decode().split("/") if name]
    except UnicodeDecodeError:
        return None
    if any(_is_hidden(name) for name in names):
        return None
    return names


def _is_hidden(name: str) -> bool:
    """Whether a name is hidden, or a file system could take it for something else than a name."""
    return (
        (name.startswith(".") and name != _VISIBLE_DOTS)
        or not name.isprintable()
        or any(character in name for character in "\\:")
        or len(name.encode()) > _LONGEST_NAME
    )
