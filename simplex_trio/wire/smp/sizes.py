"""The lengths that SMP pads to, and what fits into them; all of them fixed by the protocol."""

from __future__ import annotations

from typing import Final

from simplex_trio.wire.versions import SMPVersion

__all__ = [
    "E2E_CONFIRMATION_PADDED",
    "E2E_MESSAGE_PADDED",
    "NOTIFICATION_PADDED",
    "PROXIED_TRANSMISSION_PADDED",
    "RECEIVED_BODY_PADDED",
    "max_message_length",
]

E2E_CONFIRMATION_PADDED: Final = 15904
"""A confirmation before it is sealed end to end; its envelope also holds a key."""

E2E_MESSAGE_PADDED: Final = 16000
"""Any other message before it is sealed end to end."""

RECEIVED_BODY_PADDED: Final = 16106
"""A body before the router seals it for the recipient: the longest message of any version, 16 bytes
for its time and flags, and 2 for the length."""

NOTIFICATION_PADDED: Final = 128
"""What NMSG tells of a message before it is sealed."""

PROXIED_TRANSMISSION_PADDED: Final = 16226
"""A transmission, or the answer to it, before it is sealed between a client and a relay."""


def max_message_length(version: int) -> int:
    """The longest body that SEND may carry at ``version``.

    It shrank as layers came between sender and router; a recipient has to be ready for the longest,
    because the sender may have agreed on another version.
    """
    if version >= SMPVersion.ENCRYPTED_BLOCKS:
        return 16048
    if version >= SMPVersion.PROXY:
        return 16064
    return 16088
