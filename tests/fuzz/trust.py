"""Targets: handshakes, certificates and keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain
from typing import Any

from simplex_trio.crypto.certificates import CertificateChain, validate
from simplex_trio.crypto.credentials import load_chain_pem, load_key_pem
from simplex_trio.crypto.keys import (
    Ed448PrivateKey,
    Ed25519PrivateKey,
    SigningKey,
    X25519PrivateKey,
    private_key,
    public_key,
)
from simplex_trio.crypto.pem import to_pem
from simplex_trio.crypto.signed_key import SignedKey
from simplex_trio.errors import (
    CertificateError,
    CertificateInvalid,
    CryptoError,
    DecodeError,
    HandshakeFailed,
)
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.certificates import decode_proven_key, encode_proven_key
from simplex_trio.wire.handshake import ServiceRole, sign_session_key
from simplex_trio.wire.ntf.handshake import NTFClientHandshake
from simplex_trio.wire.smp.handshake import (
    ServiceIdentity,
    SMPClientHandshake,
    SMPRouterHandshake,
)
from tests.fuzz.target import Target, hexes, recorded
from tests.vectors import Case

__all__ = ["TARGETS"]

SMP = ("smp_handshake.json", "smp_v19_v20.json")
NTF = ("ntf_commands.json",)
CRYPTO = ("crypto.json",)

SIGNER = Ed25519PrivateKey(bytes(range(32)))

NOW = datetime(2026, 1, 1, tzinfo=UTC)


# --- handshakes ---------------------------------------------------------------------------------


@cache
def agreed(file: str, version: int) -> Case:
    """A recorded handshake that ended well, to lend its keys and its session."""
    cases = recorded((file,), "handshake")
    return next(case for case in cases if case["client_result"].get("version") == version)


def certificates(case: Case) -> CertificateChain:
    return CertificateChain(tuple(bytes.fromhex(each["der"]) for each in case["server_certs"]))


def signing_key(case: Case) -> SigningKey:
    key = private_key(bytes.fromhex(case["server_certs"][0]["key"]["private_der"]))
    assert isinstance(key, Ed25519PrivateKey | Ed448PrivateKey)
    return key


def x25519(key: dict[str, str]) -> X25519PrivateKey:
    return X25519PrivateKey(bytes.fromhex(key["private_raw"]))


def smp_client(case: Case, service: ServiceIdentity | None = None) -> SMPClientHandshake:
    return SMPClientHandshake(
        session_id=bytes.fromhex(case["session_id"]),
        identity=bytes.fromhex(case["identity_sha256"]),
        tls_chain=certificates(case),
        session_key=X25519PrivateKey(bytes(range(32))),
        service=service,
        certificate_sent=service is not None,
    )


def smp_client_receives(data: bytes) -> None:
    handshake = smp_client(agreed(SMP[1], 20))
    handshake.receive(data)
    assert handshake.agreement is not None


def smp_client_receives_service(data: bytes) -> None:
    """The last block of a handshake, as a service gets it."""
    case = agreed(SMP[1], 20)
    service = ServiceIdentity(ServiceRole.MESSAGING, certificates(case), signing_key(case), SIGNER)
    handshake = smp_client(case, service)
    handshake.receive(bytes.fromhex(case["server_sends"][0]["content"]))
    handshake.receive(data)
    assert handshake.agreement is not None


def smp_router_receives(data: bytes) -> None:
    case = agreed(SMP[1], 20)
    handshake = SMPRouterHandshake(
        session_id=bytes.fromhex(case["session_id"]),
        chain=certificates(case),
        signing_key=signing_key(case),
        session_key=x25519(case["server_session_key"]),
        alpn="smp/1",
        client_chain=certificates(case),
    )
    refusal = handshake.receive(data)
    if handshake.service_claim is not None:
        handshake.accept_service(b"service")
    assert (handshake.agreement is None) == (refusal is not None)


def ntf_client_receives(data: bytes) -> None:
    case = agreed(NTF[0], 3)
    handshake = NTFClientHandshake(
        session_id=bytes.fromhex(case["session_id"]),
        identity=bytes.fromhex(case["identity_sha256"]),
        tls_chain=certificates(case),
    )
    handshake.receive(data)
    assert handshake.agreement is not None


def sent(files: tuple[str, ...], side: str) -> Iterator[bytes]:
    for case in recorded(files, "handshake"):
        for block in case[side]:
            yield bytes.fromhex(block["content"])


def hellos_of_routers(files: tuple[str, ...]) -> Iterator[bytes]:
    return chain(sent(files, "server_sends"), hexes(files, "content", "client_receives"))


def hellos_of_clients() -> Iterator[bytes]:
    return chain(sent(SMP, "client_sends"), hexes(SMP, "content", "server_receives"))


def answers_to_services() -> Iterator[bytes]:
    yield b"R\x07service"
    yield from hexes(SMP, "handshake_response", "transport_error")


# --- certificates and keys ----------------------------------------------------------------------


def certificate(data: bytes) -> None:
    """One that signed itself, as any peer can show it in TLS."""
    alone = CertificateChain((data,))
    alone.leaf_key()
    validate(alone, at=NOW)


def proven_key(data: bytes) -> None:
    """A chain and a key that it signed, as in a hello."""
    proof = decode_proven_key(Reader(data))
    proof.signed_key.verify(proof.chain.leaf_key())
    validate(proof.chain, at=NOW)


def signed_key(data: bytes) -> None:
    SignedKey.from_der(data).verify(SIGNER.public)


def proven_keys() -> Iterator[bytes]:
    case = agreed(SMP[1], 20)
    session_key = x25519(case["server_session_key"]).public
    yield encode_proven_key(sign_session_key(session_key, certificates(case), signing_key(case)))
    signed = next(hexes(CRYPTO, "smp_encoded", "signed_session_key"))
    for encoded in hexes(CRYPTO, "encoded", "cert_chain", "cert_chain_bad"):
        yield encoded + signed


def signed_keys() -> Iterator[bytes]:
    yield SignedKey.sign(SIGNER, X25519PrivateKey(bytes(range(32))).public).der
    yield from hexes(CRYPTO, "der", "signed_session_key")


def single_certificates() -> Iterator[bytes]:
    for case in recorded(CRYPTO, "cert_chain"):
        for each in case["certs"]:
            yield bytes.fromhex(each["der"])


def keys(field: str) -> Iterator[bytes]:
    for case in recorded(CRYPTO, "key_der"):
        key: dict[str, Any] = case["key"]
        yield bytes.fromhex(key[field])


def pem_files() -> Iterator[bytes]:
    for der in single_certificates():
        yield to_pem("CERTIFICATE", der) * 2
    for der in keys("private_der"):
        yield to_pem("PRIVATE KEY", der)


def pem(data: bytes) -> None:
    """Files of an operator: both readers see each input."""
    try:
        load_chain_pem(data)
    except DecodeError:
        load_key_pem(data)


TARGETS = (
    Target(
        "smp-router-hello",
        smp_client_receives,
        partial(hellos_of_routers, SMP),
        (HandshakeFailed,),
    ),
    Target(
        "smp-service-answer",
        smp_client_receives_service,
        answers_to_services,
        (HandshakeFailed,),
    ),
    Target("smp-client-hello", smp_router_receives, hellos_of_clients, (HandshakeFailed,)),
    Target(
        "ntf-router-hello",
        ntf_client_receives,
        partial(hellos_of_routers, NTF),
        (HandshakeFailed,),
    ),
    Target("certificate", certificate, single_certificates, (DecodeError, CertificateError)),
    Target("proven-key", proven_key, proven_keys, (DecodeError, CryptoError)),
    Target("signed-key", signed_key, signed_keys, (DecodeError, CryptoError)),
    Target("public-key", public_key, partial(keys, "public_der")),
    Target("private-key", private_key, partial(keys, "private_der")),
    Target("pem-file", pem, pem_files, (DecodeError, CertificateInvalid)),
)
