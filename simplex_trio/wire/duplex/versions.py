"""The versions that two agents agree on, and what each of them brought.

There are three, each with its own number: of the agents' own messages, of the messages between SMP
clients that carry them (`simplex_trio.wire.queue_uris.SMPClientVersion`), and of the encryption end
to end (`simplex_trio.wire.duplex.x3dh_keys.RatchetVersion`).
"""

from __future__ import annotations

from simplex_trio.wire.versions import VersionRange

__all__ = ["AGENT_VERSIONS", "RATCHET_VERSIONS", "SMP_CLIENT_VERSIONS", "AgentVersion"]


class AgentVersion:
    """What each version of the messages between agents brought."""

    DUPLEX_HANDSHAKE = 2
    """The joiner's reply queue is in its confirmation."""
    RATCHET_SYNC = 3
    """Ratchets can be renegotiated."""
    RECEIPTS = 4
    PQ_RATCHET = 5
    """KEM keys in ratchet headers, and smaller messages to make room for them."""
    SENDER_SECURES = 6
    """The initiator secures the reply queue itself."""
    RATCHET_ON_CONFIRMATION = 7
    """The initiator has a ratchet as soon as a confirmation arrives, so the joiner may send."""
    ADDRESS_RATCHET = 8
    """The data of a contact address has keys for a ratchet, so that the request is a confirmation
    that names them.  Not spoken here, and read as far as needed to tell what it is."""


AGENT_VERSIONS = VersionRange(2, 7)
"""The versions of messages between agents that are read and written here."""

SMP_CLIENT_VERSIONS = VersionRange(1, 4)
"""The versions of messages between SMP clients that are read and written here."""

RATCHET_VERSIONS = VersionRange(2, 3)
"""The versions of the encryption between agents whose keys are read and written here."""
