"""Contact addresses that say what they lead to, by client data and by a kind."""

from __future__ import annotations

from functools import partial

import pytest
from trio.testing import MockClock

from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.duplex.config import DuplexConfig, Server
from simplex_trio.duplex.errors import LinkNotUsable
from simplex_trio.duplex.events import (
    ConnectionFailed,
    InvitationReady,
    JoinSent,
    LinkUpdated,
    Problem,
    RequestReceived,
)
from simplex_trio.duplex.links import preview
from simplex_trio.duplex.machine import queues
from simplex_trio.duplex.machine.connection import ReceivingQueue
from simplex_trio.duplex.machine.creating import MAX_CLIENT_DATA, change_link
from simplex_trio.duplex.machine.step import Moment
from simplex_trio.duplex.store.store import MemoryFile
from simplex_trio.errors import TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkContent, open_link, read_link, seal_link
from simplex_trio.wire.duplex.link_data import ContactLinkData, FixedLinkData
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.owners import Owner
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS
from simplex_trio.wire.presets import PRESET_SERVERS
from simplex_trio.wire.versions import VersionRange
from tests.duplex.machines import Machine
from tests.duplex.quiet import next_event, open_quiet
from tests.duplex.worlds import SERVERS, World

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


# --- looking at them ----------------------------------------------------------------------------


class Channel:
    """Makes of the next addresses those of a channel, which other programs have."""

    def __init__(self, relays: tuple[ShortContactLink, ...]) -> None:
        self.relays = relays
        self.owner_key = Ed25519PrivateKey.generate()
        self.root_key = Ed25519PrivateKey.generate()
        self.entity_id = bytes(range(32))

    def fixed_data(
        self, versions: VersionRange, root_key: Ed25519PublicKey, request: ContactURI
    ) -> FixedLinkData:
        return FixedLinkData(versions, root_key, request, self.entity_id)

    def user_data(self, _c: object, queue: ReceivingQueue, moment: Moment) -> ContactLinkData:
        assert queue.root_key is not None
        self.root_key = queue.root_key
        owner = Owner.authorize(b"owner", self.owner_key.public, self.root_key)
        return ContactLinkData(
            moment.spoken.agent, direct=False, owners=(owner,), relays=self.relays
        )


async def test_all_that_a_channel_says_is_seen(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        relay = await a.create_address(data=b"a relay", kind=ContactKind.GROUP)
        relay_link = parse_link(relay.short_link or "")
        assert isinstance(relay_link, ShortContactLink)
        channel = Channel((relay_link,))
        with monkeypatch.context() as patched:
            patched.setattr(queues, "_user_data", channel.user_data)
            patched.setattr(queues, "FixedLinkData", channel.fixed_data)
            made = await a.prepare_address(client_data=CLIENT_DATA, kind=ContactKind.CHANNEL)
            await next_event(a, InvitationReady)

        seen = await b.look(made.short_link or "")
        assert (seen.kind, seen.direct, seen.can_join) == (ContactKind.CHANNEL, False, False)
        assert (seen.client_data, seen.entity_id) == (CLIENT_DATA, channel.entity_id)
        assert seen.root_key == channel.root_key.public
        [owner] = seen.owners
        assert (owner.owner_id, owner.key) == (b"owner", channel.owner_key.public)
        assert seen.relays == (relay_link,)
        assert "groupLinkId" not in repr(seen)
        with pytest.raises(LinkNotUsable):
            await b.join(made.short_link or "")

        seen = await b.look(seen.relays[0])
        assert (seen.data, seen.direct, seen.can_join) == (b"a relay", True, True)
        assert (seen.client_data, seen.entity_id, seen.owners) == (None, None, ())
        assert seen.root_key is not None
        await b.join(relay_link, b"Bob")
        assert (await next_event(a, RequestReceived)).connection_id == relay.connection_id

        seen = await b.look(made.link)
        assert (seen.client_data, seen.root_key, seen.direct) == (CLIENT_DATA, None, True)


def test_relays_on_a_preset_are_named_in_full() -> None:
    preset = PRESET_SERVERS[0]
    relay = ShortContactLink(preset, ContactKind.GROUP, bytes(32))
    machine = Machine("a")
    request = ContactURI.parse(World(machine).address(machine).link)
    root_key = Ed25519PrivateKey.generate()
    sealed = seal_link(
        FixedLinkData(AGENT_VERSIONS, root_key.public, request),
        ContactLinkData(AGENT_VERSIONS, direct=False, relays=(relay.shortened(),)),
        root_key,
        fixed_nonce=bytes(24),
        user_nonce=bytes(24),
    )
    link = ShortContactLink(SERVERS[0], ContactKind.CHANNEL, sealed.keys.link_key)
    seen = preview(DuplexConfig(), link, open_link(sealed.keys, sealed.data), None)
    assert seen.relays == (relay,)


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
