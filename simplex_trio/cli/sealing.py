"""Messages that are sealed for their recipient, so that no router reads them.

They look like the first message that a sender of this protocol sends to a queue: the envelope
brings the key on which both sides agree, a new one for each message.
"""

from __future__ import annotations

import secrets

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.errors import CryptoError, DecodeError
from simplex_trio.wire.queue_uris import QueueURI
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED

__all__ = ["MAX_MESSAGE", "open_sealed", "seal"]

MAX_MESSAGE = E2E_CONFIRMATION_PADDED - 3
"""Bytes of a message: padding takes two, and saying that no key comes with it one."""


def seal(uri: QueueURI, message: bytes) -> bytes:
    """``message``, sealed for the owner of the queue; `TooLarge` if it does not fit."""
    key, nonce = X25519PrivateKey.generate(), secrets.token_bytes(NONCE_SIZE)
    box = BoxKey.agree(key, uri.queue.dh_key)
    sealed = ClientMessage(None, message).seal(box, nonce, E2E_CONFIRMATION_PADDED)
    return ClientEnvelope(uri.client_versions.highest, key.public, nonce, sealed).encode()


def open_sealed(key: X25519PrivateKey, body: bytes) -> bytes | None:
    """The message in a body, or `None` if the body was not sealed for this key."""
    try:
        envelope = ClientEnvelope.decode(body)
        if envelope.dh_key is None:
            return None
        box = BoxKey.agree(key, envelope.dh_key)
        return ClientMessage.open(box, envelope.nonce, envelope.sealed).body
    except (DecodeError, CryptoError):
        return None
