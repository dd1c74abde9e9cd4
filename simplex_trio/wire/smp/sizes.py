"""The lengths that SMP pads to, and how much fits into them; all are fixed by the protocol."""

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
"""A confirmation before end-to-end encryption; its envelope also has a key."""

E2E_MESSAGE_PADDED: Final = 16000
"""Any other message before end-to-end encryption."""

RECEIVED_BODY_PADDED: Final = 16106
"""A body before the router encrypts it for the recipient: the longest message of any version, 16
bytes for its time and flags, and 2 for the length."""

NOTIFICATION_PADDED: Final = 128
"""The metadata in NMSG before encryption."""

PROXIED_TRANSMISSION_PADDED: Final = 16226
"""A transmission, or its answer, before encryption between client and relay."""


def max_message_length(version: int) -> int:
    """Return the length of the longest body that SEND may have at ``version``.

    It shrank as layers were added between sender and router.  A recipient must accept the longest
    one of all versions, because the sender may have agreed on another version.
    """
    if version >= SMPVersion.ENCRYPTED_BLOCKS:
        return 16048
    if version >= SMPVersion.PROXY:
        return 16064
    return 16088
