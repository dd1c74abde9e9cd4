"""Envelopes, messages and their sizes against recorded ones, and what newer agents may send."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from simplex_trio.crypto.keys import X448PublicKey, X25519PublicKey
from simplex_trio.errors import DecodeError, EncodeError, TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.buffer import int64, short
from simplex_trio.wire.duplex import InvitationURI, X3DHKeys
from simplex_trio.wire.duplex.bodies import (
    EREADY,
    HELLO,
    QADD,
    QCONT,
    QTEST,
    AddedQueue,
    MessageBody,
    QueueLocation,
    Receipts,
    UnknownBody,
    UserMessage,
)
from simplex_trio.wire.duplex.envelopes import (
    AgentEnvelope,
    ConfirmationEnvelope,
    InvitationEnvelope,
    MessageEnvelope,
    RatchetKeyEnvelope,
    UnknownEnvelope,
    decode_envelope,
)
from simplex_trio.wire.duplex.messages import (
    AgentMessage,
    ConnectionInfo,
    ConnectionInfoReply,
    RatchetInfo,
    RatchetPlaintext,
    UnknownMessage,
    decode_message,
    message_hash,
)
from simplex_trio.wire.duplex.requests import parse_request
from simplex_trio.wire.duplex.sizes import (
    check_fits,
    confirmation_padded_length,
    max_connection_info,
    max_invitation_info,
    max_user_message,
    message_padded_length,
)
from simplex_trio.wire.duplex.x3dh_keys import KEMAcceptance
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue
from simplex_trio.wire.smp.envelopes import ClientMessage
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED
from simplex_trio.wire.versions import VersionRange
from tests.vectors import Case, cases, load
from tests.wire.duplex.fields import Fields, keys_of, message_of, request_of

FILE = "agent_links.json"


def envelope_of(fields: Fields) -> AgentEnvelope:
    version = fields["agent_version"]
    match fields["type"]:
        case "C":
            e2e = fields["e2e"]
            keys = None if e2e is None else keys_of(e2e)
            return ConfirmationEnvelope(version, keys, bytes.fromhex(fields["enc_conn_info"]))
        case "M":
            return MessageEnvelope(version, bytes.fromhex(fields["enc_agent_message"]))
        case "I":
            request = request_of(fields["connection_request"])
            assert isinstance(request, InvitationURI)
            return InvitationEnvelope(version, request, bytes.fromhex(fields["conn_info"]))
        case "R":
            info = bytes.fromhex(fields["info"])
            return RatchetKeyEnvelope(version, keys_of(fields["e2e"]), info)
        case tag:
            raise AssertionError(tag)


@pytest.mark.parametrize("case", cases(FILE, "agent_envelope"))
def test_envelope(case: Case) -> None:
    assert case["decodes"]
    envelope = envelope_of(case["fields"])
    assert envelope.encode().hex() == case["hex"]
    assert decode_envelope(bytes.fromhex(case["hex"])) == envelope


@pytest.mark.parametrize("case", cases(FILE, "agent_message"))
def test_message(case: Case) -> None:
    assert case["decodes"]
    message = message_of(case["fields"])
    assert message.encode().hex() == case["hex"]
    assert decode_message(bytes.fromhex(case["hex"])) == message


@pytest.mark.parametrize("case", cases(FILE, "sizes"))
def test_sizes(case: Case) -> None:
    for row in case["rows"]:
        versions = row["agent_version"], row["pq"]
        assert confirmation_padded_length(*versions) == row["conn_info"]
        assert message_padded_length(*versions) == row["message"]


# --- what newer agents may send -----------------------------------------------------------------

SERVER = ServerAddress.parse("smp://AQID@smp.example")
LOCATION = QueueLocation(SERVER, b"sender")
MESSAGE = AgentMessage(7, bytes(32), HELLO())


def queue(version: int, mode: QueueMode | None) -> VersionedQueue:
    key = X25519PublicKey(bytes(32))
    return VersionedQueue(version, QueueAddress(SERVER, b"sender", key, mode))


@pytest.mark.parametrize("tag", [b"X", b"c", b"\x00", b"\xff"])
@pytest.mark.parametrize("content", [b"", b"anything"])
def test_unknown_kinds_are_values(tag: bytes, content: bytes) -> None:
    envelope = decode_envelope(b"\x00\x08" + tag + content)
    assert envelope == UnknownEnvelope(8, tag, content)
    assert envelope.encode() == b"\x00\x08" + tag + content
    message = decode_message(tag + content)
    assert message == UnknownMessage(tag, content)
    assert message.encode() == tag + content


@pytest.mark.parametrize("tag", [b"X", b"h", b"QE", b"Q\x00", b"Qa"])
@pytest.mark.parametrize("content", [b"", b"anything"])
def test_unknown_bodies_are_values_with_their_header(tag: bytes, content: bytes) -> None:
    message = attrs.evolve(MESSAGE, body=UnknownBody(tag, content))
    assert decode_message(MESSAGE.encode()[:-1] + tag + content) == message
    assert message.encode() == MESSAGE.encode()[:-1] + tag + content


@pytest.mark.parametrize(
    "body",
    [
        HELLO(),
        EREADY(5),
        QCONT(LOCATION),
        QTEST((LOCATION, LOCATION)),
        QADD((AddedQueue(QueueURI(VersionRange(4, 4), queue(4, None).queue)),)),
    ],
)
def test_bytes_behind_a_known_body_are_left_out(body: MessageBody) -> None:
    message = attrs.evolve(MESSAGE, body=body)
    assert decode_message(message.encode() + b"more") == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00\x07",
        b"\x00\x07C",
        b"\x00\x07C2",
        b"\x00\x07C1",
        b"\x00\x07I",
        b"\x00\x07I\x00\x01xinfo",
        b"\x00\x07I\x00\x02\xff\xfe",
        b"\x00\x07R",
    ],
)
def test_known_envelopes_that_make_no_sense(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_envelope(data)


def test_an_invitation_envelope_holds_no_contact_address() -> None:
    contact = next(c for c in load(FILE) if c["name"] == "connreq-contact")["text"].encode()
    with pytest.raises(DecodeError):
        decode_envelope(b"\x00\x07I" + len(contact).to_bytes(2, "big") + contact)


def test_a_key_that_starts_a_ratchet_accepts_nothing() -> None:
    key = X448PublicKey(bytes(56))
    keys = X3DHKeys(3, key, key, KEMAcceptance(bytes(1039), bytes(1158)))
    with pytest.raises(ValueError, match="cannot accept"):
        RatchetKeyEnvelope(7, keys, b"")
    with pytest.raises(DecodeError):
        decode_envelope(b"\x00\x07R" + keys.encode() + b"R")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"D",
        b"D\x00info",
        b"D\x01",
        b"M",
        MESSAGE.encode()[:-1],
        *(MESSAGE.encode()[:-1] + rest for rest in (b"Q", b"V", b"V\x00", b"E\x00", b"QA\x00")),
        *(MESSAGE.encode()[:-1] + rest for rest in (b"QK\x00", b"QU\x00", b"QT\x00", b"QC")),
        MESSAGE.encode()[:-1] + b"QU\x01" + LOCATION.encode() + b"X",
    ],
)
def test_known_messages_that_make_no_sense(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_message(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Receipts(()),
        lambda: QTEST((LOCATION,) * 256),
        lambda: ConnectionInfoReply((), b""),
        lambda: UnknownEnvelope(7, b"", b""),
        lambda: UnknownBody(b"ABC", b""),
        lambda: AgentMessage(1, bytes(256), HELLO()),
    ],
)
def test_values_that_cannot_be_written_are_not_made(make: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()


def test_hash_of_a_message() -> None:
    # Known from the NIST examples of SHA-256.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert message_hash(b"abc").hex() == known


# --- where a queue ends (the optional byte of its mode) -----------------------------------------


@pytest.mark.parametrize("info", [b"M", b"C", b"T", b"F", b"More", b"False", b"", b"{}"])
@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("mode", [None, QueueMode.MESSAGING, QueueMode.CONTACT])
def test_the_first_byte_of_info_is_not_taken_for_a_mode(
    info: bytes, version: int, mode: QueueMode | None
) -> None:
    reply = ConnectionInfoReply((queue(4, QueueMode.CONTACT), queue(version, mode)), info)
    if version >= 4:
        ambiguous = mode is None and info[:1] in (b"M", b"C")
    else:
        ambiguous = version == 3 and mode is not QueueMode.MESSAGING and info[:1] == b"T"
    if ambiguous:
        with pytest.raises(EncodeError):
            reply.encode()
        return
    decoded = decode_message(reply.encode())
    assert isinstance(decoded, ConnectionInfoReply)
    assert decoded.info == info
    kept = mode if version >= 4 or (version == 3 and mode is QueueMode.MESSAGING) else None
    assert [q.queue.mode for q in decoded.queues] == [QueueMode.CONTACT, kept]
    assert decode_message(decoded.encode()) == decoded


@pytest.mark.parametrize("versions", [(1, 2), (1, 3), (3, 3), (1, 4), (3, 4), (4, 4), (4, 9)])
@pytest.mark.parametrize("mode", [None, QueueMode.MESSAGING, QueueMode.CONTACT])
@pytest.mark.parametrize("replaces", [None, LOCATION])
def test_an_added_queue_ends_where_it_does(
    versions: tuple[int, int], mode: QueueMode | None, replaces: QueueLocation | None
) -> None:
    uri = QueueURI(VersionRange(*versions), queue(4, mode).queue)
    added = QADD((AddedQueue(uri, replaces), AddedQueue(uri, replaces)))
    decoded = decode_message(attrs.evolve(MESSAGE, body=added).encode())
    assert isinstance(decoded, AgentMessage)
    assert isinstance(decoded.body, QADD)
    assert [item.replaces for item in decoded.body.queues] == [replaces, replaces]
    assert decoded.encode() == attrs.evolve(MESSAGE, body=added).encode()


# --- what fits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent_version", "pq", "most"),
    [(4, True, 15795), (5, False, 15795), (7, False, 15795), (5, True, 13573), (7, True, 13573)],
)
def test_the_longest_user_message(agent_version: int, pq: bool, most: int) -> None:
    assert max_user_message(agent_version, pq) == most
    fits = attrs.evolve(MESSAGE, body=UserMessage(bytes(most)))
    check_fits(fits, agent_version, pq)
    with pytest.raises(TooLarge, match=rf"where {most + 43} fit"):
        check_fits(attrs.evolve(fits, body=UserMessage(bytes(most + 1))), agent_version, pq)
    check_fits(
        AgentMessage(1, b"", UserMessage(bytes(most + 32))), agent_version, pq
    )  # nothing came before it


@pytest.mark.parametrize("agent_version", [4, 7])
@pytest.mark.parametrize("pq", [False, True])
def test_the_longest_connection_info(agent_version: int, pq: bool) -> None:
    queues = (queue(4, QueueMode.MESSAGING),)

    def messages(extra: int) -> list[RatchetPlaintext]:
        most = max_connection_info(agent_version, pq) + extra
        beside = max_connection_info(agent_version, pq, queues) + extra
        return [ConnectionInfo(bytes(most)), ConnectionInfoReply(queues, bytes(beside))]

    for message in messages(0):
        check_fits(message, agent_version, pq)
        assert len(message.encode()) == confirmation_padded_length(agent_version, pq) - 2
    for message in messages(1):
        with pytest.raises(TooLarge):
            check_fits(message, agent_version, pq)


def test_the_longest_info_beside_an_invitation() -> None:
    text = next(c for c in load(FILE) if c["name"] == "connreq-inv-kem")["text"]
    request = parse_request(text)
    assert isinstance(request, InvitationURI)
    most = max_invitation_info(request)
    envelope = InvitationEnvelope(7, request, bytes(most)).encode()
    assert len(ClientMessage(None, envelope).encode()) == E2E_CONFIRMATION_PADDED - 2


def test_nothing_shows_in_repr() -> None:
    values = [
        attrs.evolve(MESSAGE, previous_hash=b"secret", body=UserMessage(b"secret")),
        ConnectionInfoReply((queue(4, None),), b"secret"),
        RatchetInfo(b"secret"),
        UnknownMessage(b"s", b"secret"),
        UnknownEnvelope(9, b"s", b"secret"),
        MessageEnvelope(9, b"secret"),
        QueueLocation(SERVER, b"secret"),
        UnknownBody(b"Qs", b"secret"),
    ]
    shown = repr(values) + "".join(map(repr, values))
    for secret in ("secret", "example", int64(7).hex(), short(b"s").hex() + "ecret"):
        assert secret not in shown
