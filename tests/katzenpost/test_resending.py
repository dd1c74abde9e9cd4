"""Operations in flight, and what the daemon has yet to be told."""

from __future__ import annotations

import pytest

from simplex_trio.katzenpost import OperationInProgress
from simplex_trio.katzenpost.messages.operations import OperationKey, OperationKind
from simplex_trio.katzenpost.session.resending import (
    CANCEL_DELAYS,
    MAX_DEBTS,
    Debts,
    OperationTable,
)


def key(number: int) -> OperationKey:
    return OperationKey(OperationKind.BOX, number.to_bytes(32, "big"))


def test_an_operation_is_in_flight_once() -> None:
    table = OperationTable()
    operation = table.start(key(1))
    with pytest.raises(OperationInProgress):
        table.start(key(1))
    table.start(OperationKey(OperationKind.COPY, key(1).hash))
    assert table.get(key(1)) is operation
    assert len(table) == len(list(table)) == 2
    table.end(operation)
    assert table.get(key(1)) is None


def test_what_the_daemon_may_have_of_an_operation() -> None:
    table = OperationTable()
    operation = table.start(key(1))
    operation.copies, operation.left_over = 1, True
    operation.one_ended()
    operation.one_ended()
    assert operation.copies == 0
    operation.copies = 2
    table.forgotten()
    assert (operation.copies, operation.left_over) == (0, False)


def due_now(debts: Debts, now: float) -> list[OperationKey]:
    """All that is to be cancelled by now."""
    due = []
    while (each := debts.take_due(now)) is not None:
        due.append(each)
    return due


def test_a_debt_is_tried_again_and_then_forgotten() -> None:
    debts = Debts()
    debts.owe(key(1), 100.0)
    now = 100.0
    for number, delay in enumerate(CANCEL_DELAYS):
        now += delay
        assert debts.due_at() == now
        assert debts.take_due(now - 0.1) is None
        assert due_now(debts, now) == [key(1)]
        assert len(debts) == (number + 1 < len(CANCEL_DELAYS))
    assert debts.due_at() is None


def test_what_the_daemon_has_several_times_is_tried_so_many_times_more() -> None:
    debts = Debts()
    debts.owe(key(1), 0.0, copies=3)
    times = []
    while (due := debts.due_at()) is not None:
        times.append(due)
        assert due_now(debts, due) == [key(1)]
    assert times == [0, 2, 12, 72, 132, 192]


def test_a_debt_ends_with_the_last_copy() -> None:
    debts = Debts()
    debts.owe(key(1), 0.0)
    debts.owe(key(1), 5.0)
    debts.one_ended(key(1))
    assert debts.due_at() == 5
    debts.one_ended(key(1))
    debts.one_ended(key(1))
    assert debts.due_at() is None


def test_a_debt_that_is_settled_is_none() -> None:
    debts = Debts()
    debts.owe(key(1), 0.0, copies=2)
    debts.owe(key(2), 0.0)
    assert debts.settle(key(1)) == 2
    assert debts.settle(key(3)) == 0
    assert due_now(debts, 0.0) == [key(2)]
    debts.forget_all()
    assert debts.due_at() is None


def test_debts_are_bounded() -> None:
    debts = Debts()
    for number in range(MAX_DEBTS + 1):
        debts.owe(key(number), 0.0)
    due = due_now(debts, 0.0)
    assert len(due) == MAX_DEBTS
    assert key(0) not in due
