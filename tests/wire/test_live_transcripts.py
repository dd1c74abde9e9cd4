"""Whole conversations with a real router, replayed byte for byte.

From the keys of a recording the blocks can be made again exactly; opened, they hold what was
recorded; and every authorization in them is what ours would be, or is accepted by our verifier.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from attrs import evolve

from simplex_trio.crypto.block_keys import KeyChain
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey, private_key
from simplex_trio.errors import HandshakeFailed
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.blocks import BlockCodec, EncryptedBlocks, PaddedBlocks
from simplex_trio.wire.errors.values import RouterErrorValue
from simplex_trio.wire.handshake import ClientAgreement
from simplex_trio.wire.reading import (
    ReceivedCommand,
    ReceivedMessage,
    RefusedTransmission,
    read_messages,
)
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import PFWD, Command
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, ServiceIdentity, SMPClientHandshake
from simplex_trio.wire.smp.messages import ERR, decode_message
from simplex_trio.wire.smp.proxied import open_command
from simplex_trio.wire.smp.reading import read_smp_commands
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.versions import SMPVersion, VersionRange
from tests.vectors import Case, load
from tests.vectors.keys import auth_key_of, signing_key_of
from tests.wire import smp_values
from tests.wire.test_smp_handshake import ROLES

FILES = ("live_smp.json", "live_smp_v20.json")

CONNECTIONS = [
    pytest.param(connection, id=f"{scenario['name']}-{connection['name']}")
    for file in FILES
    for scenario in load(file)
    for connection in scenario["connections"]
]

Step = dict[str, Any]


def x25519(key: dict[str, str]) -> X25519PrivateKey:
    return X25519PrivateKey(bytes.fromhex(key["private_raw"]))


def certificates(ders: list[Any]) -> CertificateChain:
    return CertificateChain(
        tuple(bytes.fromhex(der if isinstance(der, str) else der["der"]) for der in ders)
    )


def service_of(connection: Case) -> ServiceIdentity | None:
    service = connection["service"]
    if service is None:
        return None
    signing_key = signing_key_of(service["certs"][0]["key"])
    session_key = private_key(bytes.fromhex(service["session_key"]["private_der"]))
    assert isinstance(session_key, Ed25519PrivateKey)
    chain = certificates(service["certs"])
    identity = ServiceIdentity(ROLES[service["role"]], chain, signing_key, session_key)
    if connection.get("service_id") and connection["version"] < identity.since:
        # This release presented a service in any role as soon as there were services.
        identity = evolve(identity, since=SMPVersion.SERVICES)
    return identity


def handshake_of(connection: Case) -> SMPClientHandshake:
    lowest, highest = connection["client_range"]
    return SMPClientHandshake(
        session_id=bytes.fromhex(connection["session_id"]),
        identity=bytes.fromhex(connection["server_identity"]),
        tls_chain=certificates(connection["tls_server_certs"]),
        session_key=x25519(connection["client_session_key"]),
        versions=VersionRange(lowest, highest),
        service=service_of(connection),
        certificate_sent=connection["service"] is not None,
    )


def check_block(block: bytes, step: Step) -> None:
    assert sha256(block).hexdigest() == step["block_sha256"]
    assert block[:64].hex() == step["block_first64"]
    assert step.get("block") in (None, block.hex())


def replay_handshake(connection: Case) -> ClientAgreement | None:
    """Make the recorded handshake again; `None` if it was recorded to fail."""
    handshake = handshake_of(connection)
    blocks = PaddedBlocks(SMP_BLOCK_SIZE)
    answer: bytes | None = None
    failed = False
    for step in connection["steps"]:
        if not step.get("handshake"):
            continue
        content = bytes.fromhex(step["content"])
        check_block(blocks.seal(content), step)
        if step["from"] == "client":
            assert answer == content
        else:
            try:
                answer = handshake.receive(content)
            except HandshakeFailed:
                failed = True
    assert failed == bool(connection.get("handshake_error"))
    return handshake.agreement


class Wire:
    """The two codecs of one recorded connection, so that both directions can be made again."""

    def __init__(self, connection: Case) -> None:
        keys = connection["initial_chain_keys"]
        self.client: BlockCodec = PaddedBlocks(SMP_BLOCK_SIZE)
        self.router: BlockCodec = PaddedBlocks(SMP_BLOCK_SIZE)
        if keys is not None:
            sent = bytes.fromhex(keys["send_chain_key"])
            received = bytes.fromhex(keys["receive_chain_key"])
            self.client = EncryptedBlocks(
                SMP_BLOCK_SIZE, sending=KeyChain(sent), receiving=KeyChain(received)
            )
            self.router = EncryptedBlocks(
                SMP_BLOCK_SIZE, sending=KeyChain(received), receiving=KeyChain(sent)
            )


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_a_recorded_connection(connection: Case) -> None:
    agreement = replay_handshake(connection)
    if agreement is None:
        assert connection.get("handshake_error")
        return
    assert agreement.session.version == connection["version"]
    service_id = None if agreement.service is None else agreement.service.id.hex()
    assert service_id == connection["service_id"]
    wire = Wire(connection)
    authorizer = Authorizer(agreement.router_key, agreement.service)
    refused: Refused = {}
    for step in connection["steps"]:
        if step.get("handshake"):
            continue
        content = bytes.fromhex(step["content"])
        from_client = step["from"] == "client"
        sealer, opener = (wire.client, wire.router) if from_client else (wire.router, wire.client)
        block = sealer.seal(content)
        check_block(block, step)
        assert opener.open(block) == content
        if from_client:
            check_commands(content, step, agreement.session, authorizer, refused)
        else:
            check_messages(content, step, agreement.session, refused)


Refused = dict[bytes, RouterErrorValue]


def check_commands(
    content: bytes,
    step: Step,
    session: SessionParameters,
    authorizer: Authorizer,
    refused: Refused,
) -> None:
    received = read_smp_commands(content, session)
    whole = not any("what" in recorded for recorded in step["transmissions"])
    for ours, recorded in zip(received, step["transmissions"], strict=whole):
        if isinstance(ours, RefusedTransmission):
            refused[ours.correlation_id] = ours.error  # as the router's answer must say
            continue
        if "what" in step or "what" in recorded:
            continue  # a deliberate fault that only the router's state can tell
        assert ours.transmission.correlation_id.hex() == recorded["corr_id"]
        assert ours.transmission.entity_id.hex() == recorded["entity_id"]
        if recorded["command"] == "PFWD":
            check_proxied(ours, recorded)
            continue
        command = smp_values.command(recorded["command"])
        assert command.encode(session.version) == ours.transmission.command
        check_authorization(ours.transmission.authorization, command, recorded, session, authorizer)


def check_proxied(ours: ReceivedCommand[Command], recorded: dict[str, Any]) -> None:
    """What a client has passed on by a proxy, down to what the relay finds inside."""
    command = ours.command
    assert isinstance(command, PFWD)
    assert command.key.raw.hex() == recorded["command_key"]["public_raw"]
    assert command.sealed.hex() == recorded["enc_transmission"]
    box = BoxKey.from_secret(bytes.fromhex(recorded["command_relay_dh"]))
    content = open_command(box, ours.transmission.correlation_id, command.sealed)
    assert content.hex() == recorded["inner_content"]


def check_authorization(
    authorization: bytes,
    command: Command,
    recorded: dict[str, Any],
    session: SessionParameters,
    authorizer: Authorizer,
) -> None:
    """Every kind of authorization is deterministic, so ours must be the recorded one."""
    key = recorded.get("key")
    if key is None:
        return
    correlation_id = bytes.fromhex(recorded["corr_id"])
    unsent = prepare_transmission(
        session,
        correlation_id,
        bytes.fromhex(recorded["entity_id"]),
        command.encode(session.version),
    )
    finished = authorizer.finish(
        unsent,
        auth_key_of(key),
        correlation_id,
        with_service=command.USES_SERVICE_SIGNATURE,
    )
    assert finished[1 : 1 + finished[0]] == authorization


def check_messages(
    content: bytes, step: Step, session: SessionParameters, refused: Refused
) -> None:
    received = read_messages(content, session, decode_message)
    for ours, recorded in zip(received, step["transmissions"], strict=True):
        assert not isinstance(ours, RefusedTransmission)
        assert isinstance(ours, ReceivedMessage)
        assert ours.correlation_id.hex() == recorded["corr_id"]
        assert ours.entity_id.hex() == recorded["entity_id"]
        assert ours.message == smp_values.message(recorded["message"])
        error = refused.pop(ours.correlation_id, None)
        assert error is None or ours.message == ERR(error)
