"""What is subscribed to at one destination, and what must be again.  Pure.

A queue is *pending* from when the program asks for it until the router has answered, and again when
the connection that carries it has ended; in between it is *active* in one session.  An answer only
counts in the session that is current: what a connection said that is gone, or is being replaced,
says nothing about its successor.

A service is subscribed to as a whole, with the count and the hash of its queues.  Queues that
become part of it when they are subscribed to are then known by count and hash alone.

Queues and their keys are kept as plain byte strings in plain dictionaries, some 300 bytes each: one
agent may have hundreds of thousands.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto

from attrs import define, field, frozen

from simplex_trio.agent.outcomes import is_temporary, refuses_service
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import SimplexError
from simplex_trio.redaction import Redacted

__all__ = [
    "MOVE_ECHO",
    "Answer",
    "Answers",
    "EndVerdict",
    "Ended",
    "ServerSubscriptions",
    "ServiceState",
    "ServiceVerdict",
    "StoredQueue",
    "Subscribing",
]

MOVE_ECHO = 60.0
"""Seconds for which a router may still report that we ourselves have moved a queue: the reference
collects such reports for 15, and a command may be on its way for 30."""

StoredQueue = tuple[bytes, bytes]
"""A queue's id, and its keys as `simplex_trio.agent.stored_keys` has them."""


@frozen(repr=False)
class ServiceState(Redacted):
    """A service's subscription: whose, to how many queues, and the hash of their ids."""

    service_id: bytes
    queues: ServiceSubs = field(factory=ServiceSubs)


class Subscribing(Enum):
    """What asking for a queue leads to."""

    PENDING = auto()
    """It will be subscribed to."""
    ACTIVE = auto()
    """It already is, in the current session; nothing is to be done."""


@frozen(repr=False)
class Answer(Redacted):
    """What came of subscribing to one queue, with the keys that it was done with.

    ``result`` is an error, or the id of the service that the queue is associated with, if any.
    """

    queue_id: bytes
    keys: bytes
    result: SimplexError | bytes | None


@define(repr=False)
class Answers(Redacted):
    """What a number of answers have changed."""

    active: list[bytes] = field(factory=list)
    of_service: list[bytes] = field(factory=list)
    """Queues that are now part of the service, and no longer known by themselves."""
    failed: list[tuple[bytes, SimplexError]] = field(factory=list)
    temporary: int = 0
    """How many queues stay pending because of the network."""


class EndVerdict(Enum):
    """What the news that a queue's subscription has moved away means."""

    NOTHING = auto()
    """It was not this session's."""
    FINAL = auto()
    """The queue is forgotten: somebody else has it."""
    DOUBTFUL = auto()
    """Perhaps it is the echo of moving the queue between our own connections, so that the queue is
    pending again."""


class ServiceVerdict(Enum):
    """What came of subscribing to a service."""

    ACTIVE = auto()
    STALE = auto()
    """Said by a session that is over, or about another subscription: it counts for nothing."""
    TEMPORARY = auto()
    FAILED = auto()
    UNAVAILABLE = auto()
    """The router knows no such service here: its queues must be subscribed to one by one."""


@frozen(repr=False)
class Ended(Redacted):
    """What a session carried when it ended; all of it is pending again."""

    queues: tuple[bytes, ...]
    service: ServiceState | None


class ServerSubscriptions:
    """The subscriptions at one destination."""

    __slots__ = (
        "_active",
        "_active_service",
        "_moved_until",
        "_pending",
        "_service_id",
        "_session",
        "pending_service",
    )

    def __init__(self) -> None:
        self._session: bytes | None = None
        self._service_id: bytes | None = None
        self._pending: dict[bytes, bytes] = {}
        self._active: dict[bytes, dict[bytes, bytes]] = {}  # by session id
        self._active_service: tuple[bytes, ServiceState] | None = None
        self._moved_until: dict[bytes, float] = {}
        self.pending_service: ServiceState | None = None
        """What is to be subscribed to as a whole, and has not been answered yet."""

    def __repr__(self) -> str:
        return f"<ServerSubscriptions: {len(self._pending)} pending, {self.active_count} active>"

    # --- what there is ------------------------------------------------------------------------

    @property
    def session(self) -> bytes | None:
        """The id of the session whose answers count."""
        return self._session

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    @property
    def active_count(self) -> int:
        return sum(map(len, self._active.values()))

    @property
    def has_work(self) -> bool:
        """Whether anything is pending."""
        return bool(self._pending) or self.pending_service is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing here that would be missed."""
        return not (self.has_work or self._active or self._active_service or self._session)

    @property
    def active_service(self) -> ServiceState | None:
        return None if self._active_service is None else self._active_service[1]

    def pending(self) -> tuple[bytes, ...]:
        """The ids of the pending queues, in the order in which they will be subscribed to."""
        return tuple(self._pending)

    def active(self) -> tuple[bytes, ...]:
        """The ids of the active queues."""
        return tuple(queue_id for queues in self._active.values() for queue_id in queues)

    def is_pending(self, queue_id: bytes) -> bool:
        return queue_id in self._pending

    def is_active(self, queue_id: bytes) -> bool:
        return self._session_of(queue_id) is not None

    def chunks(self, queue_ids: Sequence[bytes], size: int) -> Iterator[list[StoredQueue]]:
        """Those of ``queue_ids`` that are pending when each chunk is taken, with their keys."""
        pending = self._pending
        for start in range(0, len(queue_ids), size):
            some = queue_ids[start : start + size]
            chunk = [(queue_id, pending[queue_id]) for queue_id in some if queue_id in pending]
            if chunk:
                yield chunk

    # --- what the program asks for ------------------------------------------------------------

    def subscribe(self, queue_id: bytes, keys: bytes) -> Subscribing:
        """Ask for a queue; asked for again it keeps its place, with the newer keys."""
        session = self._session_of(queue_id)
        if session is not None:
            known = self._active[session][queue_id]
            if session == self._session and hmac.compare_digest(known, keys):
                return Subscribing.ACTIVE
            self._forget_active(session, queue_id)
        self._pending[queue_id] = keys
        return Subscribing.PENDING

    def has_moved_here(self, queue_ids: Iterable[bytes], now: float) -> None:
        """Note that queues came from another connection of ours.

        Routers may collect for a while what they say about subscriptions that moved, and commands
        of two connections may overtake each other.  So the next such news about these queues may
        well be about our own doing.
        """
        moved = {queue: until for queue, until in self._moved_until.items() if until > now}
        moved.update(dict.fromkeys(queue_ids, now + MOVE_ECHO))
        self._moved_until = moved

    def subscribe_service(self, service: ServiceState) -> None:
        """Ask for a service, in place of what was pending; there is only one here."""
        self.pending_service = service

    def remove(self, queue_id: bytes) -> bytes | None:
        """Forget a queue; its keys if it was known."""
        keys = self._pending.pop(queue_id, None)
        if keys is None and (session := self._session_of(queue_id)) is not None:
            return self._forget_active(session, queue_id)
        return keys

    def remove_service(self) -> bool:
        """Forget the service, pending or active; whether there was one."""
        there_was = self.pending_service is not None or self._active_service is not None
        self.pending_service = self._active_service = None
        return there_was

    def clear(self) -> None:
        """Forget all queues and the service."""
        self._pending = {}
        self._active = {}
        self._moved_until = {}
        self.remove_service()

    # --- what happens to connections ----------------------------------------------------------

    def session_started(self, session: bytes, service_id: bytes | None = None) -> None:
        """From now on answers count in this session, which has that service, if any."""
        self._session = session
        self._service_id = service_id

    def session_ended(self, session: bytes) -> Ended:
        """Make pending again what this session carried, and nothing else."""
        if session == self._session:
            self._session = self._service_id = None
        lost = self._active.pop(session, {})
        queues = tuple(lost)
        if self._pending:
            self._pending.update(lost)
        else:
            self._pending = lost
        service = None
        if self._active_service is not None and self._active_service[0] == session:
            service = self._active_service[1]
            self._active_service = None
            # What the program has asked for since is newer than what the session had.
            self.pending_service = self.pending_service or service
        return Ended(queues, service)

    # --- what the router says -----------------------------------------------------------------

    def answered(self, session: bytes, answers: Iterable[Answer]) -> Answers | None:
        """Note answers to subscribing; `None` if the session is not the current one.

        An answer about a queue that was removed meanwhile, or has other keys by now, is passed
        over.
        """
        if session != self._session:
            return None
        changed = Answers()
        for answer in answers:
            if self._pending.get(answer.queue_id) is answer.keys:
                self._note(session, answer, changed)
        if changed.of_service:
            self._merge_into_service(session, ServiceSubs.of(changed.of_service))
        return changed

    def keys_of_pending(self, session: bytes, queue_id: bytes) -> bytes | None:
        """The keys of a queue that is pending in the current session, for an `Answer` that is late.

        `None` if the session is another one, or the queue is not pending.
        """
        return self._pending.get(queue_id) if session == self._session else None

    def ended(
        self, session: bytes, queue_id: bytes, now: float, *, deleted: bool = False
    ) -> EndVerdict:
        """Note that this session has lost a queue's subscription, or its queue was deleted."""
        queues = self._active.get(session)
        if queues is None or queue_id not in queues:
            return EndVerdict.NOTHING
        keys = self._forget_active(session, queue_id)
        if deleted or now >= self._moved_until.get(queue_id, now):
            return EndVerdict.FINAL
        self._pending[queue_id] = keys
        return EndVerdict.DOUBTFUL

    def service_ended(self, session: bytes) -> ServiceState | None:
        """Forget the service whose subscription this session has lost, if it had it."""
        if self._active_service is None or self._active_service[0] != session:
            return None
        service = self._active_service[1]
        self._active_service = None
        return service

    def take_unavailable_service(self, session: bytes) -> ServiceState | None:
        """Remove and return a pending service that is not this session's."""
        pending = self.pending_service
        if session != self._session or pending is None or pending.service_id == self._service_id:
            return None
        self.pending_service = None
        return pending

    def service_answered(
        self, session: bytes, asked: ServiceState, result: SimplexError | ServiceSubs
    ) -> ServiceVerdict:
        """Note the answer to subscribing to a service: its queues as the router knows them."""
        if session != self._session or self.pending_service != asked:
            return ServiceVerdict.STALE
        if not isinstance(result, ServiceSubs):
            if is_temporary(result):
                return ServiceVerdict.TEMPORARY
            self.pending_service = None
            unavailable = refuses_service(result)
            return ServiceVerdict.UNAVAILABLE if unavailable else ServiceVerdict.FAILED
        self.pending_service = None
        self._active_service = session, ServiceState(asked.service_id, result)
        return ServiceVerdict.ACTIVE

    # --- details ------------------------------------------------------------------------------

    def _session_of(self, queue_id: bytes) -> bytes | None:
        for session, queues in self._active.items():
            if queue_id in queues:
                return session
        return None

    def _forget_active(self, session: bytes, queue_id: bytes) -> bytes:
        queues = self._active[session]
        keys = queues.pop(queue_id)
        if not queues:
            del self._active[session]
        return keys

    def _note(self, session: bytes, answer: Answer, changed: Answers) -> None:
        queue_id, result = answer.queue_id, answer.result
        if isinstance(result, SimplexError):
            if is_temporary(result):
                changed.temporary += 1
                return
            del self._pending[queue_id]
            changed.failed.append((queue_id, result))
            return
        keys = self._pending.pop(queue_id)
        if result is not None and result == self._service_id:
            changed.of_service.append(queue_id)
            return
        self._active.setdefault(session, {})[queue_id] = keys
        changed.active.append(queue_id)

    def _merge_into_service(self, session: bytes, queues: ServiceSubs) -> None:
        assert self._service_id is not None
        if self._active_service is not None:
            of_session, known = self._active_service
            if of_session != session:  # that session is gone, only nobody has said so yet
                self.pending_service = self.pending_service or known
            elif known.service_id == self._service_id:
                queues = known.queues + queues
        self._active_service = session, ServiceState(self._service_id, queues)
