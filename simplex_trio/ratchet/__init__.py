"""The end-to-end encryption of two agents: X3DH and a double ratchet, with a post-quantum KEM.

Everything here is pure.  State goes in and comes out as values that never change, and so do key
pairs and the time; a failed step raises a `RatchetError` and leaves its caller with the state that
it had.

* `x3dh` -- from the keys of both sides to the first secrets;
* `starting` -- from those to each side's first state;
* `state` -- a ratchet between two messages, and its bytes;
* `sending` and `receiving` -- one step for each message;
* `skipped` -- keys of messages that have not come yet;
* `kem` and `sntrup761` -- the KEM, and the libraries that compute it.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "KEM",
    "BodyNotAuthentic",
    "CannotSendYet",
    "DHKeyPair",
    "Decrypted",
    "DuplicateMessage",
    "EarlierMessage",
    "FreshKeys",
    "KEMKeyPair",
    "KEMMismatch",
    "KEMSupportMissing",
    "MalformedMessage",
    "OpenedHeader",
    "Ratchet",
    "RatchetError",
    "SendingKey",
    "SkippedKeys",
    "TooManySkipped",
    "UnknownHeader",
    "X3DHPrivateKeys",
    "advance_sending",
    "agree_as_initiator",
    "agree_as_joiner",
    "decrypt",
    "initiator_ratchet",
    "joiner_ratchet",
    "load_kem",
    "open_header",
    "security_code",
]

if TYPE_CHECKING:
    from simplex_trio.ratchet.errors import (
        BodyNotAuthentic,
        CannotSendYet,
        DuplicateMessage,
        EarlierMessage,
        KEMMismatch,
        KEMSupportMissing,
        MalformedMessage,
        RatchetError,
        TooManySkipped,
        UnknownHeader,
    )
    from simplex_trio.ratchet.kem import KEM, KEMKeyPair
    from simplex_trio.ratchet.receiving import Decrypted, OpenedHeader, decrypt, open_header
    from simplex_trio.ratchet.sending import SendingKey, advance_sending
    from simplex_trio.ratchet.skipped import SkippedKeys
    from simplex_trio.ratchet.sntrup761 import load_kem
    from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
    from simplex_trio.ratchet.state import DHKeyPair, FreshKeys, Ratchet
    from simplex_trio.ratchet.x3dh import (
        X3DHPrivateKeys,
        agree_as_initiator,
        agree_as_joiner,
        security_code,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.ratchet.errors": (
                "BodyNotAuthentic",
                "CannotSendYet",
                "DuplicateMessage",
                "EarlierMessage",
                "KEMMismatch",
                "KEMSupportMissing",
                "MalformedMessage",
                "RatchetError",
                "TooManySkipped",
                "UnknownHeader",
            ),
            "simplex_trio.ratchet.kem": ("KEM", "KEMKeyPair"),
            "simplex_trio.ratchet.receiving": (
                "Decrypted",
                "OpenedHeader",
                "decrypt",
                "open_header",
            ),
            "simplex_trio.ratchet.sending": ("SendingKey", "advance_sending"),
            "simplex_trio.ratchet.skipped": ("SkippedKeys",),
            "simplex_trio.ratchet.sntrup761": ("load_kem",),
            "simplex_trio.ratchet.starting": ("initiator_ratchet", "joiner_ratchet"),
            "simplex_trio.ratchet.state": ("DHKeyPair", "FreshKeys", "Ratchet"),
            "simplex_trio.ratchet.x3dh": (
                "X3DHPrivateKeys",
                "agree_as_initiator",
                "agree_as_joiner",
                "security_code",
            ),
        },
    )
