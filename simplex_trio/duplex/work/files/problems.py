"""What the error of a transfer means: whether another attempt may help, and what to tell."""

from __future__ import annotations

from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.errors import (
    CryptoError,
    DecodeError,
    SimplexError,
    StoreError,
    StoreFull,
    UnexpectedResponseError,
)
from simplex_trio.wire.xftp.errors import XFTPCode
from simplex_trio.xftp.errors import (
    DigestMismatch,
    FileChanged,
    FileTooLarge,
    NoSuchReplica,
    RedirectRefused,
    RouterUnreachable,
    WrongBodySize,
    XFTPRouterError,
)

__all__ = ["StoreBroken", "is_temporary", "problem_of"]


class StoreBroken(Exception):
    """The agent's own store has failed, which is no matter of the transfer; ``error`` says how."""

    def __init__(self, error: StoreError) -> None:
        super().__init__("the store of the agent has failed")
        self.error = error


def is_temporary(error: SimplexError) -> bool:
    """Whether the same transfer may succeed later."""
    match error:
        case RouterUnreachable() | NoSuchReplica(__cause__=RouterUnreachable()):
            return True  # for as long as the file may take
        case _:
            return error.retryable


def problem_of(error: SimplexError, disk: FileProblem, unauthorized: FileProblem) -> FileProblem:
    """What to tell of an error.

    That is ``disk`` if a file of the program could not be used, and ``unauthorized`` if a router
    does not know a packet, or the key or the password for it.
    """
    match error:
        case NoSuchReplica(__cause__=SimplexError() as cause):
            return problem_of(cause, disk, unauthorized)
        case StoreFull():
            return FileProblem.SPACE
        case StoreError():
            return disk
        case FileChanged():
            return FileProblem.CHANGED
        case FileTooLarge():
            return FileProblem.TOO_LARGE
        case RedirectRefused():
            return FileProblem.REDIRECT
        case NoSuchReplica() | XFTPRouterError(error=XFTPCode.AUTH | XFTPCode.NO_FILE):
            return unauthorized
        case XFTPRouterError(error=XFTPCode.QUOTA):
            return FileProblem.QUOTA
        case WrongBodySize() | DigestMismatch():
            return FileProblem.DAMAGED
        case UnexpectedResponseError():
            return FileProblem.REFUSED
        case DecodeError() | CryptoError():
            return FileProblem.DAMAGED
        case XFTPRouterError() if not error.retryable:
            return FileProblem.REFUSED
        case RouterUnreachable() | SimplexError(retryable=True):
            return FileProblem.NETWORK
        case _:
            return FileProblem.REFUSED
