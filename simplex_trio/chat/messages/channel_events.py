"""What owners, relays and members of a channel say to each other; named as on the wire.

A channel is a group whose members know each other through relays alone.  Subscribers see of this
only `XMember`, which they send, and `XGrpRelayNew` and `XGrpRoster`, which owners sign.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.group_events import MemberIdRole
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Lax, Record
from simplex_trio.frozen import frozen

__all__ = [
    "InlineFile",
    "RelayCapabilities",
    "RelayInvitation",
    "RelayRejection",
    "XGrpRelayAcpt",
    "XGrpRelayCap",
    "XGrpRelayInv",
    "XGrpRelayNew",
    "XGrpRelayReject",
    "XGrpRelayTest",
    "XGrpRoster",
    "XGrpRosterAck",
    "XGrpRosterRequest",
    "XMember",
]

# --- joining ------------------------------------------------------------------------------------


@frozen(repr=False)
class XMember(Event):
    """A request to join a channel, through one of its relays.

    It comes signed by ``new_member_key``, an Ed25519 key in DER: see `signing`.  ``via_relay`` is
    the member id of the relay that is asked; without it another relay could repeat the request.
    """

    EVENT: ClassVar[str] = "x.member"

    profile: Profile
    new_member_id: bytes
    new_member_key: bytes
    via_relay: bytes | None = None


# --- relays -------------------------------------------------------------------------------------


@frozen(repr=False)
class RelayCapabilities(Record):
    """What a relay can do for a channel, beside passing messages on."""

    web_domain: str | None = None


@frozen(repr=False)
class RelayInvitation(Record):
    """What an owner says to a relay that is to serve a channel."""

    from_member: MemberIdRole
    from_member_profile: Profile
    relay_member_id: bytes
    group_link: str


@frozen(repr=False)
class XGrpRelayInv(Event):
    """An owner asks a relay to serve a channel."""

    EVENT: ClassVar[str] = "x.grp.relay.inv"

    group_relay_invitation: RelayInvitation


@frozen(repr=False)
class XGrpRelayAcpt(Event):
    """A relay serves a channel: ``relay_link`` is where members join it."""

    EVENT: ClassVar[str] = "x.grp.relay.acpt"

    relay_link: str
    relay_cap: Lax[RelayCapabilities] | None = None


class RelayRejection(StrEnum):
    """Why a relay does not serve a channel."""

    REJOIN_REJECTED = "rejoin_rejected"


@frozen(repr=False)
class XGrpRelayReject(Event):
    """A relay does not serve a channel."""

    EVENT: ClassVar[str] = "x.grp.relay.reject"

    reason: RelayRejection | str


@frozen(repr=False)
class XGrpRelayTest(Event):
    """An owner asks a relay to sign something with the key of its address, and it does."""

    EVENT: ClassVar[str] = "x.grp.relay.test"

    challenge: bytes
    signature: bytes | None = None


@frozen(repr=False)
class XGrpRelayNew(Event):
    """The channel has one more relay; ``relay_link`` is where members join it."""

    EVENT: ClassVar[str] = "x.grp.relay.new"

    relay_link: str


@frozen(repr=False)
class XGrpRelayCap(Event):
    """A relay says what it can do."""

    EVENT: ClassVar[str] = "x.grp.relay.cap"

    relay_cap: RelayCapabilities


# --- the roster ---------------------------------------------------------------------------------


@frozen(repr=False)
class InlineFile(Record):
    """A file that follows in chunks, between messages; ``file_digest`` is its SHA-512."""

    file_size: int
    file_digest: bytes


@frozen(repr=False)
class XGrpRoster(Event):
    """An owner says which members have which role and key; the list is a file: see `rosters`."""

    EVENT: ClassVar[str] = "x.grp.roster"

    version: int
    file_inv: InlineFile


@frozen(repr=False)
class XGrpRosterAck(Event):
    """A relay has a roster, or has refused it."""

    EVENT: ClassVar[str] = "x.grp.roster.ack"

    version: int
    error: str | None = None


@frozen(repr=False)
class XGrpRosterRequest(Event):
    """A relay asks for the roster; ``version`` is the one that it has."""

    EVENT: ClassVar[str] = "x.grp.roster.request"

    version: int | None = None
