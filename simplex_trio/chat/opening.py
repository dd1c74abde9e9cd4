"""`open_bot`: a bot on a file, for as long as a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from os import PathLike

from simplex_trio.agent.connections import Connector
from simplex_trio.chat.bot import Bot
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.own import address_of, own_profile, publish
from simplex_trio.chat.machine.records import AddressRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import compress
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.preferences import BotCommand
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import as_content
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Server
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.store import MemoryFile
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["open_bot", "run_bot"]


@asynccontextmanager
async def open_bot(
    path: str | PathLike[str] | MemoryFile | None,
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
    given = None if commands is None else tuple(commands)
    own = own_profile(profile, given, table.commands)
    compress(bytes(200))  # the messages of the apps cannot be read without that
    config = DuplexConfig() if config is None else config
    settings = Settings(
        own,
        None if welcome is None else as_content(welcome),
        accept_requests,
        config.clock,
        config.random_bytes,
    )
    settings.check()
    async with (
        open_duplex_agent(
            path,
            servers=servers,
            config=config,
            connector=connector,
            key=key,
            accept_loss=accept_loss,
        ) as agent,
        run_bot(agent, settings, table, config.presets, address=address, commands=given) as bot,
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
    commands: tuple[BotCommand, ...] | None = None,
) -> AsyncIterator[Bot]:
    """A bot on an agent, which runs for as long as the block."""
    core = ChatCore(agent, settings)

    def start(store: Store) -> AddressRecord | None:
        publish(store, settings)
        return address_of(store, settings) if address else None

    bot = Bot(core, handlers, await core.step(start), presets, commands)
    async with open_inner_nursery() as nursery:
        await nursery.start(bot.run)
        await bot.wait_for_address()
        yield bot
        nursery.cancel_scope.cancel()
