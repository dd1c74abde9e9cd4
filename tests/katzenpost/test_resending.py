"""Operations in flight, and what the daemon has yet to be told."""

from __future__ import annotations

import pytest

from simplex_trio.katzenpost import OperationInProgress
from simplex_trio.katzenpost.operations import OperationKey, OperationKind
from simplex_trio.katzenpost.resending import CANCEL_DELAYS, MAX_DEBTS, Debts, OperationTable


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


def test_a_debt_is_tried_again_and_then_forgotten() -> None:
    debts = Debts()
    debts.owe(key(1), 100.0)
    now = 100.0
    for number, delay in enumerate(CANCEL_DELAYS):
        now += delay
        assert debts.due_at() == now
        assert debts.take_due(now - 0.1) == []
        assert debts.take_due(now) == [key(1)]
        assert len(debts) == (number + 1 < len(CANCEL_DELAYS))
    assert debts.due_at() is None


def test_a_debt_that_is_settled_is_none() -> None:
    debts = Debts()
    debts.owe(key(1), 0.0)
    debts.owe(key(2), 0.0)
    debts.settle(key(1))
    debts.settle(key(3))
    assert debts.take_due(0.0) == [key(2)]
    debts.forget_all()
    assert debts.due_at() is None


def test_debts_are_bounded() -> None:
    debts = Debts()
    for number in range(MAX_DEBTS + 1):
        debts.owe(key(number), 0.0)
    due = debts.take_due(0.0)
    assert len(due) == MAX_DEBTS
    assert key(0) not in due
