"""Where a router keeps its queues and messages: in memory, or in one SQLite file."""

from __future__ import annotations

from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
    Snapshot,
    Store,
)
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.records import (
    LinkRecord,
    MessageHead,
    NotificationRecord,
    NotifierRecord,
    QueueRecord,
    ServiceRecord,
    Suspended,
)
from simplex_trio.router.store.sqlite import open_sqlite_store

__all__ = [
    "Change",
    "DeleteMessages",
    "DeleteNotifications",
    "DeleteQueue",
    "DeleteService",
    "LinkRecord",
    "MemoryStore",
    "MessageHead",
    "NotificationRecord",
    "NotifierRecord",
    "PutMessage",
    "PutNotification",
    "PutQueue",
    "PutService",
    "PutStatistics",
    "QueueRecord",
    "ServiceRecord",
    "Snapshot",
    "Store",
    "Suspended",
    "open_sqlite_store",
]
