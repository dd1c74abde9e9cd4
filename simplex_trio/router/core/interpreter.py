"""The interpreter: carries out what decisions say. Pure.

`undo` takes back in memory what the store has refused.
"""

from __future__ import annotations

from typing import assert_never

from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import (
    RemoveQueue,
    RemoveService,
    RestoreMessages,
    RestoreNotifications,
    RestoreQueue,
    RestoreRecord,
    RestoreService,
    Transaction,
    Undo,
    WithdrawMessage,
    WithdrawNotification,
)

__all__ = ["undo"]


def undo(state: RouterState, transaction: Transaction) -> None:
    """Take back in memory what a transaction notes, the latest first; nothing is left to store."""
    while transaction.undo:
        _undo(state, transaction.undo.pop())
    transaction.changes.clear()


def _undo(state: RouterState, step: Undo) -> None:
    match step:
        case RemoveQueue(queue):
            state.queues.remove(queue)
        case RestoreRecord(queue, record):
            state.queues.exchange(queue, record)
        case RestoreQueue(queue):
            state.queues.insert(queue)
        case WithdrawMessage(queue):
            state.queues.withdraw_message(queue)
        case RestoreMessages(queue, messages):
            state.queues.restore_messages(queue, messages)
        case RemoveService(record):
            state.services.remove(record)
        case RestoreService(record):
            state.services.put(record)
        case WithdrawNotification(record):
            state.notifications.remove((record,))
        case RestoreNotifications(records):
            state.notifications.restore(records)
        case _:
            assert_never(step)
