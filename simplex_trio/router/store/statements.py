"""The SQL of the store, generated from the names of tables and columns.

Statements that write are for several rows each, because the price of a statement is not SQLite's
work: before and after that the thread passes Python's lock to others, and in a busy router each
time waits until it has it again.
"""

# The names are constants of the schema, and values always travel as parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, TypeAlias, TypeVar

from simplex_trio.router.store.schema import COLUMNS

__all__ = [
    "MOST_ROWS",
    "Statement",
    "delete",
    "insert",
    "portions",
    "select",
    "select_one",
    "upsert",
]

T = TypeVar("T")

Statement: TypeAlias = Callable[[str, int], str]
"""A statement for a table and a number of rows."""

MOST_ROWS: Final = 64
"""Rows of one statement: with more of them, the price of one statement does not show any more."""


def portions(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Rows in portions of 1, 2, 4 ... `MOST_ROWS`.

    With so few sizes, all of the statements stay prepared.
    """
    start = 0
    while left := len(rows) - start:
        size = min(MOST_ROWS, 1 << left.bit_length() - 1)
        yield rows[start : start + size]
        start += size


@cache
def insert(table: str, rows: int) -> str:
    """Adds rows; a row with the same unique values is a conflict."""
    columns = COLUMNS[table]
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"


@cache
def upsert(table: str, rows: int) -> str:
    """Adds rows, or replaces the values of rows that have the same first column.

    Such a row is not deleted and added again, which would delete the rows that belong to it.
    """
    key, *others = COLUMNS[table]
    updates = ", ".join(f"{column} = excluded.{column}" for column in others)
    return f"{insert(table, rows)} ON CONFLICT ({key}) DO UPDATE SET {updates}"


@cache
def delete(table: str, rows: int) -> str:
    """Deletes the rows with these values in the first column, as far as there are any."""
    return f"DELETE FROM {table} WHERE {COLUMNS[table][0]} IN ({', '.join('?' * rows)})"


def select(table: str) -> str:
    """All rows in the order of their row ids, each with its row id before its values."""
    return f"SELECT rowid, {', '.join(COLUMNS[table])} FROM {table} ORDER BY rowid"


def select_one(table: str) -> str:
    """The values of the row with a value in the first column, if there is one."""
    return f"SELECT {', '.join(COLUMNS[table])} FROM {table} WHERE {COLUMNS[table][0]} = ?"
