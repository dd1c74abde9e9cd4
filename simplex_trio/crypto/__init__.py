"""Keys, boxes and certificates: the protocol's cryptography, without I/O.

All results depend only on the arguments, except fresh keys and serial numbers, which come from the
system's random source.  The keys that every program needs are in `simplex_trio`.
"""

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.credentials import (
    RouterCredentials,
    ServiceCredentials,
    dump_chain_pem,
    dump_key_pem,
    generate_router_credentials,
    generate_service_credentials,
    load_chain_pem,
    load_key_pem,
    renew_router_credentials,
)
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.crypto.keys import AuthPrivateKey, X448PrivateKey, X448PublicKey
from simplex_trio.errors import (
    CertificateError,
    CertificateExpired,
    CertificateInvalid,
    CryptoError,
    DecryptionFailed,
)

__all__ = [
    "AuthPrivateKey",
    "BoxKey",
    "CertificateError",
    "CertificateExpired",
    "CertificateInvalid",
    "CryptoError",
    "DecryptionFailed",
    "RouterCredentials",
    "ServiceCredentials",
    "ServiceSubs",
    "X448PrivateKey",
    "X448PublicKey",
    "dump_chain_pem",
    "dump_key_pem",
    "generate_router_credentials",
    "generate_service_credentials",
    "load_chain_pem",
    "load_key_pem",
    "renew_router_credentials",
]
