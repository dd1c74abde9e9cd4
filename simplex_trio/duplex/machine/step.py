"""`Step`: one transaction, with the connections that it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import evolve, field

from simplex_trio.crypto.keys import Ed25519PrivateKey, X448PrivateKey, X25519PrivateKey
from simplex_trio.duplex.errors import UnknownConnection
from simplex_trio.duplex.events import KeptEvent, Problem, ReceivingProblem, SecurityCodeChanged
from simplex_trio.duplex.machine.connection import (
    Connection,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
)
from simplex_trio.duplex.machine.push_records import drop_subscription
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.kem import KEM, KEMKeyPair
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.state import RATCHET_VERSIONS, DHKeyPair
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS, SMP_CLIENT_VERSIONS
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.versions import VersionRange

__all__ = ["KEMPairNeeded", "Moment", "OpenConnection", "Spoken", "Step"]

_ID_SIZE = 12


class KEMPairNeeded(Exception):
    """The step needs a fresh pair of the KEM: get one, and take the step once more.

    Nothing has been changed.
    """


@frozen
class Spoken:
    """The versions that this agent speaks, each with its own range."""

    agent: VersionRange = AGENT_VERSIONS
    client: VersionRange = SMP_CLIENT_VERSIONS
    ratchet: VersionRange = RATCHET_VERSIONS


@frozen(repr=False)
class Moment:
    """What a step cannot decide by itself: the time, randomness, and keys that take long."""

    now: float
    """In seconds since 1970."""
    random: Callable[[int], bytes]
    """So many random bytes."""
    kem: KEM | None = None
    kem_pair: Callable[[], KEMKeyPair | None] = field(default=lambda: None)
    """A fresh pair of the KEM, or `None` if none is ready at the moment."""
    spoken: Spoken = field(factory=Spoken)
    answers_ratchet_keys: bool = True
    """Whether a peer's key for a new ratchet is answered without asking the program."""
    opened_at: float = 0
    """When the agent was opened.  Of what was done before, a loss of power may have taken the last,
    such as that a router has a message."""

    @property
    def seconds(self) -> int:
        """The time in whole seconds."""
        return int(self.now)

    def new_id(self) -> str:
        """An id that programs see."""
        return to_base64url(self.random(_ID_SIZE))

    def ed25519_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey(self.random(Ed25519PrivateKey.SIZE))

    def x25519_key(self) -> X25519PrivateKey:
        return X25519PrivateKey(self.random(X25519PrivateKey.SIZE))

    def dh_pair(self) -> DHKeyPair:
        """A pair for the ratchet."""
        return DHKeyPair.of(X448PrivateKey(self.random(X448PrivateKey.SIZE)))

    def fresh_kem_pair(self) -> KEMKeyPair:
        """A pair of the KEM; `KEMPairNeeded` if there is none at the moment."""
        pair = self.kem_pair()
        if pair is None:
            raise KEMPairNeeded
        return pair


class OpenConnection:
    """A connection in the hands of a step: values to replace, whose changes the step stores."""

    def __init__(
        self,
        row: Connection,
        receiving: dict[int, ReceivingQueue],
        sending: dict[int, SendingQueue],
        skipped: Callable[[], SkippedKeys],
    ) -> None:
        self.row: Connection = row
        self.receiving = receiving
        self.sending = sending
        self._load_skipped = skipped
        self._skipped: SkippedKeys | None = None
        self.is_removed = False

    @property
    def connection_id(self) -> str:
        return self.row.connection_id

    @property
    def skipped(self) -> SkippedKeys:
        """The keys of messages that were overtaken."""
        if self._skipped is None:
            self._skipped = self._load_skipped()
        return self._skipped

    @skipped.setter
    def skipped(self, keys: SkippedKeys) -> None:
        self._skipped = keys

    def change(self, **changes: Any) -> None:
        """Replace values of the connection."""
        self.row = evolve(self.row, **changes)

    def change_receiving(self, number: int, **changes: Any) -> ReceivingQueue:
        """Replace values of a queue to receive from."""
        queue = self.receiving[number] = evolve(self.receiving[number], **changes)
        return queue

    def change_sending(self, number: int, **changes: Any) -> SendingQueue:
        """Replace values of a queue to send to."""
        queue = self.sending[number] = evolve(self.sending[number], **changes)
        return queue

    def add_receiving(self, queue: ReceivingQueue) -> ReceivingQueue:
        self.receiving[queue.number] = queue
        return queue

    def add_sending(self, queue: SendingQueue) -> SendingQueue:
        self.sending[queue.number] = queue
        return queue

    def snapshot(self) -> Callable[[], None]:
        """A function that undoes what is changed from now on."""
        row, skipped, is_removed = self.row, self._skipped, self.is_removed
        receiving, sending = dict(self.receiving), dict(self.sending)

        def restore() -> None:
            self.row, self._skipped, self.is_removed = row, skipped, is_removed
            self.receiving, self.sending = receiving, sending

        return restore

    @property
    def main_receiving(self) -> ReceivingQueue | None:
        """The queue that the peer sends to."""
        return next(iter(self.receiving.values()), None)

    @property
    def main_sending(self) -> SendingQueue | None:
        """The queue to send to."""
        return next(iter(self.sending.values()), None)


class Step:
    """One transaction.  Everything that it changes is stored at once, or nothing is."""

    def __init__(self, rows: Rows, moment: Moment) -> None:
        self.rows = rows
        self.moment = moment
        self.events: list[KeptEvent] = []
        self.files: set[str] = set()
        """The files that the step has changed."""
        self.abandoned: list[tuple[str, SendingQueue]] = []
        """Queues that are not sent to any more, with their users; known once it is finished."""
        self.notifications_changed: bool = False
        """Whether other things may have to be done for notifications than before."""
        self._open: dict[str, OpenConnection] = {}
        self._stored: dict[str, tuple[Connection, dict[int, Any], dict[int, Any]] | None] = {}
        self._undo: dict[str, Callable[[], None]] | None = None
        """In a part of the step that can be undone: how, for each connection that it has used."""

    @property
    def connections(self) -> list[OpenConnection]:
        """The connections that the step has used."""
        return list(self._open.values())

    def find(self, connection_id: str) -> OpenConnection | None:
        """The connection with this id."""
        found = self._open.get(connection_id)
        if found is not None:
            if self._undo is not None and connection_id not in self._undo:
                self._undo[connection_id] = found.snapshot()
            return None if found.is_removed else found
        row = self.rows.get(Connection, connection_id)
        if row is None:
            return None
        receiving = {
            queue.number: queue
            for queue in self.rows.find(ReceivingQueue, connection_id=connection_id)
        }
        sending = {
            queue.number: queue
            for queue in self.rows.find(SendingQueue, connection_id=connection_id)
        }
        self._stored[connection_id] = (row, dict(receiving), dict(sending))
        return self._hold(row, receiving, sending)

    def connection(self, connection_id: str) -> OpenConnection:
        """The connection with this id; `UnknownConnection` if there is none."""
        found = self.find(connection_id)
        if found is None:
            raise UnknownConnection
        return found

    def add(self, row: Connection) -> OpenConnection:
        """A new connection."""
        self._stored[row.connection_id] = None
        return self._hold(row, {}, {})

    def is_new(self, connection: OpenConnection) -> bool:
        """Whether this step has made a connection."""
        return self._stored[connection.connection_id] is None

    def _hold(
        self,
        row: Connection,
        receiving: dict[int, ReceivingQueue],
        sending: dict[int, SendingQueue],
    ) -> OpenConnection:
        connection_id = row.connection_id
        held = OpenConnection(
            row, receiving, sending, lambda: self.rows.skipped_keys(connection_id)
        )
        self._open[connection_id] = held
        if self._undo is not None:
            self._undo[connection_id] = lambda: self._let_go(connection_id)
        return held

    def _let_go(self, connection_id: str) -> None:
        del self._open[connection_id], self._stored[connection_id]

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What the block changes is undone if it raises, so that the step can go on without it."""
        self._undo, events = {}, len(self.events)
        try:
            with self.rows.savepoint():
                yield
        except BaseException:
            for undo in self._undo.values():
                undo()
            del self.events[events:]
            raise
        finally:
            self._undo = None

    def tell(self, event: KeptEvent, message_id: int | None = None) -> None:
        """Tell the program, once the step is stored."""
        self.events.append(event)
        self.rows.add_event(event, message_id)

    def tell_problem(self, connection_id: str, problem: Problem) -> None:
        """Tell that something was not usable, unless the program has this still to take.

        All who know of a queue can send what is not usable, and must not fill the store with it.
        """
        event = ReceivingProblem(connection_id, problem)
        if not self.rows.has_problem(event):
            self.tell(event)

    def tell_latest(self, event: SecurityCodeChanged) -> None:
        """Tell in place of an earlier event of the kind that the program has still to take.

        A peer can cause as many of them as it likes.
        """
        self.rows.drop_events(event)
        self.tell(event)

    def remove(self, connection: OpenConnection) -> None:
        """Remove a connection with all that belongs to it."""
        connection.is_removed = True
        if self._stored.get(connection.connection_id) is not None:
            self.rows.delete_connection(connection.connection_id)

    def finish(self) -> None:
        """Write what has changed; the caller commits."""
        for connection_id, connection in self._open.items():
            stored = self._stored[connection_id]
            self._follow_queues(stored, connection)
            if stored is not None:
                left = () if connection.is_removed else connection.sending
                self.abandoned += [
                    (connection.row.user, queue)
                    for number, queue in stored[2].items()
                    if number not in left
                ]
            if connection.is_removed:
                continue
            if stored is None:
                self.rows.insert(connection.row)
                self._save({}, connection.receiving)
                self._save({}, connection.sending)
                continue
            row, receiving, sending = stored
            if connection.row is not row:
                self.rows.update(row, connection.row)
            self._save(receiving, connection.receiving)
            self._save(sending, connection.sending)
            if connection._skipped is not None:
                before = self.rows.skipped_keys(connection_id)
                if before is not connection._skipped:
                    self.rows.change_skipped_keys(connection_id, before, connection._skipped)

    def _follow_queues(
        self,
        stored: tuple[Connection, dict[int, Any], dict[int, Any]] | None,
        connection: OpenConnection,
    ) -> None:
        """Notifications follow the queues, whatever has added or removed them."""
        row, before = (connection.row, {}) if stored is None else stored[:2]
        after = {} if connection.is_removed else connection.receiving
        if row.notify != connection.row.notify:
            self.notifications_changed = True
        for number, queue in before.items():
            if number not in after and queue.subscription_id:
                drop_subscription(self.rows, queue.subscription_id)
                self.notifications_changed = True
        if _notifiable(before) != _notifiable(after):
            self.notifications_changed = True

    def _save(self, before: dict[int, Any], after: dict[int, Any]) -> None:
        for number, queue in after.items():
            known = before.get(number)
            if known is None:
                self.rows.insert(queue)
            elif known is not queue:
                self.rows.update(known, queue)
        for number, queue in before.items():
            if number not in after:
                self.rows.delete(queue)


def _notifiable(queues: dict[int, ReceivingQueue]) -> set[tuple[int, bytes]]:
    """The queues of which notifications can tell."""
    return {
        (number, queue.recipient_id)
        for number, queue in queues.items()
        if queue.status is not ReceivingStatus.PLANNED and not queue.is_deleted
    }
