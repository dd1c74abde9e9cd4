"""What a chat program keeps of channels, beside what it keeps of all groups."""

from __future__ import annotations

from simplex_trio.chat.messages.records import Record
from simplex_trio.frozen import frozen

__all__ = ["MAX_OWNERS", "MAX_RELAYS", "ChannelRecord", "WantedRelay"]

MAX_RELAYS = 16
"""How many relays of a channel are used; those that it names beyond that are left out.  The apps
give a channel up to three or so."""

MAX_OWNERS = 16
"""How many owners of a channel are known; those beyond that are left out."""


@frozen(repr=False)
class ChannelRecord(Record):
    """What makes a group a channel."""

    link: str
    public_id: bytes
    """The SHA-256 of the root key, which everything that is signed is bound to."""
    root_key: bytes
    """The key, in DER, that the link was made with."""
    own_key: bytes
    """The program's private key in this channel."""
    subscribers: int | None = None
    """How many there are, as the link says."""
    roster_version: int = 0
    """The highest version of the list of members that an owner has told of."""


@frozen(repr=False)
class WantedRelay(Record):
    """A relay of a channel, to which the program is to connect."""

    group_id: int
    link: str
    member_id: bytes | None = None
    """The relay's member id, once it was asked; its connection is then with this member."""
    attempts: int = 0
    next_at: int = 0
    """When it is asked next, in seconds since 1970."""
