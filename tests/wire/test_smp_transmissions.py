"""Transmissions of SMP against recorded ones: laid out, authorized, batched, read and judged."""

from __future__ import annotations

import contextlib
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
    X25519PrivateKey,
    auth_public_key,
    private_key,
)
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.wire.authorization import Authorizer, NoRouterKey, Verifier
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.handshake import PeerService, Service, ServiceRole
from simplex_trio.wire.reading import (
    ReceivedCommand,
    ReceivedMessage,
    RefusedTransmission,
    read_messages,
)
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import NEW, NSUBS, SEND, SUBS, Command, decode_command
from simplex_trio.wire.smp.forwarding import FwdResponse, FwdTransmission
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, smp_session
from simplex_trio.wire.smp.messages import decode_message
from simplex_trio.wire.smp.proxied import (
    open_answer,
    open_command,
    open_forwarded,
    open_forwarded_answer,
    seal_answer,
    seal_command,
    seal_forwarded,
    seal_forwarded_answer,
)
from simplex_trio.wire.smp.reading import read_smp_commands, service_refusal
from simplex_trio.wire.transmissions import (
    BadTransmission,
    Batch,
    batches,
    parse_transmission,
    plain_transmission,
    prepare_transmission,
    split_block,
)
from tests.vectors import Case, cases, filler, matches
from tests.vectors.keys import auth_key_of
from tests.wire import smp_values
from tests.wire.smp_values import newest_version

FILES = ("smp_transmissions.json", "smp_v19_v20.json")


def both(kind: str) -> list[Any]:
    return [case for file in FILES for case in cases(file, kind)]


def session_of(case: Case) -> SessionParameters:
    return smp_session(case["version"], bytes.fromhex(case["session_id"]))


def x25519(key: dict[str, str]) -> X25519PrivateKey:
    return X25519PrivateKey(bytes.fromhex(key["private_raw"]))


def role_of(service: dict[str, Any], command: Command) -> ServiceRole:
    """The service's role; where a recording does not tell it, the one that the command needs."""
    if "role" not in service:
        assert command.ROLE is not None
        return command.ROLE
    return ServiceRole[service["role"].removeprefix("SR").upper()]


def own_service(service: dict[str, Any] | None, command: Command) -> Service | None:
    if service is None:
        return None
    key = private_key(bytes.fromhex(service["key"]["private_der"]))
    assert isinstance(key, Ed25519PrivateKey)
    return Service(
        id=bytes.fromhex(service["service_id"]),
        role=role_of(service, command),
        certificate_hash=bytes.fromhex(service["cert_hash"]),
        session_key=key,
    )


def peer_service(service: dict[str, Any] | None, command: Command) -> PeerService | None:
    if service is None:
        return None
    return PeerService(
        id=bytes.fromhex(service["service_id"]),
        role=role_of(service, command),
        certificate_hash=bytes.fromhex(service["cert_hash"]),
        session_key=Ed25519PublicKey(bytes.fromhex(service["key"]["public_raw"])),
    )


def verdict(
    content: bytes, session: SessionParameters, case: Case, service: dict[str, Any] | None, key: Any
) -> dict[str, Any]:
    """What a router thinks of a block with one command on a queue with ``key``."""
    (received,) = read_smp_commands(content, session)
    if isinstance(received, RefusedTransmission):
        return {"error": str(received.error)}
    peer = peer_service(service, received.command)
    verifier = Verifier(x25519(case["server_session_key"]), peer)
    refusal = service_refusal(received, verifier, peer)
    if refusal is None and not isinstance(received.command, SUBS | NSUBS):
        refusal = None if accepted(received, verifier, key) else Code.AUTH
    if refusal is not None:
        return {"error": str(refusal), "verified": False}
    return {"verified": True}


def accepted(received: ReceivedCommand[Command], verifier: Verifier, key: Any) -> bool:
    if isinstance(received.command, NEW):
        key = received.command.auth_key
    return verifier.accepts(received.transmission, [key])


def expected_verdict(server: dict[str, Any]) -> dict[str, Any]:
    if "error" in server:
        return {**server, "error": str(smp_values.router_error(server["error"]))}
    return server


@pytest.mark.parametrize("case", both("authorize"))
def test_commands_are_authorized_as_recorded(case: Case) -> None:
    session = smp_session(case["version"], bytes.fromhex(case["session_id"]))
    correlation_id, entity_id = bytes.fromhex(case["corr_id"]), bytes.fromhex(case["entity_id"])
    command = smp_values.command(case["command"])
    encoded = command.encode(case["version"])
    assert encoded.hex() == case["command_hex"]
    unsent = prepare_transmission(session, correlation_id, entity_id, encoded)
    key = auth_key_of(case["key"])
    router_key = x25519(case["server_session_key"]).public
    if "error" in case:
        with pytest.raises(NoRouterKey):
            Authorizer(None).finish(unsent, key, correlation_id)
        return
    authorizer = Authorizer(router_key, own_service(case["service"], command))
    assert case["command_uses_service_signature"] == command.USES_SERVICE_SIGNATURE
    transmission = authorizer.finish(
        unsent, key, correlation_id, with_service=command.USES_SERVICE_SIGNATURE
    )
    assert unsent.authorized.hex() == case["t_for_auth"]
    assert transmission.hex() == case["transmission"]
    batch = Batch(session)
    assert batch.add(transmission)
    assert batch.content().hex() == case["batch_of_one"]
    check_parsed(batch.content(), session, case)
    judged = verdict(batch.content(), session, case, case["service"], key.public)
    assert judged == expected_verdict(case["server"])


def check_parsed(content: bytes, session: SessionParameters, case: Case) -> None:
    (received,) = read_smp_commands(content, session)
    assert isinstance(received, ReceivedCommand)
    parsed, transmission = case["server_parsed"], received.transmission
    assert transmission.authorized.hex() == parsed["authorized"]
    assert transmission.correlation_id.hex() == parsed["corr_id"]
    assert transmission.entity_id.hex() == parsed["entity_id"]
    assert received.command == smp_values.command(parsed["command"])
    check_authorization(received, parsed["authorization"])


def check_authorization(
    received: ReceivedCommand[Command], expected: dict[str, Any] | None
) -> None:
    transmission = received.transmission
    if expected is None:
        assert transmission.authorization == b""
        return
    assert transmission.authorization.hex() == expected["bytes"]
    is_authenticator = len(transmission.authorization) == 80
    assert expected["kind"] == ("authenticator" if is_authenticator else "signature")
    signature = transmission.service_signature
    assert (None if signature is None else signature.hex()) == expected["service_signature"]


@pytest.mark.parametrize("case", [c for c in both("authorize") if "error" not in c.values[0]])
def test_what_was_tampered_with_is_refused(case: Case) -> None:
    queue_key = auth_key_of(case["key"]).public
    for tampered in case["tampered"]:
        session = session_of(case)
        if tampered["what"] == "server has another session id":
            session = smp_session(case["version"], bytes(len(session.session_id)))
        # Here the recorded session has no service, although the command is signed by one.
        alone = "in a session without service" in tampered["what"]
        service = None if alone else case["service"]
        content = bytes.fromhex(tampered["content"])
        judged = verdict(content, session, case, service, queue_key)
        assert judged == expected_verdict(tampered["server"]), tampered["what"]
    for other in case.get("in_other_sessions", []):
        content = bytes.fromhex(case["batch_of_one"])
        judged = verdict(content, session_of(case), case, other["service"], queue_key)
        assert judged == expected_verdict(other["server"]), other["what"]


@pytest.mark.parametrize("case", both("verify"))
def test_keys_of_another_kind_verify_nothing(case: Case) -> None:
    queue_key = auth_public_key(bytes.fromhex(case["queue_key_der"]))
    content = bytes.fromhex(case["content"])
    judged = verdict(content, session_of(case), case, None, queue_key)
    assert judged == expected_verdict(case["server"])


@pytest.mark.parametrize("case", both("server_parse"))
def test_what_a_router_reads(case: Case) -> None:
    received = read_smp_commands(
        bytes.fromhex(case["content"]), session_of(case), newest_version(case)
    )
    assert len(received) == len(case["transmissions"])
    for ours, expected in zip(received, case["transmissions"], strict=True):
        if "error" in expected:
            assert isinstance(ours, RefusedTransmission)
            assert ours.correlation_id.hex() == expected["corr_id"]
            assert ours.entity_id.hex() == expected["entity_id"]
            assert ours.error == smp_values.router_error(expected["error"])
        else:
            assert isinstance(ours, ReceivedCommand)
            assert ours.transmission.correlation_id.hex() == expected["corr_id"]
            assert ours.transmission.entity_id.hex() == expected["entity_id"]
            assert ours.transmission.authorized.hex() == expected["authorized"]
            assert ours.command == smp_values.command(expected["command"])
            check_authorization(ours, expected["authorization"])


@pytest.mark.parametrize("case", both("client_parse"))
def test_what_a_client_reads(case: Case) -> None:
    received = read_messages(bytes.fromhex(case["content"]), session_of(case), decode_message)
    assert len(received) == len(case["transmissions"])
    for ours, expected in zip(received, case["transmissions"], strict=True):
        assert ours.correlation_id.hex() == expected["corr_id"]
        assert ours.entity_id.hex() == expected["entity_id"]
        if "error" in expected:
            assert isinstance(ours, RefusedTransmission)
            assert ours.error == smp_values.router_error(expected["error"])
        else:
            assert isinstance(ours, ReceivedMessage)
            assert ours.message == smp_values.message(expected["message"])


@pytest.mark.parametrize("case", both("batch"))
def test_batches_keep_to_the_limits(case: Case) -> None:
    """The split is the sender's choice (ours fills from the front); the limits are not."""
    session = smp_session(case["version"], b"")
    items = [b"\x00" + filler(i, length) for i, length in enumerate(case["lengths"])]
    refused = [i for block in case["blocks"] if block["type"] == "error" for i in block["items"]]
    kept = []
    for number, item in enumerate(items):
        if number in refused:
            with pytest.raises(TooLarge):
                Batch(session).add(item)
        else:
            kept.append(item)
    packed = [batch.content() for batch in batches(kept, session)]
    assert [part for content in packed for part in split_block(content, session)] == kept
    assert len(packed) <= sum(block["type"] == "batch" for block in case["blocks"]) + len(refused)
    codec = PaddedBlocks(SMP_BLOCK_SIZE)
    for content in packed:
        assert len(content) <= 16366
        assert content[0] <= 255
        assert codec.open(codec.seal(content)) == content
    for block in case["blocks"]:
        if block["type"] == "batch":
            batch = Batch(session)
            assert all(batch.add(items[number]) for number in block["items"])
            recorded = block["content"]
            assert matches(batch.content(), recorded)
            assert sha256(codec.seal(batch.content())).hexdigest() == block["padded_16384_sha256"]


@pytest.mark.parametrize("case", both("proxied"))
def test_the_layers_around_a_proxied_command(case: Case) -> None:
    session = smp_session(case["version"], bytes.fromhex(case["relay_session_id"]))
    correlation_id = bytes.fromhex(case["client_corr_id_nonce"])
    command = smp_values.command(case["command"])
    unsent = prepare_transmission(
        session, correlation_id, bytes.fromhex(case["entity_id"]), command.encode(case["version"])
    )
    assert unsent.authorized.hex() == case["t_for_auth"]
    relay = x25519(case["relay_session_key"])
    sender = case["sender_key"]
    key = None if sender is None else auth_key_of(sender)
    batch = Batch(session)
    assert batch.add(Authorizer(relay.public).finish(unsent, key, correlation_id))
    content = batch.content()
    assert content.hex() == case["relay_block_content"]

    once = x25519(case["client_command_key"])
    inner = BoxKey.agree(once, relay.public)
    assert inner == BoxKey.from_secret(bytes.fromhex(case["client_relay_dh"]))
    sealed = seal_command(inner, correlation_id, content)
    assert matches(sealed, case["enc_transmission"])
    forwarded = FwdTransmission(correlation_id, case["version"], once.public, sealed)
    assert matches(forwarded.encode(), case["fwd_transmission"])

    outer = BoxKey.from_secret(bytes.fromhex(case["proxy_relay_dh"]))
    outer_id = bytes.fromhex(case["proxy_corr_id_nonce"])
    crossing = seal_forwarded(outer, outer_id, forwarded)
    assert matches(crossing, case["enc_fwd_transmission"])
    assert open_forwarded(outer, outer_id, crossing) == forwarded
    relay_side = BoxKey.agree(relay, once.public)
    assert open_command(relay_side, correlation_id, sealed) == content

    response = bytes.fromhex(case["response_content"])
    answer = seal_answer(relay_side, correlation_id, response)
    assert matches(answer, case["enc_response"])
    returned = FwdResponse(correlation_id, answer)
    assert matches(returned.encode(), case["fwd_response"])
    back = seal_forwarded_answer(outer, outer_id, returned)
    assert matches(back, case["enc_fwd_response"])
    assert open_forwarded_answer(outer, outer_id, back) == returned
    assert open_answer(inner, correlation_id, answer) == response
    if "response" in case:
        (message,) = read_messages(response, session, decode_message)
        assert isinstance(message, ReceivedMessage)
        assert message.message == smp_values.message(case["response"])


sessions = st.builds(smp_session, st.integers(6, 20), st.binary(max_size=32))
transmission_lists = st.lists(
    st.one_of(st.binary(max_size=40), st.integers(0, 16363).map(bytes)), max_size=600
)


@given(sessions, transmission_lists)
def test_batching_loses_reorders_and_duplicates_nothing(
    session: SessionParameters, transmissions: list[bytes]
) -> None:
    packed = [batch.content() for batch in batches(transmissions, session)]
    assert [part for content in packed for part in split_block(content, session)] == transmissions
    assert all(len(content) <= 16366 for content in packed)


@given(sessions, st.binary(max_size=300))
def test_any_content_is_read_or_refused(session: SessionParameters, content: bytes) -> None:
    assert read_smp_commands(content, session)
    assert read_messages(content, session, decode_message)
    with contextlib.suppress(DecodeError):
        parse_transmission(content, session)


@given(sessions, st.binary(max_size=255), st.binary(max_size=255), st.binary(max_size=400))
def test_transmissions_are_read_as_written(
    session: SessionParameters, correlation_id: bytes, entity_id: bytes, command: bytes
) -> None:
    unsent = prepare_transmission(session, correlation_id, entity_id, command)
    for authorization, signature in ((b"", None), (bytes(64), None), (bytes(80), bytes(64))):
        if signature is not None and not session.has_service_signatures:
            continue
        read = parse_transmission(unsent.finish(authorization, signature), session)
        assert read.authorization == authorization
        assert read.service_signature == signature
        assert read.authorized == unsent.authorized
        assert (read.correlation_id, read.entity_id) == (correlation_id, entity_id)
        assert read.command == command


@given(sessions, st.data())
def test_transmissions_that_are_cut_off_are_refused(
    session: SessionParameters, data: st.DataObject
) -> None:
    correlation_id, entity_id = data.draw(st.tuples(st.binary(max_size=30), st.binary(max_size=30)))
    unsent = prepare_transmission(session, correlation_id, entity_id, b"")
    written = unsent.finish(data.draw(st.sampled_from((b"", b"a" * 64, b"a" * 80))))
    assert parse_transmission(written, session).entity_id == entity_id
    for size in range(len(written)):
        with pytest.raises(BadTransmission):
            parse_transmission(written[:size], session)


@given(sessions, st.binary(max_size=255), st.binary(max_size=255), st.binary())
def test_plain_transmissions_are_those_without_an_authorization(
    session: SessionParameters, correlation_id: bytes, entity_id: bytes, command: bytes
) -> None:
    prepared = prepare_transmission(session, correlation_id, entity_id, command)
    assert plain_transmission(session, correlation_id, entity_id, command) == prepared.finish()


def test_commands_and_messages_have_no_secrets_in_their_repr() -> None:
    session = smp_session(20, b"SESSION-ID")
    command: Command = decode_command(b"SEND T SECRET-BODY", 20)
    assert isinstance(command, SEND)
    shown = repr(command) + repr(session) + repr(decode_message(b"MSG \x02idSEALED", 20))
    assert "SECRET" not in shown
    assert "SESSION-ID" not in shown
    assert "SEALED" not in shown
