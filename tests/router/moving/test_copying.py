"""Copies from each kind of place to each other, compared row by row; and copies that fail."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

from simplex_trio.errors import StoreCorrupted, StoreForeign, StoreLocked, StoreUnavailable
from simplex_trio.router.moving import new_postgres
from simplex_trio.router.moving.copying import Destination, Progress, copy_everything
from simplex_trio.router.moving.new_postgres import new_postgres_store
from simplex_trio.router.moving.new_store import new_sqlite_store
from simplex_trio.router.store.interface import (
    Change,
    Filling,
    PutQueue,
    PutService,
    Reading,
    Snapshot,
)
from simplex_trio.router.store.postgres import open_postgres_store
from simplex_trio.router.store.postgres_reading import open_postgres_reading
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.url import DatabaseURL
from tests.postgres import new_url
from tests.router.moving.support import EVERYTHING, FILES, PLACES, Place, contents_after, filled
from tests.router.store.support import contents, message, queue, service

COUNTS = {
    "services": 2,
    "queues": 5,
    "links": 2,
    "messages": 4,
    "notifications": 2,
    "counters": 3,
}


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Place]:
    """Makes places of the kinds of `PLACES`, each of them new."""

    def make(kind: str, name: str = "new") -> Place:
        url = new_url(request.getfixturevalue("postgres")) if kind == "postgres" else None
        return Place(kind, tmp_path / name, url)

    return make


@pytest.mark.parametrize("second", PLACES)
@pytest.mark.parametrize("first", PLACES)
async def test_everything_arrives_in_each_direction(
    place: Callable[..., Place], tmp_path: Path, first: str, second: str
) -> None:
    places = [place(first, "first"), place(second, "second")]
    tallies = []
    async with filled(EVERYTHING) as source, places[0].new() as new:
        tallies.append(await copy_everything(source, new))
    async with places[0].reading() as source, places[1].new() as new:
        assert source.is_complete
        assert source.records == (None if first == "export" else 16)
        tallies.append(await copy_everything(source, new))
    assert tallies[0] == tallies[1]
    assert tallies[0].counts == COUNTS
    async with places[1].reading() as source, new_sqlite_store(tmp_path / "last") as new:
        await copy_everything(source, new)
    async with open_sqlite_store(tmp_path / "last") as store:
        assert await contents(store) == await contents_after(EVERYTHING)
        assert (await store.load()).next_sequence == 2**40 + 1
    names = {name.removesuffix("-mark") for name in os.listdir(tmp_path)}
    assert names - {"first", "second"} == {"last"}


@pytest.mark.parametrize("kind", FILES)
async def test_a_copy_is_for_its_owner_alone_from_the_start(tmp_path: Path, kind: str) -> None:
    umask = os.umask(0)
    try:
        async with filled(EVERYTHING) as source, Place(kind, tmp_path / "new").new() as new:
            (part,) = os.listdir(tmp_path)
            assert not stat.S_IMODE(os.stat(tmp_path / part).st_mode) & 0o077
            await copy_everything(source, new)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o600


@pytest.mark.parametrize("kind", FILES)
async def test_a_place_that_is_taken_is_refused(tmp_path: Path, kind: str) -> None:
    place = Place(kind, tmp_path / "new")
    place.path.write_bytes(b"mine")
    with pytest.raises(StoreUnavailable, match="new is there already"):
        async with place.new():
            pytest.fail("something is there")
    assert place.path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("kind", FILES)
async def test_a_place_that_is_taken_meanwhile_is_refused(tmp_path: Path, kind: str) -> None:
    place = Place(kind, tmp_path / "new")
    async with filled(EVERYTHING) as source, place.new() as new:
        place.path.write_bytes(b"mine")
        with pytest.raises(StoreUnavailable, match="new is there already"):
            await copy_everything(source, new)
    assert place.path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("suffix", ["-wal", "-mark"])
async def test_what_a_store_has_left_is_in_the_way(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"router.sqlite{suffix}").touch()
    with pytest.raises(StoreUnavailable, match=f"sqlite{suffix} is there already"):
        async with new_sqlite_store(tmp_path / "router.sqlite"):
            pytest.fail("the mark of another store is there")


class Interrupted(Reading):
    """Ends in the middle, in one way or another."""

    is_complete = True
    records: int | None = None

    def __init__(self, failure: BaseException | None = None) -> None:
        self._portions: Iterator[tuple[Filling, ...]] = iter(
            [(PutService(service()),), (PutQueue(queue()),)]
        )
        self._failure = failure

    async def portion(self) -> Sequence[Filling]:
        await trio.lowlevel.checkpoint()
        if (portion := next(self._portions, None)) is not None:
            return portion
        if self._failure is None:
            await trio.sleep_forever()
            raise AssertionError
        raise self._failure


@pytest.mark.parametrize("kind", FILES)
async def test_an_interrupted_copy_leaves_nothing(
    tmp_path: Path, kind: str, autojump_clock: trio.testing.MockClock
) -> None:
    place = Place(kind, tmp_path / "new")
    with trio.move_on_after(5) as scope:
        async with place.new() as new:
            await copy_everything(Interrupted(), new)
    assert scope.cancelled_caught
    assert os.listdir(tmp_path) == []
    with pytest.raises(StoreCorrupted):
        async with place.new() as new:
            await copy_everything(Interrupted(StoreCorrupted("somewhere")), new)
    assert os.listdir(tmp_path) == []


class Forgetful(Destination):
    """Does not write all that it is given."""

    def __init__(self, new: Destination) -> None:
        self._new = new

    async def write(self, changes: Sequence[Filling]) -> None:
        await self._new.write([each for each in changes if not isinstance(each, PutService)])

    def reading(self) -> AbstractAsyncContextManager[Reading]:
        return self._new.reading()

    async def keep(self) -> None:
        await self._new.keep()


@pytest.mark.parametrize("kind", FILES)
async def test_a_copy_that_is_not_what_was_read_is_not_kept(tmp_path: Path, kind: str) -> None:
    async with filled(EVERYTHING) as source, Place(kind, tmp_path / "new").new() as new:
        with pytest.raises(StoreCorrupted, match="not what was read"):
            await copy_everything(source, Forgetful(new))
    assert os.listdir(tmp_path) == []


# --- PostgreSQL ---------------------------------------------------------------------------------


async def test_a_store_in_the_database_is_refused(postgres: str) -> None:
    url = new_url(postgres)
    async with open_postgres_store(url) as store:
        await store.commit([PutQueue(queue())])
    with pytest.raises(StoreUnavailable, match="already"):
        async with new_postgres_store(url):
            pytest.fail("there is a store")
    async with open_postgres_store(url) as store:
        assert (await store.load()).queues == [queue()]


async def test_a_router_opens_a_store_in_the_database_when_all_of_it_is_there(
    postgres: str,
) -> None:
    url = new_url(postgres)
    async with filled(EVERYTHING) as source, new_postgres_store(url) as new:
        with pytest.raises(StoreLocked):
            async with open_postgres_store(url):
                pytest.fail("it is being filled")
        await copy_everything(source, new)
    async with open_postgres_store(url) as store:
        assert await contents(store) == await contents_after(EVERYTHING)
        await store.commit([PutQueue(queue("more")), message(1, "more")])


async def test_an_interrupted_copy_to_a_database_leaves_it_as_it_was(postgres: str) -> None:
    url = new_url(postgres)
    with pytest.raises(StoreCorrupted, match="somewhere"):
        async with new_postgres_store(url) as new:
            await copy_everything(Interrupted(StoreCorrupted("somewhere")), new)
    async with open_postgres_store(url) as store:
        assert await store.load() == Snapshot()


async def test_what_a_killed_copy_has_left_is_no_store_and_no_obstacle(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_url(postgres)
    monkeypatch.setattr(new_postgres, "_DROP", ())
    with pytest.raises(StoreCorrupted):
        async with new_postgres_store(url) as new:
            await copy_everything(Interrupted(StoreCorrupted("somewhere")), new)
    with pytest.raises(StoreForeign):
        async with open_postgres_store(url):
            pytest.fail("half of a store")
    with pytest.raises(StoreForeign, match="no store"):
        async with open_postgres_reading(url):
            pytest.fail("half of a store")
    async with filled(EVERYTHING) as source, new_postgres_store(url) as new:
        await copy_everything(source, new)
    async with open_postgres_store(url) as store:
        assert await contents(store) == await contents_after(EVERYTHING)


async def test_a_store_is_read_while_a_router_uses_it(postgres: str, tmp_path: Path) -> None:
    url = new_url(postgres)
    async with open_postgres_store(url) as store:
        await store.commit(EVERYTHING)
        async with open_postgres_reading(url) as source:
            assert not source.is_complete
            await store.commit([PutQueue(queue("too late"))])
            async with new_sqlite_store(tmp_path / "new") as new:
                await copy_everything(source, new)
    async with open_sqlite_store(tmp_path / "new") as copy:
        assert await contents(copy) == await contents_after(EVERYTHING)


async def test_no_router_opens_a_store_while_it_is_read(postgres: str) -> None:
    url = new_url(postgres)
    async with open_postgres_store(url) as store:
        await store.commit(EVERYTHING)
    async with open_postgres_reading(url) as source:
        assert source.is_complete
        with pytest.raises(StoreLocked):
            async with open_postgres_store(url):
                pytest.fail("it is being read")


async def test_a_server_that_follows_another_does_not_know_who_writes(postgres: str) -> None:
    url = new_url(postgres)
    async with open_postgres_store(url):
        pass
    only_reads = f"{url.libpq}&options=-cdefault_transaction_read_only%3Don"
    with pytest.raises(StoreUnavailable, match="read-only"):
        async with open_postgres_reading(DatabaseURL(only_reads, url.schema)):
            pytest.fail("it may lack what the other server has")
    asked_for = DatabaseURL(f"{only_reads}&target_session_attrs=any", url.schema)
    async with open_postgres_reading(asked_for) as source:
        assert not source.is_complete


async def test_a_database_without_a_store(postgres: str) -> None:
    with pytest.raises(StoreForeign, match="no store"):
        async with open_postgres_reading(new_url(postgres)):
            pytest.fail("nothing is there")


async def read_all(source: Reading) -> None:
    while await source.portion():
        pass


async def test_damage_in_the_database_is_found(postgres: str) -> None:
    url = new_url(postgres)
    async with open_postgres_store(url) as store:
        await store.commit(EVERYTHING)
        spoil = Statement("UPDATE messages SET body = '' WHERE sequence = 7")
        await store._database.commit([spoil])
    async with open_postgres_reading(url) as source:
        with pytest.raises(StoreCorrupted, match="table messages, row 7"):
            await read_all(source)


# --- killed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLACES)
async def test_a_killed_copy_is_not_there_and_can_be_made_again(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    url = new_url_text(request.getfixturevalue("postgres")) if kind == "postgres" else ""
    path = tmp_path / "new"
    command = [sys.executable, "-m", "tests.router.moving.killed_copy", kind, str(path), url]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with process.stdout:
        assert (await process.stdout.receive_some()).startswith(b"w")  # or it has ended
        process.kill()
        await process.wait()
    assert all(name.startswith(".new-") for name in os.listdir(tmp_path))
    place = Place(kind, path, DatabaseURL.parse(url) if url else None)
    async with filled(EVERYTHING) as source, place.new() as new:
        await copy_everything(source, new)
    async with place.reading() as source, new_sqlite_store(tmp_path / "last") as new:
        await copy_everything(source, new)
    async with open_sqlite_store(tmp_path / "last") as store:
        assert await contents(store) == await contents_after(EVERYTHING)


def new_url_text(postgres: str) -> str:
    """The text of a URL of a new schema."""
    schema = f"schema=test_{secrets.token_hex(8)}"
    return f"{postgres}{'&' if '?' in postgres else '?'}{schema}"


# --- progress, portions -------------------------------------------------------------------------


async def test_progress_is_told(tmp_path: Path) -> None:
    told: list[Progress] = []
    async with filled(EVERYTHING) as source, Place("export", tmp_path / "new").new() as new:
        await copy_everything(source, new, told.append)
    assert [each.stage for each in told] == ["copying", "checking"]
    assert {(each.done, each.of) for each in told} == {(16, 16)}


@pytest.mark.parametrize("queues", [512, 513])
async def test_nothing_is_lost_between_portions(tmp_path: Path, queues: int) -> None:
    changes: list[Change] = [
        *(PutQueue(queue(str(number))) for number in range(queues)),
        *(message(1 + number, str(number), size=10) for number in range(queues)),
    ]
    async with filled(changes) as source, new_sqlite_store(tmp_path / "new") as new:
        await copy_everything(source, new)
    async with open_sqlite_store(tmp_path / "new") as store:
        assert await contents(store) == await contents_after(changes)
