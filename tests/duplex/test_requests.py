"""Requests to contact addresses: repeated, unusable, too many, or for an address that is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import X448PublicKey, X25519PublicKey
from simplex_trio.duplex.errors import AlreadyJoined, CannotAccept, NotAnAddress
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionReady,
    PeerInfo,
    PeerMessage,
    Problem,
    ReceivingProblem,
    RequestReceived,
)
from simplex_trio.duplex.machine import accepting
from simplex_trio.duplex.machine.accepting import accept_confirmation, reject_request
from simplex_trio.duplex.machine.connection import Acknowledgement
from simplex_trio.duplex.machine.creating import change_link
from simplex_trio.duplex.machine.deleting import delete
from simplex_trio.duplex.machine.messages import Request
from simplex_trio.duplex.machine.work import AcknowledgeMessage, SendRequest
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.wire.duplex.envelopes import (
    InvitationEnvelope,
    MessageEnvelope,
    UnknownEnvelope,
)
from simplex_trio.wire.duplex.links import parse_link
from simplex_trio.wire.duplex.requests import InvitationURI
from simplex_trio.wire.versions import VersionRange
from tests.duplex.forging import confirmation_envelope, sealed
from tests.duplex.machines import Machine
from tests.duplex.worlds import Queue, World


class Address:
    """An address of ``a``, and an invitation of ``b`` to put into requests."""

    def __init__(self) -> None:
        self.a, self.b = Machine("a"), Machine("b")
        self.world = World(self.a, self.b, capacity=2)
        ready = self.world.address(self.a)
        self.mine, self.link = ready.connection_id, ready.link
        request = parse_link(self.world.invite(self.b).link)
        assert isinstance(request, InvitationURI)
        self.invitation = request
        self.a.news()
        self.b.news()

    @property
    def queue(self) -> Queue:
        return self.world.queue_of(self.a, self.mine)

    def deliver(self, envelope: bytes | InvitationEnvelope) -> list[object]:
        [queue] = self.a.connection(self.mine).receiving.values()
        self.world.put(self.queue, sealed(queue, envelope))
        self.world.deliver(self.queue)
        told: list[object] = list(self.a.news())
        self.world.do_all(self.a)
        return told

    def request(self, invitation: InvitationURI, info: bytes = b"B") -> str:
        [told] = self.deliver(InvitationEnvelope(7, invitation, info))
        assert isinstance(told, RequestReceived)
        return told.request_id

    def go_on(self) -> None:
        """A good request becomes a connection."""
        joined = self.world.join(self.b, self.link)
        self.world.settle()
        [request] = (e for e in self.a.news() if isinstance(e, RequestReceived))
        accepted = self.world.accept_request(self.a, request.request_id)
        self.world.settle()
        assert self.a.status(accepted).state is ConnectionState.READY
        assert self.b.status(joined).state is ConnectionState.READY


@pytest.fixture
def address() -> Address:
    return Address()


def test_a_request_that_was_sent_twice(address: Address) -> None:
    envelope = InvitationEnvelope(7, address.invitation, b"B")
    assert len(address.deliver(envelope)) == 1
    assert address.deliver(envelope) == []
    [other] = address.deliver(InvitationEnvelope(7, address.invitation, b"C"))
    assert isinstance(other, RequestReceived)
    address.go_on()


def test_what_is_no_request(address: Address) -> None:
    [queue] = address.a.connection(address.mine).receiving.values()
    link = str(address.invitation)
    for body, problem in [
        (b"garbage", Problem.MALFORMED),
        (sealed(queue, b"garbage"), Problem.UNKNOWN_KIND),
        (sealed(queue, UnknownEnvelope(8, b"S", b"service")), Problem.NEWER_AGENT),
        (sealed(queue, confirmation_envelope(link)), Problem.UNEXPECTED),
        (sealed(queue, MessageEnvelope(7, b"message" * 50)), Problem.UNEXPECTED),
    ]:
        address.world.put(address.queue, body)
        address.world.deliver(address.queue)
        assert address.a.news_of(ReceivingProblem).problem is problem
        take_events(address.a)
        address.world.do_all(address.a)
    address.go_on()


def take_events(machine: Machine) -> None:
    with machine.database.transaction():
        machine.rows.delete_events([number for number, _ in machine.rows.events_after(0, -1)])


def future_agent(invitation: InvitationURI) -> InvitationURI:
    return evolve(invitation, agent_versions=VersionRange(8, 9))


def future_queue(invitation: InvitationURI) -> InvitationURI:
    [uri] = invitation.queues
    return evolve(invitation, queues=(evolve(uri, client_versions=VersionRange(5, 6)),))


def future_ratchet(invitation: InvitationURI) -> InvitationURI:
    offer = evolve(invitation.x3dh_offer, versions=VersionRange(4, 5))
    return evolve(invitation, x3dh_offer=offer)


def degenerate_ratchet(invitation: InvitationURI) -> InvitationURI:
    offer = evolve(invitation.x3dh_offer, second=X448PublicKey(bytes(56)))
    return evolve(invitation, x3dh_offer=offer)


def degenerate_queue(invitation: InvitationURI) -> InvitationURI:
    [uri] = invitation.queues
    queue = evolve(uri.queue, dh_key=X25519PublicKey(bytes(32)))
    return evolve(invitation, queues=(evolve(uri, queue=queue),))


@pytest.mark.parametrize("change", [future_agent, future_queue, future_ratchet])
def test_a_request_of_a_newer_agent(
    address: Address, change: Callable[[InvitationURI], InvitationURI]
) -> None:
    """It could not be accepted, so it is not told as a request."""
    [queue] = address.a.connection(address.mine).receiving.values()
    envelope = InvitationEnvelope(8, change(address.invitation), b"B")
    address.world.put(address.queue, sealed(queue, envelope))
    address.world.deliver(address.queue)
    assert address.a.news_of(ReceivingProblem).problem is Problem.NEWER_AGENT
    assert address.a.rows.find(Request) == []
    address.world.do_all(address.a)
    address.go_on()


@pytest.mark.parametrize("change", [degenerate_ratchet, degenerate_queue])
def test_a_request_that_cannot_be_accepted(
    address: Address, change: Callable[[InvitationURI], InvitationURI]
) -> None:
    request_id = address.request(change(address.invitation))
    before = address.a.connections()
    with pytest.raises(CannotAccept):
        address.world.accept_request(address.a, request_id)
    assert address.a.connections() == before
    address.a.step(lambda step: reject_request(step, request_id))
    with pytest.raises(CannotAccept):
        address.a.step(lambda step: reject_request(step, request_id))
    address.go_on()


def test_what_does_not_wait_to_be_accepted(address: Address) -> None:
    request_id = address.request(address.invitation)
    address.a.step(lambda step: reject_request(step, request_id))
    for unknown in (request_id, "no such request"):
        with pytest.raises(CannotAccept):
            address.world.accept_request(address.a, unknown)


def test_accepting_again_is_the_same_connection(address: Address) -> None:
    a, world = address.a, address.world
    request_id = address.request(address.invitation)
    accepted = world.accept_request(a, request_id)
    # The program crashes before it knows the id, and is told of the request again.
    a.restart()
    assert world.accept_request(a, request_id) == accepted
    world.do_all(a)
    with pytest.raises(AlreadyJoined) as caught:
        world.accept_request(a, request_id)
    assert caught.value.connection_id == accepted


def test_what_was_accepted_and_is_being_deleted_is_not_accepted_again(address: Address) -> None:
    a, world = address.a, address.world
    request_id = address.request(address.invitation)
    accepted = world.accept_request(a, request_id)
    world.do_all(a)
    a.on(accepted, lambda step, c: delete(step, c, after_delivery=False))
    assert a.is_known(accepted)  # until its router has deleted the queue
    with pytest.raises(CannotAccept):
        world.accept_request(a, request_id)


def test_a_flood_of_requests_stays_with_the_router(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "MAX_REQUESTS", 3)
    a, world = address.a, address.world
    for number in range(4):
        address.request(address.invitation, b"%d" % number)
    [queue] = a.connection(address.mine).receiving.values()
    assert queue.acknowledgement is Acknowledgement.HELD
    assert a.work(address.mine) == []
    # The router delivers it again after a restart, and takes as many more as it keeps.
    a.restart()
    world.deliver(address.queue)
    assert a.news() == []
    joined = world.join(address.b, address.link)
    world.do_all(address.b)
    assert len(address.queue.messages) == 2

    waiting = a.rows.find(Request, address_id=address.mine)
    assert len(waiting) == 4
    a.step(lambda step: reject_request(step, waiting[0].request_id))
    assert [type(work) for work in a.work(address.mine)] == [AcknowledgeMessage]
    world.settle()
    [request] = (e for e in a.news() if isinstance(e, RequestReceived))
    assert a.work(address.mine) == []
    accepted = world.accept_request(a, request.request_id)
    world.settle()
    assert a.status(accepted).state is ConnectionState.READY
    assert address.b.status(joined).state is ConnectionState.READY


def test_requests_to_an_address_that_is_deleted(address: Address) -> None:
    request_id = address.request(address.invitation)
    address.a.on(address.mine, lambda step, c: delete(step, c, after_delivery=False))
    [queue] = address.a.connection(address.mine).receiving.values()
    late = InvitationEnvelope(7, address.invitation, b"late")
    address.world.put(address.queue, sealed(queue, late))
    address.world.deliver(address.queue)
    assert address.a.news() == []
    address.world.do_all(address.a)
    assert not address.a.is_known(address.mine)
    with pytest.raises(CannotAccept):
        address.world.accept_request(address.a, request_id)
    assert address.a.rows.find(Request) == []


def test_an_address_that_cannot_be_asked(address: Address) -> None:
    joined = address.world.join(address.b, address.link)
    address.world.queues.remove(address.queue)
    address.world.settle()
    assert address.b.status(joined).state is ConnectionState.FAILED
    assert address.b.work(joined) == []
    [mine] = address.b.connection(joined).receiving.values()
    # Whoever learns of the queue now cannot make a connection of it.
    link = str(address.invitation)
    queue = address.world.queue_of(address.b, joined)
    address.world.put(queue, sealed(mine, confirmation_envelope(link)))
    address.world.settle()
    assert not [e for e in address.b.told if isinstance(e, ConnectionReady | PeerMessage)]
    assert address.b.status(joined).state is ConnectionState.FAILED


# --- requesters whose program decides -----------------------------------------------------------


@pytest.fixture
def answered(address: Address) -> tuple[str, ConfirmationReceived]:
    """A requester's connection whose owner has accepted, and has sent something already."""
    a, b, world = address.a, address.b, address.world
    joined = world.join(b, address.link, info=b"a request", decides=True)
    world.settle()
    assert b.status(joined).state is ConnectionState.WAITING
    [request] = (e for e in a.news() if isinstance(e, RequestReceived))
    accepted = world.accept_request(a, request.request_id, b"an answer")
    world.settle()
    world.send(a, accepted, b"hello")
    world.settle()
    b.restart()
    [told] = (e for e in b.news() if isinstance(e, ConfirmationReceived))
    assert (told.connection_id, told.info) == (joined, b"an answer")
    assert not [e for e in b.told if isinstance(e, PeerInfo | PeerMessage)]
    return joined, told


def test_a_requester_accepts_what_the_owner_answers(
    address: Address, answered: tuple[str, ConfirmationReceived]
) -> None:
    joined, told = answered
    a, b, world = address.a, address.b, address.world
    assert b.status(joined).state is ConnectionState.CONFIRMED
    assert b.status(joined).link is None
    with pytest.raises(NotAnAddress):
        b.on(joined, lambda step, c: change_link(step, c, b"shown"))
    for _ in range(2):  # again changes nothing
        b.on(joined, lambda s, c: accept_confirmation(s, c, told.confirmation_id, b"accepted"))
        b.restart()
    world.settle()
    assert [e.info for e in a.told if isinstance(e, PeerInfo)] == [b"accepted"]
    assert [e.body for e in b.told if isinstance(e, PeerMessage)] == [b"hello"]
    assert b.status(joined).state is ConnectionState.READY


def test_a_requester_says_the_same_again_unless_it_decides_otherwise(
    address: Address, answered: tuple[str, ConfirmationReceived]
) -> None:
    joined, _ = answered
    address.world.accept(address.b, joined)
    address.world.settle()
    assert [e.info for e in address.a.told if isinstance(e, PeerInfo)] == [b"a request"]


def test_a_requester_refuses_what_the_owner_answers(
    address: Address, answered: tuple[str, ConfirmationReceived]
) -> None:
    joined, _ = answered
    a, b = address.a, address.b
    b.on(joined, lambda step, c: delete(step, c, after_delivery=False))
    address.world.settle()
    assert not b.is_known(joined)
    assert not [e for e in a.told if isinstance(e, PeerInfo | ConnectionReady)]
    address.go_on()


def test_the_same_request_is_sent_at_every_attempt(address: Address) -> None:
    joined = address.world.join(address.b, address.link)
    address.world.do(address.b, address.b.all_work()[0])
    first = address.b.only(joined, SendRequest).connection.row.request
    address.b.restart()
    assert address.b.only(joined, SendRequest).connection.row.request == first
