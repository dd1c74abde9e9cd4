"""A router that stands by takes over the store and the address of the first."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from attrs import evolve

from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.client.smp.queues import MessageReceived
from simplex_trio.errors import ConnectionLost, StoreFenced, StoreLocked
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.server import EMBEDDED, Router, open_router
from simplex_trio.storage import standby as in_file
from simplex_trio.storage.postgres import database
from simplex_trio.storage.postgres.connection import open_connection
from simplex_trio.storage.postgres.parameters import Statement
from simplex_trio.storage.postgres.url import DatabaseURL
from simplex_trio.wire.smp.new_queue import MessagingRequest
from tests.cli.support import a_free_port
from tests.postgres import new_url
from tests.serving.credential_files import write_router
from tests.storage.postgres.unreliable import unreliable_way


@pytest.fixture(params=["sqlite", "postgres"])
def config(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RouterConfig:
    write_router(tmp_path)
    store: Path | DatabaseURL = tmp_path / "router.sqlite"
    if request.param == "postgres":
        store = new_url(request.getfixturevalue("postgres"))
    for module in (in_file, database):
        monkeypatch.setattr(module, "STANDBY_SECONDS", 0.01)
    return evolve(EMBEDDED, credentials=tmp_path, store=store, ports=(a_free_port(),))


class Standby:
    """A second router, in a task."""

    def __init__(self) -> None:
        self.listens = trio.Event()
        self.done = trio.Event()

    async def run(self, config: RouterConfig) -> None:
        async with open_router(evolve(config, standby=True)):
            self.listens.set()
            await self.done.wait()


@asynccontextmanager
async def standing_by(
    config: RouterConfig, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[tuple[Router, Standby]]:
    """A router, and another one that waits for it to end; this ends the first."""
    caplog.set_level(logging.INFO)
    standby = Standby()
    async with trio.open_nursery() as nursery:
        async with open_router(config) as router:
            nursery.start_soon(standby.run, config)
            while "standing by" not in caplog.text:  # noqa: ASYNC110 - only the log tells
                await trio.sleep(0.01)
            yield router, standby
        await standby.listens.wait()
        standby.done.set()


async def test_a_standby_takes_over(config: RouterConfig, caplog: pytest.LogCaptureFixture) -> None:
    async with standing_by(config, caplog) as (router, standby):
        async with open_smp_client(router.address) as client:
            queue = await client.create_queue(MessagingRequest())
            await client.send(queue.sender_id, b"kept")
        assert not standby.listens.is_set()
    address = router.address
    async with open_router(config), open_smp_client(address) as client:
        message = await client.get(queue)
        assert isinstance(message, MessageReceived)
        assert message.body == b"kept"
    assert caplog.text.count("standing by") == 1


async def test_without_standby_the_store_is_refused(
    config: RouterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TRY_LOCK_SECONDS", 0.1)
    async with open_router(config):
        with pytest.raises(StoreLocked, match="process"):
            async with open_router(config):
                pytest.fail("two routers with one store")


async def test_a_router_ends_when_another_takes_its_store_over(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with open_router(config) as router, open_smp_client(router.address) as client:
            await client.create_queue(MessagingRequest())
            async with open_connection(url, name="other") as other:
                await other.run([Statement("UPDATE lease SET epoch = epoch + 1")])
            with pytest.raises(ConnectionLost):  # and no answer, that might be wrong
                await client.create_queue(MessagingRequest())
            await trio.sleep_forever()

    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    url = new_url(postgres)
    config = evolve(EMBEDDED, store=url)
    with pytest.raises(StoreFenced):
        await run()


async def test_a_router_says_that_it_has_lost_its_database(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOOK_SECONDS", 0.01)
    with TemporaryDirectory(prefix="way-") as folder:
        async with (
            unreliable_way(new_url(postgres), Path(folder)) as way,
            open_router(evolve(EMBEDDED, store=way.url)) as router,
        ):
            assert router.problems() == ()
            way.close()
            while not router.problems():  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.01)
            assert router.problems() == ("the connection to the database is lost",)
            way.is_open = True
            while router.problems():  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.01)
