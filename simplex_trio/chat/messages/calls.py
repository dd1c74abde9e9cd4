"""Calls, which bots do not take: what is said about them, as values.

The sessions of WebRTC are compressed text, which stays what it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.records import Lax, Record
from simplex_trio.frozen import frozen

__all__ = [
    "CallAnswer",
    "CallCapabilities",
    "CallExtra",
    "CallInvitation",
    "CallOffer",
    "CallType",
    "Candidates",
    "Media",
    "Session",
    "XCallAnswer",
    "XCallEnd",
    "XCallExtra",
    "XCallInv",
    "XCallOffer",
]


class Media(StrEnum):
    """What a call is made of."""

    AUDIO = "audio"
    VIDEO = "video"


@frozen(repr=False)
class CallCapabilities(Record):
    """What the program of the caller can do."""

    encryption: bool


@frozen(repr=False)
class CallType(Record):
    """What kind of call it is.

    The apps refuse a message with an unknown medium.  Here it is read, so that the call can be
    declined.
    """

    media: Media | str
    capabilities: CallCapabilities


@frozen(repr=False)
class CallInvitation(Record):
    """An invitation to a call; the key is public, and for encryption of the media."""

    call_type: CallType
    call_dh_pub_key: bytes | None = None


@frozen(repr=False)
class Session(Record):
    """One side of a WebRTC session."""

    rtc_session: str
    rtc_ice_candidates: str


@frozen(repr=False)
class Candidates(Record):
    """More addresses at which one side can be reached."""

    rtc_ice_candidates: str


@frozen(repr=False)
class CallOffer(Record):
    """What the called side offers."""

    call_type: CallType
    rtc_session: Session
    call_dh_pub_key: bytes | None = None


@frozen(repr=False)
class CallAnswer(Record):
    """What the caller answers."""

    rtc_session: Session


@frozen(repr=False)
class CallExtra(Record):
    """What either side adds."""

    rtc_extra_info: Candidates


# --- events --------------------------------------------------------------------------------------


@frozen(repr=False)
class XCallInv(Event):
    """A call; what cannot take it answers `XCallEnd`."""

    EVENT: ClassVar[str] = "x.call.inv"
    NOTIFIES: ClassVar[bool] = True
    WANTS_RECEIPT: ClassVar[bool] = True

    call_id: bytes
    invitation: Lax[CallInvitation] | None = None


@frozen(repr=False)
class XCallOffer(Event):
    """The called side offers a session."""

    EVENT: ClassVar[str] = "x.call.offer"

    call_id: bytes
    offer: CallOffer


@frozen(repr=False)
class XCallAnswer(Event):
    """The caller answers the offer."""

    EVENT: ClassVar[str] = "x.call.answer"

    call_id: bytes
    answer: CallAnswer


@frozen(repr=False)
class XCallExtra(Event):
    """One side adds something to its session."""

    EVENT: ClassVar[str] = "x.call.extra"

    call_id: bytes
    extra: CallExtra


@frozen(repr=False)
class XCallEnd(Event):
    """The call is over, or declined."""

    EVENT: ClassVar[str] = "x.call.end"

    call_id: bytes
