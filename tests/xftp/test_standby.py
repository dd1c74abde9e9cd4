"""Routers with records in one database: who may write, and what a lost connection means."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from simplex_trio.errors import (
    ConnectionLost,
    StoreFenced,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from simplex_trio.storage import standby as in_file
from simplex_trio.storage.postgres import database
from simplex_trio.storage.postgres.connection import open_connection
from simplex_trio.storage.postgres.database import PostgresDatabase
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.xftp.errors import Blocked, BlockingReason, XFTPCode
from simplex_trio.xftp.router.body_files import IncomingBody
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.records.interface import PacketRecord
from simplex_trio.xftp.router.records.limits import NO_LIMITS
from simplex_trio.xftp.router.server import open_xftp_router
from simplex_trio.xftp.router.storage import Storage
from tests.postgres import new_url
from tests.scenarios.xftp import NewPacket, client_at, refused
from tests.serving.credential_files import write_router
from tests.storage.postgres.unreliable import Cut, UnreliableWay, unreliable_way
from tests.xftp.routers import bodies, config
from tests.xftp.stored import (
    BODY,
    KEY,
    body_in_pieces,
    has_body,
    opened,
    registered,
    stored,
)

ROUNDS = int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "1"))

SPAM = Blocked(BlockingReason.SPAM)


@pytest.fixture
def url(postgres: str) -> DatabaseURL:
    return new_url(postgres)


@pytest.fixture
async def way(url: DatabaseURL) -> AsyncIterator[UnreliableWay]:
    # The path of a socket must not be longer than a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="way-") as folder:
        async with unreliable_way(url, Path(folder)) as way:
            yield way


# --- connections that are lost --------------------------------------------------------------------


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
@pytest.mark.parametrize("call", ["commit", "fetch"])
async def test_every_call_survives_the_loss_of_its_connection(
    tmp_path: Path,
    way: UnreliableWay,
    url: DatabaseURL,
    monkeypatch: pytest.MonkeyPatch,
    cut: Cut,
    call: str,
) -> None:
    """Nothing is done twice, and files and records stay together."""
    original: Callable[..., Any] = getattr(PostgresDatabase, call)
    cuts = 0

    async def cut_off(opened: PostgresDatabase, *parameters: Any) -> Any:
        nonlocal cuts
        cuts += 1
        way.cut = cut
        return await original(opened, *parameters)

    async with opened(tmp_path, way.url) as storage:
        monkeypatch.setattr(PostgresDatabase, call, cut_off)
        kept, deleted, blocked = [await stored(storage) for _ in range(3)]
        recipients = await storage.add_recipients(kept.sender_id, [KEY] * 2, 9, NO_LIMITS)
        assert recipients is not None
        await storage.acknowledge(recipients[0])
        assert await storage.delete(deleted.sender_id)
        assert not await storage.delete(deleted.sender_id)
        assert await storage.block(blocked.sender_id, SPAM)
        assert await storage.delete_created_before(1) == 0
        await storage.put_statistics({"uploads": 3})
        monkeypatch.undo()
        way.cut = None
        assert cuts >= 10
        before = (storage.packets, storage.bytes_of_records, storage.bytes_stored)
        assert before[2] == len(BODY)
    async with opened(tmp_path, url) as storage:
        assert (storage.packets, storage.bytes_of_records, storage.bytes_stored) == before
        assert await has_body(storage, kept)
        assert await storage.find(recipients[0], from_sender=False) is None
        assert await storage.find(recipients[1], from_sender=False) is not None
        assert len(bodies(tmp_path)) == 1


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_connections_that_are_cut_at_random(
    tmp_path: Path, way: UnreliableWay, url: DatabaseURL, number: int
) -> None:
    random = Random(number)
    expected: dict[bytes, bool] = {}
    packets: list[PacketRecord] = []
    async with opened(tmp_path, way.url) as storage:

        async def change() -> None:
            packet = random.choice(packets) if packets else None
            choice = random.randrange(4)
            if packet is None or choice == 0:
                packets.append(await registered(storage))
                expected[packets[-1].sender_id] = False
            elif choice == 1:
                packets.remove(packet)
                assert await storage.delete(packet.sender_id)
                del expected[packet.sender_id]
            else:
                is_new = await storage.store(packet, body_in_pieces())
                assert is_new is not expected[packet.sender_id]
                expected[packet.sender_id] = True

        for _ in range(60):
            if not random.randrange(3):
                way.cut = random.choice([Cut.BEFORE, Cut.AFTER])
            if not random.randrange(10):
                way.cut_all()
            await change()
        assert storage.packets == len(expected)
        way.cut = None
    async with opened(tmp_path, url) as storage:
        assert storage.packets == len(expected)
        assert {each.sender_id: await has_body(storage, each) for each in packets} == expected
        assert len(bodies(tmp_path)) == sum(expected.values())


async def test_a_database_that_is_away(
    tmp_path: Path, way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls fail after a while; a body that is in place then waits for the next upload."""
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)
    give_name = IncomingBody.give_name

    async def and_away() -> None:
        way.close()
        await wait_all_tasks_blocked()

    def and_cut(body: IncomingBody, path: Path) -> None:
        give_name(body, path)
        trio.from_thread.run(and_away)

    async with opened(tmp_path, way.url) as storage:
        packet = await registered(storage)
        with monkeypatch.context() as patch:
            patch.setattr(IncomingBody, "give_name", and_cut)
            with pytest.raises(StoreUnavailable, match="is lost"):
                await storage.store(packet, body_in_pieces())
        with pytest.raises(StoreUnavailable, match="is lost"):
            await storage.find(packet.sender_id, from_sender=True)
        way.is_open = True
        assert not (await packet_now(storage, packet)).has_body
        assert storage.bytes_stored == 0
        assert await storage.store(packet, body_in_pieces())
        assert await has_body(storage, packet)
        assert (storage.bytes_stored, len(bodies(tmp_path))) == (len(BODY), 1)


async def packet_now(storage: Storage, packet: PacketRecord) -> PacketRecord:
    found = await storage.find(packet.sender_id, from_sender=True)
    assert found is not None
    return found


async def test_a_database_that_is_full(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: PostgresDatabase, __: Sequence[Statement]) -> None:
        raise StoreFull("no room is left for the database")

    async with opened(tmp_path, url) as storage:
        packet = await registered(storage)
        with monkeypatch.context() as patch:
            patch.setattr(PostgresDatabase, "commit", full)
            with pytest.raises(StoreFull):
                await storage.store(packet, body_in_pieces())
        assert bodies(tmp_path) == []
        assert storage.bytes_stored == 0
        assert await storage.store(packet, body_in_pieces())


async def test_old_packets_are_deleted_together(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are fewer commits than packets, and each packet is counted once."""
    original, commits = PostgresDatabase.commit, 0

    async def counted(opened: PostgresDatabase, statements: Sequence[Statement]) -> None:
        nonlocal commits
        commits += 1
        await original(opened, statements)

    async with opened(tmp_path, url) as storage:
        for _ in range(40):
            await registered(storage)
        await stored(storage)
        monkeypatch.setattr(PostgresDatabase, "commit", counted)
        assert await storage.delete_created_before(2) == 41
        assert commits < 21
        assert (storage.packets, storage.bytes_of_records, storage.bytes_stored) == (0, 0, 0)
        assert bodies(tmp_path) == []


# --- one router at a time -------------------------------------------------------------------------


async def test_records_in_use(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TRY_LOCK_SECONDS", 0.0)
    async with opened(tmp_path, url) as storage:
        packet = await stored(storage)
        with pytest.raises(StoreLocked, match=rf"xftp router on .*, process {os.getpid()}, since"):
            async with opened(tmp_path, url):
                pytest.fail("two routers with the same records")
        assert await has_body(storage, packet)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await trio.sleep(0.01)


async def test_a_router_that_stands_by_takes_over(
    tmp_path: Path,
    url: DatabaseURL,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until then it does not touch the folder, where uploads are arriving."""
    monkeypatch.setattr(database, "STANDBY_SECONDS", 0.01)
    caplog.set_level(logging.INFO)
    took_over = trio.Event()

    async def second() -> None:
        async with opened(tmp_path, url, standby=True) as storage:
            assert await has_body(storage, packet)
            assert (storage.packets, storage.bytes_stored) == (1, len(BODY))
            took_over.set()

    async with trio.open_nursery() as nursery:
        async with opened(tmp_path, url) as storage:
            packet = await registered(storage)

            async def arriving() -> AsyncIterator[bytes]:
                yield BODY[:500]
                nursery.start_soon(second)
                await until(lambda: "standing by: another process has the store" in caplog.text)
                yield BODY[500:]

            assert await storage.store(packet, arriving())
            assert not took_over.is_set()
        await took_over.wait()


async def test_a_router_that_was_taken_over_ends(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)

    async def serve() -> None:
        async with opened(tmp_path, url) as storage:
            packet = await stored(storage)
            async with open_connection(url, name="other") as other:
                await other.run([Statement("UPDATE lease SET epoch = epoch + 1")])
            with pytest.raises(StoreFenced):
                await registered(storage)
            with pytest.raises(StoreFenced):
                await storage.delete(packet.sender_id)
            assert len(bodies(tmp_path)) == 1
            await trio.sleep_forever()

    with pytest.raises(StoreFenced):
        await serve()


async def test_a_router_that_was_taken_over_leaves_the_bodies_of_the_next(
    tmp_path: Path, way: UnreliableWay, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its upload ends when the same packet has been uploaded to the next router."""
    give_name = IncomingBody.give_name
    first_has_ended = trio.Event()

    async def second(task_status: trio.TaskStatus[None]) -> None:
        async with opened(tmp_path, url, standby=True) as storage:
            assert await storage.store(packet, body_in_pieces())
            task_status.started()
            await first_has_ended.wait()
            assert await has_body(storage, packet)
            assert storage.bytes_stored == len(BODY)

    async def take_over() -> None:
        way.close()
        monkeypatch.undo()
        await nursery.start(second)
        way.is_open = True

    def and_taken_over(body: IncomingBody, path: Path) -> None:
        give_name(body, path)
        trio.from_thread.run(take_over)

    async with opened(tmp_path, url) as storage:
        packet = await registered(storage)

    async def first() -> None:
        async with opened(tmp_path, way.url) as storage:
            monkeypatch.setattr(IncomingBody, "give_name", and_taken_over)
            await storage.store(packet, body_in_pieces())

    async with trio.open_nursery() as nursery:
        with pytest.raises(StoreFenced):
            await first()
        first_has_ended.set()


# --- whole routers --------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> XFTPRouterConfig:
    """The configuration of a router that others can stand by for."""
    write_router(tmp_path)
    records = None
    if request.param == "postgres":
        records = new_url(request.getfixturevalue("postgres"))
    for module in (in_file, database):
        monkeypatch.setattr(module, "STANDBY_SECONDS", 0.01)
    return config(tmp_path / "files", credentials=tmp_path, records=records)


async def test_a_whole_router_takes_over(
    settings: XFTPRouterConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    listens, done = trio.Event(), trio.Event()

    async def second(port: int) -> None:
        async with open_xftp_router(evolve(settings, standby=True, ports=(port,))) as router:
            assert router.statistics().packets == 2
            listens.set()
            await done.wait()

    async with trio.open_nursery() as nursery:
        async with open_xftp_router(settings) as router, client_at(str(router.address)) as client:
            nursery.start_soon(second, router.ports[0])
            await until(lambda: "standing by" in caplog.text)
            uploaded, awaiting = NewPacket(), NewPacket()
            for packet in (uploaded, awaiting):
                await packet.register(client)
            await uploaded.upload(client)
            assert not listens.is_set()
        await listens.wait()
        async with client_at(str(router.address)) as client:
            assert await uploaded.download(client) == uploaded.body
            await awaiting.upload(client)
            assert await awaiting.download(client) == awaiting.body
        done.set()


async def test_a_router_that_was_taken_over_gives_no_answer(
    tmp_path: Path, url: DatabaseURL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error would be a lie where a change took effect, and most clients would give up."""
    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)

    async def serve() -> None:
        async with (
            open_xftp_router(config(tmp_path, records=url)) as router,
            client_at(str(router.address)) as client,
        ):
            async with open_connection(url, name="other") as other:
                await other.run([Statement("UPDATE lease SET epoch = epoch + 1")])
            with pytest.raises(ConnectionLost):
                await NewPacket().register(client)
            await trio.sleep_forever()

    with pytest.raises(StoreFenced):
        await serve()


async def test_clients_try_again_while_the_database_is_away(
    tmp_path: Path, way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)
    async with (
        open_xftp_router(config(tmp_path, records=way.url)) as router,
        client_at(str(router.address)) as client,
    ):
        packet = NewPacket()
        await packet.register(client)
        way.close()
        await wait_all_tasks_blocked()
        async with refused(XFTPCode.TIMEOUT):
            await packet.upload(client)
        way.is_open = True
        await packet.upload(client)
        assert await packet.download(client) == packet.body


async def test_a_router_says_that_it_has_lost_its_database(
    tmp_path: Path, way: UnreliableWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    async with open_xftp_router(config(tmp_path, records=way.url)) as router:
        assert router.problems() == ()
        way.close()
        await until(lambda: router.problems() == ("the connection to the database is lost",))
        assert router.statistics().problems == 1
        way.is_open = True
        await until(lambda: not router.problems())
