"""Stores that are encrypted: with which key they open, and what can be read without it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from shutil import copyfile

import pytest

from simplex_trio.duplex.store.store import change_store_key, open_duplex_store
from simplex_trio.errors import (
    EncryptionSupportMissing,
    StoreCorrupted,
    StoreError,
    StoreIncomplete,
    StoreKeyWrong,
    StoreLocked,
    StoreUnavailable,
)
from simplex_trio.storage.encryption import StoreKey
from tests.duplex.store.test_store import add, has, names

pytest.importorskip("sqlcipher3", exc_type=ImportError)

RAW = bytes(range(32))
PASSPHRASE = 'a passphrase, it\'s "long"'
KEYS = [RAW, PASSPHRASE]
SECRET = "plain-to-see-if-not-encrypted"

every_key = pytest.mark.parametrize("key", KEYS, ids=["raw", "passphrase"])


def contents(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def crashed(path: Path) -> Path:
    """A copy of what a crash leaves of an open store."""
    copy = path.with_name("crashed.db")
    for part in ("", "-wal", "-mark"):
        copyfile(path.with_name(path.name + part), copy.with_name(copy.name + part))
    return copy


async def fill(path: Path, key: str | bytes | None, *found: str) -> None:
    async with open_duplex_store(path, key=key) as store:
        for name in found or (SECRET,):
            await store.transact(partial(add, name))


async def names_in(path: Path, key: str | bytes | None, *, accept_loss: bool = False) -> list[str]:
    async with open_duplex_store(path, key=key, accept_loss=accept_loss) as store:
        return await store.transact(names)


@every_key
async def test_nothing_is_in_plain(tmp_path: Path, key: str | bytes) -> None:
    path = tmp_path / "agent.db"
    async with open_duplex_store(path, key=key) as store:
        await store.transact(partial(add, SECRET))
        found = contents(tmp_path)
        assert len(found) > 20_000
        for plain in (SECRET.encode(), b"connections", b"SQLite format", RAW, PASSPHRASE.encode()):
            assert plain not in found
    assert SECRET.encode() not in contents(tmp_path)
    assert (path.stat().st_mode & 0o777) == 0o600
    assert await names_in(path, key) == [SECRET]


async def test_the_comparison_finds_what_is_in_plain(tmp_path: Path) -> None:
    await fill(tmp_path / "agent.db", None)
    assert SECRET.encode() in contents(tmp_path)


@every_key
async def test_what_a_crash_leaves(tmp_path: Path, key: str | bytes) -> None:
    path = tmp_path / "agent.db"
    await fill(path, key, "a")
    async with open_duplex_store(path, key=key) as store:
        await store.transact(partial(add, "b"))
        await store.transact(partial(add, "c"), durable=False)
        copy = crashed(path)
    assert await names_in(copy, key) == ["a", "b", "c"]


# --- keys ---------------------------------------------------------------------------------------


@every_key
async def test_another_key_is_refused_and_changes_nothing(tmp_path: Path, key: str | bytes) -> None:
    path = tmp_path / "agent.db"
    await fill(path, key)
    async with open_duplex_store(path, key=key) as store:
        await store.transact(partial(add, "in the log"))
        crashed(path)
    for each in (path, tmp_path / "crashed.db"):
        before = contents(tmp_path)
        for wrong in ("another", bytes(32), None):
            with pytest.raises(StoreKeyWrong) as caught:
                await names_in(each, wrong)
            assert not caught.value.retryable
            assert contents(tmp_path) == before
        assert await names_in(each, key) == ["in the log", SECRET]


async def test_a_key_for_a_file_that_is_not_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    await fill(path, None)
    before = contents(tmp_path)
    with pytest.raises(StoreKeyWrong, match="not encrypted"):
        await names_in(path, RAW)
    assert contents(tmp_path) == before
    assert await names_in(path, None) == [SECRET]


@pytest.mark.parametrize("key", [b"", b"short", bytes(33), "", "with\0NUL"])
async def test_keys_that_are_none(tmp_path: Path, key: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"key|passphrase"):
        await names_in(tmp_path / "agent.db", key)
    with pytest.raises(TypeError):
        StoreKey(5)  # type: ignore[arg-type]
    assert not os.listdir(tmp_path)


async def test_memory_is_not_encrypted() -> None:
    with pytest.raises(ValueError, match="memory"):
        async with open_duplex_store(None, key=RAW):
            pytest.fail("a key that does nothing")


def test_keys_are_not_shown() -> None:
    assert PASSPHRASE not in repr(StoreKey(PASSPHRASE))
    assert "\\x" not in repr(StoreKey(RAW))


async def test_without_sqlcipher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sqlcipher3.dbapi2", None)
    with pytest.raises(EncryptionSupportMissing, match=r"simplex-trio\[sqlcipher\]"):
        await names_in(tmp_path / "agent.db", RAW)
    assert not os.listdir(tmp_path)
    await fill(tmp_path / "agent.db", None)
    with pytest.raises(EncryptionSupportMissing):
        await change_store_key(tmp_path / "agent.db", key=None, new_key=RAW)


# --- damage and losses, as without encryption ---------------------------------------------------


async def test_missing_commits_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    await fill(path, RAW, "a")
    old = path.read_bytes()
    await fill(path, RAW, "b")
    path.write_bytes(old)
    with pytest.raises(StoreIncomplete) as caught:
        await names_in(path, RAW)
    assert caught.value.commits
    assert await names_in(path, RAW, accept_loss=True) == ["a"]


async def test_a_damaged_log_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    await fill(path, RAW, "a")
    async with open_duplex_store(path, key=RAW) as store:
        for name in "bcd":
            await store.transact(partial(add, name))
        copy = crashed(path)
    log = copy.with_name(f"{copy.name}-wal")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    before = log.read_bytes()
    with pytest.raises(StoreIncomplete, match="write-ahead log, frame"):
        await names_in(copy, RAW)
    assert log.read_bytes() == before
    assert "a" in await names_in(copy, RAW, accept_loss=True)


async def test_the_log_of_another_store_is_noticed(tmp_path: Path) -> None:
    """It has valid frames, of which nothing can be decrypted."""
    paths = [tmp_path / name for name in ("one.db", "two.db")]
    copies = []
    for path in paths:
        await fill(path, RAW, "a")
        async with open_duplex_store(path, key=RAW) as store:
            await store.transact(partial(add, "b"))
            copies.append(crashed(path).rename(tmp_path / f"crashed-{path.name}"))
            for part in ("-wal", "-mark"):
                crashed_part = tmp_path / f"crashed.db{part}"
                crashed_part.rename(tmp_path / f"crashed-{path.name}{part}")
    first, second = (copy.with_name(f"{copy.name}-wal") for copy in copies)
    second.replace(first)
    with pytest.raises(StoreIncomplete, match="another store"):
        await names_in(copies[0], RAW)


async def test_damaged_pages_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    await fill(path, RAW, *(f"{number}" for number in range(20)))
    whole = path.read_bytes()
    for start in range(0, len(whole), 4096):
        damaged = bytearray(whole)
        damaged[start + 1000] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(StoreError) as caught:
            await names_in(path, RAW)
        assert isinstance(caught.value, StoreCorrupted if start else StoreKeyWrong)
    path.write_bytes(whole)
    assert len(await names_in(path, RAW)) == 20


async def test_a_first_page_that_is_whole_only_in_the_log(tmp_path: Path) -> None:
    """As after a loss of power while the log was moved to the file."""
    path = tmp_path / "agent.db"
    await fill(path, RAW, "a")
    async with open_duplex_store(path, key=RAW) as store:
        await store.transact(lambda rows: [rows.add_body(bytes(8000)) for _ in range(100)])
        await store.transact(partial(add, "b"))
        copy = crashed(path)
    data = bytearray(copy.read_bytes())
    data[1000:2000] = bytes(1000)
    copy.write_bytes(data)
    assert await names_in(copy, RAW) == ["a", "b"]


# --- another key --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "new_key"), [(RAW, "new"), ("old", bytes(32)), (None, RAW), ("old", None), (RAW, RAW)]
)
async def test_another_key_takes_its_place(
    tmp_path: Path, key: str | bytes | None, new_key: str | bytes | None
) -> None:
    path = tmp_path / "agent.db"
    await fill(path, key)
    (tmp_path / "link.db").symlink_to(path)
    await change_store_key(tmp_path / "link.db", key=key, new_key=new_key)
    assert sorted(os.listdir(tmp_path)) == ["agent.db", "agent.db-mark", "link.db"]
    assert (path.stat().st_mode & 0o777) == 0o600
    assert (SECRET.encode() in path.read_bytes()) is (new_key is None)
    if key != new_key:
        with pytest.raises(StoreKeyWrong):
            await names_in(path, key)
    await fill(path, new_key, "later")
    assert await names_in(path, new_key) == ["later", SECRET]


async def test_a_key_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    with pytest.raises(StoreUnavailable):
        await change_store_key(path, key=None, new_key=RAW)
    assert not os.listdir(tmp_path)
    await fill(path, RAW)
    for wrong in (None, "wrong"):
        with pytest.raises(StoreKeyWrong):
            await change_store_key(path, key=wrong, new_key="new")
    async with open_duplex_store(path, key=RAW):
        with pytest.raises(StoreLocked):
            await change_store_key(path, key=RAW, new_key="new")
    assert await names_in(path, RAW) == [SECRET]


@pytest.mark.parametrize("step", ["export", "replace", "fsync"])
async def test_changing_a_key_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Then it is the old key that opens the store, which has lost nothing."""
    path = tmp_path / "agent.db"
    await fill(path, RAW)

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "no disk")

    with monkeypatch.context() as patch:
        if step == "export":
            patch.setattr("simplex_trio.duplex.store.store.export", unavailable)
        else:
            patch.setattr(os, step, fail)
        with pytest.raises(StoreUnavailable):
            await change_store_key(path, key=RAW, new_key="new")
    assert sorted(os.listdir(tmp_path)) == ["agent.db", "agent.db-mark"]
    assert await names_in(path, RAW) == [SECRET]


def unavailable(*_: object) -> None:
    raise StoreUnavailable("no disk")


async def test_an_encrypted_store_is_backed_up_encrypted(tmp_path: Path) -> None:
    path, backup = tmp_path / "agent.db", tmp_path / "backup.db"
    async with open_duplex_store(path, key="passphrase") as store:
        await store.transact(partial(add, SECRET))
        await store.back_up(backup)
        assert SECRET.encode() not in contents(tmp_path)
    for wrong in (None, "another"):
        with pytest.raises(StoreKeyWrong):
            await names_in(backup, wrong, accept_loss=True)
    assert await names_in(backup, "passphrase", accept_loss=True) == [SECRET]


async def test_steps_of_an_encrypted_store_have_typed_errors(tmp_path: Path) -> None:
    async with open_duplex_store(tmp_path / "agent.db", key=RAW) as store:
        await store.transact(partial(add, "a"))
        with pytest.raises(StoreError):
            await store.transact(partial(add, "a"))
        assert await store.transact(partial(has, "a"))
