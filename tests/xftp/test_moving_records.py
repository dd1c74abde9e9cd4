"""The records of a folder of packets go into a database."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_bytes

import pytest

from simplex_trio.errors import StoreConflict, StoreIncomplete, StoreUnavailable
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason
from simplex_trio.xftp.router.records import moving
from simplex_trio.xftp.router.records.interface import PacketRecord
from simplex_trio.xftp.router.records.limits import NO_LIMITS
from simplex_trio.xftp.router.records.moving import move_records
from simplex_trio.xftp.router.records.postgres import PostgresRecords
from simplex_trio.xftp.router.storage import RECORDS, open_storage
from tests.postgres import new_url
from tests.xftp.routers import bodies
from tests.xftp.stored import BODY, KEY, body_in_pieces, has_body, opened, registered, stored


@pytest.fixture
def url(postgres: str) -> DatabaseURL:
    return new_url(postgres)


async def filled(folder: Path) -> dict[bytes, PacketRecord | None]:
    """Records of each kind in a file: what is found by the ids of senders and recipients."""
    found: dict[bytes, PacketRecord | None] = {}
    async with open_storage(folder, 10**6, token_bytes) as storage:
        packets = [await registered(storage) for _ in range(7)]
        packets.append(await stored(storage))
        assert await storage.block(packets[0].sender_id, Blocked(BlockingReason.SPAM))
        recipients = await storage.add_recipients(packets[1].sender_id, [KEY] * 5, 9, NO_LIMITS)
        assert recipients is not None
        await storage.put_statistics({"uploads": 1, "downloads": 2**40})
        for packet in packets:
            found[packet.sender_id] = await storage.find(packet.sender_id, from_sender=True)
        for each in recipients:
            found[each] = await storage.find(each, from_sender=False)
    return found


async def check(folder: Path, url: DatabaseURL, found: dict[bytes, PacketRecord | None]) -> None:
    async with opened(folder, url) as storage:
        for each, record in found.items():
            assert record is not None
            from_sender = each == record.sender_id
            assert await storage.find(each, from_sender=from_sender) == record
        for each, record in found.items():
            assert record is not None
            if each == record.sender_id and record.blocked is None:
                assert await has_body(storage, record) is record.has_body
                assert record.has_body or await storage.store(record, body_in_pieces())
        assert storage.packets == 8
        assert storage.bytes_stored == 7 * len(BODY)
        assert await storage.statistics() == {"uploads": 1, "downloads": 2**40}
        assert len(bodies(folder)) == 7


async def test_all_records_are_moved(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_AT_ONCE", 3)
    found, told = await filled(tmp_path), []
    counts = await move_records(
        tmp_path / RECORDS, url, token_bytes, tell=lambda *numbers: told.append(numbers)
    )
    assert (counts.packets, counts.rows) == (8, 8 + 8 + 5)
    assert told[-1] == (21, 21)
    assert len(told) == 3 + 5
    await check(tmp_path, url, found)
    with pytest.raises(StoreIncomplete, match="in a database, and none is named"):
        async with open_storage(tmp_path, 10**6, token_bytes):
            pytest.fail("a router with records that were moved")
    (tmp_path / f"{RECORDS}-moved").rename(tmp_path / RECORDS)
    with pytest.raises(StoreConflict, match="records of a folder already"):
        await move_records(tmp_path / RECORDS, url, token_bytes)


@pytest.mark.parametrize("step", ["put_packets", "put_recipients", "put_pairing"])
async def test_a_move_that_was_interrupted_is_repeated(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(moving, "_AT_ONCE", 5)
    found = await filled(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(PostgresRecords, step, fail)
        with pytest.raises(StoreUnavailable, match="is away"):
            await move_records(tmp_path / RECORDS, url, token_bytes)
    with pytest.raises(StoreIncomplete):
        async with opened(tmp_path, url):
            pytest.fail("a router with some of its records")
    await move_records(tmp_path / RECORDS, url, token_bytes)
    await check(tmp_path, url, found)


async def test_a_folder_without_records(tmp_path: Path, url: DatabaseURL) -> None:
    with pytest.raises(StoreUnavailable, match="no records in a file"):
        await move_records(tmp_path / RECORDS, url, token_bytes)
    assert os.listdir(tmp_path) == []
