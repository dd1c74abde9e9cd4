"""The two encryption layers around a command for a relay behind a proxy, and around its answer.

The inner layer is between client and relay: a key made for this one command, the client's
correlation id as nonce, and padding that hides the kind of command.  The outer layer is for the
session between proxy and relay.  Answers use the same nonces with their bytes reversed.

Each function is one side of one layer, so that client, proxy and relay share them.
"""

from __future__ import annotations

from simplex_trio.crypto.box import BoxKey, reverse_nonce
from simplex_trio.wire.smp.forwarding import FwdResponse, FwdTransmission
from simplex_trio.wire.smp.sizes import PROXIED_TRANSMISSION_PADDED

__all__ = [
    "open_answer",
    "open_command",
    "open_forwarded",
    "open_forwarded_answer",
    "seal_answer",
    "seal_command",
    "seal_forwarded",
    "seal_forwarded_answer",
]


def seal_command(key: BoxKey, correlation_id: bytes, content: bytes) -> bytes:
    """Encrypt a client's block content for PFWD; raise `TooLarge` if it does not fit."""
    return key.seal_padded(correlation_id, content, PROXIED_TRANSMISSION_PADDED)


def open_command(key: BoxKey, correlation_id: bytes, sealed: bytes) -> bytes:
    """Decrypt a client's block content at the relay."""
    return key.open_padded(correlation_id, sealed)


def seal_answer(key: BoxKey, correlation_id: bytes, content: bytes) -> bytes:
    """Encrypt a relay's block content for PRES."""
    nonce = reverse_nonce(correlation_id)
    return key.seal_padded(nonce, content, PROXIED_TRANSMISSION_PADDED)


def open_answer(key: BoxKey, correlation_id: bytes, sealed: bytes) -> bytes:
    """Decrypt a relay's block content at the client."""
    return key.open_padded(reverse_nonce(correlation_id), sealed)


def seal_forwarded(key: BoxKey, correlation_id: bytes, forwarded: FwdTransmission) -> bytes:
    """Encrypt the content of RFWD at the proxy; the id is the one between proxy and relay."""
    return key.seal(correlation_id, forwarded.encode())


def open_forwarded(key: BoxKey, correlation_id: bytes, sealed: bytes) -> FwdTransmission:
    """Decrypt the content of RFWD at the relay."""
    return FwdTransmission.decode(key.open(correlation_id, sealed))


def seal_forwarded_answer(key: BoxKey, correlation_id: bytes, answer: FwdResponse) -> bytes:
    """Encrypt the content of RRES at the relay."""
    return key.seal(reverse_nonce(correlation_id), answer.encode())


def open_forwarded_answer(key: BoxKey, correlation_id: bytes, sealed: bytes) -> FwdResponse:
    """Decrypt the content of RRES at the proxy."""
    return FwdResponse.decode(key.open(reverse_nonce(correlation_id), sealed))
