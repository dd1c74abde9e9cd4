"""Limits of users: what exceeds one is refused before anything is stored."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from simplex_trio.duplex.config import Network, UserLimits
from simplex_trio.duplex.errors import Limit, LimitReached
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    PeerMessage,
    RequestReceived,
)
from tests.duplex.machines import Machine
from tests.duplex.quiet import connect, next_event, open_quiet
from tests.duplex.worlds import World

ONE = UserLimits(connections=1)


def link(name: str = "a") -> str:
    machine = Machine(name)
    return World(machine).invite(machine).link


def test_limits_are_not_negative() -> None:
    with pytest.raises(ValueError, match="connections"):
        UserLimits(connections=-1)


async def test_connections_of_a_user(autojump_clock: MockClock) -> None:
    async with (
        open_quiet() as quiet,
        quiet.open_agent(limits=ONE, user_limits={"many": UserLimits(connections=2)}) as agent,
    ):
        made = await agent.create()
        for wait in (False, True):
            for refused in (
                agent.create(wait=wait),
                agent.create_address(wait=wait),
                agent.join(link(), wait=wait),
            ):
                with pytest.raises(LimitReached) as caught:
                    await refused
                assert caught.value.limit is Limit.CONNECTIONS
        with pytest.raises(LimitReached):
            await agent.prepare_address()
        assert await agent.connections() == [made.connection_id]
        await agent.create(user="other")
        await agent.create(user="many")
        await agent.prepare_address(user="many")
        with pytest.raises(LimitReached):
            await agent.create(user="many")
        await agent.delete(made.connection_id)
        await agent.create()  # what is being deleted does not count
        await next_event(agent, ConnectionDeleted)


async def test_joining_the_same_link_again_is_no_further_connection(
    autojump_clock: MockClock,
) -> None:
    async with open_quiet() as quiet, quiet.open_agent(limits=ONE) as agent:
        agent.set_network(Network.LOST)
        text = link()
        joined = await agent.join(text, wait=False)
        assert await agent.join(text, wait=False) == joined
        with pytest.raises(LimitReached):
            await agent.join(link("b"), wait=False)


async def test_requests_to_an_address(autojump_clock: MockClock) -> None:
    limits = UserLimits(connections=2)
    async with (
        open_quiet() as quiet,
        quiet.open_agent(limits=limits) as a,
        quiet.open_agent() as b,
    ):
        address = await a.create_address(short=False)
        extra = await a.create()
        await b.join(address.link)
        request = await next_event(a, RequestReceived)
        with pytest.raises(LimitReached):
            await a.accept(request)
        await a.delete(extra.connection_id)
        accepted = await a.accept(request)
        assert await a.accept(request) == accepted


async def test_what_a_user_has_queued(autojump_clock: MockClock) -> None:
    limits = UserLimits(queued_messages=3, queued_bytes=1000)
    async with (
        open_quiet() as quiet,
        quiet.open_agent(limits=limits) as a,
        quiet.open_agent() as b,
    ):
        ours, _ = await connect(a, b)
        other, _ = await connect(a, b)
        third, _ = await connect(a, b, user="third")
        await a.drain()
        a.set_network(Network.LOST)
        await a.send(ours, b"1" * 400)
        await a.send(other, b"2" * 400)
        for size, limit in ((201, Limit.QUEUED_BYTES), (200, None), (0, Limit.QUEUED_MESSAGES)):
            before = await a.status(ours)
            if limit is None:
                await a.send(ours, b"3" * size)
                continue
            with pytest.raises(LimitReached) as caught:
                await a.send(ours, b"3" * size)
            assert caught.value.limit is limit
            assert await a.status(ours) == before
        await a.send(third, b"x" * 1000)
        a.set_network(Network.ORDINARY)
        found = set()
        for _ in range(4):
            message = await next_event(b, PeerMessage)
            await b.acknowledge(message)
            found.add(message.body[:1])
        assert found == {b"1", b"2", b"3", b"x"}
        await a.drain()
        await a.send(ours, b"4" * 1000)


async def test_a_broadcast_up_to_a_limit(autojump_clock: MockClock) -> None:
    limits = UserLimits(queued_messages=2)
    async with (
        open_quiet() as quiet,
        quiet.open_agent(limits=limits) as a,
        quiet.open_agent() as b,
    ):
        ends = [(await connect(a, b))[0] for _ in range(3)]
        await a.drain()
        a.set_network(Network.LOST)
        outcomes = await a.broadcast(ends, b"news")
        assert [isinstance(each, int) for each in outcomes] == [True, True, False]
        assert isinstance(outcomes[2], LimitReached)
        assert isinstance((await a.broadcast(ends[:1], b"news"))[0], LimitReached)
        assert isinstance((await a.broadcast(ends, b"news"))[0], LimitReached)
        (count,) = await a._core.read(
            lambda rows: rows._execute("SELECT count(*) FROM bodies").fetchone()
        )
        assert count == 1


async def test_shared_bodies_count_for_each_peer(autojump_clock: MockClock) -> None:
    limits = UserLimits(queued_bytes=100)
    async with (
        open_quiet() as quiet,
        quiet.open_agent(limits=limits) as a,
        quiet.open_agent() as b,
    ):
        ends = [(await connect(a, b))[0] for _ in range(3)]
        await a.drain()
        a.set_network(Network.LOST)
        outcomes = await a.broadcast(ends, b"x" * 50)
        assert [isinstance(each, int) for each in outcomes] == [True, True, False]
        assert await a._core.read(lambda rows: rows.queued("")) == (2, 100)


async def test_the_agents_own_messages_are_not_limited(autojump_clock: MockClock) -> None:
    limits = UserLimits(queued_messages=0, connections=1)
    async with (
        open_quiet() as quiet,
        quiet.open_agent(limits=limits) as a,
        quiet.open_agent() as b,
    ):
        invitation = await a.create()
        theirs = await b.join(invitation.link)
        ours = await a.accept(await next_event(a, ConfirmationReceived))
        await b.send(theirs, b"hello")
        await a.acknowledge(await next_event(a, PeerMessage), receipt=True)
        await a.drain()
        with pytest.raises(LimitReached):
            await a.send(ours, b"hello")
