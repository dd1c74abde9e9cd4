"""Refusals of PostgreSQL as errors of this package.  Pure."""

from __future__ import annotations

from typing import Final

from simplex_trio.errors import (
    StoreConflict,
    StoreCorrupted,
    StoreError,
    StoreFenced,
    StoreFull,
    StoreUnavailable,
)

__all__ = ["LEASE_TABLE", "DatabaseLost", "refusal"]

LEASE_TABLE: Final = "lease"
"""Where a store has who may write to it, and how many commits there were."""

_NOT_NULL: Final = "23502"


class DatabaseLost(StoreUnavailable):
    """The connection to the database has ended; what was under way may have happened or not."""


_FULL: Final = "53100"

_CORRUPTED: Final = frozenset(("XX001", "XX002"))

_FORBIDDEN: Final = frozenset(("28000", "28P01", "3D000", "42501"))
"""The password is wrong, the database does not exist, or the user may not do this."""

_OTHER_TABLES: Final = frozenset(("0A", "22", "42"))

_UNAVAILABLE: Final = frozenset(
    (
        "08",  # connections
        "25",  # the database takes no changes, because it is a copy of another
        "40",  # it has chosen this transaction to end
        "53",  # memory, connections, places in tables of the server
        "55",  # objects that are in use
        "57",  # an operator, or the server's end
        "58",  # the system
        "XX",
    )
)
"""Classes of states in which the same call may succeed later."""


def refusal(state: str | None, message: str, table: str = "") -> StoreError:
    """The error for a state (SQLSTATE) and, where the server names one, a table.

    The message is that of the server, without its details, which quote values.
    """
    state = state or ""
    if state == _NOT_NULL and table == LEASE_TABLE:
        return StoreFenced("another process has taken over the store")
    lines = message.strip().splitlines()
    reason = lines[0] if lines else "the server gives no reason"
    if state.startswith("23"):
        return StoreConflict(f"a change contradicts the store ({state})")
    if state == _FULL:
        return StoreFull("no room is left for the database")
    if state in _FORBIDDEN:
        error = StoreUnavailable(f"the database refuses: {reason}")
        error.retryable = False
        return error
    if state in _CORRUPTED:
        return StoreCorrupted(f"the files of the database ({state})")
    if state[:2] in _OTHER_TABLES:
        # Our statements do not change, so the tables have.
        return StoreCorrupted(f"the tables are not those that were made ({state}: {reason})")
    error = StoreUnavailable(f"the database cannot do this: {reason} ({state})")
    error.retryable = state[:2] in _UNAVAILABLE
    return error
