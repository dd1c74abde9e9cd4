"""`PostgresSchema`: the tables of a kind of store, and how those of an earlier version become them.

They are in one schema of the database, which holds nothing else.
"""

# Statements are made of constants here.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simplex_trio.errors import StoreCorrupted, StoreForeign
from simplex_trio.frozen import frozen
from simplex_trio.storage.postgres.connection import Connection, run_in_time
from simplex_trio.storage.postgres.failures import LEASE_TABLE
from simplex_trio.storage.postgres.parameters import Statement

__all__ = ["PostgresSchema"]

_MIGRATION_SECONDS: Final = 600.0
"""The most for leading a store of an earlier version to the next one."""

_LEASE: Final = f"""
    CREATE TABLE {LEASE_TABLE} (
        only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),
        kind int8 NOT NULL,
        version int8 NOT NULL,
        shape bytea,
        epoch int8 NOT NULL,
        commits int8 NOT NULL,
        holder text,
        since int8
    ) WITH (fillfactor = 50)
    """

_FIRST_LEASE: Final = f"""
    INSERT INTO {LEASE_TABLE} (kind, version, epoch, commits) VALUES ($1, 0, 0, 0)
    """

_FOUND: Final = f"""
    SELECT
        to_regnamespace($1) IS NOT NULL,
        to_regclass($1 || '.{LEASE_TABLE}') IS NOT NULL,
        EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1))
    """

_SHAPE: Final = """
    SELECT sha256(convert_to(string_agg(line, ' ' ORDER BY line COLLATE "C"), 'UTF8')) FROM (
        SELECT relname || '.' || attname || format_type(atttypid, atttypmod) || attnotnull::text
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'
        AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT relname || '.' || conname || contype::text || confdeltype::text
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE relnamespace = to_regnamespace($1) AND contype IN ('p', 'u', 'f')
        UNION ALL
        SELECT relname || '.' || tgname || tgenabled::text
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE relnamespace = to_regnamespace($1) AND NOT tgisinternal
    ) AS parts (line)
    """
"""A digest of all columns, keys and triggers; indexes that operators add do not matter."""

_ABOUT: Final = f"SELECT kind, version, shape IS NOT DISTINCT FROM ({_SHAPE}) FROM {LEASE_TABLE}"

_SET_VERSION: Final = f"UPDATE {LEASE_TABLE} SET version = $2, shape = ({_SHAPE})"


@frozen
class PostgresSchema:
    """What `simplex_trio.storage.postgres.database.PostgresDatabase` knows of a kind of store."""

    kind: int
    """What marks a schema as one of this kind."""
    name: str
    """The name of the schema where the URL has none."""
    migrations: Sequence[Sequence[str]]
    """The statements that lead from each version, beginning with 0, to the next.

    What has been released is never changed; a new version is a new entry at the end.
    """

    async def prepare(self, connection: Connection, name: str) -> None:
        """Make the tables, or bring them up to date; ``name`` is that of the schema.

        Only who has the lease may call this.  Raises `StoreForeign` if the schema has something
        else in it, or tables of a later version; `StoreCorrupted` if the tables are not those of
        their version.
        """
        version = await self._version(connection, name)
        for number in range(version, len(self.migrations)):
            statements = [Statement(sql) for sql in self.migrations[number]]
            statements.append(Statement(_SET_VERSION, (name, number + 1)))
            await run_in_time(connection, statements, _MIGRATION_SECONDS)

    async def _version(self, connection: Connection, name: str) -> int:
        (((exists, has_lease, is_used),),) = await run_in_time(
            connection, [Statement(_FOUND, (name,))]
        )
        if not has_lease:
            if is_used:
                raise StoreForeign("the schema of the database has tables that are not a store's")
            make = [] if exists else [Statement(f"CREATE SCHEMA {name}")]
            make += [Statement(_LEASE), Statement(_FIRST_LEASE, (self.kind,))]
            await run_in_time(connection, make)
            return 0
        (rows,) = await run_in_time(connection, [Statement(_ABOUT, (name,))])
        if not rows:
            raise StoreCorrupted(f"table {LEASE_TABLE}, which has no row")
        ((kind, version, is_whole),) = rows
        if kind != self.kind:
            raise StoreForeign("the schema of the database has a store of another kind")
        if version > len(self.migrations):
            raise StoreForeign("the store was written by a later version of this package")
        if version and not is_whole:
            raise StoreCorrupted("the schema is not that of its version")
        return int(version)
