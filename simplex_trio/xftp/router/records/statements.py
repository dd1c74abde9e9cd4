"""The tables of records in PostgreSQL, and the statements about them.  Pure."""

# Statements are made of constants here.
# ruff: noqa: S608

from __future__ import annotations

from typing import Final

from simplex_trio.storage.postgres.schema import PostgresSchema

__all__ = [
    "AWAITS_BODY",
    "BLOCK",
    "BYTES_STORED",
    "BY_RECIPIENT",
    "BY_SENDER",
    "CLEAR_PACKETS",
    "CLEAR_STATISTICS",
    "COUNT",
    "CREATED_BEFORE",
    "DELETE",
    "DELETE_RECIPIENT",
    "NOTE_BODY",
    "NOTE_LOSSES",
    "OLDEST_UNUSED",
    "PAIRING",
    "PUT_ALL_RECIPIENTS",
    "PUT_PACKET",
    "PUT_PACKETS",
    "PUT_PAIRING",
    "PUT_RECIPIENTS",
    "PUT_STATISTICS",
    "SCHEMA",
    "SENDER_OF",
    "SIZES",
    "STATISTICS",
    "WITH_BODIES",
]

_UNUSED: Final = "NOT has_body AND blocked IS NULL"

_FIRST: Final = (
    """
    CREATE TABLE packets (
        sender_id bytea PRIMARY KEY,
        sender_key bytea NOT NULL,
        size int8 NOT NULL,
        digest bytea NOT NULL,
        created_hour int8 NOT NULL,
        has_body bool NOT NULL DEFAULT false,
        blocked bytea
    )
    """,
    "CREATE INDEX packets_by_age ON packets (created_hour)",
    f"""
    CREATE INDEX unused_packets_by_age ON packets (created_hour, sender_id) WHERE {_UNUSED}
    """,
    """
    CREATE TABLE recipients (
        recipient_id bytea PRIMARY KEY,
        sender_id bytea NOT NULL REFERENCES packets ON DELETE CASCADE,
        key bytea NOT NULL
    )
    """,
    "CREATE INDEX recipients_of_packet ON recipients (sender_id)",
    "CREATE TABLE statistics (name bytea PRIMARY KEY, value int8 NOT NULL)",
    """
    CREATE TABLE folder (
        only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),
        id bytea NOT NULL,
        openings int8 NOT NULL
    )
    """,
)

SCHEMA: Final = PostgresSchema(
    kind=0x53585046,  # "SXPF", as in SQLite
    name="simplex_xftp_router",
    migrations=(_FIRST,),
)

COUNT: Final = """
    SELECT (SELECT count(*) FROM packets), (SELECT count(*) FROM recipients)
    """

BYTES_STORED: Final = "SELECT coalesce(sum(size), 0)::int8 FROM packets WHERE has_body"

STATISTICS: Final = "SELECT name, value FROM statistics"

PUT_STATISTICS: Final = """
    INSERT INTO statistics SELECT * FROM unnest($1::bytea[], $2::int8[])
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
    """

PUT_PACKET: Final = """
    INSERT INTO packets (sender_id, sender_key, size, digest, created_hour)
    VALUES ($1, $2, $3, $4, $5)
    """

PUT_RECIPIENTS: Final = """
    INSERT INTO recipients (sender_id, recipient_id, key)
    SELECT $1, * FROM unnest($2::bytea[], $3::bytea[])
    """

PUT_PACKETS: Final = """
    INSERT INTO packets
    SELECT sender_id, sender_key, size, digest, created_hour, has_body <> 0, blocked
    FROM unnest(
        $1::bytea[], $2::bytea[], $3::int8[], $4::bytea[], $5::int8[], $6::int8[], $7::bytea[]
    ) AS given (sender_id, sender_key, size, digest, created_hour, has_body, blocked)
    """

PUT_ALL_RECIPIENTS: Final = """
    INSERT INTO recipients (recipient_id, sender_id, key)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])
    """

CLEAR_PACKETS: Final = "DELETE FROM packets"

CLEAR_STATISTICS: Final = "DELETE FROM statistics"

OLDEST_UNUSED: Final = f"""
    SELECT sender_id, (SELECT count(*) FROM recipients r WHERE r.sender_id = packets.sender_id)
    FROM packets WHERE {_UNUSED} AND created_hour < $1 AND sender_id <> $2
    ORDER BY created_hour, sender_id LIMIT $3
    """

SIZES: Final = """
    SELECT
        CASE WHEN has_body THEN size ELSE 0 END,
        (SELECT count(*) FROM recipients r WHERE r.sender_id = packets.sender_id)
    FROM packets WHERE sender_id = $1
    """

BY_SENDER: Final = """
    SELECT sender_id, sender_key, size, digest, has_body, blocked, sender_key
    FROM packets WHERE sender_id = $1
    """

BY_RECIPIENT: Final = """
    SELECT p.sender_id, p.sender_key, p.size, p.digest, p.has_body, p.blocked, r.key
    FROM recipients r JOIN packets p USING (sender_id) WHERE r.recipient_id = $1
    """

CREATED_BEFORE: Final = """
    SELECT sender_id FROM packets WHERE created_hour < $1 AND sender_id > $2
    ORDER BY sender_id LIMIT $3
    """

AWAITS_BODY: Final = f"SELECT true FROM packets WHERE sender_id = $1 AND {_UNUSED}"

NOTE_BODY: Final = "UPDATE packets SET has_body = true WHERE sender_id = $1"

NOTE_LOSSES: Final = "UPDATE packets SET has_body = false WHERE sender_id = ANY($1)"

BLOCK: Final = "UPDATE packets SET has_body = false, blocked = $2 WHERE sender_id = $1"

DELETE: Final = "DELETE FROM packets WHERE sender_id = ANY($1)"

SENDER_OF: Final = "SELECT sender_id FROM recipients WHERE recipient_id = $1"

DELETE_RECIPIENT: Final = "DELETE FROM recipients WHERE recipient_id = $1"

WITH_BODIES: Final = "SELECT sender_id FROM packets WHERE has_body"

PAIRING: Final = "SELECT id, openings FROM folder"

PUT_PAIRING: Final = """
    INSERT INTO folder (id, openings) VALUES ($1, $2)
    ON CONFLICT (only_row) DO UPDATE SET id = excluded.id, openings = excluded.openings
    """
