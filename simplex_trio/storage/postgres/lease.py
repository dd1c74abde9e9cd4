"""`Lease`: the right to write to a store, which one process has at a time.

It has two parts.  A lock of the server belongs to one connection: while that is open, no other
process gets it.  When the connection ends, and be it that a cable is cut, the server gives the lock
to the next.  So there is a row as well, with a number that grows with each holder, the epoch, and
the number of commits.  Every commit checks the one and counts itself in the other: a process that
does not know yet that it has lost the lock cannot write any more, and one whose connection ended
during a commit can tell later whether that took effect.
"""

# Statements are made of constants here.
# ruff: noqa: S608

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from attrs import evolve

from simplex_trio.errors import StoreError, StoreFenced, StoreLocked, StoreUnavailable
from simplex_trio.frozen import frozen
from simplex_trio.storage.postgres.connection import Connection, run_in_time
from simplex_trio.storage.postgres.failures import LEASE_TABLE
from simplex_trio.storage.postgres.parameters import Statement

__all__ = ["Lease", "lock_number", "locked_by", "take_again", "take_lease", "try_lock"]

_LOCK: Final = "SELECT pg_try_advisory_lock($1)"

_KEEPERS: Final = """
    SELECT pid::int8, backend_start::text FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::int8 = ($1::int8 >> 32) & 4294967295
    AND objid::int8 = $1::int8 & 4294967295
    """

_END: Final = "SELECT pg_terminate_backend($1::int8::int4, 5000)"

_OURSELVES: Final = """
    SELECT pid::int8, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()
    """

_TAKE: Final = f"""
    UPDATE {LEASE_TABLE}
    SET epoch = epoch + 1, commits = 0, holder = $1, since = extract(epoch FROM now())::int8
    RETURNING epoch
    """

_READ: Final = f"SELECT epoch, commits FROM {LEASE_TABLE}"

_COUNT: Final = f"""
    UPDATE {LEASE_TABLE} SET commits = commits + 1, epoch = CASE WHEN epoch = $1 THEN epoch END
    """
"""Counts a commit.  With another epoch the column would be NULL, which the table refuses."""

_HOLDER: Final = f"SELECT holder, since FROM {LEASE_TABLE}"

_RELEASE: Final = f"UPDATE {LEASE_TABLE} SET holder = NULL, since = NULL WHERE epoch = $1"


@frozen
class Lease:
    """The right to write, until another process takes it."""

    lock: int
    """The number of the lock."""
    epoch: int
    keeper: tuple[int, str]
    """The server's process that holds the lock for us: its id, and when it was started."""

    @property
    def count(self) -> Statement:
        """What every commit begins with; it raises `StoreFenced` if the lease is another's."""
        return Statement(_COUNT, (self.epoch,))

    @property
    def release(self) -> Statement:
        """Says that there is no holder; the lock goes with the connection."""
        return Statement(_RELEASE, (self.epoch,))


def lock_number(schema: str) -> int:
    """The number of the lock of a schema."""
    digest = sha256(b"simplex_trio store " + schema.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def try_lock(connection: Connection, number: int) -> bool:
    """Take the lock if no other connection has it; whether that worked."""
    (((taken,),),) = await run_in_time(connection, [Statement(_LOCK, (number,))])
    return bool(taken)


async def take_lease(connection: Connection, number: int, name: str) -> Lease:
    """Become the holder; the connection has the lock, and the tables are there."""
    holder = f"{name} on {socket.gethostname()}, process {os.getpid()}"
    (((epoch,),), (keeper,)) = await run_in_time(
        connection, [Statement(_TAKE, (holder,)), Statement(_OURSELVES)]
    )
    return Lease(number, epoch, keeper)


async def take_again(connection: Connection, lease: Lease) -> tuple[Lease, int]:
    """Go on with a lease on another connection; the lease, and the number of commits.

    Before it returns the connection before has ended, and all that it was doing.  Raises
    `StoreFenced` if the lease is another's, and `StoreUnavailable` if it cannot be told yet.
    """
    if not await try_lock(connection, lease.lock):
        (keepers,) = await run_in_time(connection, [Statement(_KEEPERS, (lease.lock,))])
        if keepers == [lease.keeper]:
            # The server does not know yet that we have closed it.
            await run_in_time(connection, [Statement(_END, lease.keeper[:1])])
        else:
            await _read(connection, lease)
        if not await try_lock(connection, lease.lock):
            raise StoreUnavailable("the server has not let go of the lock of the store yet")
    commits = await _read(connection, lease)
    ((keeper,),) = await run_in_time(connection, [Statement(_OURSELVES)])
    return evolve(lease, keeper=keeper), commits


async def _read(connection: Connection, lease: Lease) -> int:
    """The number of commits."""
    (rows,) = await run_in_time(connection, [Statement(_READ)])
    if len(rows) != 1 or rows[0][0] != lease.epoch:
        raise StoreFenced("another process has taken over the store")
    return int(rows[0][1])


async def locked_by(connection: Connection) -> StoreLocked:
    """The error that says who has the store open."""
    try:
        (rows,) = await run_in_time(connection, [Statement(_HOLDER)])
    except StoreError:
        rows = []  # it is just making the tables
    holder, since = rows[0] if rows else (None, None)
    if holder is None:
        return StoreLocked("another process has the store open")
    began = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    return StoreLocked(f"another process has the store open: {holder}, since {began}")
