"""Contacts and messages, as handlers have them in their hands."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

from attrs import define, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import UnknownContact
from simplex_trio.chat.files import IncomingFile
from simplex_trio.chat.machine import connecting, outgoing, requesting
from simplex_trio.chat.machine.file_records import FileStore
from simplex_trio.chat.machine.outlet import Outlet
from simplex_trio.chat.machine.records import (
    MAX_ALIAS,
    ContactRecord,
    ContactStatus,
    SentRecord,
)
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.message_calls import MessageCalls, SentCalls
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import MessageRef, Quote
from simplex_trio.chat.messages.preferences import Enabled, Feature, Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.scalars import Timestamp
from simplex_trio.chat.sending_calls import SendingCalls, as_content
from simplex_trio.chat.state import State
from simplex_trio.errors import TooLarge
from simplex_trio.redaction import Redacted

if TYPE_CHECKING:
    from simplex_trio.chat.conversations import Turn

__all__ = [
    "Contact",
    "ContactRequest",
    "IncomingMessage",
    "SentMessage",
    "as_content",
    "check_alias",
    "timestamp",
]

_LAST_SECOND = 253_402_300_799
"""The last one of the year 9999, after which `datetime` knows none."""


@final
@define(eq=False, repr=False)
class Contact(SendingCalls["SentMessage"], Redacted):
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
        """The alias if it has one, or the name in the profile, fit to be shown in a line."""
        if self._record.alias:
            return self._record.alias
        return "" if self.profile is None else self.profile.shown_name

    @property
    def alias(self) -> str:
        """What the program calls the contact, which only the program knows; empty without one."""
        return self._record.alias

    @property
    def own_profile(self) -> Profile:
        """Who the program is for this contact; a random profile if it is incognito."""
        return self._core.settings.profile_for(self._record)

    @property
    def is_incognito(self) -> bool:
        """Whether the contact knows the program by a random profile."""
        return self._record.own_profile is not None

    @property
    def state(self) -> State:
        """What the program keeps of the contact: see `State`."""
        return State(self._core, self.id)

    @property
    def status(self) -> ContactStatus:
        """How far the contact has come."""
        return self._record.status

    def enabled(self, feature: Feature) -> Enabled:
        """Who of the two may use something in this conversation."""
        theirs = None if self.profile is None else self.profile.preferences
        ours = self._core.settings.preferences_for(self._record)
        return ours.enabled(feature, theirs or Preferences())

    def allows(self, feature: Feature) -> bool:
        """Whether the program may use something in this conversation."""
        return self.enabled(feature).for_us

    async def set_preferences(self, preferences: Preferences | None) -> None:
        """Allow this contact something else than the profile says, and tell it.

        What ``preferences`` say nothing of stays as the profile says; with `None` all does.  Raises
        `UnknownContact` if the contact was deleted, and as `send` does if it cannot be told.
        """
        settings = self._core.settings
        self._record = await self._core.step(
            lambda store: outgoing.set_preferences(store, settings, self.id, preferences)
        )

    async def set_alias(self, alias: str) -> None:
        """Call the contact something else than its profile does; it is not told.

        Raises `TooLarge` for more than 200 characters, and `UnknownContact`.
        """
        check_alias(alias)

        def decide(store: Store) -> ContactRecord:
            return store.change_contact(outgoing.known_contact(store, self.id), alias=alias)

        self._record = await self._core.step(decide)

    async def security_code(self) -> str | None:
        """The security code, which the app of the contact shows too: people may compare it.

        It is the same on both sides unless someone is in between.  `None` while the two are being
        connected.  Raises `UnknownConnection` if the contact was deleted.
        """
        return (await self._core.agent.status(self.connection_id)).security_code

    async def has_security_code(self, code: str) -> bool:
        """Whether this is the security code, with whatever spaces."""
        known = await self.security_code()
        return known is not None and hmac.compare_digest(_compact(known), _compact(code))

    def _outlet(self, store: Store) -> Outlet:
        contact = outgoing.known_contact(store, self.id)
        return outgoing.ContactOutlet(store, self._core.settings, contact)

    def _sent(self, record: SentRecord, content: Content) -> SentMessage:
        return SentMessage(self, record.msg_id, content, record.sent_at)

    def _gone(self) -> UnknownContact:
        return UnknownContact("the contact was deleted, by either side")

    async def files(self) -> list[IncomingFile]:
        """The files that the contact has sent and that were not received yet, oldest first."""
        known = await self._core.step(
            lambda store: FileStore(store).of_contact(self.id), durable=False
        )
        return [IncomingFile(self, self._core, each) for each in known]

    async def delete(self, *, tell: bool = True) -> None:
        """End the connection, and forget the contact with all that is kept of it.

        The contact is told, after what is still queued for it; if not, that is dropped, and what
        the contact sends from then on has nowhere to go.  Handlers that `ask` it, and calls that
        wait for a message to come further, get `UnknownContact`.
        """
        await self._core.step(lambda store: connecting.leave(store, self.id, tell=tell))


@final
@define(eq=False, repr=False)
class ContactRequest(Redacted):
    """A person asks for a connection, at the program's address."""

    contact: Contact = field(repr=False)

    async def accept(self, *, incognito: bool = False) -> None:
        """Accept it; the handlers of `Handlers.on_connected` are called when it is connected.

        If ``incognito``, it gets a random profile, which is kept for it, in place of the program's
        own.  But the short link of the address has shown that one to all who have opened it.

        Raises `CannotAccept` if the peer's program is of another version.
        """
        core = self.contact._core

        def decide(store: Store) -> None:
            contact = outgoing.known_contact(store, self.contact.id)
            requesting.accept(store, core.settings, contact, incognito=incognito)

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
class SentMessage(SentCalls, Redacted):
    """A message that was sent."""

    contact: Contact = field(repr=False)
    id: bytes
    """What both sides know it by."""
    content: Content
    sent_at: int

    @property
    def _conversation(self) -> Contact:
        return self.contact

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        return Quote(MessageRef(timestamp(self.sent_at), True, self.id), self.content)


@final
@define(eq=False, repr=False)
class IncomingMessage(MessageCalls[SentMessage], Redacted):
    """A message of a contact.

    It is acknowledged, so that the contact gets a receipt and the next message can come, when its
    handler has finished.  If the program ends before, it comes again.
    """

    contact: Contact = field(repr=False)
    id: bytes | None
    """What both sides know it by."""
    content: Content
    quote: Quote | None
    """The message that it answers, with its content, as the contact says."""
    received_at: int
    """When the contact's router got it, in seconds since 1970."""
    ttl: int | None = None
    """After how many seconds it disappears from the app, once it was read there."""
    is_live: bool = False
    """Whether the text is still being written, and will be edited."""
    is_repeated: bool = False
    """Whether a handler was begun with it before the program ended.

    A loss of power may make the program forget that."""
    quoted: SentMessage | None = field(default=None, repr=False)
    """The message of the program that it answers, as it was sent, if that is still kept."""
    file: IncomingFile | None = None
    """The file that comes with it, if it is one that can be received: see `IncomingFile.save`."""
    _turn: Turn | None = field(default=None, repr=False)

    @property
    def _conversation(self) -> Contact:
        return self.contact

    async def ask(self, question: Content | str) -> IncomingMessage:
        """Send a question, and wait for the next message of this contact.

        This one is acknowledged first, because the next one comes only then.  So if the program
        ends while it waits, the answer goes to the handlers as any other message.  The answer is
        acknowledged when this handler has finished, or asks again.

        What else the contact does meanwhile, such as reacting, goes to its handlers.  Raises
        `UnknownContact` if the contact has deleted the program, or is deleted.

        Only for the handler that was called with this message, or has asked for it, and for one of
        its tasks at a time; anywhere else it raises `RuntimeError`.
        """
        if self._turn is None:
            raise RuntimeError("only the handler of a message can ask")
        answer = await self._turn.ask(self.contact._sending(question))
        assert isinstance(answer, IncomingMessage)
        return answer

    def as_quote(self) -> Quote:
        """What an answer to it says of it."""
        return Quote(MessageRef(timestamp(self.received_at), False, self.id), self.content)


def check_alias(alias: str) -> None:
    """Raise `TooLarge` for a name that is too long."""
    if len(alias) > MAX_ALIAS:
        raise TooLarge(f"a name of {len(alias)} characters, of at most {MAX_ALIAS}")


def _compact(code: str) -> bytes:
    return "".join(code.split()).encode()


def timestamp(seconds: int) -> Timestamp:
    """A time by the clock of a router, which may say anything."""
    return Timestamp.of(datetime.fromtimestamp(min(max(0, seconds), _LAST_SECOND), UTC))
