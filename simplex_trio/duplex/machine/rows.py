"""`Rows`: what a step reads and writes, inside its transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from simplex_trio.duplex.events import (
    KeptEvent,
    ReceivingProblem,
    SecurityCodeChanged,
)
from simplex_trio.ratchet.skipped import SkippedKeys

if TYPE_CHECKING:
    from simplex_trio.duplex.machine.connection import ReceivingQueue
    from simplex_trio.duplex.machine.push_records import NotifiedQueue, Stage

__all__ = ["Rows"]

RecordT = TypeVar("RecordT")


class Rows(ABC):
    """Records of the classes that `simplex_trio.duplex.machine` defines, each by its key."""

    @abstractmethod
    def get(self, kind: type[RecordT], *key: Any) -> RecordT | None:
        """The record with this key."""

    @abstractmethod
    def find(
        self, kind: type[RecordT], *, limit: int | None = None, **fields: Any
    ) -> list[RecordT]:
        """The records with these values, in the order of their keys."""

    @abstractmethod
    def count(self, kind: type[Any], **fields: Any) -> int:
        """How many records have these values."""

    @abstractmethod
    def insert(self, record: Any) -> None:
        """Add a record, whose key is new."""

    @abstractmethod
    def update(self, before: Any, after: Any) -> None:
        """Replace a record by another with the same key."""

    @abstractmethod
    def delete(self, record: Any) -> None:
        """Remove a record."""

    @abstractmethod
    def delete_connection(self, connection_id: str) -> None:
        """Remove a connection with everything that belongs to it, events excepted."""

    # --- keys of messages that have not come ----------------------------------------------------

    @abstractmethod
    def skipped_keys(self, connection_id: str) -> SkippedKeys:
        """The keys of messages that were overtaken."""

    @abstractmethod
    def change_skipped_keys(
        self, connection_id: str, before: SkippedKeys, after: SkippedKeys
    ) -> None:
        """Store the difference."""

    # --- hashes of what has come ----------------------------------------------------------------

    @abstractmethod
    def has_seen(self, connection_id: str, encrypted_hash: bytes) -> bool:
        """Whether a message with this hash was processed."""

    @abstractmethod
    def add_seen(self, connection_id: str, encrypted_hash: bytes, at: int) -> None:
        """Record that a message was processed."""

    @abstractmethod
    def forget_old(self, before: int) -> None:
        """Remove such hashes, and messages that wait for a receipt, if they are older."""

    # --- what is queued -------------------------------------------------------------------------

    @abstractmethod
    def queued(self, user: str) -> tuple[int, int]:
        """How many messages of a user's program wait to be delivered, and the bytes in them."""

    # --- bodies that several deliveries share ---------------------------------------------------

    @abstractmethod
    def add_body(self, body: bytes) -> int:
        """Store a body, and return its number."""

    @abstractmethod
    def body(self, number: int) -> bytes:
        """A stored body."""

    @abstractmethod
    def drop_unused_body(self, number: int) -> None:
        """Remove a body if no delivery refers to it any more."""

    # --- events ---------------------------------------------------------------------------------

    @abstractmethod
    def add_event(self, event: KeptEvent, message_id: int | None) -> None:
        """Store an event behind all others; ``message_id`` if the program has to acknowledge it."""

    @abstractmethod
    def has_problem(self, event: ReceivingProblem) -> bool:
        """Whether an equal event waits to be taken."""

    @abstractmethod
    def drop_events(self, event: SecurityCodeChanged) -> None:
        """Remove the events of this kind and connection."""

    @abstractmethod
    def count_moves(self, connection_id: str) -> int:
        """How many events about moves of a connection's queues wait to be taken."""

    @abstractmethod
    def delete_message_event(self, connection_id: str, message_id: int) -> None:
        """Remove the event of a message that the program has acknowledged."""

    @abstractmethod
    def delete_events(self, numbers: list[int]) -> None:
        """Remove events that the program has taken."""

    # --- the program's own records --------------------------------------------------------------

    @abstractmethod
    def kept(self, space: str, key: bytes) -> bytes | None:
        """The program's record with this key."""

    @abstractmethod
    def keep(self, space: str, key: bytes, value: bytes) -> None:
        """Store a record of the program, in place of one with the same key."""

    @abstractmethod
    def drop_kept(self, space: str, key: bytes) -> bool:
        """Remove a record of the program; returns whether there was one."""

    @abstractmethod
    def scan_kept(
        self, space: str, prefix: bytes, after: bytes | None, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """The first records of the program whose keys begin with ``prefix``, in order."""

    @abstractmethod
    def count_kept(self, space: str, prefix: bytes) -> int:
        """How many records of the program have keys that begin with ``prefix``."""

    # --- connections ----------------------------------------------------------------------------

    @abstractmethod
    def connection_ids(self, user: str | None) -> list[str]:
        """All connections, or those of a user."""

    # --- parts of a step ------------------------------------------------------------------------

    @abstractmethod
    def savepoint(self) -> AbstractContextManager[None]:
        """What is changed in the block is undone if it raises, events that were added included."""

    # --- notifications --------------------------------------------------------------------------

    @abstractmethod
    def notified_queues(
        self, stage: Stage, now: int, limit: int
    ) -> list[tuple[str, NotifiedQueue]]:
        """Queues that are at a stage, with their users, those that are due for the longest first.

        At most ``limit`` of one user at one router, or of all where a notification router is asked.
        """

    @abstractmethod
    def next_notification_at(self, now: int) -> int | None:
        """When something is to be done for notifications that is not yet due."""

    @abstractmethod
    def make_notifications_due(self, *, forget: bool) -> None:
        """Put nothing off that is to be done for notifications; ``forget`` all subscriptions."""

    @abstractmethod
    def queues_of_notifier(self, notifier_id: bytes) -> list[ReceivingQueue]:
        """The queues whose notifiers have this id; it is unique on each router."""

    # --- work -----------------------------------------------------------------------------------

    @abstractmethod
    def note_work(self, connection_id: str, has_work: bool) -> None:
        """Record whether a connection has anything to do, for the next start."""
