"""Files that are to be sent or received: what is found out about them before anything is stored.

A transaction cannot look at files, and reading a long description takes long.  So both are done
before, and a transaction takes what was found.
"""

from __future__ import annotations

from typing import final

from simplex_trio.duplex.machine.files.rows import RedirectUse
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.xftp.description import FileDescription
from simplex_trio.xftp.files.layout import Plan

__all__ = ["FileToReceive", "FileToSend"]


@final
@frozen(repr=False)
class FileToSend(Redacted):
    """A file that `DuplexAgent.plan_sending` has looked at, for `Transaction.send_file`.

    It has the keys that the file is encrypted with, so each transfer needs one of its own.
    """

    path: bytes
    """Where it is, as the system has it."""
    plan: Plan
    redirect: RedirectUse
    user: str

    @property
    def name(self) -> str:
        """The name that recipients see."""
        return self.plan.header.name

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.plan.content_size


@final
@frozen(repr=False)
class FileToReceive(Redacted):
    """A description that `DuplexAgent.plan_receiving` has read, for `Transaction.receive_file`."""

    description: FileDescription
    folder: bytes
    """Where the file is put, as the system has it."""
    name: bytes | None
    """What it is called there, unless as its sender has called it."""
    acknowledges: bool
    is_approved: bool
    user: str

    @property
    def size(self) -> int:
        """How many bytes the encrypted file has, as its description says."""
        redirect = self.description.redirect
        return self.description.size if redirect is None else redirect.size
