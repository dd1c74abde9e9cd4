"""The exceptions of simplex_trio: one small closed tree.

Every error that the package raises on purpose is a `SimplexError`.  Errors chain their cause
(``raise ... from ...``), carry the wire code where there is one, and say themselves whether trying
again can help (`SimplexError.retryable`).  No message contains a key, a queue id, an address or a
message body: errors end up in logs.

`ValueError` is mixed in where the caller, or the peer, supplied a value that cannot be right, so
that code which knows nothing of this package still handles it sensibly.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "CryptoError",
    "DecodeError",
    "DecryptionFailed",
    "EncodeError",
    "SignatureInvalid",
    "SimplexError",
    "TooLarge",
    "UnsupportedVersion",
]


class SimplexError(Exception):
    """Base of everything that simplex_trio raises on purpose."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without the program changing anything."""


# --- bytes and values ---------------------------------------------------------------------------


class DecodeError(SimplexError, ValueError):
    """Bytes from outside do not mean anything; the only error that a decoder raises."""


class EncodeError(SimplexError, ValueError):
    """A value cannot be written in the protocol; nothing has been sent."""


class TooLarge(EncodeError):
    """A value does not fit into the space that the protocol gives it (a block, a padded body)."""


class UnsupportedVersion(EncodeError):
    """The agreed protocol version does not have this command, or not this form of it."""


# --- cryptography -------------------------------------------------------------------------------


class CryptoError(SimplexError):
    """A cryptographic check failed."""


class DecryptionFailed(CryptoError):
    """A ciphertext is not authentic: wrong key, wrong nonce, or tampered with."""


class SignatureInvalid(CryptoError):
    """A signature or an authenticator does not match."""
