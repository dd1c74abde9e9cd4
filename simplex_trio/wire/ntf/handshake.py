"""The NTF handshake, versions 1 to 3: like SMP's, without a client key and services.

From version 2 on the router's hello ends with its session key, signed by its TLS certificate.
Unlike in SMP the hello omits the chain, as the client has it from TLS.
"""

from __future__ import annotations

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import SigningKey, X25519PrivateKey
from simplex_trio.wire.buffer import Reader, short
from simplex_trio.wire.certificates import ProvenKey, decode_signed_key, encode_signed_key
from simplex_trio.wire.handshake import (
    ClientAgreement,
    RouterAgreement,
    agreed_versions,
    check_choice,
    encode_choice,
    hello_of,
    read_offer,
    sign_session_key,
    verified_session_key,
)
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.versions import NTF_VERSIONS, NTFVersion, VersionRange

__all__ = ["NTF_BLOCK_SIZE", "NTFClientHandshake", "NTFRouterHandshake", "ntf_session"]

NTF_BLOCK_SIZE = 512

LEGACY_ROUTER_VERSIONS = VersionRange(1, 1)
"""The versions that a router offers when the client negotiated no ALPN protocol."""


def ntf_session(version: int, session_id: bytes) -> SessionParameters:
    """Return the parameters of an NTF session at ``version``."""
    modern = version >= NTFVersion.BATCHES
    return SessionParameters(
        version=version,
        session_id=session_id,
        block_size=NTF_BLOCK_SIZE,
        implies_session_id=modern,
        batches=modern,
        has_service_signatures=False,
    )


class NTFClientHandshake:
    """The client's side: one block in, one block out."""

    def __init__(
        self,
        *,
        session_id: bytes,
        identity: bytes,
        tls_chain: CertificateChain,
        versions: VersionRange = NTF_VERSIONS,
    ) -> None:
        self._session_id = session_id
        self._identity = identity
        self._tls_chain = tls_chain
        self._versions = versions
        self._agreement: ClientAgreement | None = None

    @property
    def agreement(self) -> ClientAgreement | None:
        """The result, once the handshake is complete."""
        return self._agreement

    def receive(self, content: bytes) -> bytes | None:
        """Process the router's hello; return the client's hello to send in answer.

        Raises a `HandshakeFailed` if the two sides cannot agree.
        """
        if self._agreement is not None:
            raise RuntimeError("the handshake is already complete")
        reader = Reader(content)
        offered = read_offer(reader, self._session_id)
        signed = None
        if offered.highest >= NTFVersion.BATCHES:
            with hello_of("router"):
                signed = decode_signed_key(reader)
        versions = agreed_versions(self._versions, offered)
        router_key = proof = None
        if signed is not None:
            router_key = verified_session_key(signed, self._tls_chain)
            proof = ProvenKey(self._tls_chain, signed)
        self._agreement = ClientAgreement(
            session=ntf_session(versions.highest, self._session_id),
            versions=versions,
            router_key=router_key,
            router_proof=proof,
            shared_secret=None,
            chains=None,
            service=None,
        )
        return encode_choice(versions.highest, self._identity)


class NTFRouterHandshake:
    """The router's side: send `hello`, then pass the client's hello to `receive`."""

    def __init__(
        self,
        *,
        session_id: bytes,
        chain: CertificateChain,
        signing_key: SigningKey,
        session_key: X25519PrivateKey,
        alpn: str | None,
        versions: VersionRange = NTF_VERSIONS,
    ) -> None:
        self._session_id = session_id
        self._chain = chain
        self._signing_key = signing_key
        self._session_key = session_key
        self._versions = LEGACY_ROUTER_VERSIONS if alpn is None else versions
        self._agreement: RouterAgreement | None = None

    @property
    def agreement(self) -> RouterAgreement | None:
        """The result, once the handshake is complete."""
        return self._agreement

    def hello(self) -> bytes:
        """Return the first block of the connection."""
        hello = self._versions.encode() + short(self._session_id)
        if self._versions.highest >= NTFVersion.BATCHES:
            proof = sign_session_key(self._session_key.public, self._chain, self._signing_key)
            hello += encode_signed_key(proof.signed_key)
        return hello

    def receive(self, content: bytes) -> None:
        """Process the client's hello; raise a `HandshakeFailed` if it is not acceptable."""
        reader = Reader(content)
        with hello_of("client"):
            version, identity = reader.word16(), reader.short()
        versions = check_choice(version, identity, self._versions, self._chain)
        self._agreement = RouterAgreement(
            session=ntf_session(version, self._session_id),
            versions=versions,
            session_key=self._session_key,
            shared_secret=None,
            chains=None,
            service=None,
            client_is_proxy=False,
        )
