"""Private keys of the vectors, as the types that their users take."""

from __future__ import annotations

from typing import Any

from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    private_key,
)


def auth_key_of(fields: dict[str, Any]) -> AuthPrivateKey:
    """The key with which a command is authorized."""
    key = private_key(bytes.fromhex(fields["private_der"]))
    assert isinstance(key, AuthPrivateKey)
    return key


def signing_key_of(fields: dict[str, Any]) -> Ed25519PrivateKey | Ed448PrivateKey:
    """The key of a certificate."""
    key = private_key(bytes.fromhex(fields["private_der"]))
    assert isinstance(key, Ed25519PrivateKey | Ed448PrivateKey)
    return key
