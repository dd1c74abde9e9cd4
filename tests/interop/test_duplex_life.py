"""Long life beside another program's agent: pauses, networks, checks of real routers, users.

The variables are those of `tests.interop.test_duplex_agent`, and SIMPLEX_TRIO_XFTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Network
from simplex_trio.duplex.events import MessageSent, PeerMessage, UserDeleted
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.server_checks import ServerStep
from simplex_trio.duplex.statistics import AgentCount
from simplex_trio.errors import ConnectError, NetworkLost
from simplex_trio.wire.addresses import ServerAddress
from tests.interop.conftest import named
from tests.interop.driver import Driver
from tests.interop.test_duplex_agent import (
    both,
    connected,
    from_them,
    from_us,
    next_of,
    they_invite,
    we_invite,
)

CONFIG = DuplexConfig(pq=False)


@pytest.mark.parametrize("variable", ["SIMPLEX_TRIO_ROUTER", "SIMPLEX_TRIO_XFTP"])
async def test_a_real_router_passes(variable: str) -> None:
    address = ServerAddress.parse(named(variable))
    async with open_duplex_agent(None, config=CONFIG) as agent:
        checked = await agent.test_server(address)
        assert checked.ok, checked.failed
        assert len(checked.outcomes) == (5 if "XFTP" in variable else 4)
        other = await agent.test_server(evolve(address, key_hash=bytes(32)))
        assert other.failed is not None
        assert other.failed.step is ServerStep.CONNECT
        assert isinstance(other.failed.error, ConnectError)


async def message(agent: DuplexAgent, body: bytes) -> None:
    found = await next_of(agent, PeerMessage)
    assert (found.body, found.skipped) == (body, 0)
    await agent.acknowledge(found)


async def their_message(driver: Driver, theirs: str, body: bytes) -> None:
    event = await driver.event("MSG")
    assert (bytes.fromhex(event["body"]), event["meta"]["integrity"]) == (body, "OK")
    await driver.command("ackMessage", connId=theirs, msgId=event["msgId"])


@pytest.mark.parametrize("way", [we_invite, they_invite])
async def test_pauses_in_a_conversation(router: str, tmp_path: Path, way: object) -> None:
    async with both(router, tmp_path, CONFIG) as (agent, driver):
        ours, theirs = await connected(agent, driver, way, pq=False)
        for number in range(10):
            # A time that suffices, one that may, and none.
            await agent.pause(within=(10, 0.01, 0)[number % 3])
            await driver.command("sendMessage", connId=theirs, body=(b"%d" % number).hex())
            await agent.send(ours, b"%d" % number)
            with pytest.raises(NetworkLost):
                await agent.create()
            agent.resume()
            if number % 2:
                await agent.pause(within=0)
                agent.resume()
            await message(agent, b"%d" % number)
            await their_message(driver, theirs, b"%d" % number)
        await agent.drain()


@contextmanager
def network(agent: DuplexAgent, after: Network, *, changed: bool) -> Iterator[None]:
    agent.set_network(Network.LOST)
    yield
    agent.set_network(after, changed=changed)


async def test_networks_in_a_conversation(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path, CONFIG) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        after = [(Network.ORDINARY, False), (Network.SLOW, False), (Network.ORDINARY, True)]
        for number, (found, changed) in enumerate(after):
            await trio.sleep(2.1)
            with network(agent, found, changed=changed):
                await agent.send(ours, b"%d" % number)
                with trio.move_on_after(1) as waiting:
                    await next_of(agent, MessageSent)
                assert waiting.cancelled_caught
            await their_message(driver, theirs, b"%d" % number)
            await driver.command("sendMessage", connId=theirs, body=(b"%d" % number).hex())
            await message(agent, b"%d" % number)


async def test_the_peer_of_a_user_who_is_deleted(router: str, tmp_path: Path) -> None:
    async with both(router, tmp_path, CONFIG) as (agent, driver):
        ours, theirs = await connected(agent, driver, we_invite, pq=False)
        await from_us(agent, driver, ours, theirs, b"hello")
        await from_them(agent, driver, ours, theirs, b"hello", pq=False)
        await agent.drain()
        (counted,) = agent.statistics().routers
        assert counted.counters[AgentCount.SENT_DIRECTLY] == 3  # with confirmation and receipt
        assert not counted.errors
        await agent.send(ours, b"good-bye")
        await agent.delete_user("", after_delivery=True)
        assert (await next_of(agent, UserDeleted)).user == ""
        await their_message(driver, theirs, b"good-bye")
        await driver.command("sendMessage", connId=theirs, body=b"too late".hex())
        driver.allowed.add("MERR")
        assert "AUTH" in str(await driver.event("MERR"))
