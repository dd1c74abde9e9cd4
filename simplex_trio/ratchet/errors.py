"""What can go wrong when a message is encrypted or decrypted, each kind with its own class.

None of these changes anything: the caller goes on with the state that it had.
"""

from __future__ import annotations

from simplex_trio.errors import CryptoError, DecodeError, SimplexError

__all__ = [
    "BodyNotAuthentic",
    "CannotSendYet",
    "DuplicateMessage",
    "EarlierMessage",
    "KEMMismatch",
    "KEMSupportMissing",
    "LaterStateVersion",
    "MalformedMessage",
    "RatchetError",
    "TooManySkipped",
    "UnknownHeader",
    "VersionNotSpoken",
]


class RatchetError(CryptoError):
    """Base of all failures of a ratchet."""


class CannotSendYet(RatchetError):
    """The side that made the invitation sends only after it has received a message."""


class MalformedMessage(RatchetError, DecodeError):
    """Bytes that are no ratchet message, or an authentic one with impossible contents."""


class UnknownHeader(RatchetError):
    """No key opens the header.

    The message is for another ratchet, changed on its way, or so old that its keys are gone; if
    it is none that was received before, the two sides have lost each other and need new keys.
    """


class DuplicateMessage(RatchetError):
    """The message has the number of the last one that was received.

    Its key is gone, so its body cannot be checked: compare the message with what was received to
    tell a redelivery from something else.
    """


class EarlierMessage(RatchetError):
    """The message is one of those before the last, and its key has been used or dropped.

    ``distance`` is how many messages lie between, or `None` in an earlier chain.
    """

    def __init__(self, distance: int | None) -> None:
        super().__init__("the key of an earlier message is not there any more")
        self.distance = distance


class TooManySkipped(RatchetError):
    """Between this message and the last one more are missing than keys are made for at once.

    ``count`` is the distance between the two.
    """

    def __init__(self, count: int) -> None:
        super().__init__(f"a message is {count} ahead of the last one")
        self.count = count


class BodyNotAuthentic(RatchetError):
    """The header is authentic and the body is not: it was changed on its way, or cut."""


class KEMMismatch(RatchetError):
    """The other side uses a KEM key that this side does not have."""


class VersionNotSpoken(RatchetError):
    """The other side's keys are in a version that this side does not speak."""


class LaterStateVersion(DecodeError):
    """A stored value is of a later version of this package, which alone can read it."""


class KEMSupportMissing(SimplexError, ImportError):
    """No library that computes sntrup761 is installed: ``pip install 'simplex-trio[duplex]'``."""
