"""The lengths that agents pad to, and what fits into them; all of them fixed by the protocol.

What the ratchet encrypts is padded to one length for confirmations and one for messages.  Where a
connection supports the post-quantum KEM both are shorter, by what its keys add to the header.  That
goes by what the connection supports, and not by whether this message uses it.

All checks are to be made before anything is stored or encrypted: a message that is found too long
afterwards has used up a number and a step of the ratchet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simplex_trio.crypto.padding import can_pad
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.bodies import UserMessage
from simplex_trio.wire.duplex.envelopes import InvitationEnvelope
from simplex_trio.wire.duplex.messages import (
    AgentMessage,
    ConnectionInfo,
    ConnectionInfoReply,
    RatchetPlaintext,
)
from simplex_trio.wire.duplex.requests import InvitationURI
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS, AgentVersion
from simplex_trio.wire.queue_uris import VersionedQueue
from simplex_trio.wire.smp.envelopes import ClientMessage
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED

__all__ = [
    "CONFIRMATION_PADDED",
    "CONFIRMATION_PADDED_PQ",
    "MESSAGE_PADDED",
    "MESSAGE_PADDED_PQ",
    "check_fits",
    "confirmation_padded_length",
    "max_connection_info",
    "max_invitation_info",
    "max_user_message",
    "message_padded_length",
    "padded_length",
]

CONFIRMATION_PADDED: Final = 14832
CONFIRMATION_PADDED_PQ: Final = 11106
MESSAGE_PADDED: Final = 15840
MESSAGE_PADDED_PQ: Final = 13618

_LENGTH_SIZE = 2
_HASH_SIZE = 32


def confirmation_padded_length(agent_version: int, pq_support: bool) -> int:
    """The length of connection info before it is encrypted."""
    if pq_support and agent_version >= AgentVersion.PQ_RATCHET:
        return CONFIRMATION_PADDED_PQ
    return CONFIRMATION_PADDED


def message_padded_length(agent_version: int, pq_support: bool) -> int:
    """The length of any other message before it is encrypted."""
    if pq_support and agent_version >= AgentVersion.PQ_RATCHET:
        return MESSAGE_PADDED_PQ
    return MESSAGE_PADDED


def padded_length(message: RatchetPlaintext, agent_version: int, pq_support: bool) -> int:
    """The length that this kind of message is padded to.

    ``agent_version`` is the one that both sides have agreed on.
    """
    if isinstance(message, ConnectionInfo | ConnectionInfoReply):
        return confirmation_padded_length(agent_version, pq_support)
    return message_padded_length(agent_version, pq_support)


def check_fits(message: RatchetPlaintext, agent_version: int, pq_support: bool) -> None:
    """Raise `TooLarge` if a message does not fit when it is padded."""
    size = len(message.encode())
    padded = padded_length(message, agent_version, pq_support)
    if not can_pad(size, padded):
        raise TooLarge(f"a message of {size} bytes, where {padded - _LENGTH_SIZE} fit")


def max_user_message(agent_version: int, pq_support: bool) -> int:
    """How many bytes a program's message may have: 15,795, or 13,573 with the KEM.

    The first message of a side that has sent no confirmation would have room for 32 more; there is
    none in today's handshakes.
    """
    frame = AgentMessage(0, bytes(_HASH_SIZE), UserMessage(b"")).encode()
    return message_padded_length(agent_version, pq_support) - _LENGTH_SIZE - len(frame)


def max_connection_info(
    agent_version: int, pq_support: bool, reply_queues: Sequence[VersionedQueue] = ()
) -> int:
    """How many bytes of connection info fit into a confirmation, beside the joiner's queues."""
    room = confirmation_padded_length(agent_version, pq_support) - _LENGTH_SIZE
    if reply_queues:
        return room - len(ConnectionInfoReply(tuple(reply_queues), b"").encode())
    return room - len(ConnectionInfo(b"").encode())


def max_invitation_info(request: InvitationURI) -> int:
    """How many bytes of connection info fit beside a request that is sent to a contact address."""
    envelope = InvitationEnvelope(AGENT_VERSIONS.highest, request, b"").encode()
    frame = ClientMessage(None, envelope).encode()
    return E2E_CONFIRMATION_PADDED - _LENGTH_SIZE - len(frame)
