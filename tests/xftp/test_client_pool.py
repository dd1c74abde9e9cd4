"""The connections of one transfer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from simplex_trio.errors import DialFailed
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.text import to_base64url
from simplex_trio.wire.xftp.description import FileParty
from simplex_trio.xftp.client_config import XFTPClientConfig
from simplex_trio.xftp.errors import RouterUnreachable, XFTPSupportMissing
from simplex_trio.xftp.files.clients import MAX_KEPT, open_client_pool
from simplex_trio.xftp.files.delete import delete_file
from simplex_trio.xftp.files.receive import receive_file
from simplex_trio.xftp.files.send import send_file
from tests.wire.xftp_values import DESCRIPTION

SERVERS = [
    ServerAddress.parse(f"xftp://{to_base64url(bytes(32))}@h{number}.example")
    for number in range(3 * MAX_KEPT)
]

CONFIG = XFTPClientConfig()


class FakeClient:
    """A connection without a peer, that lasts until it is ended."""

    def __init__(self) -> None:
        self._over = trio.Event()

    @property
    def is_usable(self) -> bool:
        return not self._over.is_set()

    def end(self) -> None:
        self._over.set()

    async def wait_until_over(self) -> None:
        await self._over.wait()


class Connections:
    """Which connections are open, and how many were opened."""

    def __init__(self) -> None:
        self.open: dict[ServerAddress, FakeClient] = {}
        self.count = 0
        self.unreachable: set[ServerAddress] = set()

    @asynccontextmanager
    async def connect(self, server: ServerAddress, config: object) -> AsyncIterator[Any]:
        self.count += 1
        await trio.lowlevel.checkpoint()
        if server in self.unreachable:
            raise DialFailed("no host answers")
        self.open[server] = FakeClient()
        try:
            yield self.open[server]
        finally:
            del self.open[server]


@pytest.fixture
def connections() -> Connections:
    return Connections()


async def test_one_connection_for_all(connections: Connections) -> None:
    async with open_client_pool(CONFIG, connections.connect) as pool:

        async def use(server: ServerAddress) -> None:
            async with pool.client(server):
                await trio.testing.wait_all_tasks_blocked()

        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for server in SERVERS[:2] * 5:
                    nursery.start_soon(use, server)
        assert connections.count == 2
        connections.open[SERVERS[0]].end()
        await trio.testing.wait_all_tasks_blocked()
        await use(SERVERS[0])
        assert connections.count == 3
    assert not connections.open


async def test_closing_connections_that_are_in_use(connections: Connections) -> None:
    async with open_client_pool(CONFIG, connections.connect) as pool:
        async with pool.client(SERVERS[0]), pool.client(SERVERS[1]):
            pool.close_all()
            await trio.testing.wait_all_tasks_blocked()
            assert not connections.open
            async with pool.client(SERVERS[0]):
                assert list(connections.open) == SERVERS[:1]
        assert connections.count == 3


async def test_closing_connections_that_are_being_made() -> None:
    @asynccontextmanager
    async def connect(server: ServerAddress, config: object) -> AsyncIterator[Any]:
        await trio.sleep_forever()
        yield None

    async with open_client_pool(CONFIG, connect) as pool:

        async def use() -> None:
            with pytest.raises(RouterUnreachable):
                async with pool.client(SERVERS[0]):
                    pytest.fail("connected")

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(use)
            await trio.testing.wait_all_tasks_blocked()
            pool.close_all()


async def test_a_router_that_cannot_be_reached_is_asked_again(connections: Connections) -> None:
    async with open_client_pool(CONFIG, connections.connect) as pool:
        connections.unreachable.add(SERVERS[0])
        for _ in range(2):
            with pytest.raises(RouterUnreachable) as caught:
                async with pool.client(SERVERS[0]):
                    pytest.fail("connected")
            assert isinstance(caught.value.__cause__, DialFailed)
        connections.unreachable.clear()
        async with pool.client(SERVERS[0]):
            assert connections.count == 3


async def test_idle_connections_make_room(connections: Connections) -> None:
    async with open_client_pool(CONFIG, connections.connect) as pool:
        for server in SERVERS:
            async with pool.client(server):
                pass
            await trio.testing.wait_all_tasks_blocked()
            assert len(connections.open) <= MAX_KEPT
        assert list(connections.open) == SERVERS[-MAX_KEPT:]

        # The last one that was used is the last one to be closed.
        async with pool.client(SERVERS[-MAX_KEPT]), pool.client(SERVERS[0]):
            await trio.testing.wait_all_tasks_blocked()
            assert SERVERS[-MAX_KEPT] in connections.open
        assert connections.count == len(SERVERS) + 1


async def test_connections_in_use_are_not_closed(connections: Connections) -> None:
    async with open_client_pool(CONFIG, connections.connect) as pool, AsyncExitStack() as stack:
        for server in SERVERS:
            await stack.enter_async_context(pool.client(server))
        await trio.testing.wait_all_tasks_blocked()
        assert list(connections.open) == SERVERS


async def test_without_the_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simplex_trio.xftp.support.find_spec", lambda name: None)
    path = tmp_path / "file"
    path.write_bytes(b"content")
    recipient = attrs.evolve(DESCRIPTION, party=FileParty.RECIPIENT)
    sender = attrs.evolve(DESCRIPTION, party=FileParty.SENDER)
    transfers: list[Callable[[], Awaitable[object]]] = [
        partial(send_file, path, SERVERS[:1]),
        partial(receive_file, recipient, tmp_path),
        partial(delete_file, sender),
    ]
    for transfer in transfers:
        with pytest.raises(XFTPSupportMissing, match="pip install"):
            await transfer()
