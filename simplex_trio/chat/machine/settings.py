"""`Settings`: what a chat program says of itself, and what it decides by itself."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from simplex_trio.chat.machine.records import ContactRecord
from simplex_trio.chat.messages.addresses import AddressData
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.message import MESSAGE_ID_SIZE, ChatMessage, message_id
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.frozen import frozen
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
    folder: str | None = None
    """Where files are put for which no other place is given."""
    receives_up_to: int = 0
    """Files of at most so many bytes are received into the folder without asking the program."""
    business: bool = False
    """Whether each of those who ask at the address gets a group, which staff can join."""
    admits: bool = False
    """Whether the program decides who is let in by links of groups that do not say otherwise."""

    def preferences_for(self, contact: ContactRecord) -> Preferences:
        """What this side allows a contact."""
        profile = contact.own_profile or self.profile
        return (profile.preferences or Preferences()).with_changes(contact.preferences)

    def profile_for(self, contact: ContactRecord) -> Profile:
        """Who the program is for a contact, and what it allows this one."""
        profile = contact.own_profile or self.profile
        if contact.preferences is None:
            return profile
        return evolve(profile, preferences=self.preferences_for(contact))

    def check(self) -> None:
        """Raise `EncodeError` or `TooLarge` for what the apps would not take."""
        self.profile.check()
        self.info(XInfo(self.profile))
        AddressData(self.profile, self.welcome, self.business).encode()

    def usual_ttl(self, contact: ContactRecord) -> int | None:
        """After how many seconds messages disappear where that is allowed, unless they say so."""
        timed = self.preferences_for(contact).timed_messages
        return None if timed is None else timed.ttl

    @property
    def seconds(self) -> int:
        """The present, in seconds since 1970."""
        return int(self.clock())

    def new_message_id(self) -> bytes:
        """An id for a message, for both sides."""
        return message_id(self.random(MESSAGE_ID_SIZE))

    def info(self, event: Event) -> bytes:
        """What a peer is told with a connection.

        Whether the connection will have the KEM is not known yet, so it has to fit in any case.
        """
        return encode_info(ChatMessage(event), pq=True)

    def invitation_data(self, own_profile: Profile | None = None) -> bytes:
        """What the short link of an invitation shows."""
        return AddressData(own_profile or self.profile).encode()

    @property
    def address_data(self) -> bytes:
        """What the short link of the address shows."""
        return AddressData(self.profile, self.welcome, self.business).encode()
