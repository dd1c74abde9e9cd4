"""`PendingTable`: which answer belongs to which request.  Pure: time comes in as a parameter.

A request is *pending* from before it is written until its answer, its time-out or its caller's
cancellation, whichever is first.  One that timed out or was cancelled may still be answered, so it
stays known as *expired* for a while: a late answer is then told apart from an answer to nothing,
and can never reach somebody else.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from typing import Generic, TypeVar

from attrs import define, field, frozen

from simplex_trio.errors import EncodeError
from simplex_trio.redaction import Redacted

__all__ = [
    "EXPIRED_AGE",
    "MAX_EXPIRED",
    "Answered",
    "Late",
    "Misdirected",
    "PendingTable",
    "Request",
    "RequestState",
    "Resolution",
    "Unknown",
]

CommandT = TypeVar("CommandT")
ResultT = TypeVar("ResultT")
WaiterT = TypeVar("WaiterT")

MAX_EXPIRED = 256
"""Expired requests that are remembered; the oldest is forgotten first, and a result for it is then
one for an unknown request.  A command can be as large as a block, so this is at most 4 MiB."""

EXPIRED_AGE = 600.0
"""Seconds for which an expired request is remembered: well past any answer that is worth having."""


class RequestState(Enum):
    """What a request waits for."""

    PENDING = auto()
    ANSWERED = auto()
    EXPIRED = auto()
    FAILED = auto()


@define(repr=False, eq=False)
class Request(Redacted, Generic[CommandT, ResultT, WaiterT]):
    """A command on its way, and its outcome once there is one.

    ``waiter`` is whatever the owner of the table wakes when the request leaves `PENDING`;
    ``written`` is for the owner to set when the command goes out.
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
    """The answer that a pending request waited for; wake its waiter."""

    request: Request[CommandT, ResultT, WaiterT]


@frozen
class Misdirected(Generic[CommandT, ResultT, WaiterT]):
    """An answer with a pending request's id but for another entity; fail that request."""

    request: Request[CommandT, ResultT, WaiterT]


@frozen
class Late(Generic[CommandT, ResultT, WaiterT]):
    """The answer to a request whose caller no longer waits."""

    request: Request[CommandT, ResultT, WaiterT]


@frozen
class Unknown:
    """An answer to nothing that is known; or, for an expired request, one for another entity."""


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
        self._pending: dict[bytes, Request[CommandT, ResultT, WaiterT]] = {}
        self._expired: OrderedDict[bytes, Request[CommandT, ResultT, WaiterT]] = OrderedDict()

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
    ) -> Request[CommandT, ResultT, WaiterT]:
        """Enter a request; raises `EncodeError` if its id is in use.

        A command that expired may be sent again under the same id, which it needs if the id is a
        part of what it says; an answer to either sending then answers both.
        """
        expired = self._expired.get(correlation_id)
        if expired is not None and (expired.entity_id, expired.command) == (entity_id, command):
            del self._expired[correlation_id]
        elif expired is not None or correlation_id in self._pending:
            raise EncodeError("this correlation id is in use on the connection")
        request: Request[CommandT, ResultT, WaiterT] = Request(
            correlation_id, entity_id, command, waiter
        )
        self._pending[correlation_id] = request
        return request

    def resolve(
        self, correlation_id: bytes, entity_id: bytes, result: ResultT
    ) -> Resolution[CommandT, ResultT, WaiterT]:
        """Say what an answer is, and for a pending request keep it there."""
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

    def expire(self, request: Request[CommandT, ResultT, WaiterT], now: float) -> bool:
        """Stop waiting for a request; one that was written stays known for a late answer.

        False if it is no longer pending: an answer that came in this very moment counts.
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
        """Forget expired requests that are too many or too old."""
        expired = self._expired
        while expired:
            oldest = next(iter(expired.values()))
            if len(expired) <= self._max_expired and now - oldest.expired_at < self._expired_age:
                break
            expired.popitem(last=False)

    def fail_all(self) -> list[Request[CommandT, ResultT, WaiterT]]:
        """Empty the table when the connection is gone; what was pending has failed."""
        failed = list(self._pending.values())
        for request in failed:
            request.state = RequestState.FAILED
        self._pending.clear()
        self._expired.clear()
        return failed
