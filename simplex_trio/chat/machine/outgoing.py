"""What is said to contacts."""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.chat.errors import NotAllowed, UnknownContact
from simplex_trio.chat.machine.file_records import FileStore
from simplex_trio.chat.machine.outlet import Outlet, Queued
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus, SentRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import pack
from simplex_trio.chat.messages.content import Content, File, Image, Video, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import Feature, Preferences
from simplex_trio.chat.messages.versions import ChatVersion, agreed_version
from simplex_trio.duplex.errors import CannotSend, LimitReached, UnknownConnection
from simplex_trio.errors import TooLarge

__all__ = [
    "ContactOutlet",
    "is_enabled",
    "known_contact",
    "say",
    "say_if_possible",
    "set_preferences",
    "tell_profile",
]


def known_contact(store: Store, contact_id: int) -> ContactRecord:
    """The contact with this id; `UnknownContact` if there is none, or no longer."""
    contact = store.contact(contact_id)
    if contact is None:
        raise UnknownContact("there is no contact with this id")
    return contact


def say(store: Store, contact: ContactRecord, event: Event, msg_id: bytes | None) -> int:
    """Queue one message of the chat protocol; returns the agent's id for it.

    Raises `CannotSend` if the two sides are not connected far enough, and `TooLarge`.
    """
    # Where there may be less room, what does not fit is compressed, if the peer can read that.
    compresses = agreed_version(contact.versions) >= ChatVersion.COMPRESSION
    (body,) = pack([ChatMessage(event, msg_id)], pq=compresses)
    try:
        return store.t.send(contact.connection_id, body, notify=event.NOTIFIES)
    except UnknownConnection as exc:
        raise UnknownContact("the contact was deleted") from exc


def say_if_possible(
    store: Store, contact: ContactRecord, event: Event, msg_id: bytes | None = None
) -> bool:
    """Queue a message that the two sides can do without; returns whether that was possible."""
    with suppress(CannotSend, LimitReached, TooLarge, UnknownContact):
        say(store, contact, event, msg_id)
        return True
    return False


def tell_profile(store: Store, settings: Settings, contact: ContactRecord) -> ContactRecord:
    """Tell a contact of the profile if that is due; it stays due while that is not possible."""
    if not contact.profile_due or contact.status is not ContactStatus.READY:
        return contact
    is_told = say_if_possible(store, contact, XInfo(settings.profile_for(contact)))
    return store.change_contact(contact, profile_due=not is_told)


def set_preferences(
    store: Store, settings: Settings, contact_id: int, preferences: Preferences | None
) -> ContactRecord:
    """Allow a contact something else than the profile says, and tell it if that is a change."""
    contact = known_contact(store, contact_id)
    changed = store.change_contact(contact, preferences=preferences)
    if settings.preferences_for(changed) == settings.preferences_for(contact):
        return changed
    if changed.status is ContactStatus.READY:
        say(store, changed, XInfo(settings.profile_for(changed)), None)
    elif changed.status is not ContactStatus.REQUESTED:
        changed = store.change_contact(changed, profile_due=True)
    return changed


def is_enabled(
    settings: Settings, contact: ContactRecord, feature: Feature, *, for_peer: bool = False
) -> bool:
    """Whether this side, or the peer, may use something in this conversation."""
    theirs = None if contact.profile is None else contact.profile.preferences
    enabled = settings.preferences_for(contact).enabled(feature, theirs or Preferences())
    return enabled.for_peer if for_peer else enabled.for_us


class ContactOutlet(Outlet):
    """The conversation with a contact."""

    def __init__(self, store: Store, settings: Settings, contact: ContactRecord) -> None:
        super().__init__(store, settings)
        self.contact: ContactRecord = contact

    @property
    def conversation_id(self) -> int:
        """The id of the contact."""
        return self.contact.contact_id

    def _is_enabled(self, feature: Feature) -> bool:
        return is_enabled(self.settings, self.contact, feature)

    def check(self, content: Content, before: Content | None = None) -> None:
        """Raise `NotAllowed` for content that the two sides do not allow."""
        if before is not None and type(before) is type(content):
            return
        if isinstance(content, Voice) and not self._is_enabled(Feature.VOICE):
            raise NotAllowed("voice messages are not allowed in this conversation")
        if isinstance(content, Image | Video | File) and not self._is_enabled(Feature.FILES):
            raise NotAllowed("files and media are not allowed in this conversation")

    def check_reaction(self) -> None:
        """Raise `NotAllowed` if the two sides do not allow reactions."""
        if not self._is_enabled(Feature.REACTIONS):
            raise NotAllowed("reactions are not allowed in this conversation")

    def check_deletion(self, author_id: bytes | None) -> None:
        """The program may always delete its own messages."""

    @property
    def may_disappear(self) -> bool:
        """Whether the two sides allow messages that disappear."""
        return self._is_enabled(Feature.TIMED_MESSAGES)

    @property
    def usual_ttl(self) -> int | None:
        """After how many seconds messages disappear by the program's preferences."""
        return self.settings.usual_ttl(self.contact)

    def queue(self, event: Event, msg_id: bytes | None) -> Queued:
        """Queue one message of the chat protocol."""
        message_id = say(self.store, self.contact, event, msg_id)
        return Queued(((self.contact.connection_id, message_id),))

    def keep(self, queued: Queued, sent: SentRecord) -> None:
        """Keep a new message by the agent's id for it."""
        ((_, message_id),) = queued.copies
        self.store.add_sent(self.conversation_id, message_id, sent)

    def keep_description(self, queued: Queued, msg_id: bytes) -> None:
        """Keep which message has the description of a file."""
        ((_, message_id),) = queued.copies
        FileStore(self.store).note_description(self.conversation_id, message_id, msg_id)
