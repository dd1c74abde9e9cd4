"""What agents of version 8 send, and of versions that are not known at all.

It is read as far as it is known.  What cannot be used is told as needing a newer agent, is
acknowledged, and holds nothing up.  The bytes are made by hand, for nothing here writes them.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from simplex_trio.crypto.keys import Ed25519PrivateKey, X448PrivateKey
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import NeedsNewerAgent
from simplex_trio.duplex.events import (
    ConnectionFailed,
    PeerMessage,
    Problem,
    ReceivingProblem,
    RequestReceived,
)
from simplex_trio.duplex.links import preview
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.wire.buffer import large, short, word16
from simplex_trio.wire.duplex import link_boxes
from simplex_trio.wire.duplex.bodies import UnknownBody
from simplex_trio.wire.duplex.envelopes import (
    ConfirmationEnvelope,
    MessageEnvelope,
    UnknownEnvelope,
    decode_envelope,
)
from simplex_trio.wire.duplex.link_boxes import LinkKeys, SealedLink, open_link, seal_link
from simplex_trio.wire.duplex.link_data import (
    ContactLinkData,
    FixedLinkData,
    decode_user_link_data,
)
from simplex_trio.wire.duplex.links import LinkProblem, NotALink, parse_link
from simplex_trio.wire.duplex.owners import LinkDataInvalid, LinkFlaw
from simplex_trio.wire.duplex.requests import ContactURI, InvitationURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.versions import VersionRange
from tests.duplex.forging import (
    confirmation_envelope,
    from_peer,
    plaintext_from_peer,
    sealed,
    x3dh_keys,
)
from tests.duplex.machines import Machine
from tests.duplex.test_bad_input import Stage, offered, ready_initiator, take_events
from tests.duplex.worlds import SERVERS, World

NEWER = VersionRange(7, 8)
NEWEST = VersionRange(8, 8)
ROOT = Ed25519PrivateKey(bytes(range(32)))


def ratchet_keys(*, with_kem: bool = True) -> bytes:
    """The keys that an address of version 8 shows: an id, and an offer as invitations have it."""
    keys = (X448PrivateKey.generate().public for _ in range(2))
    offer = word16(2) + word16(3) + b"".join(short(key.der) for key in keys)
    kem = b"1P" + large(bytes(1158)) if with_kem else b"0"
    return b"1" + short(b"keys of May") + offer + kem


# --- messages -----------------------------------------------------------------------------------


def told(stage: Stage, body: bytes) -> list[object]:
    found = stage.suffer(body)
    take_events(stage.victim)
    stage.world.do_all(stage.victim)
    return found


def test_envelopes_of_newer_agents_on_a_queue_that_goes_on() -> None:
    stage = ready_initiator()
    for envelope in (
        UnknownEnvelope(8, b"X", b"anything"),
        UnknownEnvelope(9, b"J", b""),
        word16(8) + b"C2 no confirmation that is known",
        word16(8) + b"I" + large(b"https://of.the.future/") + b"info",
        word16(8) + b"Rwhatever",
        ConfirmationEnvelope(8, x3dh_keys().public(3), b"ciphertext", b"keys of May"),
    ):
        found = told(stage, sealed(stage.queue, envelope))
        assert found == [ReceivingProblem(stage.attacked, Problem.NEWER_AGENT)]
    stage.go_on()


def test_an_outer_layer_of_a_newer_client() -> None:
    stage = ready_initiator()
    found = told(stage, sealed(stage.queue, b"whatever", version=5))
    assert found == [ReceivingProblem(stage.attacked, Problem.NEWER_AGENT)]
    stage.go_on()


@pytest.mark.parametrize("body", [UnknownBody(b"QE", b""), UnknownBody(b"Z", b"rest")])
def test_bodies_of_newer_agents_count_as_messages(body: UnknownBody) -> None:
    """Such as QEND, the end of a queue that was replaced."""
    stage = ready_initiator()
    peer, theirs = stage.peer
    found = told(stage, from_peer(peer, theirs, body))
    assert found == [ReceivingProblem(stage.attacked, Problem.UNKNOWN_KIND)]
    stage.world.send(peer, theirs, b"after it")
    stage.world.settle()
    [message] = (e for e in stage.victim.news() if isinstance(e, PeerMessage))
    assert message.integrity.value == "ok"
    stage.world.acknowledge(stage.victim, stage.attacked, message.message_id)
    stage.go_on()


def test_messages_of_an_unknown_kind() -> None:
    """Such as one that tells of a rejection."""
    stage = ready_initiator()
    body = plaintext_from_peer(*stage.peer, stage.queue, b"X\x00rejected")
    assert told(stage, body) == [ReceivingProblem(stage.attacked, Problem.UNKNOWN_KIND)]
    stage.go_on()


def test_a_newer_agent_as_the_peer_of_a_connection() -> None:
    """Its messages name its own version, whatever was agreed on."""
    stage = ready_initiator()
    peer, theirs = stage.peer
    stage.world.send(peer, theirs, b"hello")
    peer.spoken = evolve(peer.spoken, agent=VersionRange(2, 9))
    stage.world.settle()
    [message] = (e for e in stage.victim.news() if isinstance(e, PeerMessage))
    assert message.body == b"hello"
    assert stage.victim.status(stage.attacked).agent_version == 7
    stage.world.acknowledge(stage.victim, stage.attacked, message.message_id)
    stage.go_on()


def test_confirmations_of_newer_versions() -> None:
    stage = offered()
    for envelope in (
        confirmation_envelope(stage.link, agent_version=8),
        evolve(confirmation_envelope(stage.link, agent_version=8), ratchet_key_id=b"id"),
        confirmation_envelope(stage.link, ratchet_version=4),
    ):
        found = told(stage, sealed(stage.queue, envelope))
        assert found == [ReceivingProblem(stage.mine, Problem.NEWER_AGENT)]
    stage.go_on()


def test_how_a_confirmation_names_the_keys_of_an_address() -> None:
    keys = x3dh_keys().public(3)
    data = word16(8) + b"C1" + keys.encode() + b"1" + short(b"id") + b"ciphertext"
    envelope = decode_envelope(data)
    assert envelope == ConfirmationEnvelope(8, keys, b"ciphertext", b"id")
    assert envelope.encode() == data
    without = word16(8) + b"C00ciphertext"
    assert decode_envelope(without) == ConfirmationEnvelope(8, None, b"ciphertext", None)
    # Before version 8 there is no such field.
    assert decode_envelope(word16(7) + b"C00ciph") == ConfirmationEnvelope(7, None, b"0ciph")
    assert isinstance(decode_envelope(word16(9) + b"M" + b"x"), MessageEnvelope)


# --- requests to an address ---------------------------------------------------------------------


def test_a_confirmation_that_is_sent_to_an_address() -> None:
    """As requesters do it that have found keys in the address' data."""
    a, b = Machine("a"), Machine("b")
    world = World(a, b)
    ready = world.address(a)
    link = world.invite(b).link
    queue = world.queue_of(a, ready.connection_id)
    for envelope in (
        evolve(confirmation_envelope(link, agent_version=8), ratchet_key_id=b"keys of May"),
        confirmation_envelope(link, agent_version=8),
    ):
        a.news()
        [own] = a.connection(ready.connection_id).receiving.values()
        world.put(queue, sealed(own, envelope))
        world.deliver(queue)
        assert a.news() == [ReceivingProblem(ready.connection_id, Problem.NEWER_AGENT)]
        take_events(a)
        world.do_all(a)
    world.join(b, ready.link)
    world.settle()
    assert any(isinstance(event, RequestReceived) for event in a.news())


def test_a_request_with_a_range_that_goes_further() -> None:
    a, b = Machine("a"), Machine("b")
    b.spoken = evolve(b.spoken, agent=VersionRange(7, 9))
    world = World(a, b)
    ready = world.address(a)
    joined = world.join(b, ready.link)
    world.settle()
    [request] = (e for e in a.news() if isinstance(e, RequestReceived))
    accepted = world.accept_request(a, request.request_id)
    world.settle()
    for machine, connection_id in ((a, accepted), (b, joined)):
        status = machine.status(connection_id)
        assert status.state is ConnectionState.READY
        assert status.agent_version == 7


# --- links --------------------------------------------------------------------------------------


def address_of(versions: VersionRange) -> tuple[World, Machine, ContactURI, str]:
    a = Machine("a")
    world = World(a, Machine("b"))
    ready = world.address(a)
    request = parse_link(ready.link)
    assert isinstance(request, ContactURI)
    return world, a, evolve(request, agent_versions=versions), ready.connection_id


def stored(
    monkeypatch: pytest.MonkeyPatch,
    versions: VersionRange,
    *,
    fixed_tail: bytes = b"",
    user: bytes | None = None,
    user_tail: bytes = b"",
) -> tuple[World, str, SealedLink]:
    """An address whose link's data has these bytes, signed and sealed as all data."""
    world, a, request, connection_id = address_of(versions)
    fixed = FixedLinkData(versions, ROOT.public, request)
    shown = ContactLinkData(versions, program_data=b"profile")
    fixed_bytes, user_bytes = fixed.encode() + fixed_tail, (user or shown.encode()) + user_tail
    monkeypatch.setattr(FixedLinkData, "encode", lambda _: fixed_bytes)
    monkeypatch.setattr(ContactLinkData, "encode", lambda _: user_bytes)
    made = seal_link(fixed, shown, ROOT, fixed_nonce=bytes(24), user_nonce=bytes(24))
    monkeypatch.undo()
    queue = world.queue_of(a, connection_id)
    queue.link_id, queue.link_data = made.keys.link_id, made.data
    link = ShortContactLink(SERVERS[0], ContactKind.CONTACT, made.keys.link_key)
    return world, str(link), made


@pytest.mark.parametrize("with_kem", [False, True])
def test_an_address_with_keys_for_a_ratchet(
    monkeypatch: pytest.MonkeyPatch, with_kem: bool
) -> None:
    """The keys are left unused, and the request is one that the owner takes all the same."""
    tail = ratchet_keys(with_kem=with_kem) + b"and what version 9 has added"
    world, link, made = stored(monkeypatch, NEWER, fixed_tail=b"0later", user_tail=tail)
    content = open_link(made.keys, made.data)
    assert content.user == ContactLinkData(NEWER, program_data=b"profile")
    shown = preview(DuplexConfig(), parse_link(link), content, None)
    assert shown.can_join
    assert not shown.needs_newer_agent
    a, b = world.machines
    joined = world.join(b, link)
    world.settle()
    assert b.status(joined).state is ConnectionState.WAITING
    [request] = (e for e in a.news() if isinstance(e, RequestReceived))
    world.accept_request(a, request.request_id)
    world.settle()
    assert b.status(joined).state is ConnectionState.READY


@pytest.mark.parametrize("versions", [NEWEST, VersionRange(9, 12)])
def test_an_address_for_newer_agents_only(
    monkeypatch: pytest.MonkeyPatch, versions: VersionRange
) -> None:
    world, link, made = stored(monkeypatch, versions, user_tail=ratchet_keys())
    shown = preview(DuplexConfig(), parse_link(link), open_link(made.keys, made.data), None)
    assert shown.needs_newer_agent
    assert not shown.can_join
    _, b = world.machines
    joined = world.join(b, link)
    world.settle()
    assert b.news()[-1] == ConnectionFailed(joined, Problem.NEWER_AGENT)


@pytest.mark.parametrize(
    "user", [b"X" + NEWEST.encode() + b"another form", b"C" + NEWEST.encode() + b"?", b"J"]
)
def test_link_data_of_another_form(monkeypatch: pytest.MonkeyPatch, user: bytes) -> None:
    world, link, made = stored(monkeypatch, NEWER, user=user)
    with pytest.raises(LinkDataInvalid) as caught:
        open_link(made.keys, made.data)
    assert caught.value.flaw is LinkFlaw.FUTURE_VERSION
    _, b = world.machines
    joined = world.join(b, link)
    world.settle()
    assert b.news()[-1] == ConnectionFailed(joined, Problem.NEWER_AGENT)


def test_a_fixed_part_of_another_form() -> None:
    fixed = NEWEST.encode() + b"whatever"
    keys = LinkKeys.for_contact(bytes(32))
    nonce = bytes(24)
    boxes = [
        link_boxes._sealed(keys.box_key, nonce, link_boxes._signed(ROOT, data), size)
        for data, size in ((fixed, link_boxes.FIXED_PADDED), (b"C", link_boxes.USER_PADDED))
    ]
    with pytest.raises(LinkDataInvalid) as caught:
        open_link(keys, QueueLinkData(*boxes))
    assert caught.value.flaw is LinkFlaw.FUTURE_VERSION


def test_relays_of_unknown_kinds_are_left_out() -> None:
    known = ShortContactLink(SERVERS[0], ContactKind.RELAY, bytes(32))
    data = ContactLinkData(NEWER, relays=(known, known), program_data=b"profile").encode()
    letter = data.index(b"CR") + 1
    changed = data[:letter] + b"Y" + data[letter + 1 :]
    read = decode_user_link_data(changed)
    assert read == ContactLinkData(NEWER, relays=(known,), program_data=b"profile")


async def test_links_of_kinds_that_are_not_known_or_not_spoken() -> None:
    text = str(ShortContactLink(SERVERS[0], ContactKind.SERVICE, bytes(range(32))))
    unknown = text.replace("simplex:/s#", "simplex:/z#")
    assert unknown != text
    config = DuplexConfig((SERVERS[0],), pq=False)
    async with open_duplex_agent(None, config=config) as agent:
        with pytest.raises(NeedsNewerAgent):
            await agent.join(text)
        for call in (agent.join, agent.look):
            with pytest.raises(NotALink, match="needs a newer agent") as caught:
                await call(unknown)
            assert caught.value.problem is LinkProblem.FUTURE_KIND
        assert await agent.connections() == []
    shown = preview(config, parse_link(text), None, None)
    assert shown.needs_newer_agent
    assert not shown.can_join


@pytest.mark.parametrize("part", ["agent", "queue", "ratchet"])
async def test_invitations_for_newer_agents_only(part: str) -> None:
    machine = Machine("a")
    invitation = parse_link(World(machine).invite(machine).link)
    assert isinstance(invitation, InvitationURI)
    if part == "agent":
        invitation = evolve(invitation, agent_versions=NEWEST)
    elif part == "queue":
        uri = evolve(invitation.queues[0], client_versions=VersionRange(5, 6))
        invitation = evolve(invitation, queues=(uri,))
    else:
        offer = evolve(invitation.x3dh_offer, versions=VersionRange(4, 4))
        invitation = evolve(invitation, x3dh_offer=offer)
    config = DuplexConfig((SERVERS[0],), pq=False)
    async with open_duplex_agent(None, config=config) as agent:
        with pytest.raises(NeedsNewerAgent):
            await agent.join(invitation)
        with pytest.raises(NotALink, match="needs a newer agent"):
            await agent.join(str(invitation))
        shown = await agent.look(invitation)
        assert shown.needs_newer_agent
        assert await agent.connections() == []


def test_a_range_that_goes_further_is_joined_with_what_is_spoken() -> None:
    a, b = Machine("a"), Machine("b")
    a.spoken = evolve(a.spoken, agent=VersionRange(7, 9), client=VersionRange(4, 6))
    world = World(a, b)
    mine, theirs = world.connect(a, b)
    for machine, connection_id in ((a, mine), (b, theirs)):
        assert machine.status(connection_id).agent_version == 7
