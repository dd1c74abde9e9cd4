"""The keys of a queue as one short byte string.

An agent holds the keys of hundreds of thousands of queues and rarely needs any of them.  Key
objects would take several times the memory.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.errors import EncodeError

__all__ = ["load_keys", "store_keys"]

_KINDS: tuple[type[AuthPrivateKey], ...] = (Ed25519PrivateKey, X25519PrivateKey, Ed448PrivateKey)


def store_keys(key: AuthPrivateKey, delivery_key: BoxKey | None = None) -> bytes:
    """Encode the keys of a queue; raises `EncodeError` for a key that cannot authorize commands."""
    kind = next((number for number, each in enumerate(_KINDS) if isinstance(key, each)), None)
    if kind is None:
        raise EncodeError("a queue is subscribed to with a key that signs, or with one of X25519")
    return b"%c%b%b" % (kind, key.raw, b"" if delivery_key is None else delivery_key.subkey)


def load_keys(stored: bytes) -> tuple[AuthPrivateKey, BoxKey | None]:
    """Decode what `store_keys` returned."""
    kind = _KINDS[stored[0]]
    end = 1 + kind.SIZE
    return kind(stored[1:end]), BoxKey(stored[end:]) if len(stored) > end else None
