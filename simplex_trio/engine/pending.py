"""`PendingTable`: matches answers to requests.  Pure: time is a parameter.

A request is *pending* from before it is written until its answer, its time-out or its caller's
cancellation, whichever comes first.  One that timed out or was cancelled may still be answered, so
it stays known as *expired* for a while: a late answer can then be told from an answer that does not
match any request, and never reaches another caller.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from typing import Generic, TypeVar

from attrs import define, field

from simplex_trio.errors import EncodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = [
    "EXPIRED_AGE",
    "MAX_EXPIRED",
    "Answered",
    "Late",
    "Misdirected",
    "PendingRequest",
    "PendingTable",
    "RequestState",
    "Resolution",
    "Unknown",
]

CommandT = TypeVar("CommandT")
ResultT = TypeVar("ResultT")
WaiterT = TypeVar("WaiterT")

MAX_EXPIRED = 256
"""Expired requests that are remembered; the oldest is forgotten first, and its answer no longer
matches any request.  A command can be as large as a block, so this is at most 4 MiB."""

EXPIRED_AGE = 600.0
"""Seconds for which an expired request is remembered: far longer than answers take."""


class RequestState(Enum):
    """Whether a request still waits for its answer, or how it ended."""

    PENDING = auto()
    ANSWERED = auto()
    EXPIRED = auto()
    FAILED = auto()


@define(repr=False, eq=False)
class PendingRequest(Redacted, Generic[CommandT, ResultT, WaiterT]):
    """An in-flight command, and its outcome once there is one.

    The owner of the table wakes ``waiter`` when the request leaves `PENDING`, and sets ``written``
    when the command is written.
    """

    correlation_id: bytes
    entity_id: bytes
    command: CommandT
    waiter: WaiterT
    written: bool = field(default=False, init=False)
    state: RequestState = field(default=RequestState.PENDING, init=False)
    result: ResultT | None = field(default=None, init=False)
    expired_at: float = field(default=0.0, init=False)


@frozen
class Answered(Generic[CommandT, ResultT, WaiterT]):
    """The answer to a pending request; wake its waiter."""

    request: PendingRequest[CommandT, ResultT, WaiterT]


@frozen
class Misdirected(Generic[CommandT, ResultT, WaiterT]):
    """An answer with the id of a pending request but another entity; fail that request."""

    request: PendingRequest[CommandT, ResultT, WaiterT]


@frozen
class Late(Generic[CommandT, ResultT, WaiterT]):
    """The answer to a request whose caller no longer waits."""

    request: PendingRequest[CommandT, ResultT, WaiterT]


@frozen
class Unknown:
    """An answer that matches no request, or an expired one with another entity."""


Resolution = (
    Answered[CommandT, ResultT, WaiterT]
    | Misdirected[CommandT, ResultT, WaiterT]
    | Late[CommandT, ResultT, WaiterT]
    | Unknown
)

_UNKNOWN = Unknown()


class PendingTable(Generic[CommandT, ResultT, WaiterT]):
    """The requests of one connection by correlation id."""

    def __init__(self, *, max_expired: int = MAX_EXPIRED, expired_age: float = EXPIRED_AGE) -> None:
        self._max_expired = max_expired
        self._expired_age = expired_age
        self._pending: dict[bytes, PendingRequest[CommandT, ResultT, WaiterT]] = {}
        self._expired: OrderedDict[bytes, PendingRequest[CommandT, ResultT, WaiterT]] = (
            OrderedDict()
        )

    def __repr__(self) -> str:
        return f"<PendingTable: {len(self._pending)} pending, {len(self._expired)} expired>"

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    @property
    def expired_count(self) -> int:
        return len(self._expired)

    def register(
        self, correlation_id: bytes, entity_id: bytes, command: CommandT, waiter: WaiterT
    ) -> PendingRequest[CommandT, ResultT, WaiterT]:
        """Add a pending request; raises `EncodeError` if its id is in use.

        An expired command may be sent again under the same id, because some ids are part of what
        the command means; an answer to either attempt then answers both.
        """
        expired = self._expired.get(correlation_id)
        if expired is not None and (expired.entity_id, expired.command) == (entity_id, command):
            del self._expired[correlation_id]
        elif expired is not None or correlation_id in self._pending:
            raise EncodeError("this correlation id is in use on the connection")
        request: PendingRequest[CommandT, ResultT, WaiterT] = PendingRequest(
            correlation_id, entity_id, command, waiter
        )
        self._pending[correlation_id] = request
        return request

    def resolve(
        self, correlation_id: bytes, entity_id: bytes, result: ResultT
    ) -> Resolution[CommandT, ResultT, WaiterT]:
        """Match an answer, and store it in the request if that is pending."""
        request = self._pending.pop(correlation_id, None)
        if request is not None:
            if request.entity_id != entity_id:
                request.state = RequestState.FAILED
                return Misdirected(request)
            request.state = RequestState.ANSWERED
            request.result = result
            return Answered(request)
        request = self._expired.pop(correlation_id, None)
        if request is None or request.entity_id != entity_id:
            return _UNKNOWN
        return Late(request)

    def expire(self, request: PendingRequest[CommandT, ResultT, WaiterT], now: float) -> bool:
        """Stop waiting for a request; if it was written it stays known for a late answer.

        Returns false if it is no longer pending: an answer at the last moment counts.
        """
        if request.state is not RequestState.PENDING:
            return False
        del self._pending[request.correlation_id]
        request.state = RequestState.EXPIRED
        if request.written:
            request.expired_at = now
            self._expired[request.correlation_id] = request
            self.sweep(now)
        return True

    def sweep(self, now: float) -> None:
        """Forget expired requests beyond the limits of number and age."""
        expired = self._expired
        while expired:
            oldest = next(iter(expired.values()))
            if len(expired) <= self._max_expired and now - oldest.expired_at < self._expired_age:
                break
            expired.popitem(last=False)

    def fail_all(self) -> list[PendingRequest[CommandT, ResultT, WaiterT]]:
        """Empty the table when the connection has ended, and return what was pending."""
        failed = list(self._pending.values())
        for request in failed:
            request.state = RequestState.FAILED
        self._pending.clear()
        self._expired.clear()
        return failed
