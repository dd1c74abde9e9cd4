"""The errors of packets and files, in addition to those of every connection."""

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
    """The router answered with an error, which is in ``error``."""

    def __init__(self, error: XFTPErrorValue) -> None:
        super().__init__(str(error))
        self.error = error
        self.retryable: bool = error in _MAY_PASS


class StreamReset(SimplexError):
    """The other side has reset this request; the connection is still usable."""

    retryable = True


class WrongBodySize(SimplexError):
    """A body is shorter or longer than it should be."""

    retryable = True


class DigestMismatch(SimplexError):
    """Data does not have the expected digest."""


class RouterUnreachable(SimplexError):
    """A transfer cannot connect to a router that it needs; ``__cause__`` has the reason."""

    def __init__(self, cause: SimplexError) -> None:
        super().__init__("a router cannot be reached")
        self.retryable: bool = cause.retryable


# --- files --------------------------------------------------------------------------------------


class FileTooLarge(SimplexError, ValueError):
    """A file is larger than the configured limit, or than any description can state."""


class FileChanged(SimplexError):
    """The file being sent has changed since sending began."""


class NoSuchReplica(SimplexError):
    """No router has delivered a packet; ``__cause__`` is the error of the last attempt.

    ``retryable`` says whether any of them may deliver it later.
    """

    def __init__(self, number: int, *, retryable: bool) -> None:
        super().__init__(f"packet {number} is not to be had from any router")
        self.number = number
        self.retryable: bool = retryable


class NotDeleted(SimplexError):
    """Some packets of a file could not be deleted; ``__cause__`` is the error of one of them."""

    def __init__(self, count: int, *, retryable: bool) -> None:
        super().__init__(f"{count} packets could not be deleted")
        self.count = count
        self.retryable: bool = retryable


class RedirectRefused(SimplexError):
    """A redirecting description leads to data that it does not match, or redirects again."""


class StateMismatch(SimplexError, ValueError):
    """A file is not a state file, or belongs to another transfer."""


class StateInUse(SimplexError):
    """The same transfer is already in progress, in this program or in another one."""

    retryable = True
