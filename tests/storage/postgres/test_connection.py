"""Connections to a real server, and what can go wrong with them."""

from __future__ import annotations

import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
import trio

from simplex_trio.errors import (
    PostgresSupportMissing,
    StoreConflict,
    StoreCorrupted,
    StoreError,
    StoreUnavailable,
)
from simplex_trio.storage.postgres.connection import (
    Connection,
    Rows,
    connect,
    open_connection,
    run_in_time,
    snapshot,
)
from simplex_trio.storage.postgres.failures import DatabaseLost
from simplex_trio.storage.postgres.parameters import Statement, numbers, octets
from simplex_trio.storage.postgres.url import DatabaseURL
from tests.postgres import new_url

_MAKE = "CREATE TABLE notes (number int8 PRIMARY KEY, text bytea NOT NULL)"
_PUT = "INSERT INTO notes SELECT * FROM unnest($1::int8[], $2::bytea[])"
_COUNT = Statement("SELECT count(*) FROM notes")


@asynccontextmanager
async def connected(postgres: str) -> AsyncIterator[Connection]:
    """A connection, with a table that ends with the schema it is in."""
    url = new_url(postgres)
    async with open_connection(url, name="test") as connection:
        await connection.run([Statement(f"CREATE SCHEMA {url.schema}"), Statement(_MAKE)])
        try:
            yield connection
        finally:
            async with open_connection(url, name="test") as other:
                await other.run([Statement(f"DROP SCHEMA {url.schema} CASCADE")])


def put(*rows: tuple[int, bytes | None]) -> Statement:
    return Statement(_PUT, (numbers([n for n, _ in rows]), octets([text for _, text in rows])))


async def count(connection: Connection) -> int:
    (((number,),),) = await connection.run([_COUNT])
    return int(number)


async def test_values_come_back(postgres: str) -> None:
    query = "SELECT $1::int8, $2::bytea, $3::text, $4::int8, $5::int8[], $6::bytea[], $7::int8[]"
    first: list[int | None] = [1, None, -(2**63), 2**63 - 1]
    second = [b"", None, b"\x00" * 70_000]
    values = (-5, b"\x00\xff", "größer", None)
    async with open_connection(new_url(postgres), name="test") as connection:
        for _ in range(2):  # prepared, and then again
            parameters = (*values, numbers(first), octets(second), numbers([]))
            ((row,),) = await connection.run([Statement(query, parameters)])
            assert row == (*values, first, second, [])


async def test_one_call_is_one_transaction(postgres: str) -> None:
    async with connected(postgres) as connection:
        await connection.run([put((1, b"one")), put((2, b"two"), (3, b""))])
        with pytest.raises(StoreConflict):
            await connection.run([put((4, b"four")), put((2, b"again")), put((5, b"five"))])
        with pytest.raises(StoreConflict):
            await connection.run([put((4, b"four")), put((5, None))])
        assert await count(connection) == 3
        with pytest.raises(StoreCorrupted):
            await connection.run([put((4, b"four")), Statement("SELECT * FROM no_such_table")])
        assert await count(connection) == 3
        await connection.run([put((4, b"four"))])
        assert await count(connection) == 4


async def test_much_is_written_and_read_at_once(postgres: str) -> None:
    async with connected(postgres) as connection:
        rows = [(number, bytes([number % 256]) * 16_000) for number in range(1200)]
        await connection.run([put(*rows)])
        async with snapshot(connection) as found:
            portions: list[Rows] = []
            await found.read("SELECT * FROM notes ORDER BY number", portions.append)
        assert [row for rows in portions for row in rows] == rows
        assert [len(rows) for rows in portions] == [500, 500, 200]


async def test_a_snapshot_is_of_one_moment(postgres: str) -> None:
    url = new_url(postgres)
    async with (
        open_connection(url, name="writes") as writer,
        open_connection(url, name="reads") as reader,
    ):
        await writer.run([Statement(f"CREATE SCHEMA {url.schema}"), Statement(_MAKE)])
        await writer.run([put((1, b"one"))])
        async with snapshot(reader) as found:
            seen: list[Rows] = []
            await found.read("SELECT number FROM notes", seen.append)
            await writer.run([put((2, b"two"))])
            await found.read("SELECT number FROM notes WHERE number >= $1", seen.append, (0,))
            assert seen == [[(1,)], [(1,)]]
        assert await count(reader) == 2
        await writer.run([Statement(f"DROP SCHEMA {url.schema} CASCADE")])


_LATE: Final = {
    "refuses": ("RAISE unique_violation", StoreConflict),
    "ends the connection": ("PERFORM pg_terminate_backend(pg_backend_pid())", DatabaseLost),
}


@pytest.mark.parametrize("what", _LATE)
async def test_a_commit_that_fails_after_its_statements(postgres: str, what: str) -> None:
    body, error = _LATE[what]
    async with connected(postgres) as connection:
        await connection.run(
            [
                Statement(
                    "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN {body}; RETURN NULL; END $$"
                ),
                Statement(
                    "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes "
                    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()"
                ),
            ]
        )
        with pytest.raises(error):
            await connection.run([put((1, b"one"))])
        if not connection.closed:
            assert await count(connection) == 0


async def test_a_server_that_only_reads(postgres: str) -> None:
    """As a copy that follows another server."""
    options = "options=-cdefault_transaction_read_only%3Don"
    url = f"{postgres}{'&' if '?' in postgres else '?'}{options}"
    with pytest.raises(StoreUnavailable, match="read-only"):
        await connect(DatabaseURL.parse(url), name="test")
    reads = DatabaseURL.parse(f"{url}&target_session_attrs=any")
    async with open_connection(reads, name="test") as connection:
        assert await connection.run([Statement("SELECT 5::int8")]) == [[(5,)]]


async def test_a_query_that_may_take_minutes_can_be_cancelled(postgres: str) -> None:
    async with connected(postgres) as connection:
        with trio.fail_after(30), trio.move_on_after(0.2) as scope:
            async with snapshot(connection) as found:
                await found.read("SELECT pg_sleep(60)::text", lambda _: None, seconds=90)
        assert scope.cancelled_caught
        assert connection.closed


async def test_calls_of_many_tasks_take_their_turns(postgres: str) -> None:
    async with connected(postgres) as connection, trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(connection.run, [put((number, b"")), _COUNT])
    async with connected(postgres) as connection:
        assert await count(connection) == 0


@pytest.mark.parametrize("seconds", [0, 0.001, 0.05])
async def test_a_cancelled_call_leaves_a_connection_usable_or_closed(
    postgres: str, seconds: float
) -> None:
    async with connected(postgres) as connection:
        with trio.move_on_after(seconds):
            await connection.run([put((1, b"one")), Statement("SELECT pg_sleep(20)")])
        if connection.closed:
            with pytest.raises(StoreUnavailable):
                await connection.run([_COUNT])
        else:
            assert await count(connection) == 0


async def test_a_server_that_does_not_answer_in_time(postgres: str) -> None:
    async with connected(postgres) as connection:
        with pytest.raises(DatabaseLost):
            await run_in_time(connection, [Statement("SELECT pg_sleep(20)")], seconds=0.01)
        assert connection.closed


async def test_a_connection_that_the_server_ends(postgres: str) -> None:
    async with connected(postgres) as connection:
        url = new_url(postgres)
        async with open_connection(url, name="other") as other:
            end = "SELECT pg_terminate_backend(int4($1::int8), 5000)"
            await other.run([Statement(end, (connection.process,))])
        with pytest.raises(DatabaseLost) as caught:
            await connection.run([put((1, b"one"))])
        assert caught.value.retryable
        assert connection.closed


_UNREACHABLE: Final = {
    "postgresql://router:secret-word@127.0.0.1:1/x": ("Connection refused", True),
    "postgresql://router:secret-word@/x?host=/nowhere": ("No such file", True),
    "postgresql://router:secret-word@127.0.0.1:1,127.0.0.1:1/x": ("Connection refused", True),
    "postgresql://router:secret%zz@127.0.0.1/x": ("not one of libpq", False),
    "postgresql://router:secret-word@127.0.0.1/x?sort=5": ("not one of libpq", False),
}


@pytest.mark.parametrize("text", _UNREACHABLE)
async def test_a_database_that_cannot_be_reached(text: str) -> None:
    reason, retryable = _UNREACHABLE[text]
    url = DatabaseURL.parse(text)
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        await connect(url, name="test")
    assert caught.value.retryable is retryable
    assert "secret" not in repr(url) + str(url)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:secret@h:1/x?user=secret", "postgresql://h:1/x"),
        ("postgresql:///x?host=/run", "postgresql:///x"),
        ("postgresql://h/x?user=u@secret", "postgresql://"),
        ("postgresql://u:secret/secret@h/x", "postgresql://h/x"),
        ("postgresql://u:secret?secret@h/x", "postgresql://"),
        ("postgresql://u:secret@secret@h/x", "postgresql://h/x"),
    ],
)
def test_urls_show_no_password_even_if_it_is_not_encoded(text: str, shown: str) -> None:
    url = DatabaseURL.parse(text)
    assert (str(url), repr(url)) == (shown, f"<DatabaseURL {shown}>")


async def test_the_next_server_has_its_turn_when_one_is_silent(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = parse_qs(urlsplit(postgres).query).get("host", [""])
    if not folder.startswith("/"):
        pytest.skip("the database that is named is not reached over a socket of this machine")
    monkeypatch.setattr("simplex_trio.storage.postgres.connection.CONNECT_SECONDS", 0.5)
    with TemporaryDirectory(prefix="silent-") as name, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{name}/.s.PGSQL.5432")
        silent.listen()
        both = DatabaseURL.parse(postgres.replace(folder, f"{name},{folder}"))
        async with open_connection(both, name="test") as connection:
            assert await connection.run([Statement("SELECT 5")]) == [[(5,)]]
        alone = DatabaseURL.parse(postgres.replace(folder, name))
        with pytest.raises(StoreUnavailable, match="in time"):
            await connect(alone, name="test")


class _TwoAddresses(trio.abc.HostnameResolver):
    async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        assert host == b"db.example"
        kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        return [(*kind, (address, int(port))) for address in ("127.0.0.1", "127.0.0.2")]

    async def getnameinfo(self, *_: Any) -> Any:
        raise NotImplementedError


async def test_the_next_address_has_its_turn_when_one_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simplex_trio.storage.postgres.connection.CONNECT_SECONDS", 0.2)
    trio.socket.set_custom_hostname_resolver(_TwoAddresses())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://x@db.example:{silent.getsockname()[1]}/x"
        with pytest.raises(StoreUnavailable, match="Connection refused"):
            await connect(DatabaseURL.parse(url), name="test")


async def test_a_database_that_refuses(postgres: str) -> None:
    url = DatabaseURL.parse(postgres.replace("/postgres", "/missing", 1))
    if "/postgres" not in postgres:
        pytest.skip("the database that is named has another name")
    with pytest.raises(StoreUnavailable, match="does not exist") as caught:
        await connect(url, name="test")
    assert not caught.value.retryable


async def test_errors_quote_no_values(postgres: str) -> None:
    async with connected(postgres) as connection:
        await connection.run([put((123_456_789, b"one"))])
        with pytest.raises(StoreConflict) as caught:
            await connection.run([put((123_456_789, b"two"))])
    assert "123456789" not in "".join(traceback.format_exception(caught.value))


async def test_the_driver_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("simplex_trio.storage.postgres.connection.import_module", fail)
    with pytest.raises(PostgresSupportMissing, match="postgres") as caught:
        await connect(DatabaseURL.parse("postgresql://x"), name="test")
    assert isinstance(caught.value, StoreError)


@pytest.mark.parametrize(
    ("text", "libpq", "schema", "shown"),
    [
        ("postgres://a:b@c:1/d", "postgres://a:b@c:1/d", None, "postgres://c:1/d"),
        ("postgresql:///d?schema=x", "postgresql:///d", "x", "postgresql:///d"),
        ("postgresql://a/d?e=f&schema=x_1&g=h", "postgresql://a/d?e=f&g=h", "x_1", None),
    ],
)
def test_urls(text: str, libpq: str, schema: str | None, shown: str | None) -> None:
    url = DatabaseURL.parse(text)
    assert (url.libpq, url.schema) == (libpq, schema)
    assert shown is None or str(url) == shown


@pytest.mark.parametrize(
    "text",
    ["mysql://secret", "/secret", "postgresql://a?schema=Secret", "postgres://a?schema=pg_secret"],
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError, match="database") as caught:
        DatabaseURL.parse(text)
    assert "ecret" not in str(caught.value)
