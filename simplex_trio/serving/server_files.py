"""`ServerFiles`: the lines of files that the reference's servers have left, whole or damaged.

All of this blocks, so it is for worker threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

from simplex_trio.errors import DecodeError, StoreCorrupted
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.storage.failures import translated

__all__ = ["Line", "ServerFiles", "existing_log"]

T = TypeVar("T")

_LONGEST_LINE: Final = 1024 * 1024
"""Bytes.  The longest that the servers write have a link, a message or keys, and some 40,000."""


def existing_log(log: Path) -> Path | None:
    """Where the log is: the one that a server left which ended while it wrote its log anew, if any.

    It has another name meanwhile, and the server itself would begin with that.
    """
    unfinished = log.with_name(f"{log.name}.start")
    for path in (unfinished, log):
        if path.is_file():
            return path
    return None


@frozen(repr=False)
class Line(Redacted):
    """A line of a file."""

    file: str
    number: int
    content: bytes
    is_whole: bool = True
    """Whether it has its end."""
    is_appended: bool = True
    """Whether the server had not answered yet if it ended while it wrote the line."""


class ServerFiles:
    """Reads lines; with ``accept_loss`` it leaves out, and counts, what cannot be read."""

    def __init__(self, *, accept_loss: bool) -> None:
        self._accept_loss = accept_loss
        self.left_out: Counter[str] = Counter()
        """What is left out, in words, and how much of it there is."""

    def lines(self, path: Path, *, is_appended: bool = True) -> Iterator[Line]:
        """The lines of a file; none if there is no file.

        ``is_appended`` says that the server adds a line before it answers, so that a last one that
        has no end is missed by no client.  In other files it is damage.
        """
        with translated(path.name), suppress(FileNotFoundError), path.open("rb") as file:
            for number in count(1):
                line = file.readline(_LONGEST_LINE)
                if not line:
                    return
                is_whole = line.endswith(b"\n")
                yield Line(path.name, number, line.rstrip(b"\n"), is_whole, is_appended)

    def read(self, line: Line, read: Callable[[bytes], T]) -> T | None:
        """What is in a line; `None` if it cannot be read and this is accepted.

        A line without its end is left out: what is there may look like a line, and be another one.
        """
        place = f"{line.file}, line {line.number}"
        if line.is_whole:
            try:
                return read(line.content)
            except DecodeError as exc:
                self.damaged(place, exc)
        elif line.is_appended:
            self.left_out["lines that were not finished"] += 1
        else:
            self.damaged(place)
        return None

    def damaged(self, place: str, cause: Exception | None = None) -> None:
        """Raise `StoreCorrupted`, or count it."""
        if not self._accept_loss:
            raise StoreCorrupted(place) from cause
        self.left_out["lines or files that cannot be read"] += 1
