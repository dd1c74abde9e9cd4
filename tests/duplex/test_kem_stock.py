from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import trio

from simplex_trio.duplex import kem_stock
from simplex_trio.duplex.kem_stock import (
    MAX_WORKER_FAILURES,
    KEMStock,
    makes_pairs_in_process,
    open_kem_stock,
)
from simplex_trio.duplex.kem_worker import LENGTH_SIZE, make_pairs
from simplex_trio.ratchet.kem import KEM, KEM_SECRET_KEY_SIZE, KEMKeyPair
from simplex_trio.ratchet.sntrup761 import Pqcrypto, available_kems
from simplex_trio.wire.duplex.x3dh_keys import KEM_PUBLIC_KEY_SIZE

# A worker that notes its process and makes pairs of nothing but zeros.
FAKE_WORKER = """
import os, sys
with open(sys.argv[1], "a") as notes:
    print(os.getpid(), file=notes)
pair = (2921).to_bytes(4, "big") + bytes(2921)
"""
ENDLESS = FAKE_WORKER + "while True: sys.stdout.buffer.write(pair)"
ONE_EACH = FAKE_WORKER + "sys.stdout.buffer.write(pair)"
HALF_A_PAIR = FAKE_WORKER + "sys.stdout.buffer.write(pair[:1000])"
GARBAGE = FAKE_WORKER + "sys.stdout.buffer.write(bytes(9000)); sys.stdout.flush(); input()"


class Counting(KEM):
    """Pairs with numbers in them, made in no time."""

    NAME = "counting"
    RELEASES_GIL = True

    def __init__(self) -> None:
        self.numbers = count(1)

    def generate(self) -> KEMKeyPair:
        number = next(self.numbers).to_bytes(2, "big")
        return KEMKeyPair(number.ljust(KEM_PUBLIC_KEY_SIZE), bytes(KEM_SECRET_KEY_SIZE))

    def _encapsulate(self, public_key: bytes) -> tuple[bytes, bytes]:
        raise NotImplementedError

    def _decapsulate(self, secret_key: bytes, ciphertext: bytes) -> bytes:
        raise NotImplementedError


def number(pair: KEMKeyPair) -> int:
    return int.from_bytes(pair.public_key[:2], "big")


async def filled(stock: KEMStock) -> None:
    while stock.statistics().ready < stock.statistics().size:
        await trio.lowlevel.checkpoint()


@pytest.fixture
def run_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    def use(script: str) -> Path:
        notes = tmp_path / "processes"
        notes.touch()
        monkeypatch.setattr(kem_stock, "_WORKER", [sys.executable, "-c", script, str(notes)])
        return notes

    return use


def processes(notes: Path) -> list[int]:
    return [int(line) for line in notes.read_text().split()]


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# --- a stock ------------------------------------------------------------------------------------


async def test_pairs_are_made_ahead_and_no_more_than_asked_for() -> None:
    kem = Counting()
    async with open_kem_stock(kem, size=3) as stock:
        await filled(stock)
        assert [number(await stock.take()) for _ in range(3)] == [1, 2, 3]
        await filled(stock)
        await trio.testing.wait_all_tasks_blocked()
        # Three in stock, one in the hand of the task that waits for room.
        assert next(kem.numbers) <= 8
        assert "ready=3" in repr(stock)


async def test_every_pair_is_given_to_one_task() -> None:
    taken: list[int] = []

    async def take(stock: KEMStock) -> None:
        taken.append(number(await stock.take()))

    async with open_kem_stock(Counting(), size=1) as stock, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(take, stock)
    assert sorted(taken) == list(range(1, 21))


async def test_a_pair_that_was_not_used_is_taken_again() -> None:
    stock = KEMStock(Counting(), 2)
    pair = stock.kem.generate()
    stock.give_back(pair)
    assert await stock.take() is pair


async def test_a_pair_for_which_there_is_no_room_is_dropped() -> None:
    async with open_kem_stock(Counting(), size=1) as stock:
        pair = await stock.take()
        await filled(stock)
        stock.give_back(pair)
        assert stock.statistics().ready == 1
    stock.give_back(pair)


async def test_a_closed_stock_gives_nothing() -> None:
    async with open_kem_stock(Counting()) as stock:
        await stock.take()
    with pytest.raises(trio.ClosedResourceError):
        await stock.take()


async def test_cancelled_taking_loses_no_pair() -> None:
    stock = KEMStock(Counting(), 1)
    with trio.move_on_after(0) as scope:
        await stock.take()
    assert scope.cancelled_caught
    stock.give_back(stock.kem.generate())
    assert number(await stock.take()) == 1


async def test_the_error_of_an_implementation_comes_out_as_it_is() -> None:
    class Broken(Counting):
        def generate(self) -> KEMKeyPair:
            raise MemoryError

    with pytest.raises(MemoryError):
        async with open_kem_stock(Broken()) as stock:
            await stock.take()


@pytest.mark.parametrize("kem", available_kems(), ids=lambda kem: kem.NAME)
async def test_pairs_of_every_implementation(kem: KEM) -> None:
    async with open_kem_stock(kem, size=1) as stock:
        pairs = [await stock.take() for _ in range(3)]
    assert len({pair.public_key for pair in pairs}) == 3
    for pair in pairs:
        made = kem.encapsulate(pair.public_key)
        assert kem.decapsulate(pair, made.ciphertext) == made.shared_secret


# --- worker processes ---------------------------------------------------------------------------


def test_who_makes_pairs_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert makes_pairs_in_process(Pqcrypto())
    assert not makes_pairs_in_process(Counting())
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not makes_pairs_in_process(Pqcrypto())


async def test_the_worker_is_gone_with_the_stock(run_worker: Callable[[str], Path]) -> None:
    notes = run_worker(ENDLESS)
    async with open_kem_stock(Pqcrypto(), size=2) as stock:
        for _ in range(50):
            await stock.take()
        [process] = processes(notes)
        assert is_there(process)
    assert not is_there(process)


async def test_the_worker_is_gone_when_the_program_fails(
    run_worker: Callable[[str], Path],
) -> None:
    async def fail() -> None:
        async with open_kem_stock(Pqcrypto(), size=2) as stock:
            await stock.take()
            raise ZeroDivisionError

    notes = run_worker(ENDLESS)
    with pytest.raises(ZeroDivisionError):
        await fail()
    assert not any(map(is_there, processes(notes)))


async def test_a_worker_that_ends_is_followed_by_another(
    run_worker: Callable[[str], Path],
) -> None:
    notes = run_worker(ONE_EACH)
    async with open_kem_stock(Pqcrypto(), size=1) as stock:
        for _ in range(MAX_WORKER_FAILURES + 1):
            assert (await stock.take()).secret_key == bytes(KEM_SECRET_KEY_SIZE)
    assert len(processes(notes)) > MAX_WORKER_FAILURES


@pytest.mark.parametrize("script", [HALF_A_PAIR, GARBAGE], ids=["half a pair", "garbage"])
async def test_a_thread_takes_over_where_workers_are_of_no_use(
    run_worker: Callable[[str], Path], script: str, caplog: pytest.LogCaptureFixture
) -> None:
    notes = run_worker(script)
    async with open_kem_stock(Pqcrypto(), size=1) as stock:
        pair = await stock.take()
        assert pair.secret_key != bytes(KEM_SECRET_KEY_SIZE)
    assert len(processes(notes)) == MAX_WORKER_FAILURES
    assert not any(map(is_there, processes(notes)))
    assert "a thread does" in caplog.text


async def test_a_thread_takes_over_where_there_is_no_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kem_stock, "_WORKER", [str(tmp_path / "none")])
    async with open_kem_stock(Pqcrypto(), size=1) as stock:
        assert (await stock.take()).secret_key != bytes(KEM_SECRET_KEY_SIZE)


# --- what runs in them --------------------------------------------------------------------------


class Functions:
    def __init__(self, limit: int) -> None:
        self._limit = limit

    def keygen(self) -> tuple[bytes, bytes]:
        self._limit -= 1
        if self._limit < 0:
            raise BrokenPipeError
        return bytes(KEM_PUBLIC_KEY_SIZE), bytes(KEM_SECRET_KEY_SIZE)


def test_each_pair_is_written_behind_its_length() -> None:
    output = io.BytesIO()
    make_pairs(Functions(2), output)
    size = KEM_PUBLIC_KEY_SIZE + KEM_SECRET_KEY_SIZE
    assert output.getvalue() == (size.to_bytes(LENGTH_SIZE, "big") + bytes(size)) * 2


def test_a_worker_without_a_reader_ends() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as output:
        make_pairs(Functions(10**6), output)
