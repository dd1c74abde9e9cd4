"""The NTF handshake, and transmissions on its smaller blocks, against recorded ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.errors import HandshakeFailed
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.ntf.commands import decode_command
from simplex_trio.wire.ntf.handshake import (
    NTF_BLOCK_SIZE,
    NTFClientHandshake,
    NTFRouterHandshake,
    ntf_session,
)
from simplex_trio.wire.reading import ReceivedCommand, read_commands
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from simplex_trio.wire.versions import VersionRange
from tests.vectors import Case, cases
from tests.vectors.keys import signing_key_of
from tests.wire import ntf_values
from tests.wire.agreements import check_agreement, check_blocks
from tests.wire.test_smp_handshake import ERRORS

FILE = "ntf_commands.json"


def chain(certificates: list[Any]) -> CertificateChain:
    ders = (c if isinstance(c, str) else c["der"] for c in certificates)
    return CertificateChain(tuple(bytes.fromhex(der) for der in ders))


@pytest.mark.parametrize("case", cases(FILE, "handshake"))
def test_both_sides_of_recorded_handshakes(case: Case) -> None:
    session_id = bytes.fromhex(case["session_id"])
    certificates = chain(case["server_certs"])
    router = NTFRouterHandshake(
        session_id=session_id,
        chain=certificates,
        signing_key=signing_key_of(case["server_certs"][0]["key"]),
        session_key=X25519PrivateKey(bytes.fromhex(case["server_session_key"]["private_raw"])),
        alpn=case["alpn"],
        versions=VersionRange(*case["server_range"]),
    )
    client = NTFClientHandshake(
        session_id=session_id,
        identity=bytes.fromhex(case["client_expects_identity"]),
        tls_chain=certificates,
        versions=VersionRange(*case["client_range"]),
    )
    hello = router.hello()
    check_blocks([hello], case["server_sends"], NTF_BLOCK_SIZE)
    errors: dict[str, Exception] = {}
    answer = None
    try:
        answer = client.receive(hello)
    except HandshakeFailed as exc:
        errors["client"] = exc
    check_blocks([answer] if answer else [], case["client_sends"], NTF_BLOCK_SIZE)
    if answer is not None:
        try:
            router.receive(answer)
        except HandshakeFailed as exc:
            errors["server"] = exc
    for side, agreement in (("client", client.agreement), ("server", router.agreement)):
        expected = case[f"{side}_result"]
        if expected.get("error") == "EOF":
            assert agreement is None
        elif "error" in expected:
            assert type(errors[side]) is ERRORS[expected["error"]]
        else:
            check_agreement(agreement, expected)


@pytest.mark.parametrize("case", cases(FILE, "client_receives"))
def test_what_a_client_may_receive(case: Case) -> None:
    tls_chain = chain([case["tls_leaf_certificate"]])
    client = NTFClientHandshake(
        session_id=bytes.fromhex(case["session_id"]),
        identity=bytes(32),
        tls_chain=tls_chain,
        versions=VersionRange(*case.get("client_range", (1, 3))),
    )
    expected = case["result"]
    if "error" in expected:
        with pytest.raises(ERRORS[expected["error"]]):
            client.receive(bytes.fromhex(case["content"]))
    else:
        client.receive(bytes.fromhex(case["content"]))
        check_agreement(client.agreement, expected)


@pytest.mark.parametrize("case", cases(FILE, "transmission"))
def test_recorded_transmissions(case: Case) -> None:
    session = ntf_session(case["version"], bytes.fromhex(case["session_id"]))
    command = ntf_values.command_of(case["command"])
    correlation_id = bytes.fromhex(case["corr_id"])
    unsent = prepare_transmission(
        session,
        correlation_id,
        bytes.fromhex(case["entity_id"]),
        command.encode(case["version"]),
    )
    key = signing_key_of(case["key"])
    assert key.sign(unsent.authorized).hex() == case["signature"]
    batch = Batch(session)
    assert batch.add(Authorizer(None).finish(unsent, key, correlation_id))
    content = batch.content()
    assert [content.hex()] == case["block_content"]
    (received,) = read_commands(content, session, decode_command)
    assert isinstance(received, ReceivedCommand)
    assert received.command == command
    assert received.transmission.authorization.hex() == case["signature"]


@given(st.binary(max_size=200))
def test_any_hello_is_refused_with_a_typed_error(content: bytes) -> None:
    case = cases(FILE, "client_receives")[0].values[0]
    client = NTFClientHandshake(
        session_id=b"s", identity=bytes(32), tls_chain=chain([case["tls_leaf_certificate"]])
    )
    with pytest.raises(HandshakeFailed):
        client.receive(content)
