"""`open_connection`: a connection to a database, set for stores; and `Snapshot`, for reading much.

The package that speaks to PostgreSQL is imported with the first connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, Final, Protocol, TypeAlias

import trio

from simplex_trio.errors import PostgresSupportMissing, StoreError, StoreForeign
from simplex_trio.storage.postgres.failures import DatabaseLost
from simplex_trio.storage.postgres.parameters import Parameter, Statement
from simplex_trio.storage.postgres.url import DatabaseURL

__all__ = [
    "ANSWER_SECONDS",
    "CONNECT_SECONDS",
    "COUNTING_SECONDS",
    "Connection",
    "Rows",
    "Snapshot",
    "connect",
    "open_connection",
    "run_in_time",
    "snapshot",
]

Rows: TypeAlias = list[tuple[Any, ...]]
"""The rows of a statement, with ``bytea`` as `bytes` and numbers as `int`."""

ANSWER_SECONDS: Final = 10.0
"""The most that the server may take for one call; then the connection is closed."""

COUNTING_SECONDS: Final = 300.0
"""The same for queries that read whole tables before their first row is there."""

CONNECT_SECONDS: Final = 5.0
"""The most for one address of a server, with TLS and the password: the next may be the one that
has taken over."""

_LOWEST: Final = 140000
"""The oldest PostgreSQL that is used: in earlier ones a process of the server cannot be told to
end and waited for."""

_DEFAULTS: Final = {
    # Packets after 5 s without any, and the end after three that nothing answers.
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    # A copy that only reads has the lease as well, and its lock keeps no other process away.
    "target_session_attrs": "read-write",
}

_SETTINGS: Final = {
    # For the server's side, which so keeps the lock of a machine that is gone for half a minute.
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
    # The connection may be idle for long, and reading everything takes its time.
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "default_transaction_isolation": "read committed",
    "client_min_messages": "warning",
    "jit": "off",
    # Commits find rows by their keys, also while the server believes that a table is small.
    "enable_seqscan": "off",
}

_LOOK_FOR_US: Final = ("client_connection_check_interval", "1000")
"""So a statement ends, and its locks with it, soon after this side has closed the connection."""

_VERSION = "SELECT current_setting('server_version_num')::int8"
_SET = "SELECT set_config($1, $2, false)"
_WAIT_FOR_THE_DISK = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'
    """

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_AT_ONCE: Final = 500
"""Rows that are read before other tasks have their turn; some milliseconds' worth."""


class Connection(Protocol):
    """A connection to a database; one call at a time is carried out, in the order of the calls."""

    @property
    def closed(self) -> bool:
        """Whether it is closed, by this side or the other."""
        ...

    @property
    def process(self) -> int:
        """The id of the server's process that serves this connection."""
        ...

    def has_ended(self) -> bool:
        """Whether it is closed, or the other side's end of it has arrived."""
        ...

    async def run(self, statements: Sequence[Statement]) -> list[Rows]:
        """Carry out statements in one round trip, and in one transaction unless one has begun.

        Returns the rows of each.  Raises `DatabaseLost` if the connection is lost, after which it
        is not known whether anything has happened; otherwise nothing has if this raises:
        `StoreConflict` for what contradicts the tables, `StoreFull`, `StoreUnavailable`, or
        `StoreCorrupted`.  Cancelling it closes the connection.
        """
        ...

    async def close(self) -> None: ...


@asynccontextmanager
async def open_connection(url: DatabaseURL, *, name: str) -> AsyncIterator[Connection]:
    """Connect to a database for as long as the block lasts, as `connect` does."""
    connection = await connect(url, name=name)
    try:
        yield connection
    finally:
        with trio.CancelScope(shield=True):
            await connection.close()


async def connect(url: DatabaseURL, *, name: str, schema: str | None = None) -> Connection:
    """A connection to a database; the caller has to close it.

    ``name`` is shown to who looks at the server's connections.  Tables are found in ``schema``,
    or in that of the URL if it names one.  Raises `PostgresSupportMissing`, `StoreForeign` for a
    server that is too old, and `StoreUnavailable`.
    """
    try:
        driver = import_module("simplex_trio.storage.postgres._psycopg")
    except ImportError as exc:
        raise PostgresSupportMissing(
            "a store in PostgreSQL needs psycopg and its library: "
            "pip install 'simplex-trio[postgres]' 'psycopg[binary]'"
        ) from exc
    connection: Connection = await driver.connect(
        url.libpq, CONNECT_SECONDS, application_name=name, client_encoding="UTF8", **_DEFAULTS
    )
    try:
        await _settle(connection, url.schema or schema)
    except BaseException:
        with trio.CancelScope(shield=True):
            await connection.close()
        raise
    return connection


async def _settle(connection: Connection, schema: str | None) -> None:
    settings = dict(_SETTINGS)
    if schema is not None:
        settings["search_path"] = f'"{schema}"'
    (((version,),),) = await run_in_time(connection, [Statement(_VERSION)])
    if version < _LOWEST:
        raise StoreForeign("the database is of a PostgreSQL before version 14")
    set_all = [Statement(_SET, setting) for setting in settings.items()]
    await run_in_time(connection, [*set_all, Statement(_WAIT_FOR_THE_DISK)])
    with suppress(StoreError):  # on some systems the server cannot
        await run_in_time(connection, [Statement(_SET, _LOOK_FOR_US)])


async def run_in_time(
    connection: Connection, statements: Sequence[Statement], seconds: float | None = None
) -> list[Rows]:
    """What `Connection.run` returns; `DatabaseLost` also if the server does not answer in time.

    That is `ANSWER_SECONDS`, unless ``seconds`` says otherwise.
    """
    with trio.move_on_after(ANSWER_SECONDS if seconds is None else seconds):
        return await connection.run(statements)
    raise DatabaseLost("the database did not answer in time")


class Snapshot:
    """What a database had at one moment, read piece by piece."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._fetch = Statement("")
        self._seconds = ANSWER_SECONDS

    async def open(
        self,
        sql: str,
        parameters: Sequence[Parameter] = (),
        *,
        rows: int = _AT_ONCE,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Begin to read the rows of a query, so many at a time.

        ``seconds`` are the most that the server may take for so many.
        """
        self._fetch = Statement(f"FETCH {rows} FROM rows")
        self._seconds = seconds
        await self._run([Statement(f"DECLARE rows NO SCROLL CURSOR FOR {sql}", parameters)])

    async def portion(self) -> Rows:
        """The next rows of the query that was opened last; none at its end."""
        (rows,) = await self._run([self._fetch], self._seconds)
        if not rows:
            await self._run([Statement("CLOSE rows")])
        return rows

    async def read(
        self,
        sql: str,
        take: Callable[[Rows], object],
        parameters: Sequence[Parameter] = (),
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Call ``take`` with the rows of a query, some hundreds at a time.

        ``seconds`` are the most that the server may take for some hundreds.
        """
        await self.open(sql, parameters, seconds=seconds)
        while rows := await self.portion():
            take(rows)

    async def _run(
        self, statements: Sequence[Statement], seconds: float = ANSWER_SECONDS
    ) -> list[Rows]:
        # Cancelled, it closes the connection; that is better than to wait for minutes.
        with trio.CancelScope(shield=seconds <= ANSWER_SECONDS):
            rows = await run_in_time(self._connection, statements, seconds)
        await trio.lowlevel.checkpoint_if_cancelled()
        return rows


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[Snapshot]:
    """Read what there is now, whatever others write meanwhile; nothing else may use it then."""
    await run_in_time(connection, [Statement(_BEGIN), Statement("SET LOCAL enable_seqscan = on")])
    try:
        yield Snapshot(connection)
    finally:
        with trio.CancelScope(shield=True):
            if not connection.closed:
                await run_in_time(connection, [Statement("ROLLBACK")])
