"""The X25519 authenticator: a command authorized in a way that only its receiver can check.

It is a box, under the key that the client's queue key and the router's session key agree on,
around the SHA-512 digest of what is authorized.  Unlike a signature it proves nothing to a third
party, because the receiver could have made it as well.
"""

from __future__ import annotations

import hmac
from hashlib import sha512

from simplex_trio.crypto.box import TAG_SIZE, BoxKey

__all__ = ["AUTHENTICATOR_SIZE", "authenticate", "verify_authenticator"]

AUTHENTICATOR_SIZE = TAG_SIZE + sha512().digest_size


def authenticate(key: BoxKey, nonce: bytes, message: bytes) -> bytes:
    """The authenticator of ``message``, 80 bytes."""
    return key.seal(nonce, sha512(message).digest())


def verify_authenticator(key: BoxKey, nonce: bytes, message: bytes, authenticator: bytes) -> bool:
    """Whether ``authenticator`` is that of ``message``.

    There is one authenticator for each key, nonce and message, so it is made again and compared,
    in a time that depends on nothing but the lengths.
    """
    return hmac.compare_digest(authenticate(key, nonce, message), authenticator)
