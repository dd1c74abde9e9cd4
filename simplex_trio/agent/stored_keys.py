"""Keys of queues at rest: one short byte string for each.

An agent keeps the keys of hundreds of thousands of queues, and needs each of them for a moment, now
and then.  A key object with its attributes takes several times the memory of the key.
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
    """The keys of a queue as bytes.

    Raises `EncodeError` for a key of a kind that cannot authorize commands.
    """
    kind = next((number for number, each in enumerate(_KINDS) if isinstance(key, each)), None)
    if kind is None:
        raise EncodeError("a queue is subscribed to with a key that signs, or with one of X25519")
    return b"%c%b%b" % (kind, key.raw, b"" if delivery_key is None else delivery_key.subkey)


def load_keys(stored: bytes) -> tuple[AuthPrivateKey, BoxKey | None]:
    """The keys in what `store_keys` returned."""
    kind = _KINDS[stored[0]]
    end = 1 + kind.SIZE
    return kind(stored[1:end]), BoxKey(stored[end:]) if len(stored) > end else None
