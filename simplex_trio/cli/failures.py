"""How a command ends that does not succeed, and the exit codes."""

from __future__ import annotations

import signal
from enum import IntEnum

from simplex_trio.errors import SimplexError

__all__ = ["CommandFailed", "ExitCode", "Interrupted"]


class ExitCode(IntEnum):
    """What became of a command; scripts may rely on it.

    A command that was stopped by a signal ends with 128 and the number of the signal, as shells
    have it: 130 for Ctrl-C.
    """

    OK = 0
    FAILED = 1
    """Any other failure."""
    USAGE = 2
    """The command line, an address, or a file that it names is not valid, or not there."""
    UNREACHABLE = 3
    """No connection, or the wrong router at the other end."""
    REFUSED = 4
    """The router answered with an error."""
    UNFINISHED = 5
    """What was to be sent is stored, and has not come as far as was asked; it goes on later."""
    NO_CONTACT = 6
    """No contact has this name, or several have, or it is not connected yet."""
    BUSY = 7
    """Other programs have had the store open for all the time; nothing is stored."""


class CommandFailed(SimplexError):
    """A command cannot do what it was told; the message says why and what to do next."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


class Interrupted(BaseException):
    """The command was told to stop before it was done, and has cleaned up after itself.

    Like `KeyboardInterrupt`, which it replaces, it is not caught by ``except Exception``.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal: signal.Signals = signal.Signals(number)
