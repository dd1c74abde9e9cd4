"""The pending and active subscriptions at one destination.  Pure.

A queue is *pending* from the program's call until the router has answered, and again when its
connection has ended; in between it is *active* in one session.  Answers count only in the current
session: what an ended connection said does not apply to its successor.

A service is subscribed to as a whole, by the count and hash of its queues.  Queues that join it
when they are subscribed to are from then on known by count and hash alone.

Queues and their keys are plain byte strings in plain dictionaries, about 300 bytes each, because
one agent may have a million.  For the same reason nothing here takes time in proportion to their
number, except where it returns as many.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import chain, islice

from attrs import define, field

from simplex_trio.agent.echoes import Echoes
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.queue_parts import QueueParts
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import ConnectError, ConnectionLost, RequestTimeout, SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.errors.values import Broker, BrokerErrorKind, Code, Proxy

__all__ = [
    "EndVerdict",
    "Ended",
    "ServerSubscriptions",
    "ServiceState",
    "ServiceVerdict",
    "StoredQueue",
    "Subscribing",
    "SubscriptionAnswer",
    "SubscriptionChanges",
    "is_temporary",
]

StoredQueue = tuple[bytes, bytes]
"""A queue's id, and its keys as `simplex_trio.agent.stored_keys` encodes them."""


@frozen(repr=False)
class ServiceState(Redacted):
    """A service, with the count of its queues and the hash of their ids."""

    service_id: bytes
    queues: ServiceSubs = field(factory=ServiceSubs)


class Subscribing(Enum):
    """The outcome of asking for a queue."""

    PENDING = auto()
    """It will be subscribed to."""
    ACTIVE = auto()
    """It already is, in the current session."""


@frozen(repr=False)
class SubscriptionAnswer(Redacted):
    """The answer to subscribing to one queue with these keys.

    ``result`` is an error, or the id of the service that the queue is associated with, if any.
    """

    queue_id: bytes
    keys: bytes
    result: SimplexError | bytes | None


@define(repr=False)
class SubscriptionChanges(Redacted):
    """The changes from a number of answers."""

    active: list[bytes] = field(factory=list)
    of_service: list[bytes] = field(factory=list)
    """Queues that joined the service and are no longer known one by one."""
    failed: list[tuple[bytes, SimplexError]] = field(factory=list)
    temporary: int = 0
    """The number of queues that stay pending because of network errors."""


class EndVerdict(Enum):
    """What the end of a queue's subscription means."""

    NOTHING = auto()
    """The queue was not subscribed to in this session."""
    FINAL = auto()
    """Another client has the subscription; the queue is forgotten."""
    DOUBTFUL = auto()
    """Possibly the echo of what another connection of this agent did; the queue is pending again.
    """


class ServiceVerdict(Enum):
    """The outcome of subscribing to a service."""

    ACTIVE = auto()
    STALE = auto()
    """The answer of an ended session, or to another subscription; it is ignored."""
    TEMPORARY = auto()
    FAILED = auto()
    UNAVAILABLE = auto()
    """The router does not know the service: subscribe to its queues one by one."""


@frozen(repr=False)
class Ended(Redacted):
    """The subscriptions of a session that has ended; all are pending again."""

    queues: tuple[bytes, ...]
    service: ServiceState | None


class ServerSubscriptions:
    """The subscriptions at one destination."""

    __slots__ = (
        "_active",
        "_active_service",
        "_echoes",
        "_pending",
        "_service_id",
        "_session",
        "pending_service",
    )

    def __init__(self) -> None:
        self._session: bytes | None = None
        self._service_id: bytes | None = None
        self._pending = QueueParts()
        self._active: dict[bytes, QueueParts] = {}  # by session id
        self._active_service: tuple[bytes, ServiceState] | None = None
        self._echoes = Echoes()
        self.pending_service: ServiceState | None = None
        """The service to subscribe to, until the router has answered."""

    def __repr__(self) -> str:
        return f"<ServerSubscriptions: {len(self._pending)} pending, {self.active_count} active>"

    # --- state ---------------------------------------------------------------------------------

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
        """Whether this object may be discarded."""
        return not (self.has_work or self._active or self._active_service or self._session)

    @property
    def active_service(self) -> ServiceState | None:
        return None if self._active_service is None else self._active_service[1]

    def pending(self) -> tuple[bytes, ...]:
        """The ids of pending queues, in the order of subscribing."""
        return tuple(self._pending)

    def active(self) -> tuple[bytes, ...]:
        """The ids of active queues."""
        return tuple(chain.from_iterable(self._active.values()))

    def is_pending(self, queue_id: bytes) -> bool:
        return queue_id in self._pending

    def is_active(self, queue_id: bytes) -> bool:
        return self._session_of(queue_id) is not None

    def each_pending(self) -> Iterator[bytes]:
        """The ids of what is pending now, one after another while that changes."""
        return self._pending.snapshot()

    def chunks(self, queue_ids: Iterable[bytes], size: int) -> Iterator[list[StoredQueue]]:
        """Chunks of those ``queue_ids`` that are pending when the chunk is taken, with keys."""
        remaining = iter(queue_ids)
        while some := tuple(islice(remaining, size)):
            found = ((queue_id, self._pending.get(queue_id)) for queue_id in some)
            chunk = [(queue_id, keys) for queue_id, keys in found if keys is not None]
            if chunk:
                yield chunk

    # --- what the program asks for ------------------------------------------------------------

    def subscribe(self, queue_id: bytes, keys: bytes) -> Subscribing:
        """Ask for a queue; asking again keeps its place and takes the newer keys."""
        session = self._session_of(queue_id)
        if session is not None:
            known = self._active[session].get(queue_id)
            assert known is not None  # as it is there
            if session == self._session and hmac.compare_digest(known, keys):
                return Subscribing.ACTIVE
            self._forget_active(session, queue_id)
        self._pending.put(queue_id, keys)
        return Subscribing.PENDING

    def expect_echo(self, queue_ids: Iterable[bytes], now: float) -> None:
        """Record that another connection of this agent has subscribed to queues, or may have.

        They were moved here from it, or it has ended without an answer; see `Echoes`.
        """
        self._echoes.expect(queue_ids, now)

    def subscribe_service(self, service: ServiceState) -> None:
        """Ask for a service; it replaces the one that was pending, if any."""
        self.pending_service = service

    def remove(self, queue_id: bytes) -> bytes | None:
        """Forget a queue and return its keys, if it was known."""
        keys = self._pending.pop(queue_id)
        if keys is None and (session := self._session_of(queue_id)) is not None:
            return self._forget_active(session, queue_id)
        return keys

    def remove_service(self) -> bool:
        """Forget the service, pending or active; returns whether there was one."""
        there_was = self.pending_service is not None or self._active_service is not None
        self.pending_service = self._active_service = None
        return there_was

    def clear(self) -> list[QueueParts]:
        """Forget all queues and the service; returns the queues, as freeing many takes a while."""
        forgotten = [self._pending, *self._active.values()]
        self._pending = QueueParts()
        self._active = {}
        self._echoes = Echoes()
        self.remove_service()
        return forgotten

    # --- what happens to connections ----------------------------------------------------------

    def session_started(self, session: bytes, service_id: bytes | None = None) -> None:
        """Make a session, with its service if any, the one whose answers count."""
        self._session = session
        self._service_id = service_id

    def session_ended(self, session: bytes) -> Ended:
        """Make the subscriptions of this session, and no others, pending again."""
        if session == self._session:
            self._session = self._service_id = None
        lost = self._active.pop(session, None)
        queues: tuple[bytes, ...] = ()
        if lost is not None:
            queues = tuple(lost)
            self._pending.take(lost)
        service = None
        if self._active_service is not None and self._active_service[0] == session:
            service = self._active_service[1]
            self._active_service = None
            # A service that the program asked for since then is newer.
            self.pending_service = self.pending_service or service
        return Ended(queues, service)

    # --- what the router says -----------------------------------------------------------------

    def answered(
        self, session: bytes, answers: Iterable[SubscriptionAnswer]
    ) -> SubscriptionChanges | None:
        """Apply answers to subscribing; `None` if the session is not the current one.

        Answers about queues that were removed meanwhile, or got other keys, are ignored.
        """
        if session != self._session:
            return None
        changed = SubscriptionChanges()
        for answer in answers:
            if self._pending.get(answer.queue_id) is answer.keys:
                self._note(session, answer, changed)
        if changed.of_service:
            self._merge_into_service(session, ServiceSubs.of(changed.of_service))
        return changed

    def keys_of_pending(self, session: bytes, queue_id: bytes) -> bytes | None:
        """The keys for a late `Answer` about a queue that is pending in the current session.

        `None` if this is another session, or the queue is not pending.
        """
        return self._pending.get(queue_id) if session == self._session else None

    def ended(
        self, session: bytes, queue_id: bytes, now: float, *, deleted: bool = False
    ) -> EndVerdict:
        """Apply the end of a queue's subscription in this session, or of the queue."""
        queues = self._active.get(session)
        if queues is None or queue_id not in queues:
            return EndVerdict.NOTHING
        keys = self._forget_active(session, queue_id)
        if deleted or not self._echoes.may_come(queue_id, now):
            return EndVerdict.FINAL
        self._pending.add(queue_id, keys)
        return EndVerdict.DOUBTFUL

    def service_ended(self, session: bytes) -> ServiceState | None:
        """Forget and return the service, if this session had subscribed to it."""
        if self._active_service is None or self._active_service[0] != session:
            return None
        service = self._active_service[1]
        self._active_service = None
        return service

    def take_unavailable_service(self, session: bytes) -> ServiceState | None:
        """Remove and return a pending service that is not the session's."""
        pending = self.pending_service
        if session != self._session or pending is None or pending.service_id == self._service_id:
            return None
        self.pending_service = None
        return pending

    def service_answered(
        self, session: bytes, asked: ServiceState, result: SimplexError | ServiceSubs
    ) -> ServiceVerdict:
        """Apply the answer to subscribing to a service."""
        if session != self._session or self.pending_service != asked:
            return ServiceVerdict.STALE
        if not isinstance(result, ServiceSubs):
            if is_temporary(result):
                return ServiceVerdict.TEMPORARY
            self.pending_service = None
            unavailable = _refuses_service(result)
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
        assert keys is not None  # as it is there
        if not queues:
            del self._active[session]
        return keys

    def _note(
        self, session: bytes, answer: SubscriptionAnswer, changed: SubscriptionChanges
    ) -> None:
        queue_id, result = answer.queue_id, answer.result
        if isinstance(result, SimplexError):
            if is_temporary(result):
                changed.temporary += 1
                return
            self._pending.pop(queue_id)
            changed.failed.append((queue_id, result))
            return
        self._pending.pop(queue_id)
        if result is not None and result == self._service_id:
            changed.of_service.append(queue_id)
            return
        active = self._active.get(session)
        if active is None:
            active = self._active[session] = QueueParts()
        active.add(queue_id, answer.keys)
        changed.active.append(queue_id)

    def _merge_into_service(self, session: bytes, queues: ServiceSubs) -> None:
        assert self._service_id is not None
        if self._active_service is not None:
            of_session, known = self._active_service
            if of_session != session:  # an ended session whose end was not reported yet
                self.pending_service = self.pending_service or known
            elif known.service_id == self._service_id:
                queues = known.queues + queues
        self._active_service = session, ServiceState(self._service_id, queues)


def is_temporary(error: object) -> bool:
    """Whether an error is the network's, so that the subscription stays pending and is retried.

    Anything that the router itself answers, internal errors included, is final: it is reported, and
    the program decides.
    """
    return isinstance(error, ConnectError | ConnectionLost | RequestTimeout | OSError)


def _refuses_service(error: BaseException) -> bool:
    """Whether the router does not know the service on this connection, or in this role."""
    refusals = (Code.SERVICE, Proxy(Broker(BrokerErrorKind.NO_SERVICE)))
    return isinstance(error, RouterError) and error.error in refusals
