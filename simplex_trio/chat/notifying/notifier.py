"""`Notifier`: alerts that are sent from an open store, and the people they go to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import final

import trio

from simplex_trio.chat.content_calls import FileSource
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import BelongsToBot, ContactLost, MessageForgotten, PairingFailed
from simplex_trio.chat.machine import pairings, sending
from simplex_trio.chat.machine.following import happened
from simplex_trio.chat.machine.happenings import Noticed
from simplex_trio.chat.machine.incoming import settle
from simplex_trio.chat.machine.outgoing import ContactOutlet
from simplex_trio.chat.machine.pairings import PairingRecord
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus, DeliveryState
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.notifying.line import Line
from simplex_trio.chat.notifying.values import Notification, Recipient, invited, recipient
from simplex_trio.chat.people import Contact, SentMessage, as_content
from simplex_trio.chat.upkeep import keep_up, sweep_copies
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.events import (
    ConnectionFailed,
    ConnectionReady,
    ConnectionWarning,
    DeliveryFailed,
    DeliveryWarning,
    DuplexEvent,
    MessageSent,
    PeerMessage,
    Problem,
    ReceiptReceived,
)
from simplex_trio.duplex.file_events import FileFailed, FileProgress, FileSent
from simplex_trio.nursery import open_inner_nursery

__all__ = ["GREETING", "Notifier", "Pairing"]

GIVE_WAY_AFTER = 3.0
"""Seconds after which a call that gives way does so: enough for a router that can be reached."""

_LOOK_INTERVAL = 0.5
"""Seconds between two looks whether another program waits for the store."""

_RANKS = list(DeliveryState)

GREETING = "You are connected. Alerts come here."
"""What a person is told first, unless a call says otherwise."""


@final
class Pairing:
    """An invitation for one person to get alerts."""

    def __init__(self, notifier: Notifier, record: PairingRecord) -> None:
        self._notifier = notifier
        self._record = record

    def __repr__(self) -> str:
        return "<Pairing>"

    @property
    def link(self) -> str | None:
        """The link that the person opens or scans; `None` if that has happened."""
        return self._record.link

    async def wait(self) -> Recipient:
        """Wait until the person is connected, and has been sent the greeting.

        Raises `PairingFailed` if it comes to nothing.  If it is cancelled, nothing is lost: the
        link stays good, and the same `Notifier.pair` goes on with it.
        """
        return await self._notifier._paired(self._record.connection_id)


@final
class Notifier:
    """An open store that alerts are sent from; `open_notifier` opens one.

    What people write to it is acknowledged and not read.  But if the store is a bot's, which has it
    open at other times, everything that is not about alerts waits for the bot.
    """

    def __init__(self, core: ChatCore, line: Line | None, *, is_bots: bool) -> None:
        self._core = core
        self._line = line
        self._is_bots = is_bots
        self._changed = trio.Event()
        self._problems: dict[str, Problem] = {}
        """What holds up connections at the moment, or has ended them."""

    def __repr__(self) -> str:
        return f"<Notifier: {self._core.agent!r}>"

    @property
    def agent(self) -> DuplexAgent:
        """The agent below; its events belong to the notifier."""
        return self._core.agent

    @property
    def is_awaited(self) -> bool:
        """Whether another notifier waits for the store."""
        return self._line is not None and self._line.is_awaited

    # --- sending --------------------------------------------------------------------------------

    async def send(
        self,
        contact: Contact | int | str,
        content: Content | str,
        *,
        until: DeliveryState = DeliveryState.SENT,
        timeout: float = 30,
        gives_way: bool = False,
    ) -> Notification:
        """Send an alert, and wait until it has come as far as ``until``, or ``timeout`` is over.

        ``contact`` is a `Contact`, its id, or its name: that of its pairing, or that of its profile
        if it was not paired; ``"id:3"`` is an id too.  The result says how far the alert has come.
        It is stored in any case, also if the call is cancelled while it waits.  As long as the
        store is open, here or later, it goes on to the router; if that cannot be reached, for two
        days.

        With ``gives_way`` it stops waiting, after some seconds, if another program waits for the
        store: `notify` does that.

        Raises `UnknownContact`, `AmbiguousContact`, `ContactLost`, `CannotSend` if the contact is
        not connected yet, `NotAllowed` and `TooLarge`; then nothing is stored.
        """
        said, settings = as_content(content), self._core.settings
        wanted = contact.id if isinstance(contact, Contact) else contact

        def decide(store: Store) -> SentMessage:
            found = _reachable(wanted, store)
            sent = sending.send(ContactOutlet(store, settings, found), said)
            return SentMessage(Contact(self._core, found), sent.msg_id, said, sent.sent_at)

        message = await self._core.step(decide)
        return await self._followed(message, until, timeout, gives_way=gives_way)

    async def send_file(
        self,
        contact: Contact | int | str,
        source: FileSource,
        *,
        name: str | None = None,
        text: str = "",
        until: DeliveryState = DeliveryState.SENT,
        timeout: float = 30,
        gives_way: bool = False,
    ) -> Notification:
        """Send a file, by its path or its content, as `send` does.

        It has come to `DeliveryState.SENT` when the file is on its routers too.  Until then a file
        at a path must stay as it is; the transfer goes on when the store is opened again.

        Raises as `Contact.send_file` does, too.
        """
        found = await self._found(contact)
        message = await found.send_file(source, name=name, text=text)
        return await self._followed(message, until, timeout, gives_way=gives_way)

    async def send_image(
        self,
        contact: Contact | int | str,
        source: FileSource,
        *,
        thumbnail: Picture | None = None,
        name: str | None = None,
        text: str = "",
        until: DeliveryState = DeliveryState.SENT,
        timeout: float = 30,
        gives_way: bool = False,
    ) -> Notification:
        """Send a picture, which the app shows, as `send_file` does; see `Contact.send_image`."""
        found = await self._found(contact)
        message = await found.send_image(source, thumbnail=thumbnail, name=name, text=text)
        return await self._followed(message, until, timeout, gives_way=gives_way)

    async def follow(
        self,
        sent: Notification,
        *,
        until: DeliveryState = DeliveryState.SENT,
        timeout: float = 30,
        gives_way: bool = False,
    ) -> Notification:
        """Wait for an alert that was sent before, as `send` does."""
        return await self._followed(sent.message, until, timeout, gives_way=gives_way)

    async def _found(self, wanted: Contact | int | str) -> Contact:
        if isinstance(wanted, Contact):
            return wanted
        found = await self._core.step(partial(_reachable, wanted), durable=False)
        return Contact(self._core, found)

    async def _followed(
        self, message: SentMessage, until: DeliveryState, timeout: float, *, gives_way: bool
    ) -> Notification:
        if until is not DeliveryState.STORED:
            with suppress(MessageForgotten):
                await self._wait(partial(message.wait, until), timeout, gives_way=gives_way)
        key = message.contact.id, message.id
        state = await self._core.step(partial(_state_of, key), durable=False)
        problem = None
        if state is DeliveryState.FAILED or _RANKS.index(state) < _RANKS.index(until):
            problem = self._problems.get(message.contact.connection_id)
        return Notification(message.contact, message, state, problem)

    async def flush(self, *, timeout: float = 30, gives_way: bool = False) -> int:
        """Send what is stored, until routers have taken all of it or ``timeout`` is over.

        Returns how many messages are left.
        """
        await self._wait(self._drain, timeout, gives_way=gives_way)
        return await self._unsent()

    async def _drain(self) -> None:
        while True:
            changed = self._changed
            await self.agent.drain()
            # A file that is on its routers now is still to be described to its recipient.
            if not await self._unsent():
                return
            await changed.wait()

    async def _unsent(self) -> int:
        return sum([each.queued for each in await self.recipients()])

    async def _wait(
        self, wait: Callable[[], Awaitable[object]], timeout: float, *, gives_way: bool
    ) -> None:
        # What makes no sense is no time at all: the alert is stored already.
        with trio.move_on_after(timeout if timeout > 0 else 0):
            if not gives_way or self._line is None:
                await wait()
                return
            async with open_inner_nursery() as nursery:
                nursery.start_soon(self._look_for_others, nursery.cancel_scope)
                await wait()
                nursery.cancel_scope.cancel()

    async def _look_for_others(self, scope: trio.CancelScope) -> None:
        await trio.sleep(GIVE_WAY_AFTER)
        while not self.is_awaited:  # noqa: ASYNC110 - nothing tells of locks
            await trio.sleep(_LOOK_INTERVAL)
        scope.cancel()

    # --- people ---------------------------------------------------------------------------------

    async def pair(self, name: str | None = None, *, greeting: str = GREETING) -> Pairing:
        """Invite a person to get alerts; it returns when a router has made the link.

        ``name`` is what `send` knows the person by; without one it is the name in the person's
        profile, as it is then.  An invitation of this name that has not come to its end goes on.

        Raises `NameTaken`, `EncodeError` for a name that cannot be shown, `BelongsToBot`,
        `NoServers`, and `PairingFailed` if the routers refuse.
        """
        if self._is_bots:
            raise BelongsToBot("a bot has the store open at other times, and invites people itself")
        settings = self._core.settings
        begun = await self._core.step(lambda store: pairings.begin(store, settings, name, greeting))
        record = await self._pairing_when(
            begun.connection_id, lambda each: each.link is not None or each.contact_id is not None
        )
        return Pairing(self, record)

    async def _paired(self, connection_id: str) -> Recipient:
        record = await self._pairing_when(connection_id, lambda each: each.contact_id is not None)
        with trio.CancelScope(shield=True):  # one step in the store, which takes no time
            await self._core.step(lambda store: pairings.told(store, record))
        contact_id = record.contact_id
        for each in await self.recipients():
            if each.contact is not None and each.contact.id == contact_id:
                return each
        raise PairingFailed("the person has left already", None)

    async def _pairing_when(
        self, connection_id: str, is_ready: Callable[[PairingRecord], bool]
    ) -> PairingRecord:
        while True:
            changed = self._changed
            record = await self._core.step(
                lambda store: pairings.pairing_of(store, connection_id), durable=False
            )
            if record is None:
                problem = self._problems.get(connection_id)
                raise PairingFailed("the invitation cannot be used", problem)
            if is_ready(record):
                return record
            await changed.wait()

    @property
    def problems(self) -> frozenset[Problem]:
        """What holds up alerts and invitations at the moment, as far as that is known."""
        return frozenset(self._problems.values())

    async def recipients(self) -> list[Recipient]:
        """All who can be sent alerts, and those who are invited; no router is asked."""
        core = self._core

        def look_up(store: Store) -> list[Recipient]:
            open_ones = [each for each in pairings.pairings(store) if each.contact_id is None]
            contacts = [Contact(core, each) for each in store.all_contacts()]
            return [*map(invited, open_ones), *(recipient(store, each) for each in contacts)]

        return await core.step(look_up, durable=False)

    async def remove(self, contact: int | str) -> None:
        """Remove a person, who is told, or take an invitation back; ``""`` is one without a name.

        Raises `UnknownContact`, and `BelongsToBot`.
        """
        if self._is_bots:
            raise BelongsToBot("a bot has the store open at other times, and keeps its contacts")
        await self._core.step(lambda store: pairings.remove_named(store, contact))

    # --- what happens ---------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the events of the agent until cancelled; called by `open_notifier`."""
        core, settings = self._core, self._core.settings
        async with trio.open_nursery() as nursery:
            await sweep_copies(core)
            if not self._is_bots:
                await core.step(lambda store: pairings.complete(store, settings))
            nursery.start_soon(keep_up, core)
            task_status.started()
            async for event in self.agent.events:
                self._note_problem(event)
                if isinstance(event, FileProgress):
                    core.progress.tell(event)
                elif self._is_bots and not isinstance(event, _ABOUT_ALERTS):
                    self.agent.events.keep()
                elif isinstance(event, PeerMessage):
                    await self._read(event)
                else:
                    await self._follow(event)
                self._changed.set()
                self._changed = trio.Event()

    async def _read(self, message: PeerMessage) -> None:
        def decide(store: Store) -> None:
            settle(store, self._core.settings, message)
            pairings.forget_lost(store, message.connection_id)

        await self._core.step(decide)

    async def _follow(self, event: DuplexEvent) -> None:
        settings, is_bots = self._core.settings, self._is_bots

        def decide(store: Store) -> None:
            found = happened(store, settings, event)
            if not is_bots:
                for each in found:
                    if isinstance(each, Noticed):
                        store.remove_notice(each.notice)
                pairings.follow(store, settings, event)

        # Whatever leads to work is durable; the rest is done again after a loss.
        await self._core.step(decide, takes_event=True, durable=False)

    def _note_problem(self, event: DuplexEvent) -> None:
        match event:
            case ConnectionWarning() | ConnectionFailed() | DeliveryWarning() | DeliveryFailed():
                self._problems[event.connection_id] = event.problem
            case MessageSent() | ConnectionReady():
                self._problems.pop(event.connection_id, None)
            case _:
                pass


_ABOUT_ALERTS = (
    MessageSent,
    ReceiptReceived,
    DeliveryFailed,
    DeliveryWarning,
    FileSent,
    FileFailed,
)
"""Events that are followed in a bot's store too, as the bot would."""


def _reachable(wanted: int | str, store: Store) -> ContactRecord:
    """The contact, if there is a way to it."""
    found = pairings.find(store, wanted)
    if found.status is ContactStatus.FAILED:
        raise ContactLost("the contact cannot be reached any more")
    return found


def _state_of(key: tuple[int, bytes], store: Store) -> DeliveryState:
    sent = store.sent_as(*key)
    if sent is not None:
        return sent.outcome
    # It is forgotten because there were many others since, or with its contact.
    return DeliveryState.STORED if store.contact(key[0]) is not None else DeliveryState.FAILED
