"""The wire form of certificate chains, and of session keys signed by them.

Handshakes and PKEY carry both.  This module only parses their structure; callers must verify the
chain and the signature before they rely on them.
"""

from __future__ import annotations

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.signed_key import SignedKey
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.buffer import Reader, large, listed

__all__ = [
    "ProvenKey",
    "decode_chain",
    "decode_proven_key",
    "decode_signed_key",
    "encode_chain",
    "encode_proven_key",
    "encode_signed_key",
]


@frozen(repr=False)
class ProvenKey(Redacted):
    """A session key, signed by the owner of a certificate chain."""

    chain: CertificateChain
    signed_key: SignedKey


def encode_chain(chain: CertificateChain) -> bytes:
    """Encode a count, and each certificate with its length, leaf first."""
    return listed(large(certificate) for certificate in chain.certificates)


def decode_chain(reader: Reader) -> CertificateChain:
    """Read a chain that `encode_chain` wrote."""
    return CertificateChain(reader.listed(reader.large, at_least=1))


def encode_signed_key(signed: SignedKey) -> bytes:
    """Encode the DER of the signed key with its length."""
    return large(signed.der)


def decode_signed_key(reader: Reader) -> SignedKey:
    """Read a signed key that `encode_signed_key` wrote."""
    return SignedKey.from_der(reader.large())


def encode_proven_key(proof: ProvenKey) -> bytes:
    """Encode the chain, then the signed key."""
    return encode_chain(proof.chain) + encode_signed_key(proof.signed_key)


def decode_proven_key(reader: Reader) -> ProvenKey:
    """Read a proven key that `encode_proven_key` wrote."""
    return ProvenKey(decode_chain(reader), decode_signed_key(reader))
