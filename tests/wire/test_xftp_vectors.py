"""Everything pure about XFTP against what the reference implementation wrote and read."""

from __future__ import annotations

import pytest

from simplex_trio.crypto.certificates import CertificateChain, fingerprint
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.crypto.padding import pad, unpad
from simplex_trio.errors import DecodeError
from simplex_trio.wire.authorization import Authorizer, Verifier
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.versions import VersionRange
from simplex_trio.wire.xftp.blocks import (
    XFTP_BLOCK_SIZE,
    read_request,
    seal_transmission,
    xftp_session,
)
from simplex_trio.wire.xftp.commands import CommandDecodeError, decode_command
from simplex_trio.wire.xftp.description_text import decode_description, encode_description
from simplex_trio.wire.xftp.handshake import (
    WebStep,
    XFTPClientHandshake,
    XFTPRouterHandshake,
    decode_client_hello,
    encode_client_hello,
)
from simplex_trio.wire.xftp.links import FileLink, parse_file_link
from simplex_trio.wire.xftp.messages import decode_message
from simplex_trio.wire.xftp.packet_sizes import packet_sizes, single_packet_size
from tests.vectors import Case, cases, load, matches, unhex
from tests.wire.xftp_values import (
    chain_of,
    command_of,
    credentials_of,
    description_of,
    error_of,
    key_of,
    message_of,
)

FILE = "xftp.json"

KNOWN_KINDS = {
    "command",
    "response",
    "bad_command",
    "bad_response",
    "transmission",
    "server_handshake",
    "client_handshake",
    "client_hello",
    "client_hello_decode",
    "chunk_sizes",
    "file_encryption",  # tests/xftp/test_file_encryption.py
    "file_description",
}


def test_no_kind_of_case_is_left_out() -> None:
    assert {case["kind"] for case in load(FILE)} <= KNOWN_KINDS


@pytest.mark.parametrize("case", cases(FILE, "command"))
def test_command(case: Case) -> None:
    value = command_of(case["fields"])
    for encoding in case["encodings"]:
        for version in encoding["versions"]:
            assert value.encode(version).hex() == encoding["hex"]
            read = command_of(encoding.get("decoded", case["fields"]))
            assert decode_command(bytes.fromhex(encoding["hex"]), version) == read


@pytest.mark.parametrize("case", cases(FILE, "response"))
def test_message(case: Case) -> None:
    value = message_of(case["fields"])
    for encoding in case["encodings"]:
        for version in encoding["versions"]:
            assert value.encode(version).hex() == encoding["hex"]
            read = message_of(encoding.get("decoded", case["fields"]))
            assert decode_message(bytes.fromhex(encoding["hex"]), version) == read


@pytest.mark.parametrize("case", cases(FILE, "bad_command"))
def test_bad_command(case: Case) -> None:
    data = bytes.fromhex(case["hex"])
    if "parsed" in case["result"]:
        assert decode_command(data, case.get("version", 3)) == command_of(case["result"]["parsed"])
        return
    with pytest.raises(CommandDecodeError) as caught:
        decode_command(data, case.get("version", 3))
    assert caught.value.error == error_of(case["result"]["error"])


def recorded_session(case: Case) -> SessionParameters:
    """The session of a recorded transmission.

    The recordings were made with a session that implies its id.  On a connection the id is always
    sent (`test_xftp_blocks`); what is authorized is the same either way.
    """
    sent = xftp_session(3, bytes.fromhex(case["session_id"]))
    return SessionParameters(
        version=sent.version,
        session_id=sent.session_id,
        block_size=sent.block_size,
        implies_session_id=True,
        batches=sent.batches,
        has_service_signatures=sent.has_service_signatures,
    )


@pytest.mark.parametrize("case", cases(FILE, "transmission"))
def test_transmission(case: Case) -> None:
    session = recorded_session(case)
    command, key = command_of(case["command"]), key_of(case["key"])
    correlation_id = bytes.fromhex(case["corr_id"])
    entity_id = bytes.fromhex(case["entity_id"])
    router_key = key_of(case.get("server_session_key"))
    unsent = prepare_transmission(session, correlation_id, entity_id, command.encode(3))
    authorizer = Authorizer(None if router_key is None else router_key.public)
    transmission = authorizer.finish(unsent, key, correlation_id)
    block = seal_transmission(transmission, session)
    assert unpad(block).hex() == case["content"]
    assert matches(block, case["block"])

    received = read_request(block, session)
    assert isinstance(received, ReceivedCommand)
    assert received.command == command
    assert received.transmission.correlation_id == correlation_id
    assert received.transmission.entity_id == entity_id
    if key is not None:
        assert Verifier(router_key).accepts(received.transmission, [key.public])


@pytest.mark.parametrize("case", cases(FILE, "server_handshake"))
def test_router_hello(case: Case) -> None:
    credentials = credentials_of(case["server_certs"])
    session_id = bytes.fromhex(case["session_id"])
    versions = VersionRange(*case["version_range"])
    router = XFTPRouterHandshake(
        session_id=session_id,
        chain=credentials.chain,
        signing_key=credentials.key,
        session_key=key_of(case["server_session_key"]),
        versions=versions,
    )
    hello = router.answer(b"")
    assert hello is not None
    written = unpad(hello).hex()
    recorded = case["content"]
    if case["web_identity_proof"] is None:
        assert written == recorded
    else:
        # The challenge is not in the recording; the proof is the last thing in the hello.
        proof = bytes.fromhex(case["web_identity_proof"])
        assert written[:-2] + f"{len(proof):02x}" + proof.hex() == recorded

    client = XFTPClientHandshake(
        session_id=session_id,
        identity=bytes.fromhex(case["identity_sha256"]),
        tls_chain=chain_of(case["server_certs"]),
    )
    answer = client.receive(pad(bytes.fromhex(recorded), XFTP_BLOCK_SIZE))
    agreement = client.conclude(b"")
    assert agreement.session == xftp_session(min(versions.highest, 3), session_id)
    assert agreement.router_key == key_of(case["server_session_key"]).public
    assert router.answer(answer) == b""
    assert router.agreement is not None
    assert router.agreement.session == agreement.session


@pytest.mark.parametrize("case", cases(FILE, "client_handshake"))
def test_client_hello_after_the_routers(case: Case) -> None:
    versions = VersionRange(1, case["version"])
    recording = load(FILE)
    hello = next(each for each in recording if each["kind"] == "server_handshake")
    session_id = bytes.fromhex(hello["session_id"])
    chain = chain_of(hello["server_certs"])
    if fingerprint(chain.identity).hex() != case["key_hash"]:
        pytest.fail("the recording has no router with this identity")
    client = XFTPClientHandshake(
        session_id=session_id,
        identity=bytes.fromhex(case["key_hash"]),
        tls_chain=chain,
        versions=versions,
    )
    block = client.receive(pad(bytes.fromhex(hello["content"]), XFTP_BLOCK_SIZE))
    assert PaddedBlocks(XFTP_BLOCK_SIZE).open(block).hex() == case["content"]


@pytest.mark.parametrize("case", cases(FILE, "client_hello"))
def test_browser_hello(case: Case) -> None:
    challenge = unhex(case["challenge"])
    assert encode_client_hello(challenge).hex() == case["content"]
    assert decode_client_hello(bytes.fromhex(case["content"])) == challenge


@pytest.mark.parametrize("case", cases(FILE, "client_hello_decode"))
def test_reading_a_browser_hello(case: Case) -> None:
    content = bytes.fromhex(case["content"])
    if case["ok"]:
        assert decode_client_hello(content) == unhex(case["result"])
    else:
        with pytest.raises(DecodeError):
            decode_client_hello(content)


def test_a_router_proves_its_identity_to_a_browser() -> None:
    hello = next(each for each in load(FILE) if each["kind"] == "server_handshake")
    credentials = credentials_of(hello["server_certs"])
    session_id = bytes.fromhex(hello["session_id"])
    router = XFTPRouterHandshake(
        session_id=session_id,
        chain=CertificateChain(credentials.chain.certificates),
        signing_key=credentials.key,
        session_key=X25519PrivateKey(bytes(range(32))),
        is_web=True,
    )
    challenge = bytes(range(32))
    body = pad(encode_client_hello(challenge), XFTP_BLOCK_SIZE)
    answer = router.answer(body, WebStep(is_hello=True))
    assert answer is not None
    content = unpad(answer)
    proof = content[-64:]
    assert content[-65] == len(proof)
    credentials.key.public.verify(proof, challenge + session_id)


@pytest.mark.parametrize("case", cases(FILE, "chunk_sizes"))
def test_packet_sizes(case: Case) -> None:
    sizes = packet_sizes(case["encrypted_size"])
    expected = [chunk["size"] for chunk in case["chunks"] for _ in range(chunk["count"])]
    assert list(sizes) == expected
    assert sum(sizes) == case["total"]
    assert single_packet_size(case["encrypted_size"]) == case["single_chunk"]


@pytest.mark.parametrize("case", cases(FILE, "file_description"))
def test_description(case: Case) -> None:
    if not case["valid"]:
        with pytest.raises(DecodeError):
            description_of(case["fields"])
        return
    description = description_of(case["fields"])
    assert encode_description(description) == case["yaml"]
    assert decode_description(case["yaml"]) == description_of(case["yaml_parsed"])
    assert str(FileLink(description)) == case["uri"]
    assert parse_file_link(case["uri"]).description == description_of(case["uri_parsed"])
