"""Key chains: every block of an encrypted connection has a key and a nonce of its own.

Both sides derive two chains from their session keys and the session id, one for each direction,
and step a chain once per block.  A step replaces the chain key, so a key that leaks opens neither
earlier blocks nor another connection's.
"""

from __future__ import annotations

from attrs import define

from simplex_trio.crypto.box import KEY_SIZE, NONCE_SIZE, BoxKey
from simplex_trio.crypto.hkdf import hkdf_sha512
from simplex_trio.redaction import Redacted

__all__ = ["KeyChain", "agree_chains"]

_INIT_INFO = b"SimpleXSbChainInit"
_STEP_INFO = b"SimpleXSbChain"

_KEY_END = 2 * KEY_SIZE
_STEP_SIZE = _KEY_END + NONCE_SIZE


@define(repr=False, eq=False)
class KeyChain(Redacted):
    """The keys of one direction of a connection, in the order of its blocks."""

    chain_key: bytes

    def next(self) -> tuple[BoxKey, bytes]:
        """The key and the nonce of the next block; the chain moves on."""
        derived = hkdf_sha512(b"", self.chain_key, _STEP_INFO, _STEP_SIZE)
        self.chain_key = derived[:KEY_SIZE]
        return BoxKey.from_secret(derived[KEY_SIZE:_KEY_END]), derived[_KEY_END:]


def agree_chains(session_id: bytes, shared_secret: bytes) -> tuple[KeyChain, KeyChain]:
    """The chains from router to client and from client to router, in this order.

    ``shared_secret`` is what `X25519PrivateKey.exchange` gives for the two session keys.
    """
    derived = hkdf_sha512(session_id, shared_secret, _INIT_INFO, 2 * KEY_SIZE)
    return KeyChain(derived[:KEY_SIZE]), KeyChain(derived[KEY_SIZE:])
