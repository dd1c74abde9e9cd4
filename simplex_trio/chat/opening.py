"""`open_bot`: a bot on a file, for as long as a block."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from os import PathLike
from pathlib import Path

import trio

from simplex_trio.agent.connections import Connector
from simplex_trio.chat.bot import Bot
from simplex_trio.chat.copies import Copies, copies_beside
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.machine.inviting import drop_unfinished
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
from simplex_trio.xftp.client_config import AnyServer
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.support import require_support

__all__ = ["open_bot", "run_bot"]


@asynccontextmanager
async def open_bot(
    path: str | PathLike[str] | MemoryFile | None,
    *,
    profile: Profile | str,
    handlers: Handlers | None = None,
    servers: Iterable[Server | ServerAddress | str] = (),
    xftp_servers: Iterable[AnyServer] = (),
    welcome: Content | str | None = None,
    commands: Iterable[BotCommand] | None = None,
    address: bool = True,
    accept_requests: bool | None = None,
    business: bool = False,
    folder: str | PathLike[str] | None = None,
    receive_up_to: int = 0,
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

    The handlers of `Handlers.on_request` decide who becomes a contact; without any, all who open
    the address do.  ``accept_requests`` says which, whatever handlers there are: with `False` and
    no handler, requests wait.  Without ``address`` there is no address: `Bot.invite` makes links
    for single persons.

    With ``business`` the address is that of a business: each customer who opens it gets a group of
    its own, in which staff can be (`Group.invite`), and `GroupHandlers.on_customer` tells of it.
    What customers say is for `Handlers.groups`.

    Files are received into ``folder`` where no other place is given, those of up to
    ``receive_up_to`` bytes without asking the program: `Handlers.on_file` tells of them.  A profile
    without preferences says yes to files if there is a folder.  ``xftp_servers`` are the routers
    that files are put on.

    Everything else is as for `open_duplex_agent`.  Raises `EncodeError` for a profile that apps
    would refuse, `TooLarge` for one that does not fit, and `CompressionSupportMissing` without the
    extra ``chat``.
    """
    table = Handlers() if handlers is None else handlers
    given = None if commands is None else tuple(commands)
    if folder is not None:
        require_support()
    elif receive_up_to:
        raise ValueError("files that are received without asking need a folder")
    if accept_requests is None:
        accept_requests = not table.decides("request")
    if business and not accept_requests:
        raise ValueError("customers at a business address are always accepted")
    commands_by_default = table.group_commands if business else table.commands
    own = own_profile(profile, given, commands_by_default, takes_files=folder is not None)
    compress(bytes(200))  # the messages of the apps cannot be read without that
    config = DuplexConfig() if config is None else config
    settings = Settings(
        own,
        None if welcome is None else as_content(welcome),
        accept_requests,
        config.clock,
        config.random_bytes,
        None if folder is None else await in_thread(partial(os.path.abspath, folder)),
        receive_up_to,
        business,
        table.decides("group request"),
    )
    settings.check()
    async with (
        open_duplex_agent(
            path,
            servers=servers,
            xftp_servers=xftp_servers,
            config=config,
            connector=connector,
            key=key,
            accept_loss=accept_loss,
        ) as agent,
        run_bot(
            *(agent, settings, table, config.presets),
            address=address,
            commands=given,
            copies=copies_beside(path),
        ) as bot,
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
    copies: Path | None = None,
) -> AsyncIterator[Bot]:
    """A bot on an agent, which runs for as long as the block.

    What it sends from memory is in the folder ``copies`` until it was sent, or in a temporary one.
    """
    core = ChatCore(agent, settings, Copies(copies))

    def start(store: Store) -> AddressRecord | None:
        store.is_bots = True
        drop_unfinished(store)
        publish(store, settings)
        return address_of(store, settings) if address else None

    bot = Bot(core, handlers, await core.step(start), presets, commands)
    try:
        async with open_inner_nursery() as nursery:
            await nursery.start(bot.run)
            await bot.wait_for_address()
            yield bot
            nursery.cancel_scope.cancel()
    finally:
        if core.copies.has_folder:
            with trio.CancelScope(shield=True):
                await in_thread(core.copies.close)
