"""`PostgresDatabase`: a store's database, in which one process at a time may write.

There is one connection, on which calls are carried out one by one and in their order.  When it is
lost the next call, or the regular look at it, makes another and makes sure that the lease is still
ours.  What was being committed then has happened or not, which the count in the lease tells.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn

import trio

from simplex_trio.errors import (
    StoreCorrupted,
    StoreError,
    StoreFenced,
    StoreLocked,
    StoreLost,
    StoreOutcomeUnknown,
    StoreUnavailable,
    copy_of,
    without_traceback,
)
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.storage.postgres.connection import (
    Connection,
    Rows,
    Snapshot,
    connect,
    run_in_time,
    snapshot,
)
from simplex_trio.storage.postgres.failures import LEASE_TABLE, DatabaseLost
from simplex_trio.storage.postgres.lease import (
    Lease,
    lock_number,
    locked_by,
    take_again,
    take_lease,
    try_lock,
)
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.schema import PostgresSchema
from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = [
    "LEASE_SECONDS",
    "PATIENCE_SECONDS",
    "PostgresDatabase",
    "open_postgres_database",
]

_log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 20.0
"""So long after the last answer of the database the lease counts as lost, and the program ends.

It is less than the half minute after which the server gives the lock of a machine that it cannot
reach to the next: so two processes that cannot know of each other do not both go on.
"""

PATIENCE_SECONDS: Final = 5.0
"""So long a call waits for a lost connection to be made again; enough for a server to restart."""

LOOK_SECONDS: Final = 2.0
"""How often an idle connection is looked at."""

TRY_LOCK_SECONDS: Final = 3.0
"""So long the lock may be taken before opening says so: after a crash, the server needs a moment
to notice that the process is gone."""

STANDBY_SECONDS: Final = 0.5
"""How often a process that stands by tries to take the lock.  It does not wait in the server, which
would have to keep all that is deleted in the meantime."""

_LOOK: Final = Statement(f"SELECT epoch FROM {LEASE_TABLE}")  # noqa: S608 - a constant

_DURABILITY: Final = Statement("""
    SELECT name FROM pg_settings WHERE setting = 'off' AND name IN ('fsync', 'full_page_writes')
    """)

_ANOTHER: Final = "the database is another one, or lacks what it has confirmed"

_SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0


@asynccontextmanager
async def open_postgres_database(
    url: DatabaseURL,
    schema: PostgresSchema,
    *,
    name: str,
    standby: bool = False,
    standing_by: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[PostgresDatabase]:
    """Open the database of a store, with its tables, for as long as the block lasts.

    ``name`` tells others what has it open.  With ``standby`` this waits until no other process has
    it open, and until the database can be reached; ``standing_by`` is called, once, with the
    reason.  Raises

    - `StoreLocked` while another process has it open, with what that is;
    - `StoreForeign` if the schema has something else in it, or is of a later version;
    - `StoreCorrupted` if the tables are not those of their version;
    - `StoreUnavailable` if the database cannot be reached, or refuses;
    - `PostgresSupportMissing` without the extra ``postgres``.

    If the lease is lost the block is cancelled, and this raises `StoreLost`.
    """
    database = PostgresDatabase(url, schema, name)
    try:
        await database._open(standby=standby, standing_by=standing_by)
        async with open_inner_nursery() as nursery:
            nursery.start_soon(database._look_regularly, nursery.cancel_scope)
            try:
                yield database
            finally:
                nursery.cancel_scope.cancel()
    finally:
        await database.aclose()
    if database.failure is not None:
        raise copy_of(database.failure)


class PostgresDatabase:
    """An open database; many tasks may call its methods, which take effect in their order.

    They raise `StoreUnavailable` if the connection is lost and cannot be made again within
    `PATIENCE_SECONDS`, `StoreLost` when the lease is lost or the database lacks commits that it had
    confirmed, and `trio.ClosedResourceError` after `aclose`.
    """

    def __init__(self, url: DatabaseURL, schema: PostgresSchema, name: str) -> None:
        self.failure: StoreLost | None = None
        """Why nothing works any more, if so."""
        self._url = url
        self._schema = schema
        self._schema_name = url.schema or schema.name
        self._name = name
        self._lock = trio.Lock()
        self._closing = False
        self._connection: Connection | None = None
        self._lease: Lease | None = None
        self._commits = 0
        self._answered_at = trio.current_time()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known; it is looked at every two seconds."""
        return self._connection is not None and not self._connection.closed

    # --- calls ----------------------------------------------------------------------------------

    async def commit(self, statements: Sequence[Statement]) -> None:
        """Carry out statements in one durable transaction: all of them or, if this raises, none.

        Cancelled before it begins, it writes nothing; after that no cancellation is heard.  If the
        connection is lost, it is found out what has happened, and the statements are carried out
        again if nothing has.  Raises what `Connection.run` raises, and `StoreOutcomeUnknown` if
        that cannot be found out within `LEASE_SECONDS`.
        """
        self._check_open()
        deadline = trio.current_time() + PATIENCE_SECONDS
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            async with self._lock:
                await self._commit(statements, deadline)

    async def fetch(self, statement: Statement) -> Rows:
        """The rows of a query, which are few.

        Cancelling is heard until it begins.
        """
        self._check_open()
        deadline = trio.current_time() + PATIENCE_SECONDS
        async with self._lock:
            with trio.CancelScope(shield=True):
                rows = await self._fetch(statement, deadline)
        return rows

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """What the database has now, for reading much of it; other calls wait meanwhile."""
        self._check_open()
        deadline = trio.current_time() + PATIENCE_SECONDS
        async with self._lock:
            with trio.CancelScope(shield=True):
                connection = await self._connected(deadline)
            async with snapshot(connection) as found:
                yield found
            self._answered_at = trio.current_time()

    async def aclose(self) -> None:
        """Finish the calls that have begun, give the lease back, and close the connection.

        Closing again does nothing.  A cancellation takes effect only after everything is closed.
        """
        self._closing = True
        with trio.CancelScope(shield=True):
            async with self._lock:
                connection, lease = self._connection, self._lease
                self._connection = self._lease = None
                if connection is not None:
                    try:
                        if lease is not None and not connection.has_ended():
                            await run_in_time(connection, [lease.release])
                    except StoreError as exc:
                        _log.info("the lease of the store could not be given back: %s", exc)
                    finally:
                        with trio.CancelScope(shield=True):
                            await connection.close()
        await trio.lowlevel.checkpoint()

    def _check_open(self) -> None:
        if self._closing:
            raise trio.ClosedResourceError("the store is closed")

    # --- with the lock --------------------------------------------------------------------------

    async def _commit(self, statements: Sequence[Statement], deadline: float) -> None:
        while True:
            connection = await self._connected(deadline)
            assert self._lease is not None
            before = self._commits
            asked_at = trio.current_time()
            try:
                await run_in_time(connection, [self._lease.count, *statements])
            except StoreFenced as exc:
                self._fail(exc)
            except DatabaseLost as exc:
                lost = exc
            else:
                self._commits += 1
                self._answered_at = asked_at
                return
            _log.warning("during a commit: %s", lost)
            await connection.close()
            await self._connected(self._answered_at + LEASE_SECONDS, in_doubt=True)
            if self._commits == before + 1:
                return
            if trio.current_time() >= deadline:
                raise StoreUnavailable("the connection to the database is lost") from lost

    async def _fetch(self, statement: Statement, deadline: float) -> Rows:
        while True:
            connection = await self._connected(deadline)
            asked_at = trio.current_time()
            try:
                (rows,) = await run_in_time(connection, [statement])
            except DatabaseLost as exc:
                _log.warning("%s", exc)
                if trio.current_time() >= deadline:
                    raise
            else:
                self._answered_at = asked_at
                return rows

    async def _connected(self, deadline: float, *, in_doubt: bool = False) -> Connection:
        """The connection, or another one if it is lost; ``in_doubt`` about the last commit."""
        if self.failure is not None:
            raise copy_of(self.failure)
        if self._connection is not None:
            # Seen before anything is sent, the end of a connection leaves nothing in doubt.
            if not self._connection.has_ended():
                return self._connection
            await self._connection.close()
            self._connection = None
        pause = _SHORTEST_PAUSE
        while True:
            asked_at = trio.current_time()
            try:
                await self._connect_again(in_doubt=in_doubt)
            except StoreLost as exc:
                self._fail(exc)
            except StoreUnavailable as exc:
                now = trio.current_time()
                if now >= self._answered_at + LEASE_SECONDS:
                    self._fail(_lost(in_doubt=in_doubt), exc)
                if now >= deadline:
                    raise StoreUnavailable("the connection to the database is lost") from exc
                await trio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except StoreError as exc:
                # There is no lease in this database, or not the one that was taken.
                self._fail(StoreLost(_ANOTHER), exc)
            else:
                _log.warning("the connection to the database has been made again")
                assert self._connection is not None
                self._answered_at = asked_at
                return self._connection

    async def _connect_again(self, *, in_doubt: bool) -> None:
        assert self._lease is not None
        with trio.move_on_at(self._answered_at + LEASE_SECONDS) as scope:
            connection = await connect(self._url, name=self._name, schema=self._schema_name)
            try:
                lease, commits = await take_again(connection, self._lease)
                if not 0 <= commits - self._commits <= in_doubt:
                    raise StoreLost(_ANOTHER)
            except BaseException:
                with trio.CancelScope(shield=True):
                    await connection.close()
                raise
            self._connection, self._lease, self._commits = connection, lease, commits
        if scope.cancelled_caught:
            raise DatabaseLost("the database did not answer in time")

    def _fail(self, failure: StoreLost, cause: StoreError | None = None) -> NoReturn:
        failure.__cause__ = cause or failure.__cause__
        self.failure = without_traceback(copy_of(failure))
        raise failure

    # --- regular work ---------------------------------------------------------------------------

    async def _look_regularly(self, scope: trio.CancelScope) -> None:
        """See that the lease is still ours, and cancel ``scope`` when it is not."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            if self._closing:
                return
            if self.failure is None and trio.current_time() - self._answered_at > LOOK_SECONDS:
                with suppress(StoreError, trio.ClosedResourceError):
                    await self._look()
            if self.failure is not None:
                _log.error("%s", self.failure)
                scope.cancel()
                return

    async def _look(self) -> None:
        try:
            rows = await self.fetch(_LOOK)
        except StoreCorrupted as exc:
            self._fail(StoreLost(_ANOTHER), exc)
        if self._lease is not None and rows != [(self._lease.epoch,)]:
            self._fail(StoreFenced("another process has taken over the store"))

    # --- opening --------------------------------------------------------------------------------

    async def _open(self, *, standby: bool, standing_by: Callable[[str], None]) -> None:
        connection = await self._locked(standby=standby, standing_by=standing_by)
        try:
            await self._schema.prepare(connection, self._schema_name)
            number = lock_number(self._schema_name)
            self._lease = await take_lease(connection, number, self._name)
            await _warn(connection)
        except BaseException:
            with trio.CancelScope(shield=True):
                await connection.close()
            raise
        self._connection = connection
        self._answered_at = trio.current_time()

    async def _locked(self, *, standby: bool, standing_by: Callable[[str], None]) -> Connection:
        """A connection that has the lock."""
        patience = trio.current_time() + TRY_LOCK_SECONDS
        connection: Connection | None = None
        said = False
        try:
            while True:
                try:
                    if connection is None or connection.closed:
                        connection = await connect(
                            self._url, name=self._name, schema=self._schema_name
                        )
                    if await try_lock(connection, lock_number(self._schema_name)):
                        return connection
                    reason: StoreUnavailable = await locked_by(connection)
                except StoreUnavailable as exc:
                    reason = exc
                is_late = trio.current_time() >= patience
                if not standby and (is_late or not isinstance(reason, StoreLocked)):
                    raise reason
                if standby and not said:
                    standing_by(str(reason))
                    said = True
                await trio.sleep(STANDBY_SECONDS if standby else _SHORTEST_PAUSE)
        except BaseException:
            if connection is not None:
                with trio.CancelScope(shield=True):
                    await connection.close()
            raise


def _lost(*, in_doubt: bool) -> StoreLost:
    if in_doubt:
        return StoreOutcomeUnknown(
            "the connection to the database was lost during a commit, and could not be made again "
            f"within {LEASE_SECONDS:.0f} seconds to see what became of it"
        )
    return StoreLost(f"the database has not answered for {LEASE_SECONDS:.0f} seconds")


async def _warn(connection: Connection) -> None:
    """Say what the server does not do that durable commits need."""
    (rows,) = await run_in_time(connection, [_DURABILITY])
    for (setting,) in rows:
        _log.warning("the database has %s off: a loss of power may lose what it has", setting)
