"""`Bot`: a program that people talk with in their apps."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import final

import trio

from simplex_trio.chat.conversations import Conversations, Job
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.dispatching import dispatch, told
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.connecting import connect, give_up
from simplex_trio.chat.machine.following import happened
from simplex_trio.chat.machine.happenings import Delivered, Happening, Noticed
from simplex_trio.chat.machine.incoming import look, settle
from simplex_trio.chat.machine.records import AddressRecord, NoticeKind
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import (
    Contact,
    ContactRequest,
    IncomingMessage,
)
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.errors import AlreadyJoined, DuplexError
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionFailed,
    ConnectionReady,
    DeliveryFailed,
    InvitationReady,
    JoinSent,
    MessageSent,
    PeerInfo,
    PeerMessage,
    QueueLost,
    RatchetBroken,
    ReceiptReceived,
    RequestReceived,
)
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link, parse_link

__all__ = ["Bot"]

_FOLLOWED = (
    InvitationReady,
    RequestReceived,
    ConfirmationReceived,
    PeerInfo,
    JoinSent,
    ConnectionReady,
    ConnectionFailed,
    QueueLost,
    RatchetBroken,
    MessageSent,
    ReceiptReceived,
    DeliveryFailed,
)
"""The events of the agent from which anything follows here."""


@final
class Bot:
    """A program with a profile, an address and contacts; `open_bot` opens one."""

    def __init__(
        self,
        core: ChatCore,
        handlers: Handlers,
        address: AddressRecord | None,
        presets: Iterable[ServerAddress],
    ) -> None:
        self._core = core
        self._handlers = handlers
        self._address = address
        self._presets = presets
        self._conversations: Conversations | None = None
        self._has_address = trio.Event()

    def __repr__(self) -> str:
        return f"<Bot: {self._core.agent!r}>"

    @property
    def agent(self) -> DuplexAgent:
        """The agent below, for its network, its pauses, its backups and so on.

        Its events and messages belong to the bot.
        """
        return self._core.agent

    @property
    def profile(self) -> Profile:
        """What contacts and the links show."""
        return self._core.settings.profile

    @property
    def address(self) -> str:
        """The link for everybody who wants to talk with the bot; people open or scan it.

        Raises `RuntimeError` if the bot was opened without an address.
        """
        if self._address is None:
            raise RuntimeError("the bot was opened without an address")
        return self._address.short_link or self._address.link

    # --- contacts -------------------------------------------------------------------------------

    async def invite(self) -> str:
        """Make a link for one person, who becomes a contact by opening it."""
        settings = self._core.settings
        made = await self._core.agent.create(
            info=settings.info(), short=True, data=settings.invitation_data
        )
        return made.short_link or made.link

    async def connect(self, link: Link | str) -> Contact:
        """Open the invitation of a person, or ask at an address; returns the contact to be.

        It returns when the other side's router knows of it.  The handlers of
        `Handlers.on_connected` are called when the other side has accepted.  If it raises, the
        agent keeps trying as long as that can help: the same call again waits for the same contact.

        Raises as `DuplexAgent.join` does, and `LinkIsOwn`.
        """
        parsed = parse_link(link, self._presets) if isinstance(link, str) else link
        settings = self._core.settings

        def decide(store: Store) -> tuple[Contact, bytes]:
            contact, info = connect(store, settings, parsed)
            return Contact(self._core, contact), info

        contact, info = await self._core.step(decide)
        try:
            await self._core.agent.join(parsed, info)
        except AlreadyJoined:
            pass  # an earlier call, or an earlier life of the program, has come as far as that
        except DuplexError:
            with trio.CancelScope(shield=True):  # one step in the store, which takes no time
                await self._core.step(lambda store: give_up(store, contact.id))
            raise
        return contact

    async def contact(self, contact_id: int) -> Contact | None:
        """The contact with this id."""
        found = await self._core.step(lambda store: store.contact(contact_id), durable=False)
        return None if found is None else Contact(self._core, found)

    async def contacts(self) -> list[Contact]:
        """All contacts, in the order in which they came."""

        def look_up(store: Store) -> list[Contact]:
            found: list[Contact] = []
            while page := store.contacts(after=found[-1].id if found else 0):
                found += (Contact(self._core, each) for each in page)
            return found

        return await self._core.step(look_up, durable=False)

    # --- what happens ---------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Call handlers until cancelled; called by `open_bot`."""
        async with trio.open_nursery() as nursery:
            deal = partial(dispatch, self._handlers)
            self._conversations = Conversations(nursery, self._core, deal)
            for noticed in await self._core.step(_open_notices, durable=False):
                self._add_notice(noticed)
            task_status.started()
            async for event in self._core.agent.events:
                if isinstance(event, PeerMessage):
                    await self._arrived(event)
                elif isinstance(event, _FOLLOWED):
                    follow = partial(happened, settings=self._core.settings, event=event)
                    # Whatever leads to work is durable; the rest is done again after a loss.
                    for each in await self._core.step(follow, takes_event=True, durable=False):
                        self._add(each)
                    if isinstance(event, InvitationReady):
                        await self._read_address()

    async def _read_address(self) -> None:
        self._address = await self._core.step(lambda store: store.address, durable=False)
        if self._address is not None and self._address.link:
            self._has_address.set()

    async def wait_for_address(self) -> None:
        """Wait until a router has made the address; called by `open_bot`."""
        if self._address is not None and not self._address.link:
            await self._has_address.wait()

    async def _arrived(self, message: PeerMessage) -> None:
        settings = self._core.settings
        said = await self._core.step(lambda store: look(store, settings, message), durable=False)
        if not said:
            await self._core.step(lambda store: settle(store, message))
            return
        for each in said:
            kind, value = told(self._core, each)
            # Messages of one contact are dealt with in order, so the last one settles them all.
            is_last = each is said[-1]
            done = partial(settle, message=message) if is_last else None
            self._add_job(each.contact.contact_id, Job(kind, value, done))

    def _add(self, happening: Happening) -> None:
        match happening:
            case Noticed():
                self._add_notice(happening)
            case Delivered(contact, sent):
                self._core.delivery_changed(contact.contact_id, sent.msg_id, sent.state)
            case _:
                raise AssertionError("only messages say something")

    def _add_notice(self, noticed: Noticed) -> None:
        notice = noticed.notice
        contact = Contact(self._core, noticed.contact)
        value: object = contact
        if notice.kind is NoticeKind.REQUESTED:
            value = ContactRequest(contact)
        elif notice.kind is NoticeKind.FIRST_MESSAGE and notice.first is not None:
            first = notice.first
            now = self._core.settings.seconds
            value = IncomingMessage(contact, first.msg_id, first.content, None, now)

        def done(store: Store) -> None:
            store.remove_notice(notice.number)

        self._add_job(notice.contact_id, Job(_KINDS[notice.kind], value, done))

    def _add_job(self, contact_id: int, job: Job) -> None:
        assert self._conversations is not None
        self._conversations.add(contact_id, job)


_KINDS = {
    NoticeKind.CONNECTED: "connected",
    NoticeKind.REQUESTED: "request",
    NoticeKind.FIRST_MESSAGE: "message",
    NoticeKind.FAILED: "failed",
}


def _open_notices(store: Store) -> list[Noticed]:
    found: list[Noticed] = []
    after = 0
    while notices := store.notices(after):
        after = notices[-1].number
        for notice in notices:
            contact = store.contact(notice.contact_id)
            if contact is not None:
                found.append(Noticed(contact, notice))
    return found
