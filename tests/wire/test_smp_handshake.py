"""The SMP handshake against recorded ones, both roles, and against what else may arrive."""

from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey, private_key
from simplex_trio.errors import (
    DecodeError,
    HandshakeFailed,
    IdentityMismatch,
    MalformedHello,
    NoCommonVersion,
    ServiceRefused,
    SessionKeyUnproven,
    SessionMismatch,
)
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.handshake import ClientAgreement, RouterAgreement, ServiceRole
from simplex_trio.wire.smp.handshake import (
    SMP_BLOCK_SIZE,
    ServiceIdentity,
    SMPClientHandshake,
    SMPRouterHandshake,
)
from simplex_trio.wire.versions import SMP_VERSIONS, SMPVersion, VersionRange
from tests.vectors import Case, cases, load
from tests.vectors.keys import signing_key_of
from tests.wire.agreements import check_agreement, check_blocks

FILES = ("smp_handshake.json", "smp_v19_v20.json")

ERRORS: dict[str, type[Exception]] = {
    "TEVersion": NoCommonVersion,
    "TEBadSession": SessionMismatch,
    "TELargeMsg": DecodeError,
    "TEHandshake {handshakeErr = PARSE}": MalformedHello,
    "TEHandshake {handshakeErr = IDENTITY}": IdentityMismatch,
    "TEHandshake {handshakeErr = BAD_AUTH}": SessionKeyUnproven,
    "TEHandshake {handshakeErr = BAD_SERVICE}": ServiceRefused,
}

ROLES = {
    "SRMessaging": ServiceRole.MESSAGING,
    "SRNotifier": ServiceRole.NOTIFIER,
    "SRProxy": ServiceRole.PROXY,
}


def both(*kinds: str) -> list[Any]:
    return [case for file in FILES for case in cases(file, *kinds)]


def chain(certificates: list[str | dict[str, Any]]) -> CertificateChain | None:
    ders = (c if isinstance(c, str) else c["der"] for c in certificates)
    made = tuple(bytes.fromhex(der) for der in ders)
    return CertificateChain(made) if made else None


def x25519(key: dict[str, str] | None) -> X25519PrivateKey | None:
    return None if key is None else X25519PrivateKey(bytes.fromhex(key["private_raw"]))


def router_session_key(case: Case) -> X25519PrivateKey:
    key = x25519(case["server_session_key"])
    assert key is not None
    return key


def versions(pair: list[int]) -> VersionRange:
    return VersionRange(*pair)


def service_identity(case: Case) -> ServiceIdentity | None:
    service = case.get("service")
    if service is None:
        return None
    certificates = chain(service["certs"])
    signing_key = signing_key_of(service["certs"][0]["key"])
    session_key = private_key(bytes.fromhex(service["session_key"]["private_der"]))
    assert certificates is not None
    assert isinstance(session_key, Ed25519PrivateKey)
    identity = ServiceIdentity(ROLES[service["role"]], certificates, signing_key, session_key)
    if case["file"] == "smp_handshake.json":
        # This release presented a service in any role as soon as there were services.
        identity = evolve(identity, since=SMPVersion.SERVICES)
    return identity


def sends_no_key(case: Case) -> bool:
    """Whether the recorded client kept its session key to itself, as the oldest clients do."""
    auth = case.get("client_result", {}).get("auth")
    return auth is not None and auth["session_dh"] is None


def client_of(case: Case) -> SMPClientHandshake:
    tls_chain = chain(case.get("server_certs") or [case["tls_leaf_certificate"]])
    service = case.get("service")
    assert tls_chain is not None
    return SMPClientHandshake(
        session_id=bytes.fromhex(case["session_id"]),
        identity=bytes.fromhex(case.get("identity_sha256") or case["expected_identity_sha256"]),
        tls_chain=tls_chain,
        session_key=None if sends_no_key(case) else x25519(case["client_session_key"]),
        versions=versions(case["client_range"]),
        is_proxy=case.get("client_is_proxy", False),
        service=service_identity(case),
        certificate_sent=service is not None and service.get("certificate_used_in_tls", True),
    )


class Turn:
    """Runs one side until it has failed or agreed, noting what it sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.error: Exception | None = None


def drive_client(client: SMPClientHandshake, contents: list[bytes]) -> Turn:
    turn = Turn()
    for content in contents:
        if client.agreement is not None:
            break
        try:
            answer = client.receive(content)
        except HandshakeFailed as exc:
            turn.error = exc
            break
        if answer is not None:
            turn.sent.append(answer)
    return turn


@pytest.mark.parametrize("case", both("handshake"))
def test_both_sides_of_recorded_handshakes(case: Case) -> None:
    router_certificates = chain(case["server_certs"])
    service = case.get("service")
    assert router_certificates is not None
    router = SMPRouterHandshake(
        session_id=bytes.fromhex(case["session_id"]),
        chain=router_certificates,
        signing_key=signing_key_of(case["server_certs"][0]["key"]),
        session_key=router_session_key(case),
        alpn=case["alpn"],
        client_chain=chain(service["certs"]) if service else None,
        versions=versions(case["server_range"]),
    )
    client = client_of(case)
    router_sends, client_sends = [router.hello()], []
    client_error: Exception | None = None
    try:
        answer = client.receive(router_sends[0])
        client_sends.append(answer)
        assert answer is not None
        router.receive(answer)
        if router.service_claim is not None:
            if "error" in case["server_result"]:
                router_sends.append(router.refuse_service())
            else:
                assert service is not None
                service_id = bytes.fromhex(service["service_id_given_by_server"])
                router_sends.append(router.accept_service(service_id))
            client.receive(router_sends[1])
    except HandshakeFailed as exc:
        client_error = exc
    check_blocks(router_sends, case["server_sends"], SMP_BLOCK_SIZE)
    check_blocks(client_sends, case["client_sends"], SMP_BLOCK_SIZE)
    expected = case["client_result"]
    if "error" in expected:
        assert type(client_error) is ERRORS[expected["error"]]
        assert client.agreement is None
        assert router.agreement is None
        return
    assert client_error is None
    check_agreement(client.agreement, expected)
    check_agreement(router.agreement, case["server_result"])


@pytest.mark.parametrize("case", both("client_receives"))
def test_what_a_client_may_receive(case: Case) -> None:
    expected = case["result"]
    client = client_of(case)
    contents = case_contents(case)
    if contents is None:
        # The block itself is bad or missing: nothing reaches the handshake.
        assert expected["error"] in ("TELargeMsg", "EOF")
        return
    turn = drive_client(client, contents)
    if expected.get("error") == "EOF":
        assert turn.error is None
        assert client.agreement is None
    elif "error" in expected:
        assert type(turn.error) is ERRORS[expected["error"]]
    elif expected["version"] >= 7 and expected["auth"] is None:
        # The reference goes on without having authenticated the router; this client does not.
        assert type(turn.error) is SessionKeyUnproven
    else:
        assert turn.error is None
        check_agreement(client.agreement, expected)
        check_blocks(turn.sent, case["client_sends"], SMP_BLOCK_SIZE)


def case_contents(case: Case) -> list[bytes] | None:
    """The contents that a client gets, or `None` where what it gets is no block."""
    described = case["content"]
    if zeros := re.fullmatch(r"(\d+) zero bytes", described):
        block = bytes(int(zeros[1]))
    elif mixed := re.fullmatch(r"block of ([0-9a-f]+) \+ (\d+)\*([0-9a-f]+)", described):
        block = bytes.fromhex(mixed[1]) + bytes.fromhex(mixed[3]) * int(mixed[2])
    elif cut := re.fullmatch(r"first (\d+) bytes of the padded valid hello", described):
        block = bytes(int(cut[1]))
    else:
        block = None
    if block is not None:
        if len(block) != SMP_BLOCK_SIZE:
            return None
        try:
            return [PaddedBlocks(SMP_BLOCK_SIZE).open(block)]
        except DecodeError:
            return None
    after = case.get("content_after_hello") or []
    return [bytes.fromhex(content) for content in [case["content"], *after]]


@pytest.mark.parametrize("case", both("server_receives"))
def test_what_a_router_may_receive(case: Case) -> None:
    certificates, signing_key = router_credentials(case["server_identity_sha256"])
    router = SMPRouterHandshake(
        session_id=bytes.fromhex(case["session_id"]),
        chain=certificates,
        signing_key=signing_key,
        session_key=router_session_key(case),
        alpn="smp/1",
        client_chain=chain(case["tls_client_certs"]),
        versions=versions(case["server_range"]),
    )
    expected = case["result"]
    sent: list[bytes] = []
    error: Exception | None = None
    try:
        answer = router.receive(bytes.fromhex(case["content"]))
        if answer is not None:
            sent.append(answer)
        if router.service_claim is not None:
            if expected.get("error"):
                sent.append(router.refuse_service())
            else:
                service_id = expected["auth"]["peer_service"]["service_id"]
                sent.append(router.accept_service(bytes.fromhex(service_id)))
    except HandshakeFailed as exc:
        error = exc
    assert [content.hex() for content in sent] == [
        block["content"] for block in case["server_sends_after_hello"]
    ]
    if "error" in expected:
        assert router.agreement is None
        assert sent or type(error) is ERRORS[expected["error"]]
    else:
        assert error is None
        check_agreement(router.agreement, expected)


def router_credentials(identity: str) -> tuple[CertificateChain, Any]:
    """The certificates of the recorded router with this identity."""
    for file in FILES:
        for case in load(file):
            if case["kind"] == "handshake" and case["identity_sha256"] == identity:
                certificates = chain(case["server_certs"])
                key = private_key(bytes.fromhex(case["server_certs"][0]["key"]["private_der"]))
                assert certificates is not None
                return certificates, key
    raise LookupError("no recorded handshake of this router")


def fresh_pair(**changes: Any) -> tuple[SMPClientHandshake, SMPRouterHandshake]:
    case = next(c for c in load("smp_handshake.json") if c["name"] == "smp-v18")
    certificates, signing_key = router_credentials(case["identity_sha256"])
    router = SMPRouterHandshake(
        session_id=b"\x01" * 32,
        chain=certificates,
        signing_key=signing_key,
        session_key=X25519PrivateKey(b"\x02" * 32),
        alpn="smp/1",
    )
    arguments: dict[str, Any] = {
        "session_id": b"\x01" * 32,
        "identity": bytes.fromhex(case["identity_sha256"]),
        "tls_chain": certificates,
        "session_key": X25519PrivateKey(b"\x03" * 32),
    }
    return SMPClientHandshake(**(arguments | changes)), router


def agreements(
    client: SMPClientHandshake, router: SMPRouterHandshake
) -> tuple[ClientAgreement, RouterAgreement]:
    answer = client.receive(router.hello())
    assert answer is not None
    router.receive(answer)
    assert client.agreement is not None
    assert router.agreement is not None
    return client.agreement, router.agreement


def test_blocks_cross_both_ways_after_a_handshake() -> None:
    ours, theirs = agreements(*fresh_pair())
    client, router = ours.block_codec(), theirs.block_codec()
    for number in range(3):
        content = bytes([number]) * 100
        assert router.open(client.seal(content)) == content
        assert client.open(router.seal(content)) == content


@given(
    ours=st.integers(6, 20).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, 20))),
    is_proxy=st.booleans(),
)
def test_both_sides_see_the_same_session_at_every_version(
    ours: tuple[int, int], is_proxy: bool
) -> None:
    # A proxy whose range ends between these could not tell that it is one.
    assume(not (is_proxy and 11 <= ours[1] < 14))
    client, router = agreements(*fresh_pair(versions=VersionRange(*ours), is_proxy=is_proxy))
    assert client.session == router.session
    assert client.session.version == ours[1]
    assert (client.chains is None) == (router.chains is None) == (ours[1] < 11 or is_proxy)
    assert router.client_is_proxy == (is_proxy and ours[1] >= 14)


@given(st.binary(max_size=400))
def test_any_hello_is_refused_with_a_typed_error(content: bytes) -> None:
    client, router = fresh_pair()
    with pytest.raises(HandshakeFailed):
        client.receive(content)
    with pytest.raises(HandshakeFailed):
        router.receive(content)


@given(data=st.data())
def test_a_damaged_hello_never_fools_a_client(data: st.DataObject) -> None:
    client, router = fresh_pair()
    hello = bytearray(router.hello())
    position = data.draw(st.integers(0, len(hello) - 1))
    hello[position] ^= data.draw(st.integers(1, 255))
    try:
        client.receive(bytes(hello))
    except HandshakeFailed:
        return
    # What may change unnoticed is what is not authenticated here: the range of versions (an
    # attacker inside TLS is out of scope) and the certificates that are not the identity or leaf.
    assert client.agreement is not None
    assert client.agreement.router_key == X25519PrivateKey(b"\x02" * 32).public


def test_a_failed_handshake_stays_failed() -> None:
    client, router = fresh_pair()
    with pytest.raises(MalformedHello):
        client.receive(b"")
    with pytest.raises(RuntimeError):
        client.receive(router.hello())
    assert client.agreement is None


@pytest.mark.parametrize("case", both("negotiate"))
def test_version_ranges(case: Case) -> None:
    both_speak = versions(case["a"]).intersection(versions(case["b"]))
    expected = case["intersection"]
    assert both_speak == (None if expected is None else versions(expected))
    assert (both_speak.highest if both_speak else None) == case["version"]


def test_the_versions_spoken() -> None:
    assert VersionRange(6, 20) == SMP_VERSIONS
