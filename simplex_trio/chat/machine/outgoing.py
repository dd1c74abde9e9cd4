"""What is said to contacts."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import NotAllowed, UnknownContact
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus, SentFile, SentRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import pack
from simplex_trio.chat.messages.content import Content, File, Image, Text, Video, Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    Emoji,
    Quote,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.files import FileInvitation
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import Feature, Preferences
from simplex_trio.chat.messages.versions import ChatVersion, agreed_version
from simplex_trio.duplex.errors import CannotSend, LimitReached, UnknownConnection
from simplex_trio.errors import TooLarge

__all__ = [
    "check_allowed",
    "delete_message",
    "edit",
    "is_enabled",
    "known_contact",
    "react",
    "say",
    "say_if_possible",
    "send",
    "set_preferences",
    "tell_profile",
]


_MAX_QUOTED = 500
"""How many characters of a message are quoted if all of it does not fit."""

_TTLS = range(1, 100 * 366 * 24 * 3600)
"""After how many seconds messages can disappear: the apps offer up to a year."""


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


def send(
    store: Store,
    settings: Settings,
    contact: ContactRecord,
    content: Content,
    *,
    quote: Quote | None = None,
    ttl: int | None = None,
    live: bool = False,
    invitation: FileInvitation | None = None,
    file: SentFile | None = None,
) -> SentRecord:
    """Queue a new message; returns what is kept of it."""
    check_allowed(settings, contact, content)
    may_disappear = is_enabled(settings, contact, Feature.TIMED_MESSAGES)
    if ttl is None and may_disappear:
        ttl = settings.usual_ttl(contact)
    elif ttl is not None and not may_disappear:
        raise NotAllowed("messages that disappear are not allowed in this conversation")
    if ttl is not None and ttl not in _TTLS:
        raise ValueError("a message cannot disappear after so many seconds")
    msg_id = settings.new_message_id()
    event = XMsgNew(content, quote=quote, ttl=ttl, live=live or None, file=invitation)
    try:
        message_id = say(store, contact, event, msg_id)
    except TooLarge:
        if quote is None:
            raise
        # The longest messages leave no room for an answer with all of them in it.
        beginning = Text(quote.content.text[:_MAX_QUOTED])
        event = evolve(event, quote=evolve(quote, content=beginning))
        message_id = say(store, contact, event, msg_id)
    now = settings.seconds
    expires_at = None if ttl is None or live else now + ttl
    record = SentRecord(msg_id, content, now, file=file, ttl=ttl, expires_at=expires_at)
    store.add_sent(contact.contact_id, message_id, record)
    return record


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


def check_allowed(settings: Settings, contact: ContactRecord, content: Content) -> None:
    """Raise `NotAllowed` for content that the two sides do not allow in their conversation."""
    if isinstance(content, Voice) and not is_enabled(settings, contact, Feature.VOICE):
        raise NotAllowed("voice messages are not allowed in this conversation")
    is_file = isinstance(content, Image | Video | File)
    if is_file and not is_enabled(settings, contact, Feature.FILES):
        raise NotAllowed("files and media are not allowed in this conversation")


def edit(
    store: Store,
    settings: Settings,
    contact: ContactRecord,
    msg_id: bytes,
    content: Content,
    *,
    live: bool = False,
) -> None:
    """Give a message that was sent another content."""
    sent = store.sent_as(contact.contact_id, msg_id)
    if sent is None or type(sent.content) is not type(content):
        check_allowed(settings, contact, content)
    ttl = None if sent is None else sent.ttl
    event = XMsgUpdate(msg_id, content, ttl=ttl, live=live or None)
    say(store, contact, event, settings.new_message_id())
    changes: dict[str, object] = {"content": content}
    if sent is not None and ttl is not None and sent.expires_at is None and not live:
        changes["expires_at"] = settings.seconds + ttl
    store.change_sent_as(contact.contact_id, msg_id, **changes)


def delete_message(store: Store, settings: Settings, contact: ContactRecord, msg_id: bytes) -> None:
    """Delete a message that was sent, on the other side too."""
    say(store, contact, XMsgDel(msg_id), settings.new_message_id())


def react(
    store: Store,
    settings: Settings,
    contact: ContactRecord,
    msg_id: bytes,
    emoji: str,
    *,
    add: bool,
) -> None:
    """Add a reaction to a message of either side, or take it back."""
    if not is_enabled(settings, contact, Feature.REACTIONS):
        raise NotAllowed("reactions are not allowed in this conversation")
    event = XMsgReact(msg_id, Emoji(emoji), add)
    say(store, contact, event, settings.new_message_id())


def is_enabled(
    settings: Settings, contact: ContactRecord, feature: Feature, *, for_peer: bool = False
) -> bool:
    """Whether this side, or the peer, may use something in this conversation."""
    theirs = None if contact.profile is None else contact.profile.preferences
    enabled = settings.preferences_for(contact).enabled(feature, theirs or Preferences())
    return enabled.for_peer if for_peer else enabled.for_us
