"""Conversations with a real agent over a real router.

SIMPLEX_TRIO_AGENT is the path of a program that runs an agent, SIMPLEX_TRIO_ROUTER the router that
both sides use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.crypto.box import NONCE_SIZE
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.ratchet.errors import DuplicateMessage, EarlierMessage
from simplex_trio.wire.duplex import (
    ContactKind,
    ContactLinkData,
    ContactURI,
    FixedLinkData,
    InvitationLinkData,
    InvitationURI,
    LinkKeys,
    Owner,
    SealedLink,
    ShortContactLink,
    ShortInvitationLink,
    UserLinkData,
    parse_link,
    read_link,
    replace_user_data,
    seal_link,
)
from simplex_trio.wire.duplex.bodies import Receipt, Receipts, UserMessage
from simplex_trio.wire.duplex.envelopes import InvitationEnvelope
from simplex_trio.wire.duplex.link_boxes import max_program_data
from simplex_trio.wire.duplex.sizes import max_invitation_info, max_user_message
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS, SMP_CLIENT_VERSIONS
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion
from simplex_trio.wire.queue_uris import QueueURI
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    QueueMode,
)
from tests.interop.conftest import named
from tests.interop.driver import Driver, open_driver
from tests.interop.peer import AGENT_VERSION, Peer, open_peer, sealed_for

TURNS = 10


@pytest.fixture
async def agent(router: str, tmp_path: Path) -> AsyncIterator[Driver]:
    program = named("SIMPLEX_TRIO_AGENT")
    async with open_driver(program, router, str(tmp_path / "agent.db")) as driver:
        yield driver


# --- what all conversations do ------------------------------------------------------------------


async def from_us(
    peer: Peer, agent: Driver, connection: str, body: bytes, *, kem: bool | None = None
) -> None:
    """A message to the agent, which finds nothing wrong with it."""
    number = await peer.send(UserMessage(body), kem=kem)
    event = await agent.event("MSG")
    assert bytes.fromhex(event["body"]) == body
    assert event["meta"]["integrity"] == "OK"
    assert event["meta"]["sndMsgId"] == number
    assert event["meta"]["pq"] is peer.ratchet.kem_sending
    await agent.command("ackMessage", connId=connection, msgId=event["msgId"])


async def from_agent(
    peer: Peer, agent: Driver, connection: str, body: bytes, *, pq: bool = True
) -> None:
    """A message from the agent, and our receipt for it."""
    sent = await agent.command("sendMessage", connId=connection, body=body.hex(), pq=pq)
    message, its_hash = await peer.receive()
    assert message.body == UserMessage(body)
    assert sent["pq"] is peer.ratchet.kem_receiving
    await peer.send(Receipts((Receipt(message.sender_message_id, its_hash, b"read"),)))
    received = await agent.event("RCVD")
    assert received["meta"]["integrity"] == "OK"
    assert [item["agentMsgId"] for item in received["receipts"]] == [sent["msgId"]]
    await agent.command("ackMessage", connId=connection, msgId=received["msgId"])


async def talk(peer: Peer, agent: Driver, connection: str, *, pq: bool) -> None:
    """Messages in turns, so that each of them takes a step of the ratchet."""
    code = await agent.command("getConnectionRatchetAdHash", connId=connection)
    assert code == peer.security_hash
    for turn in range(TURNS):
        await from_us(peer, agent, connection, b"from us %d" % turn)
        await from_agent(peer, agent, connection, b"from the agent %d" % turn, pq=pq)
    longest = bytes(max_user_message(AGENT_VERSION, peer.ratchet.large_headers))
    await from_us(peer, agent, connection, longest)
    await from_agent(peer, agent, connection, longest, pq=pq)
    assert peer.ratchet.kem_sending is peer.ratchet.kem_receiving is pq
    await receipt_of_agent(peer, agent, connection)


async def receipt_of_agent(peer: Peer, agent: Driver, connection: str) -> None:
    number = await peer.send(UserMessage(b"to be confirmed"))
    event = await agent.event("MSG")
    await agent.command(
        "ackMessage", connId=connection, msgId=event["msgId"], receipt=b"seen".hex()
    )
    message, _ = await peer.receive()
    assert isinstance(message.body, Receipts)
    [receipt] = message.body.receipts
    assert (receipt.sender_message_id, receipt.info) == (number, b"seen")


async def agent_joins(peer: Peer, agent: Driver, link: str, *, pq: bool) -> str:
    """The agent uses our invitation; returns the id of its connection."""
    joined = await agent.command("joinConnection", link=link, profile=b"agent".hex(), pq=pq)
    assert joined["sndSecure"] is True
    assert await peer.receive_confirmation() == b"agent"
    await peer.confirm(b"ours")
    info = await agent.event("INFO")
    assert bytes.fromhex(info["connInfo"]) == b"ours"
    await agent.event("CON")
    connection: str = joined["connId"]
    return connection


async def agent_allows(peer: Peer, agent: Driver, connection: str) -> None:
    """The agent lets us in, who have joined its invitation."""
    event = await agent.event("CONF")
    assert bytes.fromhex(event["connInfo"]) == b"ours"
    await agent.command(
        "allowConnection", connId=connection, confId=event["confId"], profile=b"agent".hex()
    )
    assert await peer.receive_confirmation() == b"agent"
    await agent.event("CON")


# --- our invitations ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "offered", "theirs"),
    [(False, False, False), (True, True, True), (True, False, True), (True, True, False)],
    ids=["without", "KEM offered", "KEM proposed", "KEM refused"],
)
async def test_the_agent_joins_our_invitation(
    router: str, agent: Driver, ours: bool, offered: bool, theirs: bool
) -> None:
    async with open_peer(router, pq=ours) as peer:
        peer.make_x3dh_keys(kem=offered)
        link = str(peer.invitation(await peer.make_queue()))
        assert parse_link(link) == InvitationURI.parse(link)
        connection = await agent_joins(peer, agent, link, pq=theirs)
        await talk(peer, agent, connection, pq=ours and theirs)


async def test_the_kem_is_switched_on_and_off(router: str, agent: Driver) -> None:
    async with open_peer(router, pq=False) as peer:
        peer.make_x3dh_keys(kem=False)
        link = peer.invitation(await peer.make_queue()).web_text()
        connection = await agent_joins(peer, agent, link, pq=False)
        await talk(peer, agent, connection, pq=False)
        for turn in range(4):
            await from_us(peer, agent, connection, b"on %d" % turn, kem=True)
            await from_agent(peer, agent, connection, b"on %d" % turn, pq=True)
        assert peer.ratchet.kem_sending is peer.ratchet.kem_receiving is True
        for turn in range(4):
            await from_us(peer, agent, connection, b"off %d" % turn, kem=False)
            await from_agent(peer, agent, connection, b"off %d" % turn, pq=True)
        assert peer.ratchet.kem_sending is peer.ratchet.kem_receiving is False
        for turn in range(4):
            await from_us(peer, agent, connection, b"again %d" % turn, kem=True)
            await from_agent(peer, agent, connection, b"again %d" % turn, pq=True)
        assert peer.ratchet.kem_sending is peer.ratchet.kem_receiving is True
        for turn in range(4):
            await from_us(peer, agent, connection, b"agent off %d" % turn)
            await from_agent(peer, agent, connection, b"agent off %d" % turn, pq=False)
        assert peer.ratchet.kem_sending is peer.ratchet.kem_receiving is False


async def test_messages_of_the_agent_in_another_order(router: str, agent: Driver) -> None:
    async with open_peer(router, pq=True) as peer:
        peer.make_x3dh_keys(kem=True)
        link = str(peer.invitation(await peer.make_queue()))
        connection = await agent_joins(peer, agent, link, pq=True)
        for count in (3, 6):
            # Between the two rounds the ratchet takes a step, so keys of two chains are skipped.
            for number in range(count):
                body = b"%d" % number
                await agent.command("sendMessage", connId=connection, body=body.hex())
            ciphertexts = [await peer.next_ciphertext() for _ in range(count)]
            read = {}
            for number in (2, 0, *range(3, count)):
                message, _ = peer.open_message(ciphertexts[number])
                read[number] = message.body
            with pytest.raises((DuplicateMessage, EarlierMessage)):
                peer.open_message(ciphertexts[count - 1])
            late = ciphertexts[1]
            await peer.send(UserMessage(b"a step"))
            event = await agent.event("MSG")
            assert event["meta"]["integrity"] == "OK"
            await agent.command("ackMessage", connId=connection, msgId=event["msgId"])
            await agent.command("sendMessage", connId=connection, body=b"stepped".hex())
            message, _ = peer.open_message(await peer.next_ciphertext())
            assert message.body == UserMessage(b"stepped")
            read[1] = peer.open_message(late)[0].body
            assert read == {number: UserMessage(b"%d" % number) for number in range(count)}
            assert len(peer.skipped) == 0


# --- the agent's invitations --------------------------------------------------------------------


@pytest.mark.parametrize("pq", ["off", "on", "use"])
async def test_we_join_an_invitation_of_the_agent(router: str, agent: Driver, pq: str) -> None:
    created = await agent.command("createConnection", mode="invitation", pq=pq)
    request = parse_link(created["fullLink"])
    assert isinstance(request, InvitationURI)
    assert (request.x3dh_offer.kem is not None) is (pq == "use")
    async with open_peer(router, pq=pq != "off") as peer:
        await peer.join(request, b"ours")
        await agent_allows(peer, agent, created["connId"])
        await talk(peer, agent, created["connId"], pq=pq != "off")


@pytest.mark.parametrize("pq", ["off", "on"])
async def test_we_join_by_a_short_link_of_the_agent(router: str, agent: Driver, pq: str) -> None:
    created = await agent.command(
        "createConnection", mode="invitation", pq=pq, shortLink=True, userData=b"hello".hex()
    )
    link = parse_link(created["shortLink"])
    assert isinstance(link, ShortInvitationLink)
    async with open_peer(router, pq=pq != "off") as peer, open_smp_client(router) as client:
        read = await client.secure_and_read_link(link.link_id, peer.auth_key)
        content = read_link(link, read.sender_id, read.data)
        assert content.user.program_data == b"hello"
        request = content.fixed.request
        assert isinstance(request, InvitationURI)
        assert (request.x3dh_offer.kem is not None) is (pq == "on")
        await peer.join(request, b"ours", secured=True)
        await agent_allows(peer, agent, created["connId"])
        await talk(peer, agent, created["connId"], pq=pq != "off")


# --- an agent of an older version ----------------------------------------------------------------

OLD = {"e2eVRange": [2, 2]}


@pytest.mark.parametrize("pq", [False, True])
async def test_an_agent_without_the_kem_joins(router: str, tmp_path: Path, pq: bool) -> None:
    program = named("SIMPLEX_TRIO_AGENT")
    async with (
        open_driver(program, router, str(tmp_path / "agent.db"), **OLD) as agent,
        open_peer(router, pq=pq) as peer,
    ):
        peer.make_x3dh_keys(kem=pq)
        link = str(peer.invitation(await peer.make_queue()))
        connection = await agent_joins(peer, agent, link, pq=False)
        assert peer.ratchet.version == RatchetVersion.KDF
        await talk(peer, agent, connection, pq=False)


@pytest.mark.parametrize("pq", [False, True])
async def test_we_join_an_agent_without_the_kem(router: str, tmp_path: Path, pq: bool) -> None:
    program = named("SIMPLEX_TRIO_AGENT")
    async with open_driver(program, router, str(tmp_path / "agent.db"), **OLD) as agent:
        created = await agent.command("createConnection", mode="invitation", pq="off")
        request = parse_link(created["fullLink"])
        assert isinstance(request, InvitationURI)
        async with open_peer(router, pq=pq) as peer:
            await peer.join(request, b"ours")
            await agent_allows(peer, agent, created["connId"])
            await talk(peer, agent, created["connId"], pq=False)


async def test_an_agent_learns_the_kem_in_a_conversation(router: str, tmp_path: Path) -> None:
    program = named("SIMPLEX_TRIO_AGENT")
    async with (
        open_driver(program, router, str(tmp_path / "agent.db"), **OLD) as agent,
        open_peer(router, pq=False) as peer,
    ):
        peer.make_x3dh_keys(kem=False)
        link = str(peer.invitation(await peer.make_queue()))
        connection = await agent_joins(peer, agent, link, pq=False)
        await talk(peer, agent, connection, pq=False)
        await agent.command("stop")
        await agent.start()
        await agent.command("subscribe", connId=connection)
        for turn in range(4):
            await from_agent(peer, agent, connection, b"new agent %d" % turn, pq=True)
            await from_us(peer, agent, connection, b"to the new agent %d" % turn, kem=True)
        assert peer.ratchet.version == RatchetVersion.KEM
        await talk(peer, agent, connection, pq=True)


# --- contact addresses --------------------------------------------------------------------------


@pytest.mark.parametrize("pq", [False, True])
async def test_we_ask_a_contact_address_of_the_agent(router: str, agent: Driver, pq: bool) -> None:
    created = await agent.command(
        "createConnection", mode="contact", pq="on", shortLink=True, userData=b"address".hex()
    )
    link = parse_link(created["shortLink"])
    assert isinstance(link, ShortContactLink)
    assert link.kind is ContactKind.CONTACT
    link_id = LinkKeys.of(link).link_id
    assert link_id is not None
    async with open_peer(router, pq=pq) as peer, open_smp_client(router) as client:
        read = await client.read_link(link_id)
        content = read_link(link, read.sender_id, read.data)
        assert isinstance(content.user, ContactLinkData)
        assert content.user.program_data == b"address"
        request = content.fixed.request
        assert isinstance(request, ContactURI)
        assert request.queues[0].queue.sender_id == read.sender_id
        assert request == parse_link(created["fullLink"])

        peer.make_x3dh_keys(kem=pq)
        invitation = peer.invitation(await peer.make_queue())
        info = b"i" * max_invitation_info(invitation)
        envelope = InvitationEnvelope(AGENT_VERSION, invitation, info)
        address = request.queues[0].queue
        one_time_key = X25519PrivateKey.generate()
        body = sealed_for(address, one_time_key, envelope.encode(), with_key=True)
        await client.send(address.sender_id, body, notify=True)
        event = await agent.event("REQ")
        assert bytes.fromhex(event["connInfo"]) == info
        accepted = await agent.command(
            "acceptContact", invId=event["invId"], profile=b"agent".hex(), pq=pq
        )
        assert await peer.receive_confirmation() == b"agent"
        await peer.confirm(b"ours")
        await agent.event("CON")
        await talk(peer, agent, accepted["connId"], pq=pq)

        # The owner replaces what the link shows.
        await agent.command(
            "setConnShortLink", connId=created["connId"], mode="contact", userData=b"new".hex()
        )
        read = await client.read_link(link_id)
        assert read_link(link, read.sender_id, read.data).user.program_data == b"new"


# --- our short links ----------------------------------------------------------------------------


def sealed_link(
    fixed: FixedLinkData, user: UserLinkData, root_key: Ed25519PrivateKey
) -> SealedLink:
    nonces = bytes(NONCE_SIZE), b"\1" * NONCE_SIZE
    return seal_link(fixed, user, root_key, fixed_nonce=nonces[0], user_nonce=nonces[1])


async def test_the_agent_reads_our_contact_link(router: str, agent: Driver) -> None:
    async with open_peer(router, pq=False) as peer:
        correlation_id = peer.client.new_correlation_id()
        address = peer.address(sender_id(correlation_id), QueueMode.CONTACT)
        request = ContactURI(AGENT_VERSIONS, (QueueURI(SMP_CLIENT_VERSIONS, address),))
        root_key, owner_key = (Ed25519PrivateKey.generate() for _ in range(2))
        fixed = FixedLinkData(AGENT_VERSIONS, root_key.public, request, b"entity")
        owner = Owner.authorize(b"owner", owner_key.public, root_key)
        relay = ShortContactLink(address.server, ContactKind.RELAY, bytes(32))

        def user_data(program_data: bytes) -> ContactLinkData:
            return ContactLinkData(
                AGENT_VERSIONS, owners=(owner,), relays=(relay,), program_data=program_data
            )

        sealed = sealed_link(fixed, user_data(b"ours"), root_key)
        link_id = sealed.keys.link_id
        assert link_id is not None
        await peer.make_queue(
            ContactRequest(ContactLink(link_id, address.sender_id, sealed.data)), correlation_id
        )
        link = ShortContactLink(address.server, ContactKind.CONTACT, sealed.keys.link_key)
        await check_contact_link(agent, str(link), fixed, user_data(b"ours"))
        # The owner's key signs the next one, which is as long as it can be.
        longest = user_data(bytes(max_program_data((owner,), (relay,))))
        data = replace_user_data(
            *(sealed.keys, sealed.data.fixed, longest, root_key.public, owner_key),
            nonce=b"\2" * NONCE_SIZE,
        )
        await peer.client.set_link(peer.queue, link_id, data)
        await check_contact_link(agent, link.web_text, fixed, longest)


async def check_contact_link(
    agent: Driver, link: str, fixed: FixedLinkData, user: ContactLinkData
) -> None:
    read = await agent.command("getConnectionShortLink", link=link)
    assert bytes.fromhex(read["userData"]) == user.program_data
    assert parse_link(read["connReq"]) == fixed.request
    assert bytes.fromhex(read["linkEntityId"]) == fixed.entity_id
    assert read["direct"] is user.direct
    assert len(read["owners"]) == len(user.owners)
    assert tuple(map(parse_link, read["relays"])) == user.relays


async def test_the_agent_joins_by_our_short_link(router: str, agent: Driver) -> None:
    async with open_peer(router, pq=True) as peer:
        peer.make_x3dh_keys(kem=True)
        correlation_id = peer.client.new_correlation_id()
        request = peer.invitation(peer.address(sender_id(correlation_id)))
        root_key = Ed25519PrivateKey.generate()
        fixed = FixedLinkData(AGENT_VERSIONS, root_key.public, request)
        user = InvitationLinkData(AGENT_VERSIONS, b"ours")
        sealed = sealed_link(fixed, user, root_key)
        queue_request = MessagingRequest(MessagingLink(sender_id(correlation_id), sealed.data))
        address = await peer.make_queue(queue_request, correlation_id)
        assert peer.queue.link_id is not None
        link = ShortInvitationLink(address.server, peer.queue.link_id, sealed.keys.link_key)
        connection = await agent_joins(peer, agent, str(link), pq=True)
        await talk(peer, agent, connection, pq=True)
