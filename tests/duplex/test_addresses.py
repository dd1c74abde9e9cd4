"""Contact addresses that say what they lead to, by client data and by a kind."""

from __future__ import annotations

from functools import partial

import pytest
from trio.testing import MockClock

from simplex_trio.duplex.config import Server
from simplex_trio.duplex.events import (
    ConnectionFailed,
    InvitationReady,
    JoinSent,
    LinkUpdated,
    Problem,
    RequestReceived,
)
from simplex_trio.duplex.machine.creating import MAX_CLIENT_DATA, change_link
from simplex_trio.duplex.store.store import MemoryFile
from simplex_trio.errors import TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkContent, read_link
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from tests.duplex.machines import Machine
from tests.duplex.quiet import next_event, open_quiet
from tests.duplex.worlds import World

CLIENT_DATA = '{"groupLinkId": "ä &?%"}'


@pytest.fixture
def a() -> Machine:
    return Machine("a")


@pytest.fixture
def world(a: Machine) -> World:
    return World(a)


def checked(long: str, short: str | None, kind: ContactKind) -> ShortContactLink:
    """The short link, once both are what they should be."""
    request = parse_link(long)
    assert isinstance(request, ContactURI)
    assert request.client_data == CLIENT_DATA
    assert short is not None
    link = parse_link(short)
    assert isinstance(link, ShortContactLink)
    assert link.kind is kind
    return link


def content(a: Machine, world: World, connection_id: str) -> LinkContent:
    """What a reader of the short link sees."""
    status = a.status(connection_id)
    assert status.link is not None
    link = checked(status.link, status.short_link, ContactKind.GROUP)
    queue = world.queue_of(a, connection_id)
    assert queue.link_data is not None
    read = read_link(link, queue.sender_id, queue.link_data)
    assert read.fixed.request.client_data == CLIENT_DATA
    return read


def test_an_address_with_client_data_and_a_kind(a: Machine, world: World) -> None:
    ready = world.address(
        a, short=True, client_data=CLIENT_DATA, kind=ContactKind.GROUP, link_data=b"first"
    )
    mine = ready.connection_id
    first = content(a, world, mine)
    assert first.user.program_data == b"first"
    assert ready.short_link == a.status(mine).short_link
    a.on(mine, lambda step, c: change_link(step, c, b"second"))
    a.restart()
    world.do_all(a)
    second = content(a, world, mine)
    assert second.user.program_data == b"second"
    assert second.fixed == first.fixed
    assert a.status(mine).short_link == ready.short_link


def test_a_link_that_is_made_anew_has_them_too(a: Machine, world: World) -> None:
    mine = world.address(a, client_data=CLIENT_DATA, kind=ContactKind.GROUP).connection_id
    assert a.status(mine).short_link is None
    roots = set()
    for data in (b"first", None, b"second"):
        a.on(mine, partial(change_link, data=data))
        a.restart()
        world.do_all(a)
        if data is not None:
            read = content(a, world, mine)
            assert read.user.program_data == data
            roots.add(read.fixed.root_key)
    assert len(roots) == 2


def test_client_data_has_a_limit(a: Machine, world: World) -> None:
    with pytest.raises(TooLarge):
        world.address(a, client_data="ä" * (MAX_CLIENT_DATA // 2) + "a")
    with pytest.raises(ValueError, match="half of a character"):
        world.address(a, client_data="\ud800")
    with pytest.raises(ValueError, match="service"):
        world.address(a, kind=ContactKind.SERVICE)
    assert a.connections() == []
    ready = world.address(a, short=True, client_data="ä" * (MAX_CLIENT_DATA // 2))
    assert ready.short_link is not None


@pytest.mark.parametrize("prepared", [True, False])
async def test_they_survive_until_the_router_answers(
    autojump_clock: MockClock, prepared: bool
) -> None:
    file = MemoryFile()
    async with open_quiet() as quiet:
        quiet.stop()
        async with quiet.open_agent(file) as agent:
            if prepared:
                made = await agent.prepare_address(client_data=CLIENT_DATA, kind=ContactKind.GROUP)
                checked(made.link, made.short_link, ContactKind.GROUP)
            else:
                await agent.create_address(
                    client_data=CLIENT_DATA, kind=ContactKind.GROUP, wait=False
                )
        await quiet.start()
        async with quiet.open_agent(file) as agent, quiet.open_agent() as other:
            ready = await next_event(agent, InvitationReady)
            checked(ready.link, ready.short_link, ContactKind.GROUP)
            assert not prepared or ready.short_link == made.short_link
            await agent.change_link(ready.connection_id, b"shown")
            await next_event(agent, LinkUpdated)
            assert ready.short_link is not None
            assert (await other.look(ready.short_link)).data == b"shown"
            await other.join(ready.short_link, b"Bob")
            assert (await next_event(agent, RequestReceived)).info == b"Bob"
            await next_event(other, JoinSent)


async def test_a_router_with_more_hosts_than_a_link_has_room_for(
    autojump_clock: MockClock,
) -> None:
    hosts = ",".join(f"host{number}.{'a' * 50}.test" for number in range(20))
    server = Server(ServerAddress.parse(f"smp://{'A' * 43}=@{hosts}"))
    async with open_quiet() as quiet, quiet.open_agent(servers=(server,)) as agent:
        with pytest.raises(TooLarge):
            await agent.create_address(client_data="a" * MAX_CLIENT_DATA)
        assert await agent.connections() == []
        with pytest.raises(TooLarge):
            await agent.prepare_address(client_data="a" * MAX_CLIENT_DATA)
        mine = await agent.create_address(client_data="a" * MAX_CLIENT_DATA, wait=False)
        failed = await next_event(agent, ConnectionFailed)
        assert failed == ConnectionFailed(mine, Problem.TOO_LARGE)
