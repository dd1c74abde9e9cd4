"""The two layers around a command that goes to a relay through a proxy, and around its answer.

The inner layer is between the client and the relay: a key made for this one command, the client's
correlation id as nonce, and padding that hides what kind of command it is.  The outer layer is
between proxy and relay, for their session.  Answers take the same nonces with their bytes reversed.

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
    """A client's block content for the relay, as PFWD carries it; `TooLarge` if it does not fit."""
    return key.seal_padded(correlation_id, content, PROXIED_TRANSMISSION_PADDED)


def open_command(key: BoxKey, correlation_id: bytes, sealed: bytes) -> bytes:
    """What a client sealed for this relay."""
    return key.open_padded(correlation_id, sealed)


def seal_answer(key: BoxKey, correlation_id: bytes, content: bytes) -> bytes:
    """A relay's block content for the client, as PRES carries it."""
    nonce = reverse_nonce(correlation_id)
    return key.seal_padded(nonce, content, PROXIED_TRANSMISSION_PADDED)


def open_answer(key: BoxKey, correlation_id: bytes, sealed: bytes) -> bytes:
    """What the relay sealed for this client."""
    return key.open_padded(reverse_nonce(correlation_id), sealed)


def seal_forwarded(key: BoxKey, correlation_id: bytes, forwarded: FwdTransmission) -> bytes:
    """A proxy's half of RFWD; the ids are those between proxy and relay."""
    return key.seal(correlation_id, forwarded.encode())


def open_forwarded(key: BoxKey, correlation_id: bytes, sealed: bytes) -> FwdTransmission:
    """What a proxy passes on."""
    return FwdTransmission.decode(key.open(correlation_id, sealed))


def seal_forwarded_answer(key: BoxKey, correlation_id: bytes, answer: FwdResponse) -> bytes:
    """A relay's half of RRES."""
    return key.seal(reverse_nonce(correlation_id), answer.encode())


def open_forwarded_answer(key: BoxKey, correlation_id: bytes, sealed: bytes) -> FwdResponse:
    """What the relay answered, for the proxy to pass back."""
    return FwdResponse.decode(key.open(reverse_nonce(correlation_id), sealed))
