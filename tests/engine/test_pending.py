"""The table of requests against a simple model, through everything that may happen to it."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from attrs import define
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from simplex_trio.engine.pending import (
    EXPIRED_AGE,
    MAX_EXPIRED,
    Answered,
    Late,
    Misdirected,
    PendingRequest,
    PendingTable,
    RequestState,
    Unknown,
)
from simplex_trio.errors import EncodeError

Entered = PendingRequest[str, object, str]

IDS = st.sampled_from([b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8"])
ENTITIES = st.sampled_from([b"a", b"b"])
COMMANDS = st.sampled_from(["SUB", "ACK"])

LIMIT = 4
AGE = 10.0


@define
class Known:
    """What the model knows of one request."""

    request: Entered
    expired_at: float | None = None

    @property
    def said(self) -> tuple[bytes, str]:
        return self.request.entity_id, self.request.command


class TableMachine(RuleBasedStateMachine):
    """`PendingTable` beside two lists."""

    requests: Bundle[Any] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.table: PendingTable[str, object, str] = PendingTable(
            max_expired=LIMIT, expired_age=AGE
        )
        self.pending: dict[bytes, Known] = {}
        self.expired: list[tuple[bytes, Known]] = []
        self.outcomes: dict[int, RequestState] = {}
        self.now = 0.0
        self.results = count()

    def forget(self) -> None:
        self.expired = [
            (each, known)
            for each, known in self.expired
            if known.expired_at is not None and self.now - known.expired_at < AGE
        ][-LIMIT:]

    def take_expired(self, correlation_id: bytes) -> Known | None:
        found = [known for each, known in self.expired if each == correlation_id]
        self.expired = [each for each in self.expired if each[0] != correlation_id]
        assert len(found) <= 1
        return found[0] if found else None

    @rule(target=requests, correlation_id=IDS, entity_id=ENTITIES, command=COMMANDS)
    def register(self, correlation_id: bytes, entity_id: bytes, command: str) -> Entered | None:
        expired = dict(self.expired).get(correlation_id)
        same_again = expired is not None and expired.said == (entity_id, command)
        if correlation_id in self.pending or (expired is not None and not same_again):
            with pytest.raises(EncodeError):
                self.table.register(correlation_id, entity_id, command, "somebody")
            return None
        self.take_expired(correlation_id)
        request = self.table.register(correlation_id, entity_id, command, "somebody")
        assert request.state is RequestState.PENDING
        self.pending[correlation_id] = Known(request)
        return request

    @rule(request=requests)
    def write(self, request: Entered | None) -> None:
        if request is not None and request.state is RequestState.PENDING:
            request.written = True

    @rule(correlation_id=IDS, entity_id=ENTITIES)
    def resolve(self, correlation_id: bytes, entity_id: bytes) -> None:
        result = next(self.results)
        resolution = self.table.resolve(correlation_id, entity_id, result)
        known = self.pending.pop(correlation_id, None)
        if known is not None:
            request = known.request
            if request.entity_id == entity_id:
                assert resolution == Answered(request)
                assert (request.state, request.result) == (RequestState.ANSWERED, result)
            else:
                assert resolution == Misdirected(request)
                assert (request.state, request.result) == (RequestState.FAILED, None)
            self.finish(request)
            return
        known = self.take_expired(correlation_id)
        if known is not None and known.request.entity_id == entity_id:
            assert resolution == Late(known.request)
            assert known.request.result is None  # it is no longer awaited
        else:
            assert resolution == Unknown()

    @rule(request=requests)
    def expire(self, request: Entered | None) -> None:
        if request is None:
            return
        was_pending = id(request) not in self.outcomes
        assert self.table.expire(request, self.now) == was_pending
        if not was_pending:
            return
        known = self.pending.pop(request.correlation_id)
        assert known.request is request
        self.finish(request)
        assert request.state is RequestState.EXPIRED
        if request.written:
            known.expired_at = self.now
            self.expired.append((request.correlation_id, known))
            self.forget()

    @rule(seconds=st.sampled_from([0.5, 3.0, AGE]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        self.table.sweep(self.now)
        self.forget()

    @rule()
    def fail_all(self) -> None:
        failed = self.table.fail_all()
        assert failed == [known.request for known in self.pending.values()]
        for request in failed:
            assert request.state is RequestState.FAILED
            self.finish(request)
        self.pending.clear()
        self.expired.clear()

    def finish(self, request: Entered) -> None:
        assert id(request) not in self.outcomes, "a request ends once"
        self.outcomes[id(request)] = request.state

    @invariant()
    def counts(self) -> None:
        assert self.table.pending_count == len(self.pending)
        assert self.table.expired_count == len(self.expired) <= LIMIT
        assert repr(self.table) == (
            f"<PendingTable: {len(self.pending)} pending, {len(self.expired)} expired>"
        )

    @invariant()
    def outcomes_never_change(self) -> None:
        for known in self.pending.values():
            assert known.request.state is RequestState.PENDING


TestTable = TableMachine.TestCase


def test_the_bounds() -> None:
    assert MAX_EXPIRED == 256
    assert EXPIRED_AGE == 600


def test_a_request_shows_nothing_of_its_own() -> None:
    table: PendingTable[bytes, object, None] = PendingTable()
    request = table.register(b"an id", b"an entity", b"a command", None)
    assert "an id" not in repr(request)
    assert "an entity" not in repr(request)
    assert "a command" not in repr(request)
