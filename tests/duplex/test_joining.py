"""Links that cannot be joined, and those that were joined already."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import Ed25519PrivateKey, X448PublicKey
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    LinkNotUsable,
    NoCommonDuplexVersion,
    NotAnAddress,
)
from simplex_trio.duplex.events import ConnectionFailed, LinkUpdated, Problem
from simplex_trio.duplex.machine.creating import change_link
from simplex_trio.duplex.machine.deleting import delete
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.link_boxes import max_program_data, open_link, seal_link
from simplex_trio.wire.duplex.link_data import ContactLinkData, FixedLinkData
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.requests import ContactURI, InvitationURI
from simplex_trio.wire.duplex.short_links import (
    ContactKind,
    ShortContactLink,
    ShortInvitationLink,
)
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.versions import VersionRange
from tests.duplex.machines import Machine
from tests.duplex.worlds import SERVERS, Queue, World


@pytest.fixture
def a() -> Machine:
    return Machine("a")


@pytest.fixture
def b() -> Machine:
    return Machine("b")


@pytest.fixture
def world(a: Machine, b: Machine) -> World:
    return World(a, b)


def test_long_links_of_other_versions_leave_nothing(a: Machine, b: Machine, world: World) -> None:
    invitation = parse_link(world.invite(a).link)
    assert isinstance(invitation, InvitationURI)
    [uri] = invitation.queues
    future_offer = evolve(invitation.x3dh_offer, versions=VersionRange(4, 4))
    address = parse_link(world.address(a).link)
    assert isinstance(address, ContactURI)
    for link in (
        evolve(invitation, agent_versions=VersionRange(8, 9)),
        evolve(invitation, x3dh_offer=future_offer),
        evolve(invitation, queues=(evolve(uri, client_versions=VersionRange(5, 5)),)),
        evolve(address, agent_versions=VersionRange(8, 8)),
    ):
        with pytest.raises(NoCommonDuplexVersion):
            world.join(b, link)
    weak = evolve(invitation.x3dh_offer, second=X448PublicKey(bytes(56)))
    with pytest.raises(LinkNotUsable):
        world.join(b, str(evolve(invitation, x3dh_offer=weak)))
    assert b.connections() == []
    assert b.told == []


def test_an_info_that_does_not_fit(a: Machine, b: Machine, world: World) -> None:
    link = world.invite(a).link
    with pytest.raises(TooLarge):
        world.join(b, link, info=bytes(14_830))
    assert b.connections() == []
    # With the reply queue beside it, it is too long by some bytes; that is found out later.
    failing = world.join(b, link, info=bytes(14_829))
    world.settle()
    assert b.told == [ConnectionFailed(failing, Problem.TOO_LARGE)]

    ready = world.invite(a)
    joined = world.join(b, ready.link, info=b"fits")
    world.settle()
    with pytest.raises(TooLarge):
        world.accept(a, ready.connection_id, bytes(14_830))
    world.accept(a, ready.connection_id, bytes(14_829))
    world.settle()
    assert b.status(joined).state is ConnectionState.READY


def test_an_info_that_no_answer_has_room_for(a: Machine, world: World) -> None:
    with pytest.raises(TooLarge):
        world.invite(a, info=bytes(14_830))
    assert a.connections() == []
    world.invite(a, info=bytes(14_829))


def test_an_info_that_fits_into_a_request_and_not_into_the_answer(
    a: Machine, b: Machine, world: World
) -> None:
    # The answer has keys of the KEM beside it, the request has them inside of its invitation.
    ready = world.address(a, pq=True)
    joined = world.join(b, ready.link, pq=True, info=bytes(11_500))
    world.settle()
    [request] = (e for e in a.told if hasattr(e, "request_id"))
    world.accept_request(a, request.request_id)
    world.settle()
    assert b.told[-1] == ConnectionFailed(joined, Problem.TOO_LARGE)
    assert b.status(joined).state is ConnectionState.FAILED
    assert b.work(joined) == []


# --- the data of short links --------------------------------------------------------------------


def other_key(link: ShortInvitationLink | ShortContactLink, queue: Queue) -> None:
    assert queue.link_data is not None
    fixed = queue.link_data.fixed
    queue.link_data = QueueLinkData(fixed[:-1] + bytes([fixed[-1] ^ 1]), queue.link_data.user)


def other_queue(link: ShortInvitationLink | ShortContactLink, queue: Queue) -> None:
    queue.sender_id = b"another id of 24 bytes.."


def cut_off(link: ShortInvitationLink | ShortContactLink, queue: Queue) -> None:
    assert queue.link_data is not None
    queue.link_data = QueueLinkData(queue.link_data.fixed, queue.link_data.user[:30])


@pytest.mark.parametrize("spoil", [other_key, other_queue, cut_off])
@pytest.mark.parametrize("kind", ["invitation", "address"])
def test_link_data_that_is_not_what_the_link_promises(
    a: Machine,
    b: Machine,
    world: World,
    kind: str,
    spoil: Callable[[ShortInvitationLink | ShortContactLink, Queue], None],
) -> None:
    ready = (world.invite if kind == "invitation" else world.address)(a, short=True)
    assert ready.short_link is not None
    link = parse_link(ready.short_link)
    assert isinstance(link, ShortInvitationLink | ShortContactLink)
    spoil(link, world.queue_of(a, ready.connection_id))
    joined = world.join(b, ready.short_link)
    world.settle()
    assert b.told == [ConnectionFailed(joined, Problem.LINK)]
    assert b.status(joined).state is ConnectionState.FAILED
    assert b.work(joined) == []


def address_link(
    world: World, a: Machine, *, versions: VersionRange = AGENT_VERSIONS, direct: bool = True
) -> str:
    """A short link of an address that our machine would not make."""
    ready = world.address(a)
    request = parse_link(ready.link)
    assert isinstance(request, ContactURI)
    root = Ed25519PrivateKey.generate()
    fixed = FixedLinkData(versions, root.public, evolve(request, agent_versions=versions))
    user = ContactLinkData(versions, direct=direct)
    sealed = seal_link(fixed, user, root, fixed_nonce=bytes(24), user_nonce=bytes(24))
    queue = world.queue_of(a, ready.connection_id)
    queue.link_id, queue.link_data = sealed.keys.link_id, sealed.data
    assert open_link(sealed.keys, sealed.data).fixed == fixed
    return str(ShortContactLink(SERVERS[0], ContactKind.CONTACT, sealed.keys.link_key))


def test_link_data_of_another_version(a: Machine, b: Machine, world: World) -> None:
    joined = world.join(b, address_link(world, a, versions=VersionRange(8, 9)))
    world.settle()
    assert b.told == [ConnectionFailed(joined, Problem.NEWER_AGENT)]


def test_an_address_behind_relays(a: Machine, b: Machine, world: World) -> None:
    joined = world.join(b, address_link(world, a, direct=False))
    world.settle()
    assert b.told == [ConnectionFailed(joined, Problem.LINK)]


def test_a_short_link_of_another_kind(a: Machine, b: Machine, world: World) -> None:
    ready = world.address(a, short=True)
    queue = world.queue_of(a, ready.connection_id)
    assert ready.short_link is not None
    address = parse_link(ready.short_link)
    assert isinstance(address, ShortContactLink)
    assert queue.link_id is not None
    link = ShortInvitationLink(address.server, queue.link_id, address.link_key)
    joined = world.join(b, str(link))
    world.settle()
    assert b.told == [ConnectionFailed(joined, Problem.LINK)]


def test_a_link_that_is_gone(a: Machine, b: Machine, world: World) -> None:
    ready = world.invite(a, short=True)
    world.queues.clear()
    joined = world.join(b, ready.short_link or "")
    world.settle()
    assert b.told == [ConnectionFailed(joined, Problem.QUEUE_GONE)]


# --- the same link again ------------------------------------------------------------------------


def test_a_link_is_joined_once_its_router_knows_whatever_is_sent_then(
    a: Machine, b: Machine, world: World
) -> None:
    ready = world.invite(a)
    joined = world.join(b, ready.link)
    world.do_all(b)
    world.send(b, joined)
    with pytest.raises(AlreadyJoined):
        world.join(b, ready.link)


@pytest.mark.parametrize("short", [False, True])
def test_the_same_link_again(a: Machine, b: Machine, world: World, short: bool) -> None:
    ready = world.invite(a, short=short)
    link = ready.short_link or ready.link
    joined = world.join(b, link)
    assert world.join(b, link, info=b"again") == joined
    for work in b.all_work():
        world.do(b, work)
        assert world.join(b, link) == joined
    world.settle()
    with pytest.raises(AlreadyJoined) as caught:
        world.join(b, link)
    assert caught.value.connection_id == joined
    b.on(joined, lambda step, c: delete(step, c, after_delivery=False))
    assert world.join(b, link) != joined


# --- what links show ----------------------------------------------------------------------------


def test_changing_what_a_link_shows(a: Machine, b: Machine, world: World) -> None:
    ready = world.address(a)
    a.news()
    mine = ready.connection_id

    def change(data: bytes | None) -> None:
        a.on(mine, lambda step, c: change_link(step, c, data))

    with pytest.raises(NotAnAddress):
        change(None)
    with pytest.raises(TooLarge):
        change(bytes(max_program_data() + 1))
    change(b"first")
    change(b"second")
    world.do_all(a)
    assert a.news_of(LinkUpdated).problem is None
    link = a.status(mine).short_link
    assert link is not None
    joined = world.join(b, link)
    world.settle()
    assert b.status(joined).state is ConnectionState.WAITING
    change(None)
    [stale] = a.work(mine)
    change(b"third")
    world.do(a, stale)  # what was due before has no effect on what is due now
    assert len(a.work(mine)) == 1
    world.do_all(a)
    assert a.told[-1] == LinkUpdated(mine, None)
    change(None)
    world.do_all(a)
    assert a.status(mine).short_link is None
    change(b"fourth")
    world.do_all(a)
    assert a.status(mine).short_link not in (None, link)


def test_an_invitation_gets_no_link_later(a: Machine, world: World) -> None:
    ready = world.invite(a)
    with pytest.raises(NotAnAddress):
        a.on(ready.connection_id, lambda step, c: change_link(step, c, b"data"))
