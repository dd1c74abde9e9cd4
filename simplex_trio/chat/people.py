"""Contacts and messages, as handlers have them in their hands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

from attrs import define, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.machine import connecting, outgoing, requesting
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus, DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content, Text
from simplex_trio.chat.messages.events import REACTIONS, MessageRef, Quote
from simplex_trio.chat.messages.preferences import Enabled, Feature, Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.scalars import Timestamp
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.conversations import Turn

__all__ = [
    "Contact",
    "ContactRequest",
    "IncomingMessage",
    "SentMessage",
    "as_content",
]

_LAST_SECOND = 253_402_300_799
"""The last one of the year 9999, after which `datetime` knows none."""


def as_content(content: Content | str) -> Content:
    """``content``, or text as content."""
    return Text(content) if isinstance(content, str) else content


@final
@define(eq=False, repr=False)
class Contact(Redacted):
    """A person that the program is connected with, as of when this was told."""

    _core: ChatCore = field(repr=False)
    _record: ContactRecord = field(repr=False)

    @property
    def id(self) -> int:
        """A number that stays the same, and is never used again."""
        return self._record.contact_id

    @property
    def connection_id(self) -> str:
        """The agent's connection."""
        return self._record.connection_id

    @property
    def profile(self) -> Profile | None:
        """Who the contact says it is; `None` while it has not said so."""
        return self._record.profile

    @property
    def name(self) -> str:
        """The name in the profile, made fit to be shown in a line of text."""
        return "" if self.profile is None else self.profile.shown_name

    @property
    def status(self) -> ContactStatus:
        """How far the contact has come."""
        return self._record.status

    def enabled(self, feature: Feature) -> Enabled:
        """Who of the two may use something in this conversation."""
        theirs = None if self.profile is None else self.profile.preferences
        return self._core.settings.preferences.enabled(feature, theirs or Preferences())

    async def send(
        self,
        content: Content | str,
        *,
        quote: IncomingMessage | SentMessage | None = None,
        ttl: int | None = None,
        live: bool = False,
    ) -> SentMessage:
        """Send a message; it returns when that is stored, and nothing can lose it.

        With a ``quote`` it is an answer to that message.  After ``ttl`` seconds it disappears.  A
        ``live`` message grows: `SentMessage.edit` replaces its text, and ends it without ``live``.

        Raises `NotAllowed` for what the two sides do not allow, `UnknownContact` if the contact was
        deleted, `CannotSend` if it is not connected yet, and `TooLarge`.
        """
        return await self._core.step(self._sending(content, quote=quote, ttl=ttl, live=live))

    def _sending(
        self,
        content: Content | str,
        *,
        quote: IncomingMessage | SentMessage | None = None,
        ttl: int | None = None,
        live: bool = False,
    ) -> Callable[[Store], SentMessage]:
        settings, said = self._core.settings, as_content(content)
        quoted = None if quote is None else quote.as_quote()

        def decide(store: Store) -> SentMessage:
            contact = outgoing.known_contact(store, self.id)
            sent = outgoing.send(store, settings, contact, said, quote=quoted, ttl=ttl, live=live)
            return SentMessage(self, sent.msg_id, said, sent.sent_at)

        return decide

    async def delete(self) -> None:
        """End the connection, and forget the contact, who is told."""
        await self._core.step(lambda store: connecting.leave(store, self.id))


@final
@define(eq=False, repr=False)
class ContactRequest(Redacted):
    """A person asks for a connection, at the program's address."""

    contact: Contact = field(repr=False)

    async def accept(self) -> None:
        """Accept it; the handlers of `Handlers.on_connected` are called when it is connected.

        Raises `CannotAccept` if the peer's program is of another version.
        """
        core = self.contact._core

        def decide(store: Store) -> None:
            contact = outgoing.known_contact(store, self.contact.id)
            requesting.accept(store, core.settings, contact)

        await core.step(decide)

    async def reject(self) -> None:
        """Refuse it; the other side is not told."""
        core = self.contact._core

        def decide(store: Store) -> None:
            contact = store.contact(self.contact.id)
            if contact is not None:
                requesting.reject(store, contact)

        await core.step(decide)


@final
@define(eq=False, repr=False)
class SentMessage(Redacted):
    """A message that was sent."""

    contact: Contact = field(repr=False)
    id: bytes
    """What both sides know it by."""
    content: Content
    sent_at: int

    async def edit(self, content: Content | str, *, live: bool = False) -> None:
        """Replace what it says; with ``live`` more is to come."""
        core, said = self.contact._core, as_content(content)

        def decide(store: Store) -> None:
            contact = outgoing.known_contact(store, self.contact.id)
            outgoing.edit(store, core.settings, contact, self.id, said, live=live)

        await core.step(decide)
        self.content = said

    async def delete(self) -> None:
        """Delete it; apps only do so with messages that are less than 78 hours old."""
        core = self.contact._core

        def decide(store: Store) -> None:
            contact = outgoing.known_contact(store, self.contact.id)
            outgoing.delete_message(store, core.settings, contact, self.id)

        await core.step(decide)

    async def wait(self, state: DeliveryState = DeliveryState.DELIVERED) -> DeliveryState:
        """Wait until it has come as far as ``state``, or was given up; returns how far it is.

        `DeliveryState.DELIVERED` may never come: people can turn receipts off, and phones.
        """
        return await self.contact._core.wait_for_delivery(self.contact.id, self.id, state)

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        return Quote(MessageRef(_timestamp(self.sent_at), True, self.id), self.content)


@final
@define(eq=False, repr=False)
class IncomingMessage(Redacted):
    """A message of a contact.

    It is acknowledged, so that the contact gets a receipt and the next message can come, when its
    handler has finished.  If the program ends before, it comes again.
    """

    contact: Contact = field(repr=False)
    id: bytes | None
    """What both sides know it by."""
    content: Content
    quote: Quote | None
    """The message that it answers, with its content."""
    received_at: int
    """When the contact's router got it, in seconds since 1970."""
    ttl: int | None = None
    """After how many seconds it disappears from the app."""
    is_live: bool = False
    """Whether the text is still being written, and will be edited."""
    is_repeated: bool = False
    """Whether a handler was begun with it before the program ended."""
    _turn: Turn | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The text of its content, whatever that is."""
        return self.content.text

    async def answer(self, content: Content | str) -> SentMessage:
        """Send a message to the same contact."""
        return await self.contact.send(content)

    async def reply(self, content: Content | str) -> SentMessage:
        """Send a message that quotes this one."""
        return await self.contact.send(content, quote=self)

    async def react(self, emoji: str, *, add: bool = True) -> None:
        """Add a reaction, one of `REACTIONS`, or take it back.

        Raises `NotAllowed` if the two sides do not allow reactions, and `ValueError` for another
        emoji or a message without id.
        """
        if emoji not in REACTIONS or self.id is None:
            raise ValueError("not a reaction, or not to this message")
        core, msg_id = self.contact._core, self.id

        def decide(store: Store) -> None:
            contact = outgoing.known_contact(store, self.contact.id)
            outgoing.react(store, core.settings, contact, msg_id, emoji, add=add)

        await core.step(decide)

    async def ask(self, question: Content | str) -> IncomingMessage:
        """Send a question, and wait for the next message of this contact.

        This one is acknowledged first, because the next one comes only then.  So if the program
        ends while it waits, the answer goes to the handlers as any other message.  The answer is
        acknowledged when this handler has finished, or asks again.

        What else the contact does meanwhile, such as reacting, goes to its handlers.  Raises
        `UnknownContact` if the contact has deleted the program, or is deleted.

        Only for the handler that was called with this message, or has asked for it; anywhere else
        it raises `RuntimeError`.
        """
        if self._turn is None:
            raise RuntimeError("only the handler of a message can ask")
        return await self._turn.ask(self.contact._sending(question))

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        return Quote(MessageRef(_timestamp(self.received_at), False, self.id), self.content)


def _timestamp(seconds: int) -> Timestamp:
    """A time by the clock of a router, which may say anything."""
    return Timestamp.of(datetime.fromtimestamp(min(max(0, seconds), _LAST_SECOND), UTC))
