"""Records of packets that earlier versions of this package have written are read by this one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simplex_trio.crypto.keys import Ed25519PublicKey, X25519PublicKey
from simplex_trio.errors import StoreForeign
from simplex_trio.wire.errors.values import BlockingReason
from simplex_trio.wire.xftp.commands import PacketInfo
from simplex_trio.wire.xftp.errors import Blocked
from simplex_trio.xftp.router.records import tables
from simplex_trio.xftp.router.records.sqlite import open_sqlite_records
from tests.router.store.support import octets
from tests.vectors import store_files

FILES = store_files("records")
VERSIONS = len(tables._RECORDS.migrations)


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def test_there_is_a_file_of_each_version() -> None:
    assert list(FILES) == list(range(1, VERSIONS + 1))


@pytest.mark.parametrize("version", FILES)
async def test_it_is_opened_with_all_that_is_in_it(tmp_path: Path, version: int) -> None:
    path = tmp_path / "records.sqlite"
    path.write_bytes(FILES[version])
    assert version_of(path) == version
    async with open_sqlite_records(path) as records:
        assert (records.counts.packets, records.counts.rows) == (3, 8)
        assert await records.bytes_stored() == 65_536
        for name, count in (("a", 3), ("b", 1), ("c", 1)):
            key = Ed25519PublicKey(octets(f"sender key {name}", 32))
            info = PacketInfo(key, 65_536, octets(f"digest {name}", 32))
            found = await records.by_sender(octets(f"sender {name}"))
            assert found is not None
            assert (found.info, found.key, found.has_body) == (info, key, name == "a")
            assert found.blocked == (Blocked(BlockingReason.SPAM) if name == "c" else None)
            for number in range(count):
                found = await records.by_recipient(octets(f"recipient {name} {number}"))
                assert found is not None
                assert found.sender_id == octets(f"sender {name}")
                assert found.key == X25519PublicKey(octets(f"recipient key {name} {number}", 32))
        await records.put_statistics({"sent": 18})
        assert await records.statistics() == {"sent": 18}
        assert await records.delete(octets("sender a"), lambda: None) == 65_536
    assert version_of(path) == VERSIONS


async def test_records_of_a_later_version_are_refused_and_stay_as_they_are(
    tmp_path: Path,
) -> None:
    path = tmp_path / "records.sqlite"
    async with open_sqlite_records(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSIONS + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreForeign, match="later version"):
        async with open_sqlite_records(path):
            pytest.fail("this version does not know what is in it")
    assert path.read_bytes() == before
