"""`Settings`: what a chat program says of itself, and what it decides by itself."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from simplex_trio.chat.messages.addresses import AddressData
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.message import MESSAGE_ID_SIZE, ChatMessage, message_id
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.redaction import Redacted

__all__ = ["Settings"]


@frozen(repr=False)
class Settings(Redacted):
    """The profile and the habits of a program, with the time and randomness that it uses."""

    profile: Profile
    welcome: Content | None
    """The first thing that those are told who connect by the address."""
    accepts: bool
    """Whether all requests at the address are accepted, without asking the program."""
    clock: Callable[[], float]
    random: Callable[[int], bytes]

    @property
    def preferences(self) -> Preferences:
        """What this side allows."""
        return self.profile.preferences or Preferences()

    @property
    def seconds(self) -> int:
        """The present, in seconds since 1970."""
        return int(self.clock())

    def new_message_id(self) -> bytes:
        """An id for a message, for both sides."""
        return message_id(self.random(MESSAGE_ID_SIZE))

    def info(self, event: Event | None = None) -> bytes:
        """What a peer is told with a connection: the profile, if nothing else is given.

        Whether the connection will have the KEM is not known yet, so it has to fit in any case.
        """
        return encode_info(ChatMessage(event or XInfo(self.profile)), pq=True)

    @property
    def invitation_data(self) -> bytes:
        """What the short link of an invitation shows."""
        return AddressData(self.profile).encode()

    @property
    def address_data(self) -> bytes:
        """What the short link of the address shows."""
        return AddressData(self.profile, self.welcome).encode()
