"""What an agent logs, and what it does not."""

from __future__ import annotations

import logging

import pytest
import trio
from attrs import evolve

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import CannotConnect, Disconnected, Subscribed, SubscriptionError
from simplex_trio.agent.log import AgentLog
from simplex_trio.client.smp.client import SMPClient, connect_smp_client, open_smp_client
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.engine.backoff import Backoff
from simplex_trio.errors import ConnectionLost
from simplex_trio.router.server import open_router
from simplex_trio.testing.cable import open_cable

QUICK = AgentConfig(
    backoff=Backoff(initial=0.01, increase_after=60, maximum=0.01), remember_failure=0
)


async def wait_for(agent: SMPClientAgent, kind: type[object]) -> object:
    async for event in agent.events:
        if isinstance(event, kind):
            return event
    raise AssertionError


async def test_connections_and_subscriptions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "simplex_trio")
    async with open_router() as router, open_cable(router.address) as cable:
        async with open_smp_client(router.address) as owner:
            queue = await owner.create_queue(subscribe=False)
        async with open_smp_agent(QUICK) as agent:
            agent.subscribe(cable.address, [queue])
            await wait_for(agent, Subscribed)
            cable.cut()
            lost = await wait_for(agent, Disconnected)
            assert isinstance(lost, Disconnected)
            assert str(lost.reason)
            await wait_for(agent, CannotConnect)
            cable.mend()
            await wait_for(agent, Subscribed)
            unknown = QueueAccess(bytes(24), Ed25519PrivateKey.generate())
            agent.subscribe(cable.address, [unknown])
            await wait_for(agent, SubscriptionError)

    lines = [each for each in caplog.records if each.name == "simplex_trio.agent"]
    texts = [each.getMessage().split(": ", 1) for each in lines]
    assert len({name for name, _ in texts}) == 1
    said = [text.split(": ")[0] for _, text in texts]
    assert said == [
        "connected",
        "1 queues are subscribed to",
        "the connection has ended, with 1 subscriptions",
        "cannot connect, trying again",
        "connected",
        "1 queues are subscribed to",
        "1 subscriptions are refused",
    ]
    assert [each.levelname for each in lines] == ["INFO"] * 6 + ["WARNING"]
    everything = caplog.text
    for secret in (str(cable.address), "127.0.0.1", str(cable.address.port), "localhost"):
        assert secret not in everything.replace("router", "")
    assert queue.recipient_id.hex() not in everything

    caplog.clear()
    AgentLog(QUICK.role).note(evolve(lost, reason=RuntimeError("the text of a bug")))
    assert caplog.messages[0].endswith(": RuntimeError")


async def test_proxies_log_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "simplex_trio.agent")
    config = evolve(QUICK, role=AgentRole.SENDER)
    async with open_router() as router, open_smp_agent(config) as agent:
        await agent.client(router.address)
        assert caplog.records == []
        caplog.set_level(logging.DEBUG, "simplex_trio.agent")
        (await agent.client(router.address)).close()
        await wait_for(agent, Disconnected)
    assert "has ended" in caplog.text


async def test_a_cut_connection_has_a_reason_in_words() -> None:
    async with (
        open_router() as router,
        open_cable(router.address) as cable,
        open_smp_client(cable.address) as client,
    ):
        cable.cut()
        reason = await client.wait_disconnected()
        assert str(reason)
        with pytest.raises(ConnectionLost, match=str(reason)):
            await client.ping()


async def test_a_connection_that_the_router_closes_has_a_reason_in_words() -> None:
    async with trio.open_nursery() as nursery:
        async with open_router() as router:
            client = await connect_smp_client(nursery, router.address)
        reason = await client.wait_disconnected()
        assert "has closed the connection" in str(reason)
        with pytest.raises(ConnectionLost, match="has closed the connection"):
            await client.ping()


async def test_the_error_of_a_connector_may_have_an_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "simplex_trio")

    async def connect(_nursery: trio.Nursery, destination: Destination) -> SMPClient:
        await trio.open_tcp_stream("127.0.0.1", destination.server.effective_port)
        raise AssertionError

    async with open_smp_agent(QUICK, connector=connect) as agent:
        address = f"smp://{'A' * 43}=@127.0.0.1:1"
        agent.subscribe(address, [QueueAccess(bytes(24), Ed25519PrivateKey.generate())])
        await wait_for(agent, CannotConnect)
    assert "cannot connect" in caplog.text
    assert "127.0.0.1" not in caplog.text
