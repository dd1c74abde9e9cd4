"""The tables of a router's store in PostgreSQL.

They are those of `simplex_trio.router.store.schema`, with the same checksums, except that bodies
are in the table of messages: the server itself keeps long values apart, so that reading everything
else at start does not read them.
"""

from __future__ import annotations

from typing import Final

from simplex_trio.storage.postgres.schema import PostgresSchema

__all__ = ["COLUMNS", "POSTGRES_SCHEMA"]

_FIRST: Final = (
    """
    CREATE TABLE queues (
        recipient_id bytea PRIMARY KEY,
        sender_id bytea NOT NULL UNIQUE,
        recipient_keys bytea NOT NULL,
        dh_secret bytea NOT NULL,
        created_day int8 NOT NULL,
        updated_day int8 NOT NULL,
        mode bytea,
        sender_key bytea,
        link_id bytea UNIQUE,
        link_digest bytea,
        notifier_id bytea UNIQUE,
        notifier_key bytea,
        notifier_dh_secret bytea,
        notifier_service_id bytea,
        suspended_since int8,
        blocked bytea,
        service_id bytea,
        checksum int8 NOT NULL
    )
    """,
    """
    CREATE TABLE links (
        recipient_id bytea PRIMARY KEY REFERENCES queues ON DELETE CASCADE,
        fixed_data bytea NOT NULL,
        user_data bytea NOT NULL,
        checksum int8 NOT NULL
    )
    """,
    """
    CREATE TABLE messages (
        sequence int8 PRIMARY KEY,
        recipient_id bytea NOT NULL REFERENCES queues ON DELETE CASCADE,
        message_id bytea NOT NULL,
        received_at int8 NOT NULL,
        notification int8 NOT NULL,
        is_quota_notice int8 NOT NULL,
        checksum int8 NOT NULL,
        body bytea NOT NULL,
        body_checksum int8 NOT NULL
    )
    """,
    # Bodies are encrypted, so compressing them is in vain.
    "ALTER TABLE messages ALTER body SET STORAGE EXTERNAL",
    "CREATE INDEX messages_of_queue ON messages (recipient_id)",
    """
    CREATE TABLE services (
        service_id bytea PRIMARY KEY,
        role bytea NOT NULL,
        certificate_hash bytea NOT NULL UNIQUE,
        chain bytea NOT NULL,
        used_day int8 NOT NULL,
        checksum int8 NOT NULL
    )
    """,
    """
    CREATE TABLE notifications (
        sequence int8 PRIMARY KEY,
        notifier_id bytea NOT NULL REFERENCES queues (notifier_id) ON DELETE CASCADE,
        received_at int8 NOT NULL,
        nonce bytea NOT NULL,
        sealed bytea NOT NULL,
        checksum int8 NOT NULL
    )
    """,
    "CREATE INDEX notifications_of_notifier ON notifications (notifier_id)",
    """
    CREATE TABLE statistics (
        name bytea PRIMARY KEY,
        value int8 NOT NULL,
        checksum int8 NOT NULL
    )
    """,
    """
    CREATE FUNCTION link_goes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM links WHERE recipient_id = old.recipient_id;
        RETURN new;
    END
    $$
    """,
    """
    CREATE TRIGGER link_goes BEFORE UPDATE OF link_id ON queues FOR EACH ROW
    WHEN (old.link_id IS DISTINCT FROM new.link_id) EXECUTE FUNCTION link_goes()
    """,
    """
    CREATE FUNCTION notifier_goes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM notifications WHERE notifier_id = old.notifier_id;
        RETURN new;
    END
    $$
    """,
    # Before the change: after it, the key of the notifications would be missing.
    """
    CREATE TRIGGER notifier_goes BEFORE UPDATE OF notifier_id ON queues FOR EACH ROW
    WHEN (old.notifier_id IS DISTINCT FROM new.notifier_id) EXECUTE FUNCTION notifier_goes()
    """,
)

_NUMBERS: Final = frozenset(
    (
        "body_checksum",
        "checksum",
        "created_day",
        "is_quota_notice",
        "notification",
        "received_at",
        "sequence",
        "suspended_since",
        "updated_day",
        "used_day",
        "value",
    )
)

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
    "links": ("recipient_id", "fixed_data", "user_data", "checksum"),
    "messages": (
        "sequence",
        "recipient_id",
        "message_id",
        "received_at",
        "notification",
        "is_quota_notice",
        "checksum",
        "body",
        "body_checksum",
    ),
    "services": ("service_id", "role", "certificate_hash", "chain", "used_day", "checksum"),
    "notifications": ("sequence", "notifier_id", "received_at", "nonce", "sealed", "checksum"),
    "statistics": ("name", "value", "checksum"),
}
"""The columns of each table of records, in the order of `simplex_trio.router.store.rows`."""

POSTGRES_SCHEMA: Final = PostgresSchema(
    kind=0x534D5054,  # "SMPT", as in SQLite
    name="simplex_router",
    migrations=(_FIRST,),
)
"""What identifies a schema of a database as the store of a router."""


def is_number(column: str) -> bool:
    """Whether a column has numbers; all others have bytes."""
    return column in _NUMBERS
