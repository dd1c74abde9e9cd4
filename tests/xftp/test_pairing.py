"""A folder of bodies and records in PostgreSQL, which belong together or not."""

from __future__ import annotations

import shutil
from pathlib import Path
from secrets import token_bytes

import pytest

from simplex_trio.errors import StoreCorrupted, StoreIncomplete, StoreUnavailable
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.xftp.router.body_files import BodyFolder
from simplex_trio.xftp.router.records.interface import PacketRecord
from simplex_trio.xftp.router.records.pairing import Pairing
from simplex_trio.xftp.router.records.postgres import PostgresRecords
from simplex_trio.xftp.router.storage import open_storage
from tests.postgres import new_url
from tests.xftp.routers import bodies
from tests.xftp.stored import BODY, body_in_pieces, has_body, opened, registered, stored


@pytest.fixture
def url(postgres: str) -> DatabaseURL:
    return new_url(postgres)


async def test_packets_are_there_after_a_restart(tmp_path: Path, url: DatabaseURL) -> None:
    async with opened(tmp_path, url) as storage:
        kept, deleted, empty = (
            await stored(storage),
            await stored(storage),
            await registered(storage),
        )
        assert await storage.delete(deleted.sender_id)
        await storage.put_statistics({"uploads": 2})
    assert not (tmp_path / "records.sqlite").exists()
    async with opened(tmp_path, url) as storage:
        assert (storage.packets, storage.bytes_stored) == (2, len(BODY))
        assert await has_body(storage, kept)
        assert not await has_body(storage, empty)
        assert await storage.find(deleted.sender_id, from_sender=True) is None
        assert await storage.statistics() == {"uploads": 2}


async def test_a_crash_between_a_file_and_its_record(tmp_path: Path, url: DatabaseURL) -> None:
    """Bodies without a record are removed, and packets without their body await it again."""
    async with opened(tmp_path, url) as storage:
        whole, lost, awaiting = (
            await stored(storage),
            await stored(storage),
            await registered(storage),
        )
        folder = storage._bodies
    folder.path(lost.sender_id).unlink()
    folder.path(awaiting.sender_id).write_bytes(BODY)
    folder.path(bytes(24)).write_bytes(BODY)
    folder.unfinished(awaiting.sender_id, bytes(24)).write_bytes(b"")
    async with opened(tmp_path, url) as storage:
        assert bodies(tmp_path) == [folder.path(whole.sender_id)]
        assert storage.bytes_stored == len(BODY)
        for packet in (lost, awaiting):
            assert not await has_body(storage, packet)
            assert await storage.store(packet, body_in_pieces())
            assert await has_body(storage, packet)


# --- a folder and records that do not belong together ---------------------------------------------


@pytest.fixture
async def packet(tmp_path: Path, url: DatabaseURL) -> PacketRecord:
    """A packet that was stored."""
    async with opened(tmp_path / "files", url) as storage:
        return await stored(storage)


async def test_the_records_of_another_router(
    tmp_path: Path, postgres: str, packet: PacketRecord
) -> None:
    """A mistake in the configuration does not remove all bodies."""
    folder, other = tmp_path / "files", new_url(postgres)
    with pytest.raises(StoreIncomplete, match="are not in the database"):
        async with opened(folder, other):
            pytest.fail("a router without records")
    async with opened(tmp_path / "others", other) as storage:
        await stored(storage)
    with pytest.raises(StoreIncomplete, match="of other records"):
        async with opened(folder, other):
            pytest.fail("a router with other records")
    assert len(bodies(folder)) == 1
    async with opened(folder, other, accept_loss=True) as storage:
        assert (storage.packets, storage.bytes_stored) == (1, 0)
    assert bodies(folder) == []


async def test_a_folder_that_is_not_mounted(
    tmp_path: Path, url: DatabaseURL, packet: PacketRecord
) -> None:
    with pytest.raises(StoreIncomplete, match="not mounted"):
        async with opened(tmp_path / "empty", url):
            pytest.fail("a router without bodies")
    async with opened(tmp_path / "files", url) as storage:
        assert await has_body(storage, packet)
    async with opened(tmp_path / "empty", url, accept_loss=True) as storage:
        assert not await has_body(storage, packet)


async def test_records_that_are_older_than_the_folder(
    tmp_path: Path, url: DatabaseURL, packet: PacketRecord
) -> None:
    file = tmp_path / "files" / "records-in-database"
    pairing = Pairing.decode(file.read_bytes())
    assert pairing.number == 1
    file.write_bytes(Pairing(pairing.folder_id, 3).encode())
    with pytest.raises(StoreIncomplete, match="database is from an earlier time"):
        async with opened(tmp_path / "files", url):
            pytest.fail("a router without its last records")
    async with opened(tmp_path / "files", url, accept_loss=True) as storage:
        assert await has_body(storage, packet)
    assert Pairing.decode(file.read_bytes()).number == 4


async def test_a_folder_that_was_copied(tmp_path: Path, url: DatabaseURL) -> None:
    """What came since is not in the copy, and is not given up for that."""
    folder, copy = tmp_path / "files", tmp_path / "copy"
    async with opened(folder, url):
        pass
    shutil.copytree(folder, copy)
    async with opened(folder, url):
        pass
    async with opened(copy, url):  # nothing is lost
        pass
    async with opened(folder, url) as storage:
        packet = await stored(storage)
    with pytest.raises(StoreIncomplete, match="folder is from an earlier time"):
        async with opened(copy, url):
            pytest.fail("a router without its last packets")
    async with opened(folder, url) as storage:
        assert await has_body(storage, packet)
    async with opened(copy, url, accept_loss=True) as storage:
        assert not await has_body(storage, packet)


async def test_a_folder_that_was_copied_while_it_was_used(tmp_path: Path, url: DatabaseURL) -> None:
    """As for a machine that stands by, but does not share the folder."""
    folder, copy = tmp_path / "files", tmp_path / "copy"
    async with opened(folder, url) as storage:
        shutil.copytree(folder, copy)
        packet = await stored(storage)
        await storage.put_statistics({"uploads": 1})
    with pytest.raises(StoreIncomplete, match="folder is from an earlier time"):
        async with opened(copy, url):
            pytest.fail("a router without its last packets")
    async with opened(folder, url) as storage:
        assert await has_body(storage, packet)


@pytest.mark.parametrize("rounds", [1, 3])
async def test_crashes_while_the_two_are_opened(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    def crash(_: BodyFolder, __: Pairing) -> None:
        raise StoreUnavailable("a crash")

    async def crash_later(_: PostgresRecords, pairing: Pairing) -> None:
        if pairing.is_in_both:
            raise StoreUnavailable("a crash")
        await put_pairing(_, pairing)

    put_pairing = PostgresRecords.put_pairing
    async with opened(tmp_path, url) as storage:
        packet = await stored(storage)
    for _ in range(rounds):
        for where, how in (*[(BodyFolder, crash)] * 2, (PostgresRecords, crash_later)):
            with monkeypatch.context() as patch:
                patch.setattr(where, "put_pairing", how)
                with pytest.raises(StoreUnavailable, match="a crash"):
                    async with opened(tmp_path, url):
                        pytest.fail("there was a crash")
    async with opened(tmp_path, url) as storage:
        assert await has_body(storage, packet)


async def test_a_folder_from_before_records_were_in_a_database(
    tmp_path: Path, url: DatabaseURL
) -> None:
    async with open_storage(tmp_path, 10**6, token_bytes) as storage:
        packet = await stored(storage)
    with pytest.raises(StoreIncomplete, match="are not in the database"):
        async with opened(tmp_path, url):
            pytest.fail("a router without records")
    async with open_storage(tmp_path, 10**6, token_bytes) as storage:
        assert await has_body(storage, packet)


async def test_a_database_that_is_not_named_any_more(
    tmp_path: Path, url: DatabaseURL, packet: PacketRecord
) -> None:
    """New records in the folder do not remove all bodies."""
    folder = tmp_path / "files"
    with pytest.raises(StoreIncomplete, match="in a database, and none is named"):
        async with open_storage(folder, 10**6, token_bytes):
            pytest.fail("a router without its records")
    async with opened(folder, url) as storage:
        assert await has_body(storage, packet)
    async with open_storage(folder, 10**6, token_bytes, accept_loss=True) as storage:
        assert storage.packets == 0
    assert bodies(folder) == []
    async with open_storage(folder, 10**6, token_bytes) as storage:
        await stored(storage)
    with pytest.raises(StoreIncomplete, match="is not that of"):
        async with opened(folder, url):
            pytest.fail("a router without the last records")


@pytest.mark.parametrize("text", [b"", b"folder 00, number 1\n", b"folder"])
async def test_a_damaged_file_in_the_folder(
    tmp_path: Path, url: DatabaseURL, packet: PacketRecord, text: bytes
) -> None:
    (tmp_path / "files" / "records-in-database").write_bytes(text)
    with pytest.raises(StoreCorrupted, match="records belong to the folder"):
        async with opened(tmp_path / "files", url):
            pytest.fail("a router that does not know its folder")
    assert len(bodies(tmp_path / "files")) == 1
