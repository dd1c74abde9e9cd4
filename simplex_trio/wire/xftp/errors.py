"""The errors that an XFTP router tells: values to match on, not exceptions.

What is wrong with the form of a command, and that a packet is blocked, is said as in SMP::

    match error:
        case XFTPCode.AUTH: ...
        case Cmd(CommandErrorKind.SYNTAX): ...
        case Blocked(reason): ...
"""

from __future__ import annotations

from enum import Enum

from simplex_trio.errors import DecodeError
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.errors.decoding import decode_router_error
from simplex_trio.wire.errors.values import Blocked, BlockingReason, Cmd, CommandErrorKind

__all__ = [
    "Blocked",
    "BlockingReason",
    "Cmd",
    "CommandErrorKind",
    "XFTPCode",
    "XFTPErrorValue",
    "decode_xftp_error",
]

_SAID_AS_IN_SMP = (b"CMD", b"BLOCKED")


class XFTPCode(Enum):
    """The errors of a router that say nothing more than their name."""

    BLOCK = "BLOCK"
    """The block of the request, or the transmission in it, cannot be read."""
    SESSION = "SESSION"
    """The request belongs to another TLS session, or to one without a handshake."""
    HANDSHAKE = "HANDSHAKE"
    AUTH = "AUTH"
    """Not authorized, or no such packet; the router does not tell which."""
    SIZE = "SIZE"
    """The router does not take packets of this size, or the body has another size."""
    QUOTA = "QUOTA"
    """The router's storage is full."""
    DIGEST = "DIGEST"
    """The body is not the one that was registered."""
    CRYPTO = "CRYPTO"
    NO_FILE = "NO_FILE"
    """There is no body, in the request or on the router."""
    HAS_FILE = "HAS_FILE"
    """There is a body where none belongs."""
    FILE_IO = "FILE_IO"
    TIMEOUT = "TIMEOUT"
    """The body did not arrive in time."""
    INTERNAL = "INTERNAL"
    DUPLICATE = "DUPLICATE_"
    """Known to the reference, which never sends it."""

    def __str__(self) -> str:
        return self.value

    def encode(self) -> bytes:
        return self.value.encode()


_CODES = {code.encode(): code for code in XFTPCode}

XFTPErrorValue = XFTPCode | Cmd | Blocked
"""What ERR carries."""


def decode_xftp_error(reader: Reader) -> XFTPErrorValue:
    """Read an error as ERR carries it; anything else raises `DecodeError`."""
    start = reader.position
    word = reader.until(b" ")
    if word in _SAID_AS_IN_SMP:
        reader.rewind(start)
        error = decode_router_error(reader)
        assert isinstance(error, Cmd | Blocked)
        return error
    code = _CODES.get(word)
    if code is None:
        raise DecodeError("not an error of a router")
    return code
