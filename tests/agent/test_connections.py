"""Connections of an agent: who makes them, who shares them, how they end."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent, start_smp_agent
from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.agent.connections import Connector
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import CannotConnect, Connected, Disconnected, Subscribed
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.errors import (
    ConnectionLost,
    ConnectTimeout,
    DecodeError,
    DialFailed,
    SimplexError,
)
from simplex_trio.transport.tls import TlsStream
from simplex_trio.wire.addresses import ServerAddress

from .support import access, add_queues, next_event, open_net, until, wait_for

HASH = "A" * 43 + "="
SOMEWHERE = f"smp://{HASH}@somewhere.test"


def failing(error: Exception, attempts: list[float]) -> Connector:
    async def connect(nursery: trio.Nursery, destination: Destination) -> SMPClient:
        attempts.append(trio.current_time())
        await trio.sleep(1)
        raise error

    return connect


async def hang(nursery: trio.Nursery, destination: Destination) -> SMPClient:
    await trio.sleep_forever()
    raise AssertionError


# --- sharing ------------------------------------------------------------------------------------


async def test_tasks_that_ask_meanwhile_share_one_connection(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        clients: list[SMPClient] = []

        async def ask(agent: SMPClientAgent) -> None:
            clients.append(await agent.client(router.address))

        async with net.open_agent() as agent:
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask, agent)
            assert len(net.attempts) == 1
            assert all(client is clients[0] for client in clients)
            assert await agent.client(str(router.address)) is clients[0]
            assert agent.client_by_session_id(clients[0].session_id) is clients[0]
            assert (await next_event(agent, Connected)).server == router.address


async def test_they_share_a_failure_too_and_others_are_told_of_it_for_a_while(
    autojump_clock: MockClock,
) -> None:
    attempts: list[float] = []
    error = DialFailed("nobody there")
    errors: list[SimplexError] = []
    async with open_smp_agent(connector=failing(error, attempts)) as agent:

        async def ask() -> None:
            with pytest.raises(DialFailed) as caught:
                await agent.client(SOMEWHERE)
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        await trio.sleep(29)
        await ask()
        assert len(attempts) == 1
        assert [(type(each), each.args) for each in errors] == [(DialFailed, error.args)] * 4
        assert len(set(map(id, errors))) == 4  # each with a traceback of its own
        await trio.sleep(1)
        await ask()
        assert len(attempts) == 2


async def test_a_failure_need_not_be_remembered(autojump_clock: MockClock) -> None:
    attempts: list[float] = []
    config = AgentConfig(remember_failure=0)
    async with open_smp_agent(config, connector=failing(DialFailed(), attempts)) as agent:
        for _ in range(3):
            with pytest.raises(DialFailed):
                await agent.client(SOMEWHERE)
    assert len(attempts) == 3


async def test_who_gives_up_waiting_leaves_the_attempt_to_the_others(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router(max_delay=5)
        net.network.trouble = type(net.network.trouble)(delay=5)
        async with net.open_agent() as agent:
            with trio.move_on_after(0.001) as scope:
                await agent.client(router.address)
            assert scope.cancelled_caught
            await agent.client(router.address)
            assert len(net.attempts) == 1


async def test_each_label_has_its_own_connection(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent() as agent:
            clients = [
                await agent.client(router.address, label=label) for label in ("", "one", "two")
            ]
            assert len({client.session_id for client in clients}) == 3
            assert [destination.label for _, destination in net.attempts] == ["", "one", "two"]


def test_labels_isolate_and_no_label_shares_with_none() -> None:
    assert Destination.of(SOMEWHERE).isolation is None
    assert Destination.of(SOMEWHERE, "me").isolation == b"me"


async def test_the_label_is_what_isolates_a_connection() -> None:
    found: list[bytes | None] = []

    async def dial(
        address: ServerAddress, *, isolation: bytes | None = None, **_settings: Any
    ) -> TlsStream:
        found.append(isolation)
        raise DialFailed

    config = AgentConfig(client=SMPClientConfig(dial=dial))
    async with open_smp_agent(config) as agent:
        for label in ("", "me"):
            with pytest.raises(DialFailed):
                await agent.client(SOMEWHERE, label=label)
    assert found == [None, b"me"]


# --- failing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "not an address", f"ntf://{HASH}@somewhere.test"])
async def test_what_is_no_address(text: str) -> None:
    async with open_smp_agent() as agent:
        with pytest.raises(DecodeError):
            await agent.client(text)
        with pytest.raises(DecodeError):
            agent.subscribe(text, [access(1)])
        assert agent.statistics().workers == 0


async def test_connecting_has_a_deadline(autojump_clock: MockClock) -> None:
    async with open_smp_agent(connector=hang) as agent:
        started = trio.current_time()
        with pytest.raises(ConnectTimeout):
            await agent.client(SOMEWHERE)
        assert trio.current_time() - started == 45


async def test_a_bug_in_connecting_is_not_taken_for_a_failure(autojump_clock: MockClock) -> None:
    async def use_an_agent() -> None:
        async with open_smp_agent(connector=failing(ZeroDivisionError(), [])) as agent:
            agent.subscribe(SOMEWHERE, [access(1)])
            await trio.sleep_forever()

    with pytest.raises(ZeroDivisionError):
        await use_an_agent()


async def test_a_server_that_fails_does_not_disturb_another(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        good, bad = await net.add_router(), await net.add_router()
        queues = add_queues(good, 1, 2)
        bad.stop()
        async with net.open_agent() as agent:
            agent.subscribe(bad.address, [access(3)])
            agent.subscribe(good.address, queues)
            failed, subscribed = None, None
            while failed is None or subscribed is None:
                event = await agent.events.receive()
                failed = event if isinstance(event, CannotConnect) else failed
                subscribed = event if isinstance(event, Subscribed) else subscribed
            assert failed.server == bad.address
            assert isinstance(failed.error, DialFailed)
            assert subscribed.server == good.address


async def test_a_connection_that_ended_is_replaced(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent() as agent:
            first = await agent.client(router.address)
            connected = await next_event(agent, Connected)
            assert connected.session_id == first.session_id
            net.network.cut_connections(router.name)
            await until(lambda: not first.connected)
            assert agent.client_by_session_id(first.session_id) is None
            second = await agent.client(router.address)
            assert second.connected
            disconnected = await next_event(agent, Disconnected)
            assert disconnected.session_id == first.session_id
            assert disconnected.queues == ()
            assert (await next_event(agent, Connected)).session_id == second.session_id


async def test_a_connection_that_is_ending_is_not_handed_out(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent() as agent:
            first = await agent.client(router.address)
            first.close()  # nothing has noticed it yet
            assert agent.client_by_session_id(first.session_id) is None
            second = await agent.client(router.address)
            assert second is not first
            await second.ping()


# --- letting go ---------------------------------------------------------------------------------


async def test_removing_a_server_ends_its_connection(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent() as agent:
            agent.subscribe(router.address, add_queues(router, 1))
            await wait_for(agent, Subscribed)
            agent.remove(router.address)
            event = await wait_for(agent, Disconnected)
            assert event.queues == ()
            await trio.sleep(100)
            assert len(net.attempts) == 1
            agent.remove(router.address)


async def test_removing_a_server_gives_up_connecting(autojump_clock: MockClock) -> None:
    async with open_smp_agent(connector=hang) as agent, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ConnectionLost):
                await agent.client(SOMEWHERE)

        nursery.start_soon(ask)
        agent.subscribe(SOMEWHERE, [access(1)])
        await trio.sleep(1)
        assert agent.statistics().connecting == 1
        agent.remove(SOMEWHERE)
        await trio.sleep(1)
        assert agent.statistics().connecting == agent.statistics().workers == 0


# --- what agents are for ------------------------------------------------------------------------


async def test_an_agent_for_sending_is_a_proxys(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        config = AgentConfig(role=AgentRole.SENDER)
        async with net.open_agent(config) as agent:
            client = await agent.client(router.address)
            await until(lambda: bool(router.sessions))
            assert router.sessions[0].agreement.client_is_proxy
            assert client.agreement.shared_secret is not None
            assert agent.client_by_session_id(client.session_id) is client
            assert agent.client_by_session_id(b"another") is None
            with pytest.raises(RuntimeError):
                agent.subscribe(router.address, [access(1)])
            with pytest.raises(RuntimeError):
                agent.subscribe_service(router.address, b"service")


async def test_an_agent_for_receiving_can_send(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        add_queues(router, 1)
        async with net.open_agent() as agent:
            client = await agent.client(router.address)
            await client.send(b"queue 1", b"hello")
            assert not router.sessions[0].agreement.client_is_proxy
        assert [body for _, body in router.queues[b"queue 1"].messages] == [b"hello"]


async def test_one_session_for_each_relay_of_a_proxy(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        proxy = await net.add_router()
        async with net.open_agent() as agent:
            first = await agent.relay(proxy.address, SOMEWHERE)
            assert await agent.relay(proxy.address, SOMEWHERE) is first
            other = f"smp://{HASH}@another.test"
            assert await agent.relay(proxy.address, other) is not first
            assert len(net.attempts) == 1


def test_own_servers_are_known_by_their_domain() -> None:
    config = AgentConfig(own_domains=("mine.test", ".also.mine.example"))

    def is_own(hosts: str) -> bool:
        return config.is_own(ServerAddress.parse(f"smp://{HASH}@{hosts}"))

    assert is_own("mine.test")
    assert is_own("smp1.mine.test:443")
    assert is_own("smp.also.mine.example")
    assert not is_own("notmine.test")
    assert not is_own("mine.test.elsewhere.test")
    assert not is_own("elsewhere.test,mine.test")


# --- lifetime -----------------------------------------------------------------------------------


async def test_leaving_the_block_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router, down = await net.add_router(), await net.add_router()
        queues = add_queues(router, 1, 2, 3)
        down.stop()
        await trio.sleep(1)
        before = trio.lowlevel.current_statistics().tasks_living
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            agent.subscribe(down.address, queues)
            await wait_for(agent, Subscribed)
            await agent.client(router.address, label="another")
        assert agent.statistics().connected == agent.statistics().connecting == 0
        await until(lambda: not router.sessions)
        assert trio.lowlevel.current_statistics().tasks_living == before


async def test_leaving_while_connecting(autojump_clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:

        async def ask(agent: SMPClientAgent) -> None:
            with pytest.raises(trio.ClosedResourceError):
                await agent.client(SOMEWHERE)

        async with open_smp_agent(connector=hang) as agent:
            agent.subscribe(SOMEWHERE, [access(1)])
            nursery.start_soon(ask, agent)
            await trio.sleep(1)
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_the_bodys_exception_comes_out_as_it_is(autojump_clock: MockClock) -> None:
    async def use_an_agent() -> None:
        async with open_smp_agent(connector=hang) as agent:
            agent.subscribe(SOMEWHERE, [access(1)])
            await trio.sleep(1)
            raise KeyError

    with pytest.raises(KeyError):
        await use_an_agent()


async def test_an_agent_in_a_nursery_of_the_program(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with trio.open_nursery() as nursery:
            agent = await start_smp_agent(nursery, connector=net.connector())
            assert "open" in repr(agent)
            client = await agent.client(router.address)
            await agent.aclose()
            assert not client.connected
            assert len(nursery.child_tasks) == 0
            assert "closed" in repr(agent)
            await assert_closed(agent, router.address)
            await agent.aclose()


async def assert_closed(agent: SMPClientAgent, address: ServerAddress) -> None:
    with pytest.raises(trio.ClosedResourceError):
        await agent.client(address)
    with pytest.raises(trio.ClosedResourceError):
        agent.subscribe(address, [access(1)])
    with pytest.raises(trio.ClosedResourceError):
        agent.unsubscribe(address, [b"queue"])
    with pytest.raises(trio.ClosedResourceError):
        agent.remove(address)
    async for _ in agent.events:
        pass


async def test_an_agent_that_is_cancelled_is_closed_at_every_step_of_it() -> None:
    async with open_net() as net:
        router = await net.add_router()
        # Which task comes first in a step is chosen at random.
        for steps in [1, 2, 3] * 20:
            async with trio.open_nursery() as nursery:
                agent = await start_smp_agent(nursery, connector=net.connector())
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):
                    for _ in range(steps):
                        await trio.lowlevel.cancel_shielded_checkpoint()
                    with suppress(trio.ClosedResourceError):
                        agent.subscribe(router.address, [access(1)])
                    with pytest.raises(trio.ClosedResourceError):
                        await agent.client(router.address)


async def test_who_is_cancelled_together_with_an_agent_learns_of_nothing_else() -> None:
    async with open_net() as net:
        router = await net.add_router()
        for steps in [1, 2, 3] * 20:
            with trio.CancelScope() as scope:
                async with net.open_agent() as agent:
                    scope.cancel()
                    for _ in range(steps):
                        await trio.lowlevel.cancel_shielded_checkpoint()
                    await agent.client(router.address)
            assert scope.cancelled_caught
