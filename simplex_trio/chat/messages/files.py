"""Files: what a message says about the one that comes with it, and where it is to be found.

The message comes first, with name and size and an empty description.  When the file is on its
routers, the description follows in parts: an XFTP description for this recipient alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from attrs import field

from simplex_trio.chat.messages.records import Lax, Record
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.frozen import frozen

__all__ = [
    "MAX_DESCRIPTION_PARTS",
    "MAX_DESCRIPTION_TEXT",
    "MAX_PART",
    "DescriptionParts",
    "FileDescr",
    "FileInvitation",
    "Inline",
    "split_description",
]

MAX_PART = 14_000
"""How many characters of a description are in one message, as the apps send it."""

MAX_DESCRIPTION_PARTS = 64
"""How many parts of a description are taken; the description of a gigabyte has four."""

MAX_DESCRIPTION_TEXT = MAX_DESCRIPTION_PARTS * MAX_PART
"""How many characters a description may have altogether."""


class Inline(StrEnum):
    """That a file is in messages instead of on routers."""

    OFFER = "offer"
    SENT = "sent"


@frozen(repr=False)
class FileDescr(Record):
    """A part of the description of a file; the parts are numbered from 1.

    The part in the message itself is empty and has the number 0.
    """

    file_descr_text: str
    file_descr_part_no: int
    file_descr_complete: bool


@frozen(repr=False)
class FileInvitation(Record):
    """What a message says about its file.

    The name is the sender's, and may be a path or worse: a program that stores the file makes a
    name of its own.
    """

    file_name: str
    file_size: int
    file_descr: FileDescr | None = None
    file_digest: bytes | None = None
    file_conn_req: str | None = None
    file_inline: Lax[Inline] | None = None

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a JSON value; raises `DecodeError`."""
        invitation = super().from_json(value)
        if invitation.file_size <= 0:
            raise DecodeError("fileSize: not positive")
        return invitation

    @classmethod
    def announcing(cls, name: str, size: int) -> Self:
        """For a file that goes to routers: its description follows."""
        return cls(name, size, FileDescr("", 0, False))


def split_description(text: str) -> tuple[FileDescr, ...]:
    """The parts in which the apps expect a description, each for one message, in order."""
    if not 0 < len(text) <= MAX_DESCRIPTION_TEXT:
        raise TooLarge(f"a description has 1 to {MAX_DESCRIPTION_TEXT} characters")
    starts = range(0, len(text), MAX_PART)
    return tuple(
        FileDescr(text[start : start + MAX_PART], number, start + MAX_PART >= len(text))
        for number, start in enumerate(starts, start=1)
    )


@frozen(repr=False)
class DescriptionParts(Record):
    """The parts of a description that have come so far; a value, to be stored between messages."""

    parts: tuple[str, ...] = ()
    complete: bool = field(default=False)

    @property
    def text(self) -> str | None:
        """The description, once it is complete."""
        return "".join(self.parts) if self.complete else None

    def adding(self, part: FileDescr) -> Self:
        """With one more part.

        Raises `DecodeError`, as the apps do, for a part that is not the next one or comes after the
        last; and for one with which the description is too long.
        """
        if self.complete:
            raise DecodeError("a part of a description after the last one")
        if part.file_descr_part_no != len(self.parts) + 1:
            raise DecodeError("a part of a description is not the next one")
        parts = (*self.parts, part.file_descr_text)
        if len(parts) > MAX_DESCRIPTION_PARTS or sum(map(len, parts)) > MAX_DESCRIPTION_TEXT:
            raise DecodeError("a description is too long")
        return type(self)(parts, part.file_descr_complete)
