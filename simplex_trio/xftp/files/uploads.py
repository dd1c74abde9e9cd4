"""`Uploads`: how far the packets of a file have come on their way to routers.

What happens is a sequence of steps, and each is kept before the next one about the same packet, in
whatever outlasts the program.  Steps that are applied again lead to the same state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeAlias

from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.xftp.description import FileDescription, Redirect
from simplex_trio.xftp.files.layout import Plan, StoredPacket, describe

__all__ = ["Encrypted", "Lost", "Registered", "UploadStep", "Uploaded", "Uploads"]


@frozen(repr=False)
class Registered(Redacted):
    """A router knows of a packet, and has no body of it."""

    packet: int
    """Its number, from 1."""
    stored: StoredPacket


@frozen(repr=False)
class Uploaded(Redacted):
    """A router has the body of a packet."""

    packet: int
    sender_id: bytes


@frozen(repr=False)
class Lost(Redacted):
    """A router does not have a packet any more."""

    packet: int
    sender_id: bytes


@frozen(repr=False)
class Encrypted(Redacted):
    """All of the file has been encrypted, and has this digest."""

    digest: bytes


UploadStep: TypeAlias = Registered | Uploaded | Lost | Encrypted


class Uploads(ABC):
    """The steps that are completed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.digest: bytes | None = None
        """The digest of the encrypted file, once all of it has been encrypted."""
        self._digests: dict[int, bytes] = {}
        self._registered: dict[int, dict[bytes, StoredPacket]] = {}
        self._uploaded: set[bytes] = set()

    async def add(self, step: UploadStep) -> None:
        """Apply a step, and keep it."""
        self.apply(step)
        await self._keep(step)

    @abstractmethod
    async def _keep(self, step: UploadStep) -> None:
        """Write a step down, so that it outlasts the program."""

    def apply(self, step: UploadStep) -> None:
        """Take a step into account; `DecodeError` for one that cannot belong to this file."""
        match step:
            case Registered():
                self._register(step.packet, step.stored)
            case Uploaded():
                self._uploaded.add(step.sender_id)
            case Lost():
                self._registered.get(step.packet, {}).pop(step.sender_id, None)
                self._uploaded.discard(step.sender_id)
            case Encrypted():
                self.digest = step.digest

    def _register(self, packet: int, stored: StoredPacket) -> None:
        if not 1 <= packet <= len(self.plan.sizes):
            raise DecodeError("a packet that the file has not")
        if len(stored.recipients) != self.plan.recipients:
            raise DecodeError("a packet with another number of recipients")
        if self._digests.setdefault(packet, stored.digest) != stored.digest:
            raise DecodeError("a packet that changes")
        self._registered.setdefault(packet, {})[stored.sender_id] = stored

    # --- what is done -------------------------------------------------------------------------

    def uploaded(self, packet: int) -> list[StoredPacket]:
        """The replicas of a packet that routers have."""
        return [each for each in self._all(packet) if each.sender_id in self._uploaded]

    def unfinished(self, packet: int) -> list[StoredPacket]:
        """The replicas that are registered on routers and not uploaded."""
        return [each for each in self._all(packet) if each.sender_id not in self._uploaded]

    def knows(self, sender_id: bytes) -> bool:
        """Whether a packet is registered under an id."""
        return any(sender_id in each for each in self._registered.values())

    def is_placed(self, packet: int) -> bool:
        return len(self.uploaded(packet)) >= self.plan.replicas

    @property
    def uploaded_size(self) -> int:
        """The bytes of all replicas that routers have."""
        sizes = enumerate(self.plan.sizes, 1)
        return sum(
            size * min(len(self.uploaded(number)), self.plan.replicas) for number, size in sizes
        )

    @property
    def is_complete(self) -> bool:
        count = len(self.plan.sizes)
        return self.digest is not None and all(map(self.is_placed, range(1, count + 1)))

    def digest_of(self, packet: int) -> bytes | None:
        """The digest that the packet had when it was first registered."""
        return self._digests.get(packet)

    def servers_with(self, packet: int) -> set[ServerAddress]:
        """The routers that have the packet."""
        return {stored.server for stored in self.uploaded(packet)}

    def _all(self, packet: int) -> list[StoredPacket]:
        return list(self._registered.get(packet, {}).values())

    # --- the outcome --------------------------------------------------------------------------

    def described(
        self, redirect: Redirect | None = None
    ) -> tuple[FileDescription, tuple[FileDescription, ...]]:
        """The sender's description and those of the recipients, of a file that is complete."""
        assert self.digest is not None
        stored = {
            number: self.uploaded(number)[: self.plan.replicas]
            for number in range(1, len(self.plan.sizes) + 1)
        }
        return describe(self.plan, self.digest, stored, redirect)
