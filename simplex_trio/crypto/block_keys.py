"""Key chains: a separate key and nonce for every block of an encrypted connection.

Both sides derive two chains from their session keys and the session id, one for each direction, and
step a chain once per block.  A step replaces the chain key, so a leaked key decrypts neither
earlier blocks nor those of another connection.
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
    """The keys for one direction of a connection, in the order of its blocks."""

    chain_key: bytes

    def next(self) -> tuple[BoxKey, bytes]:
        """Return the key and nonce of the next block, and advance the chain."""
        derived = hkdf_sha512(b"", self.chain_key, _STEP_INFO, _STEP_SIZE)
        self.chain_key = derived[:KEY_SIZE]
        return BoxKey.from_secret(derived[KEY_SIZE:_KEY_END]), derived[_KEY_END:]


def agree_chains(session_id: bytes, shared_secret: bytes) -> tuple[KeyChain, KeyChain]:
    """Return the chains from router to client and from client to router, in this order.

    ``shared_secret`` is the result of `X25519PrivateKey.exchange` for the two session keys.
    """
    derived = hkdf_sha512(session_id, shared_secret, _INIT_INFO, 2 * KEY_SIZE)
    return KeyChain(derived[:KEY_SIZE]), KeyChain(derived[KEY_SIZE:])
