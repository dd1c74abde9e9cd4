"""The base of commands and messages: a tag, parameters, and the version that introduced them.

A subclass without parameters only defines its tag; others also encode and decode parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self, TypeVar

from simplex_trio.errors import DecodeError, UnsupportedVersion
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.errors.values import Cmd, CommandErrorKind
from simplex_trio.wire.versions import SMP_VERSIONS

__all__ = ["TagDecodeError", "Tagged", "decode_tagged"]

_LONGEST_TAG = 5


class TagDecodeError(DecodeError):
    """The bytes are not a command or message of the protocol; ``error`` says why."""

    def __init__(self, kind: CommandErrorKind) -> None:
        super().__init__(f"not a valid command or message: {kind}")
        self.error: Cmd = Cmd(kind)


@frozen(repr=False)
class Tagged(Redacted):
    """Base of commands and messages.

    Encoding never fails because of the version: like both sides of the reference, it encodes what
    the version supports and drops the rest of the value.  To avoid that, call `check_version`
    first.
    """

    TAG: ClassVar[bytes]
    MIN_VERSION: ClassVar[int] = SMP_VERSIONS.lowest
    """The first version with this tag; see `required_version` for a particular value."""

    @property
    def required_version(self) -> int:
        """The first version that can encode this value completely."""
        return self.MIN_VERSION

    def check_version(self, version: int) -> None:
        """Raise `UnsupportedVersion` if ``version`` cannot encode this value completely."""
        if version < self.required_version:
            tag = self.TAG.decode()
            raise UnsupportedVersion(f"version {version} does not support this {tag}")

    def encode(self, version: int) -> bytes:
        """Encode for ``version``, tag included."""
        del version
        return self.TAG

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        """Read the parameters, from the space after the tag on; the caller checks the end."""
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
    """Decode ``data`` at ``version``; raise ``refusal`` if it is invalid.

    ``newest`` is the highest version that this side speaks.  Like the reference, a decoder knows
    every tag up to that version, whichever version was agreed, and no later ones.
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
