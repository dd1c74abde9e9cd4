"""The interpreter: what decisions hold, and in which order they are carried out."""

from __future__ import annotations

from typing import get_args

import attrs
import pytest

from simplex_trio.frozen import DEBUG
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.decisions import (
    AnswerEffect,
    Decision,
    Effect,
    EndShortage,
    GetMessage,
    Increment,
    PublishMessage,
    RemoteCommand,
    Work,
)
from simplex_trio.router.core.envelope import Envelope
from simplex_trio.router.core.interpreter import complete, undo
from simplex_trio.router.core.replies import DeferredMessage
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.transaction import Transaction, Undo
from simplex_trio.router.store.records import MessageHead
from simplex_trio.wire.smp.messages import OK
from tests.router.core.bench import NOW, Bench

COUNT_SENT = Increment(Count.MESSAGES_SENT)
HEAD = MessageHead(1, b"m" * 24, NOW)
VALUES = [
    *get_args(Effect),
    *get_args(AnswerEffect),
    *get_args(Undo),
    *[Decision, RemoteCommand, Envelope],
]


@pytest.mark.parametrize("kind", VALUES)
def test_decisions_are_frozen_values_without_code(kind: type[attrs.AttrsInstance]) -> None:
    for field in attrs.fields(kind):
        assert "Callable" not in str(field.type)
    value = object.__new__(kind)
    if DEBUG:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.anything = None  # type: ignore[attr-defined]


def test_each_decision_is_completed_in_order() -> None:
    bench = Bench()
    client = bench.client()
    created = client.create(subscribe=False)
    queue = bench.state.queues.for_recipient(created.recipient_id)
    assert queue is not None
    transaction = Transaction()
    bench.state.queues.add_message(transaction, queue, HEAD, b"x")
    get = Decision(GetMessage(client.client.recipient, queue))
    send = Decision(OK(), (PublishMessage(queue, HEAD, b"x"),), needs_store=True)
    replies = complete(bench.state, Work(transaction, [get, send, get]), stored=True)
    before, answer, after = replies.answers
    assert before == answer == OK()
    assert isinstance(after, DeferredMessage)
    assert bench.state.counters[Count.MESSAGES_SENT] == 1


def test_what_the_store_refuses_has_no_effects() -> None:
    state = Bench().state
    state.shortage.begin(0)
    needing = Decision(OK(), (EndShortage(), COUNT_SENT), needs_store=True)
    other = Decision(OK(), (COUNT_SENT,))
    work = Work(Transaction(), [needing, other], effects=(EndShortage(),))
    assert complete(state, work, stored=False).answers == [STORE_REFUSED, OK()]
    assert state.counters[Count.MESSAGES_SENT] == 1
    assert state.shortage.refuses(0)
    complete(state, work, stored=True)
    assert not state.shortage.refuses(0)


def test_effects_of_the_router_itself_follow_its_changes() -> None:
    state = Bench().state
    work = Work(effects=(COUNT_SENT,))
    assert complete(state, work, stored=False).answers == []
    assert state.counters[Count.MESSAGES_SENT] == 0
    assert complete(state, work, stored=True).answers == []
    assert state.counters[Count.MESSAGES_SENT] == 1


def test_undoing_begins_with_the_latest_change() -> None:
    bench = Bench()
    created = bench.client().create(subscribe=False)
    queue = bench.state.queues.for_recipient(created.recipient_id)
    assert queue is not None
    record = queue.record
    transaction = Transaction()
    bench.state.queues.add_message(transaction, queue, HEAD, b"x")
    for day in (1, 2):
        updated = attrs.evolve(record, updated_day=day)
        bench.state.queues.replace(transaction, queue, updated)
    bench.state.queues.delete(transaction, queue)
    undo(bench.state, transaction)
    assert bench.state.queues.for_recipient(created.recipient_id) is queue
    assert queue.record is record
    assert (queue.messages, queue.unstored, bench.state.queues.message_count) == ([], 0, 0)
    assert not transaction
