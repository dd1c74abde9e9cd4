"""What can go wrong with packets and files, beyond what goes wrong with every connection."""

from __future__ import annotations

from simplex_trio.errors import SimplexError
from simplex_trio.wire.xftp.errors import XFTPCode, XFTPErrorValue

__all__ = [
    "DigestMismatch",
    "FileChanged",
    "FileTooLarge",
    "NoSuchReplica",
    "NotDeleted",
    "RedirectRefused",
    "RouterUnreachable",
    "StateInUse",
    "StateMismatch",
    "StreamReset",
    "WrongBodySize",
    "XFTPRouterError",
    "XFTPSupportMissing",
]


class XFTPSupportMissing(SimplexError, ImportError):
    """The libraries of the extra ``xftp`` are not installed."""


# --- packets ------------------------------------------------------------------------------------

_MAY_PASS = (XFTPCode.QUOTA, XFTPCode.TIMEOUT, XFTPCode.INTERNAL, XFTPCode.FILE_IO)


class XFTPRouterError(SimplexError):
    """The router answered with an error; ``error`` says which."""

    def __init__(self, error: XFTPErrorValue) -> None:
        super().__init__(str(error))
        self.error = error
        self.retryable: bool = error in _MAY_PASS


class StreamReset(SimplexError):
    """The other side gave up this one request, and the connection goes on."""

    retryable = True


class WrongBodySize(SimplexError):
    """A body ended too early, or goes on for too long."""

    retryable = True


class DigestMismatch(SimplexError):
    """Bytes are not those whose digest was promised."""


class RouterUnreachable(SimplexError):
    """There is no connection to a router that a transfer needs; ``__cause__`` says why."""

    def __init__(self, cause: SimplexError) -> None:
        super().__init__("a router cannot be reached")
        self.retryable: bool = cause.retryable


# --- files --------------------------------------------------------------------------------------


class FileTooLarge(SimplexError, ValueError):
    """A file is larger than the caller wants to handle, or than any description can say."""


class FileChanged(SimplexError):
    """The file that is being sent is not what it was when sending began."""


class NoSuchReplica(SimplexError):
    """None of the routers that a packet should be on has given it; ``__cause__`` is the last try.

    ``retryable`` says whether any of them may give it later.
    """

    def __init__(self, number: int, *, retryable: bool) -> None:
        super().__init__(f"packet {number} is not to be had from any router")
        self.number = number
        self.retryable: bool = retryable


class NotDeleted(SimplexError):
    """Some packets of a file could not be deleted; ``__cause__`` is why one of them could not."""

    def __init__(self, count: int, *, retryable: bool) -> None:
        super().__init__(f"{count} packets could not be deleted")
        self.count = count
        self.retryable: bool = retryable


class RedirectRefused(SimplexError):
    """A description leads to something that it does not describe, or to a further description."""


class StateMismatch(SimplexError, ValueError):
    """A state file is not one, or belongs to another transfer."""


class StateInUse(SimplexError):
    """The same transfer is going on already, in this program or in another one."""

    retryable = True
