"""Recorded conversations of two agents: every layer around the ratchet, in both directions.

Every body is opened with the keys of its queue, read down to what the ratchet has encrypted, and
made again byte by byte; what the ratchet has encrypted is made from its recorded fields.  Commands
are signed again, and the data of links is opened and sealed again.
"""

from __future__ import annotations

from hashlib import sha256

import pytest

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PublicKey
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex import (
    ContactKind,
    InvitationURI,
    LinkContent,
    LinkKeys,
    ShortContactLink,
    ShortInvitationLink,
    ShortLink,
    open_link,
    parse_link,
    read_link,
    replace_user_data,
    seal_link,
)
from simplex_trio.wire.duplex.envelopes import (
    AgentEnvelope,
    ConfirmationEnvelope,
    InvitationEnvelope,
    MessageEnvelope,
    RatchetKeyEnvelope,
    decode_envelope,
)
from simplex_trio.wire.duplex.messages import decode_message, message_hash
from simplex_trio.wire.duplex.requests import parse_request
from simplex_trio.wire.duplex.sizes import check_fits, padded_length
from simplex_trio.wire.smp.commands import LKEY, LSET, NEW, SEND, SKEY, decode_command
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.handshake import smp_session
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED, E2E_MESSAGE_PADDED
from simplex_trio.wire.transmissions import prepare_transmission
from tests.vectors import load, matches
from tests.wire.duplex.conversations import Conversation, raw
from tests.wire.duplex.fields import Fields

TALKS = [
    Conversation(case)
    for file in ("agent_live.json", "agent_live_more.json")
    for case in load(file)
    if case["kind"] == "agent_live"
]

every_case = pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.case["name"])


# --- bodies -------------------------------------------------------------------------------------


@every_case
def test_client_layers(talk: Conversation) -> None:
    for body in talk.bodies:
        data, fields = raw(body["body"]), body["envelope"]
        assert len(data) == body["length"]
        envelope = ClientEnvelope.decode(data)
        assert envelope.version == fields["client_version"]
        assert (envelope.dh_key.raw.hex() if envelope.dh_key else None) == fields["dh_key"]
        assert envelope.nonce == raw(fields["nonce"])
        assert envelope.encode() == data

        sender_key = X25519PublicKey(raw(fields["sender_e2e_public"]))
        key = BoxKey.agree(talk.recipient_key(body), sender_key)
        message = ClientMessage.open(key, envelope.nonce, envelope.sealed)
        recorded = body["client_message"]
        assert (message.sender_key.raw.hex() if message.sender_key else None) == recorded[
            "sender_auth_key"
        ]
        assert matches(message.body, recorded["body"])

        padded = E2E_MESSAGE_PADDED if envelope.dh_key is None else E2E_CONFIRMATION_PADDED
        assert padded == recorded["padded_length"]
        sealed = message.seal(key, envelope.nonce, padded)
        assert sealed == envelope.sealed


def agent_body(talk: Conversation, body: Fields) -> bytes:
    envelope = ClientEnvelope.decode(raw(body["body"]))
    sender_key = X25519PublicKey(raw(body["envelope"]["sender_e2e_public"]))
    key = BoxKey.agree(talk.recipient_key(body), sender_key)
    return ClientMessage.open(key, envelope.nonce, envelope.sealed).body


def expected_envelope(talk: Conversation, fields: Fields, envelope: AgentEnvelope) -> AgentEnvelope:
    """The envelope from its recorded fields; what the ratchet has encrypted is not among them."""
    version, e2e = fields["version"], fields["e2e"]
    keys = None if e2e is None else talk.x3dh_keys(e2e)
    match fields["tag"]:
        case "C":
            assert isinstance(envelope, ConfirmationEnvelope)
            return ConfirmationEnvelope(version, keys, envelope.ciphertext)
        case "M":
            assert keys is None
            assert isinstance(envelope, MessageEnvelope)
            return MessageEnvelope(version, envelope.ciphertext)
        case "I":
            request = InvitationURI.parse(fields["request"])
            return InvitationEnvelope(version, request, talk.blob(fields["info"]))
        case "R":
            assert keys is not None
            return RatchetKeyEnvelope(version, keys, talk.blob(fields["info"]))
        case tag:
            raise AssertionError(tag)


@every_case
def test_agent_envelopes(talk: Conversation) -> None:
    for body in talk.bodies:
        data = agent_body(talk, body)
        envelope = decode_envelope(data)
        assert envelope == expected_envelope(talk, body["agent_envelope"], envelope)
        assert envelope.encode() == data


@every_case
def test_agent_messages(talk: Conversation) -> None:
    agreed = min(versions["agent"][1] for versions in talk.case["versions"].values())
    supports_pq = talk.pq_support()
    seen = 0
    for body in talk.bodies:
        fields = body.get("agent_message")
        if fields is None:
            assert body["agent_envelope"]["tag"] in "IR"
            continue
        message = talk.message(fields)
        plaintext = message.encode()
        recorded = body["ratchet"]["plaintext"]
        assert len(plaintext) == recorded["len"]
        assert sha256(plaintext).hexdigest() == recorded["sha256"]
        assert message_hash(plaintext).hex() == body["hash"]
        assert decode_message(plaintext) == message

        pq_support = supports_pq(body)
        assert padded_length(message, agreed, pq_support) == body["ratchet"]["padded_length"]
        check_fits(message, agreed, pq_support)
        seen += 1
    assert seen


# --- commands -----------------------------------------------------------------------------------


@every_case
def test_signatures_of_commands(talk: Conversation) -> None:
    keys = talk.signing_keys()
    version = talk.smp_version
    signed = 0
    for entry in talk.commands():
        if not entry["authorization"]:
            continue
        command = command_of(talk, entry)
        session = smp_session(version, raw(talk.case["sessions"][entry["session"]]))
        unsent = prepare_transmission(
            session, raw(entry["correlation_id"]), raw(entry["entity_id"]), command
        )
        signatures = {key.sign(unsent.authorized).hex() for key in signers(talk, entry, keys)}
        assert entry["authorization"] in signatures
        signed += 1
    assert signed


def command_of(talk: Conversation, entry: Fields) -> bytes:
    if "command" in entry:
        return raw(entry["command"])
    body = talk.bodies[entry["body"]]
    send = SEND(MessageFlags(body["notification"]), raw(body["body"]))
    return send.encode(talk.smp_version)


def signers(
    talk: Conversation, entry: Fields, keys: dict[bytes, Ed25519PrivateKey]
) -> list[Ed25519PrivateKey]:
    """Whose signature a command needs: its own key's, the sender's or the owner's."""
    version = talk.smp_version
    match decode_command(command_of(talk, entry), version):
        case NEW(auth_key=key) | SKEY(sender_key=key) | LKEY(sender_key=key):
            return [keys[key.raw]]
        case SEND():
            senders = talk.queues[entry["queue"]]["senders"]
            return [keys[raw(sender["auth_key"]["public_raw"])] for sender in senders]
        case _:
            owner = talk.queues[entry["queue"]]["recipient_auth_key"]
            return [keys[raw(owner["public_raw"])]]


# --- links --------------------------------------------------------------------------------------


@every_case
def test_texts_of_links(talk: Conversation) -> None:
    seen = 0
    for text in talk.texts():
        link = parse_link(text)
        written = str(link) if text.startswith("simplex:") else web_text(link)
        assert written == text
        if text.startswith("simplex:"):
            assert parse_request(text) == link
        seen += 1
    assert seen


def web_text(link: object) -> str:
    assert isinstance(link, ShortInvitationLink | ShortContactLink)
    return link.web_text


def test_some_conversations_have_data_of_links() -> None:
    commands = [link["command"] for talk in TALKS for link in talk.links]
    assert {"NEW", "LSET"} <= set(commands)


@every_case
def test_data_of_links(talk: Conversation) -> None:
    made: dict[int, QueueLinkData] = {}
    for entry in talk.commands():
        if "link" not in entry:
            continue
        link = talk.links[entry["link"]]
        queue = talk.queues[link["queue"]]
        data, queue_sender = stored(talk, entry, queue)
        root = Ed25519PrivateKey(raw(queue["link_root_key"]["private_raw"]))
        link_key = raw(queue["link_key"])
        is_contact = queue["mode"] == "C"
        keys = LinkKeys.for_contact(link_key) if is_contact else LinkKeys.for_invitation(link_key)
        assert keys.box_key == BoxKey.from_secret(raw(link["box_key"]))
        if is_contact:
            assert keys.link_id == raw(link["link_id"])

        content = open_link(keys, data)
        check_parts(content, link, root)
        nonces = {part: raw(link[part]["nonce"]) for part in ("fixed", "user")}
        sealed = seal_link(
            content.fixed,
            content.user,
            root,
            fixed_nonce=nonces["fixed"],
            user_nonce=nonces["user"],
        )
        assert sealed.data == data
        assert sealed.keys == keys

        before = made.setdefault(link["queue"], data)
        replaced = replace_user_data(
            keys, before.fixed, content.user, root.public, root, nonce=nonces["user"]
        )
        assert replaced == data

        short_link = short_link_to(talk, queue, link)
        assert read_link(short_link, raw(queue_sender), data) == content


def stored(talk: Conversation, entry: Fields, queue: Fields) -> tuple[QueueLinkData, str]:
    """What a command stores, and the sender id of the queue."""
    command = decode_command(raw(entry["command"]), talk.smp_version)
    match command:
        case NEW(queue_request=request):
            assert request is not None
            assert request.link is not None
            assert request.link.sender_id == sender_id(raw(entry["correlation_id"]))
            assert request.link.sender_id.hex() == queue["sender_id"]
            return request.link.data, queue["sender_id"]
        case LSET(link_id=link_id, data=data):
            assert link_id.hex() == queue["link_id"]
            return data, queue["sender_id"]
        case _:
            raise AssertionError(command)


def check_parts(content: LinkContent, link: Fields, root: Ed25519PrivateKey) -> None:
    for name, part in (("fixed", content.fixed), ("user", content.user)):
        encoded = part.encode()
        assert encoded.hex() == link[name]["data"]
        assert root.sign(encoded).hex() == link[name]["signature"]


def short_link_to(talk: Conversation, queue: Fields, link: Fields) -> ShortLink:
    server = ServerAddress.parse(talk.case["servers"][queue["server"]]["address"])
    link_key = raw(queue["link_key"])
    if queue["mode"] == "C":
        return ShortContactLink(server, ContactKind.CONTACT, link_key)
    return ShortInvitationLink(server, raw(link["link_id"]), link_key)
