"""X25519 authenticators: they authorize a command so that only its receiver can verify it.

An authenticator is a box around the SHA-512 digest of the authorized bytes.  Its key is the one
that the queue's key and the router's session key agree on.  Unlike a signature it proves nothing to
third parties, because the receiver could have made it too.
"""

from __future__ import annotations

import hmac
from hashlib import sha512

from simplex_trio.crypto.box import TAG_SIZE, BoxKey

__all__ = ["AUTHENTICATOR_SIZE", "authenticate", "verify_authenticator"]

AUTHENTICATOR_SIZE = TAG_SIZE + sha512().digest_size


def authenticate(key: BoxKey, nonce: bytes, message: bytes) -> bytes:
    """Return the authenticator of ``message``, 80 bytes."""
    return key.seal(nonce, sha512(message).digest())


def verify_authenticator(key: BoxKey, nonce: bytes, message: bytes, authenticator: bytes) -> bool:
    """Whether ``authenticator`` is that of ``message``.

    Each key, nonce and message has exactly one authenticator, so this computes it again and
    compares. The time depends only on the lengths.
    """
    return hmac.compare_digest(authenticate(key, nonce, message), authenticator)
