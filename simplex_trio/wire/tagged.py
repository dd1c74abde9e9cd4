"""What commands and messages have in common: a tag, then parameters, and a version they are from.

A subclass without parameters names its tag and is done; one with parameters writes and reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self, TypeVar

from attrs import frozen

from simplex_trio.errors import DecodeError, UnsupportedVersion
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.errors.values import Cmd, CommandErrorKind
from simplex_trio.wire.versions import SMP_VERSIONS

__all__ = ["TagDecodeError", "Tagged", "decode_tagged"]

_LONGEST_TAG = 5


class TagDecodeError(DecodeError):
    """Bytes are not a command, or not a message; ``error`` says which kind of not."""

    def __init__(self, kind: CommandErrorKind) -> None:
        super().__init__(f"not in the protocol: {kind}")
        self.error: Cmd = Cmd(kind)


@frozen(repr=False)
class Tagged(Redacted):
    """Base of commands and messages.

    Encoding never fails for the sake of a version: a value is written as the version has it, even
    if that loses a part of it, because this is what both sides of the reference do.  Whoever does
    not want that calls `check_version` before.
    """

    TAG: ClassVar[bytes]
    MIN_VERSION: ClassVar[int] = SMP_VERSIONS.lowest
    """The first version with the tag; `required_version` is about a value."""

    @property
    def required_version(self) -> int:
        """The first version that can say this without losing a part of it."""
        return self.MIN_VERSION

    def check_version(self, version: int) -> None:
        """Raise `UnsupportedVersion` if the agreed version cannot say this."""
        if version < self.required_version:
            tag = self.TAG.decode()
            raise UnsupportedVersion(f"version {version} does not have this {tag}")

    def encode(self, version: int) -> bytes:
        """The bytes at ``version``, tag included."""
        del version
        return self.TAG

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        """Read what follows the tag, beginning with the space; what is left over is not judged."""
        del reader, version
        return cls()


T = TypeVar("T", bound=Tagged)


def decode_tagged(
    known: Mapping[bytes, type[T]],
    refusal: type[TagDecodeError],
    data: bytes,
    version: int,
    newest: int,
) -> T:
    """The value that ``data`` is at ``version``, or a ``refusal``.

    ``newest`` is the highest version that this side speaks at all.  Like the reference, a decoder
    knows every tag of that version whatever was agreed, and no later ones.
    """
    space = data.find(b" ", 0, _LONGEST_TAG + 1)
    tag = data if space < 0 else data[:space]
    kind = known.get(tag)
    if kind is None or newest < kind.MIN_VERSION:
        raise refusal(CommandErrorKind.UNKNOWN)
    reader = Reader(data, len(tag))
    try:
        value = kind.decode_parameters(reader, version)
        reader.end()
    except DecodeError as exc:
        raise refusal(CommandErrorKind.SYNTAX) from exc
    if newest < SMP_VERSIONS.highest and value.required_version > newest:
        raise refusal(CommandErrorKind.SYNTAX)
    return value
