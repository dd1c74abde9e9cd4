"""`Bot`: a program that people talk with in their apps; `open_bot` opens one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from os import PathLike
from typing import Any, final

import trio
from attrs import evolve

from simplex_trio.agent.connections import Connector
from simplex_trio.chat.conversations import Conversations, Job, Turn
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.handlers import ErrorHandler, Handlers, Route
from simplex_trio.chat.machine.connecting import connect, give_up, happened
from simplex_trio.chat.machine.happenings import Delivered, Happening, Noticed, Said
from simplex_trio.chat.machine.incoming import look, settle
from simplex_trio.chat.machine.own import address_of, publish
from simplex_trio.chat.machine.records import AddressRecord, NoticeKind, Store
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.bodies import compress
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import (
    Emoji,
    XDirectDel,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.preferences import Allow, BotCommand, Preference, Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.people import (
    Contact,
    ContactRequest,
    IncomingMessage,
    MessageDeleted,
    MessageEdited,
    ProfileChanged,
    ReactionChanged,
    as_content,
)
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Server
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
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link, parse_link

__all__ = ["Bot", "open_bot", "run_bot"]

_logger = logging.getLogger(__name__)

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
            self._conversations = Conversations(nursery, self._core, self._deal)
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
            kind, value = _told(self._core, each)
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

    # --- handlers -------------------------------------------------------------------------------

    async def _deal(self, job: Job, turn: Turn) -> None:
        turn.begin(job)
        value: Any = job.value
        if isinstance(value, IncomingMessage):
            value._turn = turn
            routes = await self._routes_of(value)
        else:
            routes = self._handlers.for_other(job.kind, value)
        for each in routes:
            await _follow(each, value)
        await turn.end()

    async def _routes_of(self, message: IncomingMessage) -> list[Route]:
        try:
            route = self._handlers.for_message(message)
        except Exception as exc:  # of a filter
            await _failed(self._handlers.error_handlers, message, exc)
            return []
        return [] if route is None else [route]


_KINDS = {
    NoticeKind.CONNECTED: "connected",
    NoticeKind.REQUESTED: "request",
    NoticeKind.FIRST_MESSAGE: "message",
    NoticeKind.FAILED: "failed",
}


async def _follow(route: Route, value: Any) -> None:
    async def go_on(place: int = 0) -> None:
        if place == len(route.middleware):
            await route.call()
        else:
            await route.middleware[place](value, partial(go_on, place + 1))

    try:
        await go_on()
    except Exception as exc:
        await _failed(route.error_handlers, value, exc)


async def _failed(handlers: tuple[ErrorHandler, ...], value: Any, exc: Exception) -> None:
    if not handlers:
        # Not the error's text, which may show what people have said.
        _logger.error("a handler has raised %s", type(exc).__name__)
    for handler in handlers:
        await handler(value, exc)


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


def _told(core: ChatCore, said: Said) -> tuple[str, object]:
    """What handlers are given, and which."""
    contact = Contact(core, said.contact)
    match said.event:
        case XMsgNew() as new:
            return "message", IncomingMessage(
                contact,
                said.msg_id,
                new.content,
                new.quote,
                said.at,
                ttl=new.ttl,
                is_live=bool(new.live),
                is_repeated=said.is_repeated,
            )
        case XMsgUpdate() as update:
            edited = MessageEdited(contact, update.msg_id, update.content, bool(update.live))
            return "edited", edited
        case XMsgDel(msg_id=msg_id):
            return "deleted", MessageDeleted(contact, msg_id)
        case XMsgReact() as react:
            emoji = react.reaction.emoji if isinstance(react.reaction, Emoji) else None
            return "reaction", ReactionChanged(contact, react.msg_id, emoji, react.add)
        case XInfo(profile=profile):
            return "profile", ProfileChanged(contact, profile)
        case XDirectDel():
            return "left", contact
        case _:
            raise AssertionError("nothing that programs are told")


@asynccontextmanager
async def open_bot(
    path: str | PathLike[str] | None,
    *,
    profile: Profile | str,
    handlers: Handlers | None = None,
    servers: Iterable[Server | ServerAddress | str] = (),
    welcome: Content | str | None = None,
    commands: Iterable[BotCommand] | None = None,
    address: bool = True,
    accept_requests: bool = True,
    config: DuplexConfig | None = None,
    connector: Connector | None = None,
    key: str | bytes | None = None,
    accept_loss: bool = False,
) -> AsyncIterator[Bot]:
    """Open a bot, whose contacts and messages are in the file at ``path``; it runs in the block.

    ``profile`` is what people see of it: a name, or a `Profile` with picture and description.  The
    apps are told that it is a bot, and get ``commands`` for their menu, which are those of
    ``handlers`` by default.  A profile without preferences says no to calls, voice messages and
    files.  Contacts and links are told if the profile has changed since the bot ran last.
    ``welcome`` is the first thing that people see who open the address.  When the bot is opened for
    the first time, this waits until a router has made the address.

    Without ``accept_requests`` the handlers of `Handlers.on_request` decide who becomes a contact,
    and without ``address`` there is no address: `Bot.invite` makes links for single persons.

    Everything else is as for `open_duplex_agent`.  Raises `EncodeError` for a profile that apps
    would refuse, `TooLarge` for one that does not fit, and `CompressionSupportMissing` without the
    extra ``chat``.
    """
    table = Handlers() if handlers is None else handlers
    own = _own_profile(profile, table, commands)
    compress(bytes(200))  # the messages of the apps cannot be read without that
    config = DuplexConfig() if config is None else config
    settings = Settings(
        own,
        None if welcome is None else as_content(welcome),
        accept_requests,
        config.clock,
        config.random_bytes,
    )
    async with (
        open_duplex_agent(
            path,
            servers=servers,
            config=config,
            connector=connector,
            key=key,
            accept_loss=accept_loss,
        ) as agent,
        run_bot(agent, settings, table, config.presets, address=address) as bot,
    ):
        yield bot


@asynccontextmanager
async def run_bot(
    agent: DuplexAgent,
    settings: Settings,
    handlers: Handlers,
    presets: Iterable[ServerAddress],
    *,
    address: bool,
) -> AsyncIterator[Bot]:
    """A bot on an agent, which runs for as long as the block."""
    core = ChatCore(agent, settings)

    def start(store: Store) -> AddressRecord | None:
        publish(store, settings)
        return address_of(store, settings) if address else None

    bot = Bot(core, handlers, await core.step(start), presets)
    async with open_inner_nursery() as nursery:
        await nursery.start(bot.run)
        await bot.wait_for_address()
        yield bot
        nursery.cancel_scope.cancel()


_BOT_PREFERENCES = Preferences(
    voice=Preference(Allow.NO), files=Preference(Allow.NO), calls=Preference(Allow.NO)
)


def _own_profile(
    profile: Profile | str, handlers: Handlers, commands: Iterable[BotCommand] | None
) -> Profile:
    own = Profile(profile) if isinstance(profile, str) else profile
    preferences = own.preferences or _BOT_PREFERENCES
    if commands is not None:
        preferences = evolve(preferences, commands=tuple(commands))
    elif preferences.commands is None and handlers.commands:
        preferences = evolve(preferences, commands=handlers.commands)
    own = evolve(own, peer_type=own.peer_type or PeerType.BOT, preferences=preferences)
    own.check()
    return own
