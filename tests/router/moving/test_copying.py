"""Copies from each kind of place to each other, compared row by row; and copies that fail."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

from simplex_trio.errors import StoreCorrupted, StoreUnavailable
from simplex_trio.router.moving.copying import Destination, Progress, copy_everything
from simplex_trio.router.moving.new_store import new_sqlite_store
from simplex_trio.router.store.interface import Change, Filling, PutQueue, PutService, Reading
from simplex_trio.router.store.sqlite import open_sqlite_store
from tests.router.moving.support import EVERYTHING, PLACES, Place, contents_after, filled
from tests.router.store.support import contents, message, queue, service

COUNTS = {
    "services": 2,
    "queues": 5,
    "links": 2,
    "messages": 4,
    "notifications": 2,
    "counters": 3,
}


@pytest.mark.parametrize("second", PLACES)
@pytest.mark.parametrize("first", PLACES)
async def test_everything_arrives_in_each_direction(
    tmp_path: Path, first: str, second: str
) -> None:
    places = [Place(first, tmp_path / "first"), Place(second, tmp_path / "second")]
    tallies = []
    async with filled(EVERYTHING) as source, places[0].new() as new:
        tallies.append(await copy_everything(source, new))
    async with places[0].reading() as source, places[1].new() as new:
        assert source.is_complete
        tallies.append(await copy_everything(source, new))
    assert tallies[0] == tallies[1]
    assert tallies[0].counts == COUNTS
    async with places[1].reading() as source, new_sqlite_store(tmp_path / "last") as new:
        await copy_everything(source, new)
    async with open_sqlite_store(tmp_path / "last") as store:
        assert await contents(store) == await contents_after(EVERYTHING)
        assert (await store.load()).next_sequence == 2**40 + 1
    names = {name.removesuffix("-mark") for name in os.listdir(tmp_path)}
    assert names == {"first", "second", "last"}


@pytest.mark.parametrize("kind", PLACES)
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


@pytest.mark.parametrize("kind", PLACES)
async def test_a_place_that_is_taken_is_refused(tmp_path: Path, kind: str) -> None:
    place = Place(kind, tmp_path / "new")
    place.path.write_bytes(b"mine")
    with pytest.raises(StoreUnavailable, match="new is there already"):
        async with place.new():
            pytest.fail("something is there")
    assert place.path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("kind", PLACES)
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


@pytest.mark.parametrize("kind", PLACES)
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


@pytest.mark.parametrize("kind", PLACES)
async def test_a_copy_that_is_not_what_was_read_is_not_kept(tmp_path: Path, kind: str) -> None:
    async with filled(EVERYTHING) as source, Place(kind, tmp_path / "new").new() as new:
        with pytest.raises(StoreCorrupted, match="not what was read"):
            await copy_everything(source, Forgetful(new))
    assert os.listdir(tmp_path) == []


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
