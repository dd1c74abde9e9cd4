"""Keys, boxes and certificates: the protocol's cryptography, without I/O.

All results depend only on the arguments, except fresh keys and serial numbers, which come from the
system's random source.  The keys that every program needs are in `simplex_trio`.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

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

if TYPE_CHECKING:
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
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.crypto.box": ("BoxKey",),
            "simplex_trio.crypto.credentials": (
                "RouterCredentials",
                "ServiceCredentials",
                "dump_chain_pem",
                "dump_key_pem",
                "generate_router_credentials",
                "generate_service_credentials",
                "load_chain_pem",
                "load_key_pem",
                "renew_router_credentials",
            ),
            "simplex_trio.crypto.hashes": ("ServiceSubs",),
            "simplex_trio.crypto.keys": ("AuthPrivateKey", "X448PrivateKey", "X448PublicKey"),
            "simplex_trio.errors": (
                "CertificateError",
                "CertificateExpired",
                "CertificateInvalid",
                "CryptoError",
                "DecryptionFailed",
            ),
        },
    )
