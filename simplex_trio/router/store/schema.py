"""The tables of the store's file.

The schema itself has the invariants between tables, so that no order of changes can break them:
rows that belong to a queue, to its link or to its notifier are deleted with it.  Bodies have a
table of their own because everything else is read at start, and should be close together then.
"""

from __future__ import annotations

from typing import Final

from simplex_trio.storage.losses import LAST_COMMIT_TABLE
from simplex_trio.storage.schema import Schema

__all__ = ["COLUMNS", "SCHEMA"]

_FIRST: Final = (
    """
    CREATE TABLE queues (
        recipient_id BLOB NOT NULL UNIQUE,
        sender_id BLOB NOT NULL UNIQUE,
        recipient_keys BLOB NOT NULL,
        dh_secret BLOB NOT NULL,
        created_day INTEGER NOT NULL,
        updated_day INTEGER NOT NULL,
        mode BLOB,
        sender_key BLOB,
        link_id BLOB UNIQUE,
        link_digest BLOB,
        notifier_id BLOB UNIQUE,
        notifier_key BLOB,
        notifier_dh_secret BLOB,
        notifier_service_id BLOB,
        suspended_since INTEGER,
        blocked BLOB,
        service_id BLOB,
        checksum INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE links (
        recipient_id BLOB NOT NULL UNIQUE REFERENCES queues (recipient_id) ON DELETE CASCADE,
        fixed BLOB NOT NULL,
        user BLOB NOT NULL,
        checksum INTEGER NOT NULL
    )
    """,
    """
    CREATE TRIGGER link_goes AFTER UPDATE OF link_id ON queues
    WHEN old.link_id IS NOT new.link_id
    BEGIN
        DELETE FROM links WHERE recipient_id = old.recipient_id;
    END
    """,
    """
    CREATE TABLE messages (
        sequence INTEGER PRIMARY KEY,
        recipient_id BLOB NOT NULL REFERENCES queues (recipient_id) ON DELETE CASCADE,
        message_id BLOB NOT NULL,
        received_at INTEGER NOT NULL,
        notification INTEGER NOT NULL,
        is_quota_notice INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    )
    """,
    "CREATE INDEX messages_of_queue ON messages (recipient_id)",
    """
    CREATE TABLE bodies (
        sequence INTEGER PRIMARY KEY REFERENCES messages (sequence) ON DELETE CASCADE,
        body BLOB NOT NULL,
        checksum INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE services (
        service_id BLOB NOT NULL UNIQUE,
        role BLOB NOT NULL,
        certificate_hash BLOB NOT NULL UNIQUE,
        chain BLOB NOT NULL,
        created_day INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE notifications (
        sequence INTEGER PRIMARY KEY,
        notifier_id BLOB NOT NULL REFERENCES queues (notifier_id) ON DELETE CASCADE,
        received_at INTEGER NOT NULL,
        nonce BLOB NOT NULL,
        sealed BLOB NOT NULL,
        checksum INTEGER NOT NULL
    )
    """,
    "CREATE INDEX notifications_of_notifier ON notifications (notifier_id)",
    """
    CREATE TRIGGER notifier_goes AFTER UPDATE OF notifier_id ON queues
    WHEN old.notifier_id IS NOT new.notifier_id
    BEGIN
        DELETE FROM notifications WHERE notifier_id = old.notifier_id;
    END
    """,
    """
    CREATE TABLE statistics (
        name BLOB NOT NULL UNIQUE,
        value INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    )
    """,
)

_SECOND: Final = (LAST_COMMIT_TABLE,)

COLUMNS: Final = {
    "queues": (
        "recipient_id",
        "sender_id",
        "recipient_keys",
        "dh_secret",
        "created_day",
        "updated_day",
        "mode",
        "sender_key",
        "link_id",
        "link_digest",
        "notifier_id",
        "notifier_key",
        "notifier_dh_secret",
        "notifier_service_id",
        "suspended_since",
        "blocked",
        "service_id",
        "checksum",
    ),
    "links": ("recipient_id", "fixed", "user", "checksum"),
    "messages": (
        "sequence",
        "recipient_id",
        "message_id",
        "received_at",
        "notification",
        "is_quota_notice",
        "checksum",
    ),
    "bodies": ("sequence", "body", "checksum"),
    # The names of the last two are from when certificates and the first day were kept.
    "services": ("service_id", "role", "certificate_hash", "chain", "created_day", "checksum"),
    "notifications": ("sequence", "notifier_id", "received_at", "nonce", "sealed", "checksum"),
    "statistics": ("name", "value", "checksum"),
}
"""The columns of each table of records, in the order of `simplex_trio.router.store.rows`."""

SCHEMA: Final = Schema(
    application_id=0x534D5054,  # "SMPT"
    migrations=(_FIRST, _SECOND),
    commits_numbered=2,
    checks=(
        (
            "messages",
            "SELECT sequence FROM messages WHERE sequence NOT IN (SELECT sequence FROM bodies)",
        ),
        (
            "queues",
            "SELECT rowid FROM queues WHERE link_id IS NOT NULL"
            " AND recipient_id NOT IN (SELECT recipient_id FROM links)",
        ),
        (
            "links",
            "SELECT links.rowid FROM links JOIN queues USING (recipient_id) WHERE link_id IS NULL",
        ),
    ),
)
"""What identifies a file as the store of a router, and what is checked in it."""
