"""The SQL of the store, generated from the names of tables and columns."""

# The names are constants of the schema, and values always travel as parameters.
# ruff: noqa: S608

from __future__ import annotations

from simplex_trio.router.store.schema import COLUMNS

__all__ = ["delete", "insert", "select", "select_one", "upsert"]


def insert(table: str) -> str:
    """Adds a row; a row with the same unique values is a conflict."""
    columns = COLUMNS[table]
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def upsert(table: str) -> str:
    """Adds a row, or replaces the values of the row that has the same first column.

    The row is not deleted and added again, which would delete the rows that belong to it.
    """
    key, *others = COLUMNS[table]
    updates = ", ".join(f"{column} = excluded.{column}" for column in others)
    return f"{insert(table)} ON CONFLICT ({key}) DO UPDATE SET {updates}"


def delete(table: str) -> str:
    """Deletes the row with a value in the first column, if there is one."""
    return f"DELETE FROM {table} WHERE {COLUMNS[table][0]} = ?"


def select(table: str) -> str:
    """All rows in the order of their row ids, each with its row id before its values."""
    return f"SELECT rowid, {', '.join(COLUMNS[table])} FROM {table} ORDER BY rowid"


def select_one(table: str) -> str:
    """The values of the row with a value in the first column, if there is one."""
    return f"SELECT {', '.join(COLUMNS[table])} FROM {table} WHERE {COLUMNS[table][0]} = ?"
