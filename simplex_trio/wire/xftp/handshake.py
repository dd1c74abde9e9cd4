"""The handshake of XFTP: two requests, each a block or empty, and a variant for browsers.

A client requests the router's hello with an empty request, and answers it with its own hello.  The
router proves its session key as in SMP.  A browser cannot see certificates or the TLS session, so
it sends a challenge, which the router signs together with the session id.  As several tabs may
share one connection, a browser names the step of each request in headers.

Without an ALPN protocol there is no handshake, and the version is 1.
"""

from __future__ import annotations

from enum import Enum, auto

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import SigningKey, X25519PrivateKey, X25519PublicKey
from simplex_trio.crypto.padding import pad, unpad
from simplex_trio.errors import (
    DecodeError,
    HandshakeFailed,
    SessionKeyUnproven,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, maybe, short
from simplex_trio.wire.certificates import decode_proven_key, encode_proven_key
from simplex_trio.wire.handshake import (
    agreed_versions,
    check_choice,
    check_identity,
    encode_choice,
    hello_of,
    read_offer,
    sign_session_key,
    verified_session_key,
)
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.versions import XFTP_VERSIONS, VersionRange, XFTPVersion
from simplex_trio.wire.xftp.blocks import XFTP_BLOCK_SIZE, xftp_session
from simplex_trio.wire.xftp.errors import XFTPCode

__all__ = [
    "ALPN",
    "CHALLENGE_SIZE",
    "HANDSHAKE_HEADER",
    "HELLO_HEADER",
    "WEB_ALPN",
    "WebStep",
    "XFTPAgreement",
    "XFTPClientHandshake",
    "XFTPRouterHandshake",
    "decode_client_hello",
    "encode_client_hello",
    "without_handshake",
]

ALPN = "xftp/1"
"""The ALPN protocol of XFTP."""

WEB_ALPN = "h2"
"""The ALPN protocol that browsers negotiate."""

HELLO_HEADER = "xftp-web-hello"
HANDSHAKE_HEADER = "xftp-handshake"
"""The headers in which a browser names the step of the handshake."""

CHALLENGE_SIZE = 32


@frozen(repr=False)
class XFTPAgreement(Redacted):
    """The result of the handshake, for either side, or what applies without one."""

    session: SessionParameters
    router_key: X25519PublicKey | None = None
    """On the client: the router's key, to compute authenticators with."""
    session_key: X25519PrivateKey | None = None
    """On the router: its own key, to verify authenticators with."""


def without_handshake(session_id: bytes) -> XFTPAgreement:
    """Return what applies if TLS negotiated no ALPN protocol."""
    return XFTPAgreement(xftp_session(XFTPVersion.FIRST, session_id))


# --- a browser's first request ------------------------------------------------------------------


def encode_client_hello(challenge: bytes | None) -> bytes:
    """Encode a browser's first request; other clients send an empty one."""
    return maybe(challenge, short)


def decode_client_hello(content: bytes) -> bytes | None:
    """Decode the challenge of a browser, which is optional; raise `DecodeError` if malformed."""
    reader = Reader(content)
    challenge = reader.maybe(reader.short)
    if challenge is not None and len(challenge) != CHALLENGE_SIZE:
        raise DecodeError(f"a challenge has {CHALLENGE_SIZE} bytes")
    return challenge


# --- the client ---------------------------------------------------------------------------------


class XFTPClientHandshake:
    """The client's side: pass the router's hello to `receive`, and send the result."""

    def __init__(
        self,
        *,
        session_id: bytes,
        identity: bytes,
        tls_chain: CertificateChain,
        versions: VersionRange = XFTP_VERSIONS,
    ) -> None:
        self._session_id = session_id
        self._identity = identity
        self._tls_chain = tls_chain
        self._versions = versions
        self._agreement: XFTPAgreement | None = None

    @property
    def agreement(self) -> XFTPAgreement | None:
        """The result, once it is known; the router may still refuse it."""
        return self._agreement

    def receive(self, block: bytes) -> bytes:
        """Process the block of the router's hello; return the block to send in answer.

        Raises a `HandshakeFailed` if the two sides cannot agree.
        """
        with hello_of("router"):
            reader = Reader(_unpadded(block))
        offered = read_offer(reader, self._session_id)
        version = agreed_versions(self._versions, offered).highest
        router_key = self._verified_key(reader)
        self._agreement = XFTPAgreement(xftp_session(version, self._session_id), router_key)
        return pad(encode_choice(version, self._identity), XFTP_BLOCK_SIZE)

    def _verified_key(self, reader: Reader) -> X25519PublicKey:
        try:
            proof = decode_proven_key(reader)
        except DecodeError as exc:
            raise SessionKeyUnproven("the router's session key is missing or malformed") from exc
        check_identity(proof.chain, self._identity)
        return verified_session_key(proof.signed_key, self._tls_chain)

    def conclude(self, answer: bytes) -> XFTPAgreement:
        """Process the answer to our hello; an empty one means that the router accepts it.

        Raises `HandshakeFailed` for any other answer.
        """
        if self._agreement is None:
            raise RuntimeError("the router's hello has not been received yet")
        if answer:
            raise HandshakeFailed(f"the router answered with {_refusal_in(answer)}")
        return self._agreement


def _unpadded(block: bytes) -> bytes:
    if len(block) != XFTP_BLOCK_SIZE:
        raise DecodeError("not a block")
    return unpad(block)


def _refusal_in(answer: bytes) -> str:
    """Return the error code of a refusal, or say that there is none."""
    try:
        return str(XFTPCode(unpad(answer).decode("ascii")))
    except ValueError:
        return "an unexpected block"


# --- the router ---------------------------------------------------------------------------------


class _State(Enum):
    AWAITS_HELLO = auto()
    AWAITS_HANDSHAKE = auto()
    AGREED = auto()


@frozen
class WebStep:
    """The step that the headers of a browser's request name; other clients send no such headers."""

    is_hello: bool = False
    is_handshake: bool = False


class XFTPRouterHandshake:
    """The router's side of one connection; pass every request to `answer` first.

    ``is_web`` says whether the client named the server in TLS, as only browsers do.
    """

    def __init__(
        self,
        *,
        session_id: bytes,
        chain: CertificateChain,
        signing_key: SigningKey,
        session_key: X25519PrivateKey,
        is_web: bool = False,
        versions: VersionRange = XFTP_VERSIONS,
    ) -> None:
        self._session_id = session_id
        self._chain = chain
        self._signing_key = signing_key
        self._session_key = session_key
        self._is_web = is_web
        self._versions = versions
        self._state = _State.AWAITS_HELLO
        self._agreement: XFTPAgreement | None = None

    @property
    def agreement(self) -> XFTPAgreement | None:
        """The result, once the handshake is complete."""
        return self._agreement if self._state is _State.AGREED else None

    def answer(self, body: bytes, step: WebStep | None = None) -> bytes | None:
        """Return the answer to a request of the handshake, or `None` if the request is a command.

        ``body`` is the body of the request, at most one block.  A browser may start over at any
        time.  A refusal is also an answer: a block with only an error code.
        """
        try:
            if self._is_web:
                return self._answer_browser(body, step or WebStep())
            match self._state:
                case _State.AWAITS_HELLO:
                    if body:
                        raise DecodeError("the first request of a connection must be empty")
                    return self._hello(None)
                case _State.AWAITS_HANDSHAKE:
                    return self._agree(body)
                case _State.AGREED:
                    return None
        except (DecodeError, HandshakeFailed):
            return pad(XFTPCode.HANDSHAKE.encode(), XFTP_BLOCK_SIZE)

    def _answer_browser(self, body: bytes, step: WebStep) -> bytes | None:
        if step.is_hello:
            return self._hello(decode_client_hello(unpad(body)) if body else None)
        match self._state:
            case _State.AWAITS_HELLO:
                return pad(XFTPCode.SESSION.encode(), XFTP_BLOCK_SIZE)
            case _State.AWAITS_HANDSHAKE:
                return self._agree(body)
            case _State.AGREED:
                return self._agree(body) if step.is_handshake else None

    def _hello(self, challenge: bytes | None) -> bytes:
        proof = sign_session_key(self._session_key.public, self._chain, self._signing_key)
        identity_proof = b""
        if challenge is not None:
            identity_proof = self._signing_key.sign(challenge + self._session_id)
        self._state = _State.AWAITS_HANDSHAKE
        hello = self._versions.encode() + short(self._session_id)
        return pad(hello + encode_proven_key(proof) + short(identity_proof), XFTP_BLOCK_SIZE)

    def _agree(self, body: bytes) -> bytes:
        reader = Reader(_unpadded(body))
        version, identity = reader.word16(), reader.short()
        check_choice(version, identity, self._versions, self._chain)
        self._agreement = XFTPAgreement(
            xftp_session(version, self._session_id), session_key=self._session_key
        )
        self._state = _State.AGREED
        return b""
