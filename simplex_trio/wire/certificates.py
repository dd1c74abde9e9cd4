"""The wire form of certificate chains and of session keys signed by them.

Both occur in handshakes and in PKEY.  Only the structure is read here; whether a chain is valid and
a signature right is for whoever relies on it.
"""

from __future__ import annotations

from attrs import frozen

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.signed_key import SignedKey
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
    """A session key and the proof that a certificate's owner signed it."""

    chain: CertificateChain
    signed_key: SignedKey


def encode_chain(chain: CertificateChain) -> bytes:
    """A count, and each certificate behind its length, leaf first."""
    return listed(large(certificate) for certificate in chain.certificates)


def decode_chain(reader: Reader) -> CertificateChain:
    """Read what `encode_chain` writes."""
    return CertificateChain(reader.listed(reader.large, at_least=1))


def encode_signed_key(signed: SignedKey) -> bytes:
    """The DER of the signed key behind its length."""
    return large(signed.der)


def decode_signed_key(reader: Reader) -> SignedKey:
    """Read what `encode_signed_key` writes."""
    return SignedKey.from_der(reader.large())


def encode_proven_key(proof: ProvenKey) -> bytes:
    """The chain, then the signed key."""
    return encode_chain(proof.chain) + encode_signed_key(proof.signed_key)


def decode_proven_key(reader: Reader) -> ProvenKey:
    """Read what `encode_proven_key` writes."""
    return ProvenKey(decode_chain(reader), decode_signed_key(reader))
