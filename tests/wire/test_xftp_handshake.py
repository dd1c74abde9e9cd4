"""The handshake of XFTP, in all the ways in which it can go wrong, and for browsers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import generate_router_credentials
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.crypto.padding import pad, unpad
from simplex_trio.errors import (
    HandshakeFailed,
    MalformedHello,
    NoCommonVersion,
    SessionKeyUnproven,
    SessionMismatch,
)
from simplex_trio.wire.buffer import Reader, short, word16
from simplex_trio.wire.certificates import decode_proven_key, encode_proven_key
from simplex_trio.wire.handshake import sign_session_key
from simplex_trio.wire.versions import XFTP_VERSIONS, VersionRange
from simplex_trio.wire.xftp.blocks import XFTP_BLOCK_SIZE, xftp_session
from simplex_trio.wire.xftp.handshake import (
    WebStep,
    XFTPClientHandshake,
    XFTPRouterHandshake,
    encode_client_hello,
    without_handshake,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ROUTER = generate_router_credentials(now=NOW)
OTHER = generate_router_credentials(now=NOW)
SESSION_ID = bytes(range(32))
SESSION_KEY = X25519PrivateKey(bytes(range(32)))
CHALLENGE = bytes(range(32, 64))

HELLO, HANDSHAKE, NEITHER = WebStep(is_hello=True), WebStep(is_handshake=True), WebStep()


def client(versions: VersionRange = XFTP_VERSIONS) -> XFTPClientHandshake:
    return XFTPClientHandshake(
        session_id=SESSION_ID,
        identity=ROUTER.identity_fingerprint,
        tls_chain=ROUTER.chain,
        versions=versions,
    )


def router(*, is_web: bool = False, versions: VersionRange = XFTP_VERSIONS) -> XFTPRouterHandshake:
    return XFTPRouterHandshake(
        session_id=SESSION_ID,
        chain=ROUTER.chain,
        signing_key=ROUTER.key,
        session_key=SESSION_KEY,
        is_web=is_web,
        versions=versions,
    )


def block(content: bytes) -> bytes:
    return pad(content, XFTP_BLOCK_SIZE)


def refusal(code: bytes) -> bytes:
    return block(code)


def client_hello(version: int = 3, identity: bytes = ROUTER.identity_fingerprint) -> bytes:
    return block(word16(version) + short(identity) + b"for later versions")


@pytest.mark.parametrize("highest", [1, 2, 3])
def test_agreement(highest: int) -> None:
    ours, theirs = client(VersionRange(1, highest)), router()
    hello = theirs.answer(b"")
    assert hello is not None
    assert ours.agreement is None
    assert theirs.agreement is None
    assert theirs.answer(ours.receive(hello)) == b""
    agreed = ours.conclude(b"")
    assert agreed is ours.agreement
    assert agreed.session == xftp_session(highest, SESSION_ID)
    assert agreed.router_key == SESSION_KEY.public
    assert theirs.agreement is not None
    assert theirs.agreement.session == agreed.session
    assert theirs.agreement.session_key == SESSION_KEY
    assert theirs.answer(bytes(XFTP_BLOCK_SIZE)) is None  # commands from now on


def test_without_a_protocol_in_tls_the_version_is_1() -> None:
    agreed = without_handshake(SESSION_ID)
    assert agreed.session == xftp_session(1, SESSION_ID)
    assert agreed.router_key is None
    assert agreed.session_key is None


# --- the client ---------------------------------------------------------------------------------


def router_hello(
    *,
    versions: VersionRange = XFTP_VERSIONS,
    session_id: bytes = SESSION_ID,
    chain: CertificateChain = ROUTER.chain,
    signing_key: Ed25519PrivateKey | None = None,
    tail: bytes = b"\0",
) -> bytes:
    key = signing_key or ROUTER.key
    proof = sign_session_key(SESSION_KEY.public, chain, key)
    return block(versions.encode() + short(session_id) + encode_proven_key(proof) + tail)


def test_a_hello_without_an_identity_proof_is_from_an_older_router() -> None:
    client().receive(router_hello(tail=b""))


@pytest.mark.parametrize(
    ("hello", "error"),
    [
        (b"", MalformedHello),
        (block(b""), MalformedHello),
        (bytes(XFTP_BLOCK_SIZE - 1), MalformedHello),
        (block(b"\0\3\0\1" + short(SESSION_ID)), MalformedHello),
        (block(XFTP_VERSIONS.encode() + short(SESSION_ID)), SessionKeyUnproven),
        (router_hello(session_id=bytes(32)), SessionMismatch),
        (router_hello(versions=VersionRange(4, 9)), NoCommonVersion),
        (router_hello(chain=OTHER.chain), SessionKeyUnproven),
        (router_hello(chain=CertificateChain((ROUTER.certificate,))), SessionKeyUnproven),
        (router_hello(signing_key=OTHER.key), SessionKeyUnproven),  # type: ignore[arg-type]
    ],
)
def test_hellos_that_the_client_refuses(hello: bytes, error: type[HandshakeFailed]) -> None:
    handshake = client()
    with pytest.raises(error):
        handshake.receive(hello)
    assert handshake.agreement is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [(refusal(b"HANDSHAKE"), "HANDSHAKE"), (block(b"\xff"), "unexpected"), (b"x", "unexpected")],
)
def test_the_router_refuses(answer: bytes, said: str) -> None:
    handshake = client()
    handshake.receive(router_hello())
    with pytest.raises(HandshakeFailed, match=said):
        handshake.conclude(answer)


def test_concluding_too_early() -> None:
    with pytest.raises(RuntimeError):
        client().conclude(b"")


@given(st.binary(max_size=400).map(lambda start: start.ljust(XFTP_BLOCK_SIZE, b"#")))
def test_any_hello_is_judged(hello: bytes) -> None:
    with pytest.raises(HandshakeFailed):
        client().receive(hello)


# --- the router ---------------------------------------------------------------------------------


def test_the_first_request_is_empty() -> None:
    handshake = router()
    assert handshake.answer(b"x") == refusal(b"HANDSHAKE")
    assert handshake.answer(client_hello()) == refusal(b"HANDSHAKE")
    assert handshake.answer(b"") is not None  # it is not too late


@pytest.mark.parametrize(
    "hello",
    [
        b"",
        client_hello()[:-1],
        client_hello() + b"#",
        block(b""),
        block(word16(3)),
        client_hello(version=0),
        client_hello(version=4),
        client_hello(identity=bytes(32)),
        b"\xff" * XFTP_BLOCK_SIZE,
    ],
)
def test_hellos_that_the_router_refuses(hello: bytes) -> None:
    handshake = router()
    handshake.answer(b"")
    assert handshake.answer(hello) == refusal(b"HANDSHAKE")
    assert handshake.agreement is None
    assert handshake.answer(client_hello()) == b""


# --- browsers -----------------------------------------------------------------------------------


def test_a_browser() -> None:
    handshake = router(is_web=True)
    assert handshake.answer(block(b"command"), NEITHER) == refusal(b"SESSION")
    hello = handshake.answer(block(encode_client_hello(CHALLENGE)), HELLO)
    assert hello is not None
    reader = Reader(unpad(hello))
    assert VersionRange.decode(reader) == XFTP_VERSIONS
    session_id = reader.short()
    proof = decode_proven_key(reader)
    ROUTER.key.public.verify(reader.short(), CHALLENGE + session_id)
    assert proof.signed_key.verify(ROUTER.key.public) == SESSION_KEY.public

    assert handshake.answer(client_hello(), HANDSHAKE) == b""
    assert handshake.answer(block(b"command"), NEITHER) is None
    assert handshake.agreement is not None


def test_another_tab_of_the_browser_shares_the_connection() -> None:
    handshake = router(is_web=True)
    first = handshake.answer(block(encode_client_hello(CHALLENGE)), HELLO)
    handshake.answer(client_hello(), HANDSHAKE)
    again = handshake.answer(block(encode_client_hello(CHALLENGE)), HELLO)
    assert again == first  # with the same key, on which what the first tab has begun depends
    assert handshake.answer(client_hello(), HANDSHAKE) == b""
    assert handshake.answer(client_hello(2), HANDSHAKE) == b""
    assert handshake.agreement is not None
    assert handshake.agreement.session.version == 2


@pytest.mark.parametrize(
    "body",
    [block(b""), block(b"1" + short(b"short")), b"x", block(b"2"), bytes(XFTP_BLOCK_SIZE)],
)
def test_hellos_of_browsers_that_are_refused(body: bytes) -> None:
    assert router(is_web=True).answer(body, HELLO) == refusal(b"HANDSHAKE")


def test_a_browser_without_a_challenge() -> None:
    hello = router(is_web=True).answer(b"", HELLO)
    assert hello is not None
    assert unpad(hello).endswith(b"\0")


def test_what_headers_say_means_nothing_from_others() -> None:
    handshake = router()
    assert handshake.answer(block(encode_client_hello(CHALLENGE)), HELLO) == refusal(b"HANDSHAKE")
    handshake.answer(b"")
    handshake.answer(client_hello())
    assert handshake.answer(client_hello(), HANDSHAKE) is None
