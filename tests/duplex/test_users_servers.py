"""Servers of users, changed while an agent runs."""

from __future__ import annotations

from random import Random

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.duplex.config import DuplexConfig, Server
from simplex_trio.duplex.errors import NoServers
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    InvitationReady,
)
from simplex_trio.duplex.server_lists import ServerLists
from simplex_trio.duplex.servers import first_route, proxies_for, servers_for_queue
from simplex_trio.wire.addresses import ServerAddress
from tests.duplex.quiet import connect, next_event, open_quiet
from tests.duplex.test_servers import UNKNOWN, address, config, hosts, server

DAY = 24 * 3600


def test_servers_that_are_not_enabled_are_left_out_unless_none_is() -> None:
    off, on = server("off.example", enabled=False), server("on.example")
    both = config(off, on)
    assert servers_for_queue(both, (), Random(0).random) == [on]
    assert proxies_for(both, UNKNOWN, Random(0).random) == [on]
    assert servers_for_queue(both, [on.address], Random(0).random) == [on]
    alone = config(off, server("other.example", enabled=False, for_queues=False))
    assert servers_for_queue(alone, (), Random(0).random) == [off]
    assert len(proxies_for(alone, UNKNOWN, Random(0).random)) == 2
    # Its role counts for less than whether it is enabled.
    mixed = config(off, server("proxy.example", for_queues=False))
    assert hosts(servers_for_queue(mixed, (), Random(0).random)) == ["proxy.example"]


def test_a_server_that_is_not_enabled_is_one_of_the_users_all_the_same() -> None:
    off = server("off.example", enabled=False)
    both = config(off, server("on.example"))
    assert first_route(both, off.address) is first_route(both, address("on.example"))


def test_lists_of_users() -> None:
    one, two, three = (server(f"{name}.example") for name in ("one", "two", "three"))
    lists = ServerLists(DuplexConfig((one,), user_servers={"work": (two,), "none": ()}))
    assert lists.of("") == lists.of("home") == (one,)
    assert lists.of("work") == (two,)
    assert lists.of("none") == ()
    lists.change([three], "home")
    lists.change([one, two], None)
    assert (lists.of("home"), lists.of("work"), lists.of("")) == ((three,), (two,), (one, two))
    lists.change(None, "work")
    assert lists.of("work") == (one, two)
    lists.change(None, None)
    assert lists.of("") == ()


async def test_queues_of_each_user_are_on_the_users_own_servers(autojump_clock: MockClock) -> None:
    async with open_quiet(3) as quiet:
        first, second, third = (Server(router.address) for router in quiet.routers)
        async with quiet.open_agent(servers=(first,), user_servers={"work": (second,)}) as agent:

            async def placed(user: str) -> ServerAddress:
                made = await agent.create(user=user)
                (place,) = (await agent.status(made.connection_id)).receives_from
                return place

            assert await placed("home") == first.address
            assert await placed("work") == second.address
            agent.set_servers([third], user="work")
            agent.set_servers([str(second.address)])
            assert agent.servers(user="work") == (third,)
            assert agent.servers() == (second,)
            assert await placed("work") == third.address
            assert await placed("home") == second.address
            prepared = await agent.prepare_address(user="work")
            assert quiet.routers[2].name in prepared.link
            agent.set_servers([], user="work")
            with pytest.raises(NoServers):
                await agent.create(user="work")
            agent.set_servers(None, user="work")
            assert await placed("work") == second.address


async def test_what_waits_for_a_server_goes_on_when_there_is_one(
    autojump_clock: MockClock,
) -> None:
    async with open_quiet(2) as quiet:
        first, second = (router.address for router in quiet.routers)
        quiet.routers[0].stop()
        async with quiet.open_agent(servers=(first,)) as agent:
            await agent.create(wait=False)
            await trio.sleep(DAY)
            before = trio.current_time()
            agent.set_servers([second])
            made = await next_event(agent, InvitationReady)
            assert trio.current_time() == before
            assert (await agent.status(made.connection_id)).receives_from == (second,)


async def test_the_two_queues_of_a_connection_are_on_servers_of_different_operators(
    autojump_clock: MockClock,
) -> None:
    async with open_quiet(4) as quiet:
        one, two, three, four = (router.address for router in quiet.routers)
        both = (Server(two, operator="them"), Server(three, operator="us"))
        async with (
            quiet.open_agent(servers=(Server(one, operator="us"),)) as a,
            quiet.open_agent(servers=(*both, Server(one, operator="us"))) as b,
        ):
            for _ in range(5):
                _, theirs = await connect(a, b)
                assert (await b.status(theirs)).receives_from == (two,)
            b.set_servers([Server(three, operator="us"), Server(four, enabled=False)])
            _, theirs = await connect(a, b)
            assert (await b.status(theirs)).receives_from == (three,)


async def test_connections_go_on_without_the_server_in_the_list(autojump_clock: MockClock) -> None:
    async with open_quiet(2) as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        invitation = await a.create()
        a.set_servers([])
        await b.join(invitation.link)
        await a.accept(await next_event(a, ConfirmationReceived))
        await next_event(b, ConnectionReady)
