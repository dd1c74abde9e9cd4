"""`Schema`: the tables of a kind of database, and how a file of an earlier version becomes one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from simplex_trio.errors import StoreCorrupted, StoreForeign
from simplex_trio.frozen import frozen

__all__ = ["Schema"]

_PROBLEMS_SHOWN: Final = 3
"""How much of what SQLite's check finds goes into the error; there may be one for every row."""


@frozen
class Schema:
    """What `simplex_trio.storage.database.Database` has to know about a kind of database.

    One of the migrations creates the table `simplex_trio.storage.losses.LAST_COMMIT_TABLE`.
    """

    application_id: int
    """What marks an SQLite file as one of this kind."""
    migrations: Sequence[Sequence[str]]
    """The statements that lead from each version of the schema, beginning with 0, to the next.

    What has been released is never changed; a new version is a new entry at the end.
    """
    commits_numbered: int = 1
    """The first version that numbers its commits."""
    is_checked: bool = True
    """Whether opening reads the whole file, which takes time in proportion to its size."""
    checks: Sequence[tuple[str, str]] = ()
    """Tables, and queries for the rows in them that lack what belongs to them, or should be gone.

    They complement the foreign keys, which SQLite can check by itself.
    """
    is_durable: bool = True
    """Whether every commit survives a loss of power; otherwise those do that ask for it."""

    def check_version(self, connection: sqlite3.Connection) -> None:
        """Return if the file is one that `migrate` can handle; otherwise `StoreForeign`."""
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        if application_id != self.application_id:
            raise StoreForeign("the file is a database, but not a store")
        if _version(connection) > len(self.migrations):
            raise StoreForeign("the store was written by a later version of this package")

    def check_tables(self, connection: sqlite3.Connection) -> None:
        """Return if the tables are those of the file's version; otherwise `StoreCorrupted`.

        SQLite keeps its schema as text and believes what it reads there: one wrong letter can turn
        a trigger off, and one wrong bit in the version makes a migration run again.
        """
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
            model.text_factory = connection.text_factory
            _migrate(model, self.migrations[: _version(connection)])
            if _tables(connection) != _tables(model):
                raise StoreCorrupted("the schema is not that of its version")

    def check_contents(self, connection: sqlite3.Connection) -> None:
        """Return if the structure of the file and the links between its tables are whole."""
        if not self.is_checked:
            return
        problems = connection.execute(f"PRAGMA integrity_check({_PROBLEMS_SHOWN})").fetchall()
        if problems != [(b"ok",)]:
            found = "; ".join(problem.decode(errors="replace") for (problem,) in problems)
            raise StoreCorrupted(found)
        orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
        if orphan is not None:
            table, row, *_ = orphan
            raise StoreCorrupted(f"table {table.decode()}, row {row}: it belongs to nothing")
        for name, query in self.checks:
            incomplete = connection.execute(query).fetchone()
            if incomplete is not None:
                raise StoreCorrupted(f"table {name}, row {incomplete[0]}: it is not complete")

    def migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the tables up to date, one version and one transaction at a time."""
        _migrate(connection, self.migrations)

    def numbers_commits(self, connection: sqlite3.Connection) -> bool:
        """Whether the file, as it is, has the number of its last commit."""
        return _version(connection) >= self.commits_numbered


def _migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]]) -> None:
    for version in range(_version(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _tables(connection: sqlite3.Connection) -> list[object]:
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return connection.execute(schema).fetchall()
