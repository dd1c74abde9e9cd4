"""Connections to notification routers."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from simplex_trio.client.ntf import NTFClient
from simplex_trio.duplex.work.ntf_routers import NTFRouters
from simplex_trio.errors import NetworkLost
from simplex_trio.wire.addresses import ServerAddress

FIRST, SECOND = (
    ServerAddress.parse(f"ntf://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@{host}.test")
    for host in ("first", "second")
)


class Client:
    connected = True

    def close(self) -> None:
        self.connected = False

    async def wait_disconnected(self) -> None:
        await trio.sleep_forever()


async def test_a_router_that_does_not_answer_holds_up_no_other(autojump_clock: Any) -> None:
    asked: list[ServerAddress] = []

    async def connect(_: trio.Nursery, server: ServerAddress) -> NTFClient:
        asked.append(server)
        await trio.sleep(1000 if server is FIRST else 1)
        return cast("NTFClient", Client())

    routers = NTFRouters(connect)
    async with trio.open_nursery() as nursery:
        routers.open_in(nursery)
        nursery.start_soon(routers.client, FIRST)
        nursery.start_soon(routers.client, FIRST)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(10):
            client = await routers.client(SECOND)
            assert await routers.client(SECOND) is client
        routers.hold()
        with pytest.raises(NetworkLost):
            await routers.client(SECOND)
        nursery.cancel_scope.cancel()
    assert asked == [FIRST, SECOND]
