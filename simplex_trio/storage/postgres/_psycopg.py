"""psycopg, whose generators Trio drives.

This is the only module that imports psycopg.  Its asynchronous connections do all of their work in
generators that say for what they have to wait: here, Trio waits.  `TrioConnection` can do all that
psycopg's connections can, except for what starts tasks; the store uses `run` alone.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Final, TypeAlias

import psycopg
import trio
from psycopg import _conninfo_utils, generators
from psycopg.abc import PQGen, PQGenConn
from psycopg.adapt import Transformer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import lookup
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

from simplex_trio.errors import StoreError, StoreUnavailable
from simplex_trio.storage.postgres.failures import DatabaseLost, refusal
from simplex_trio.storage.postgres.parameters import Statement, encode

__all__ = ["TrioConnection", "connect"]

_SUCCESS: Final = frozenset((ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY))

Rows: TypeAlias = list[tuple[Any, ...]]

_PASSING: Final = ("starting up", "shutting down", "recovery", "too many", "remaining connection")
"""Words in refusals that pass by themselves."""


class TrioConnection(psycopg.AsyncConnection[Any]):
    """A connection of psycopg that waits with Trio.

    Cancelling a call while the server works for it closes the connection, so that no answer is ever
    taken for that of another call.
    """

    def __init__(self, pgconn: Any, *args: Any) -> None:
        super().__init__(pgconn, *args)
        self.lock = trio.Lock()  # type: ignore[assignment]
        self._names: dict[str, bytes] = {}
        self._numbers = count()

    @property
    def process(self) -> int:
        """The id of the server's process that serves this connection."""
        return self.pgconn.backend_pid

    def has_ended(self) -> bool:
        """Whether it is closed, or the other side's end of it has arrived."""
        if not self.closed and _look(self.pgconn.socket, Wait.R):
            with suppress(psycopg.Error):
                self.pgconn.consume_input()
        return self.closed

    async def run(self, statements: Sequence[Statement]) -> list[Rows]:
        """Carry out statements in one round trip, and one transaction unless one has begun.

        Returns the rows of each.  Raises what `refusal` says, and then no statement has had an
        effect; or `DatabaseLost`, and then that is not known.
        """
        async with self.lock:
            with self._translated():
                rows: list[Rows] = await self.wait(self._run_gen(statements))
        return rows

    async def wait(self, gen: PQGen[Any], *_: object, **__: object) -> Any:
        """What a generator returns, after waiting for all that it has to wait for."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            wanted = next(gen)
            while True:
                try:
                    ready = await _ready(self.pgconn.socket, wanted)
                except BaseException:
                    self._abandon()
                    raise
                wanted = gen.send(ready)
        except StopIteration as finished:
            return finished.value

    async def close(self) -> None:
        self.close_now()
        await trio.lowlevel.checkpoint()

    def close_now(self) -> None:
        """Close the connection without a checkpoint."""
        self._closed = True
        self.pgconn.finish()

    async def _try_cancel(self, **_: object) -> None:
        self._abandon()

    def _abandon(self) -> None:
        """Close the connection if an answer is still to come."""
        if (
            self.pgconn.transaction_status == TransactionStatus.ACTIVE
            or self.pgconn.pipeline_status
        ):
            self.close_now()

    # --- statements -----------------------------------------------------------------------------

    def _run_gen(self, statements: Sequence[Statement]) -> PQGen[list[Rows]]:
        pgconn = self.pgconn
        values = [[encode(value) for value in each.parameters] for each in statements]
        pgconn.enter_pipeline_mode()
        expected: deque[str | None] = deque()
        for statement, encoded in zip(statements, values, strict=True):
            name = self._names.get(statement.sql)
            if name is None:
                name = self._names[statement.sql] = b"s%d" % next(self._numbers)
                pgconn.send_prepare(name, statement.sql.encode())
                expected.append(statement.sql)
            formats = [Format.BINARY] * len(encoded)
            pgconn.send_query_prepared(name, encoded, formats, result_format=Format.BINARY)
            expected.append(None)
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        rows: list[Rows] = []
        refused: PGresult | None = None
        while True:
            results = yield from generators.fetch_many(pgconn)
            if not results:
                raise psycopg.OperationalError("the server gives no answer")
            result = results[0]
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            # What fails after all of them have succeeded is the commit.
            prepared = expected.popleft() if expected else None
            if result.status not in _SUCCESS:
                if prepared is not None:
                    del self._names[prepared]
                refused = refused or result
            elif prepared is None:
                rows.append(self._rows(result))
        pgconn.exit_pipeline_mode()
        if refused is not None:
            _raise_refusal(refused)
        return rows

    def _rows(self, result: PGresult) -> Rows:
        if not result.ntuples:
            return []
        transformer = Transformer(self)
        transformer.set_pgresult(result, format=Format.BINARY)
        return transformer.load_rows(0, result.ntuples, tuple)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            if self.pgconn.status == ConnStatus.BAD:
                raise DatabaseLost("the connection to the database is lost") from exc
            raise refusal(exc.sqlstate, str(exc)) from exc


def _raise_refusal(result: PGresult) -> None:
    state, message, table = (
        (result.error_field(field) or b"").decode(errors="replace")
        for field in (
            DiagnosticField.SQLSTATE,
            DiagnosticField.MESSAGE_PRIMARY,
            DiagnosticField.TABLE_NAME,
        )
    )
    try:
        cause = lookup(state)(message)
    except KeyError:
        cause = psycopg.DatabaseError(message)
    # The cause has no details, which would quote ids and keys.
    raise refusal(state, message, table) from cause


async def connect(conninfo: str, seconds: float, **defaults: str) -> TrioConnection:
    """A connection to the first server of ``conninfo`` that accepts one.

    Each address of a server has ``seconds``, or its ``connect_timeout`` if that is less.
    ``defaults`` are parameters for those that it does not have.  Every statement is a transaction.
    Raises `StoreUnavailable`, which never shows the password, nor where the server is.
    """
    try:
        given = conninfo_to_dict(conninfo)
        attempts = _conninfo_utils.split_attempts({**defaults, **given})
    except psycopg.Error:
        # The message quotes the URL.
        error = StoreUnavailable("the URL of the database is not one of libpq")
        error.retryable = False
        raise error from None
    failure: StoreError | None = None
    for attempt in attempts:
        limit = _limit(attempt, seconds)
        addresses: list[dict[str, Any]] = []
        try:
            with trio.move_on_after(limit):
                addresses = await _resolved(attempt)
        except OSError as exc:
            failure = StoreUnavailable("the name of the database's server has no address")
            failure.__cause__ = exc
            continue
        failure = DatabaseLost("the database's server did not answer in time")
        for resolved in addresses:
            with trio.move_on_after(limit):
                try:
                    gen = TrioConnection._connect_gen(make_conninfo("", **resolved))
                    connection: TrioConnection = await _wait_connecting(gen)
                except psycopg.Error as exc:
                    failure = _cannot_connect(exc)
                else:
                    connection._autocommit = True
                    return connection
    assert failure is not None
    raise failure


def _limit(attempt: Mapping[str, Any], seconds: float) -> float:
    """How long to wait for an address; 0 and what is no number stand for no limit of their own."""
    text = _conninfo_utils.get_param(attempt, "connect_timeout") or ""
    own = int(text) if text.isdecimal() else 0
    return min(own or seconds, seconds)


def _cannot_connect(exc: psycopg.Error) -> StoreError:
    # What the server says has no state yet, and comes after what libpq says about where it is.
    said = str(exc).partition("FATAL:")[2].strip().splitlines()
    if said:
        state = "57P03" if any(word in said[0] for word in _PASSING) else "28000"
        error = refusal(state, said[0])
    else:
        reason = str(exc).strip().splitlines()[0].rpartition(": ")[2]
        error = StoreUnavailable(f"the database cannot be reached ({reason})")
    error.__cause__ = exc
    return error


async def _resolved(attempt: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The attempt with each address of its host: libpq would block while it looks for them."""
    host = _conninfo_utils.get_param(attempt, "host")
    known = _conninfo_utils.get_param(attempt, "hostaddr")
    if not host or host.startswith("/") or known:
        return [dict(attempt)]
    port = _conninfo_utils.get_param(attempt, "port") or "5432"
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return [{**attempt, "hostaddr": address[0]} for *_, address in found]


async def _wait_connecting(gen: PQGenConn[Any]) -> Any:
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        file, wanted = next(gen)
        while True:
            file, wanted = gen.send(await _ready(file, wanted))
    except StopIteration as finished:
        return finished.value
    finally:
        gen.close()


async def _ready(file: int, wanted: Wait) -> Ready:
    """What a socket is ready for of what is wanted, as soon as that is anything."""
    if wanted & Wait.W:
        # Mostly there is room to write, and looking costs less than waiting.
        ready = _look(file, wanted)
        if ready:
            await trio.lowlevel.checkpoint()
            return ready
    if wanted == Wait.R:
        await trio.lowlevel.wait_readable(file)
        return Ready.R
    if wanted == Wait.W:
        await trio.lowlevel.wait_writable(file)
        return Ready.W
    async with trio.open_nursery() as nursery:

        async def wait(until: Callable[[int], Awaitable[None]]) -> None:
            await until(file)
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, trio.lowlevel.wait_readable)
        nursery.start_soon(wait, trio.lowlevel.wait_writable)
    return _look(file, wanted) or Ready.NONE


def _look(file: int, wanted: Wait) -> Ready:
    poll = select.poll()
    poll.register(
        file,
        (select.POLLIN if wanted & Wait.R else 0) | (select.POLLOUT if wanted & Wait.W else 0),
    )
    ready = 0
    for _, events in poll.poll(0):
        # An error is for libpq to find, in whatever it does next.
        if events & ~select.POLLOUT:
            ready |= Ready.R
        if events & ~select.POLLIN:
            ready |= Ready.W
    return Ready(ready & wanted)
