"""The errors that XFTP routers answer with: values to match on, not exceptions.

Malformed commands and blocked packets have the errors of SMP::

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
    """Router errors without parameters."""

    BLOCK = "BLOCK"
    """The block of the request, or the transmission in it, is malformed."""
    SESSION = "SESSION"
    """The request belongs to another TLS session, or to one without a handshake."""
    HANDSHAKE = "HANDSHAKE"
    AUTH = "AUTH"
    """Not authorized, or no such packet; the router does not say which."""
    SIZE = "SIZE"
    """The router does not accept packets of this size, or the body has another size."""
    QUOTA = "QUOTA"
    """The router's storage is full."""
    DIGEST = "DIGEST"
    """The body does not have the registered digest."""
    CRYPTO = "CRYPTO"
    NO_FILE = "NO_FILE"
    """The request has no body, or the router has none."""
    HAS_FILE = "HAS_FILE"
    """The request has a body where none is allowed."""
    FILE_IO = "FILE_IO"
    TIMEOUT = "TIMEOUT"
    """The body did not arrive in time."""
    INTERNAL = "INTERNAL"
    DUPLICATE = "DUPLICATE_"
    """Part of the reference's protocol, but never sent."""

    def __str__(self) -> str:
        return self.value

    def encode(self) -> bytes:
        return self.value.encode()


_CODES = {code.encode(): code for code in XFTPCode}

XFTPErrorValue = XFTPCode | Cmd | Blocked
"""The error in ERR."""


def decode_xftp_error(reader: Reader) -> XFTPErrorValue:
    """Read an error in the form of ERR; raise `DecodeError` if it is unknown."""
    start = reader.position
    word = reader.until(b" ")
    if word in _SAID_AS_IN_SMP:
        reader.rewind(start)
        error = decode_router_error(reader)
        assert isinstance(error, Cmd | Blocked)
        return error
    code = _CODES.get(word)
    if code is None:
        raise DecodeError("not a router error")
    return code
