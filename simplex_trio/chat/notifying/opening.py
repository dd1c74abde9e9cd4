"""`open_notifier`, and `notify`: one call for one alert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from os import PathLike
from pathlib import Path

import trio
from attrs import evolve

from simplex_trio.agent.connections import Connector
from simplex_trio.chat.copies import Copies, copies_beside
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import BelongsToBot, UnknownContact
from simplex_trio.chat.machine.own import own_profile, publish
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import compress
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.notifying.line import Line, open_in_turn
from simplex_trio.chat.notifying.notifier import Notifier
from simplex_trio.chat.notifying.values import Notification
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Server, servers_of
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.store import MemoryFile
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.xftp.client_config import AnyServer, servers_with_auth
from simplex_trio.xftp.disk import in_thread

__all__ = ["DEFAULT_STORE", "WAIT", "notify", "open_notifier", "run_notifier"]

WAIT = 60.0
"""Seconds for which the store is waited for, unless a call says otherwise."""

DEFAULT_STORE = "alerts"
"""The store of the command line and of Apprise, unless another is named: see `store_path`."""

_SPACE = ".chat.notifying"
_SERVERS = b"servers"
_FILE_SERVERS = b"servers for files"

_PROFILE = Profile("Alerts", short_descr="Sends alerts, and reads no answers")


@asynccontextmanager
async def open_notifier(
    path: str | PathLike[str] | MemoryFile | None,
    *,
    profile: Profile | str | None = None,
    servers: Iterable[Server | ServerAddress | str] = (),
    xftp_servers: Iterable[AnyServer] = (),
    wait: float = WAIT,
    config: DuplexConfig | None = None,
    connector: Connector | None = None,
    key: str | bytes | None = None,
    accept_loss: bool = False,
) -> AsyncIterator[Notifier]:
    """Open the store at ``path``, which is made if it is missing, to send alerts from it.

    ``profile`` is what people see of the sender: a name, or a `Profile` with picture and
    description.  ``servers`` are the routers on which queues are made, and through which alerts go
    to others; ``xftp_servers`` are for files.  All are kept in the store for the next time, and
    need not be given again; people are told of another profile.

    A store is open in one program at a time.  This waits up to ``wait`` seconds for the others, and
    then raises `StoreLocked`.  Several that wait get their turns one after the other.

    The store of a bot can be opened too, while the bot does not run.  Then the profile is the
    bot's, which raises `BelongsToBot` if another one is given, and whatever people do in the
    meantime waits for the bot.

    Everything else is as for `open_bot`.
    """
    compress(bytes(200))  # the messages of the apps cannot be read without that
    config = DuplexConfig() if config is None else config
    line = None if path is None or isinstance(path, MemoryFile) else Line(Path(path))
    opening = partial(
        open_duplex_agent,
        path,
        config=config,
        configure=partial(
            _remember_servers,
            servers_of(servers),
            servers_with_auth(xftp_servers),
        ),
        connector=connector,
        key=key,
        accept_loss=accept_loss,
    )
    given = None if profile is None else own_profile(profile, None, ())
    async with AsyncExitStack() as stack:
        agent = await open_in_turn(stack, opening, line, wait)
        running = run_notifier(agent, given, config, line, copies=copies_beside(path))
        yield await stack.enter_async_context(running)


@asynccontextmanager
async def run_notifier(
    agent: DuplexAgent,
    profile: Profile | None,
    config: DuplexConfig,
    line: Line | None = None,
    *,
    copies: Path | None = None,
) -> AsyncIterator[Notifier]:
    """A notifier on an agent, which runs for as long as the block."""
    stored, is_bots = await agent.transact(
        lambda t: (Store(t).profile, Store(t).is_bots), durable=False
    )
    if is_bots and profile is not None:
        raise BelongsToBot("a bot has the store open at other times, and sets the profile")
    own = profile or stored or own_profile(_PROFILE, None, ())
    settings = Settings(own, None, False, config.clock, config.random_bytes)
    settings.check()
    core = ChatCore(agent, settings, Copies(copies))
    if not is_bots:
        await core.step(lambda store: publish(store, settings))
    notifier = Notifier(core, line, is_bots=is_bots)
    try:
        async with open_inner_nursery() as nursery:
            await nursery.start(notifier.run)
            yield notifier
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await in_thread(core.copies.close)


def _remember_servers(
    given: tuple[Server, ...],
    for_files: tuple[ServerAddressWithAuth, ...],
    kept: KeptRecords,
    config: DuplexConfig,
) -> DuplexConfig:
    """``config`` with the servers that are given, or those that were given last."""
    queues = [str(ServerAddressWithAuth(each.address, each.basic_auth)) for each in given]
    queues = _remembered(kept, _SERVERS, queues, is_set=bool(config.servers))
    files = _remembered(
        kept, _FILE_SERVERS, [*map(str, for_files)], is_set=bool(config.files.servers)
    )
    if queues:
        config = evolve(config, servers=queues)
    if files:
        servers = [ServerAddressWithAuth.parse(each) for each in files]
        config = evolve(config, files=evolve(config.files, servers=servers))
    return config


def _remembered(kept: KeptRecords, key: bytes, given: list[str], *, is_set: bool) -> list[str]:
    if given:
        kept.put(_SPACE, key, encode_json({"servers": given}))
        return given
    value = None if is_set else kept.get(_SPACE, key)
    return [] if value is None else [str(each) for each in decode_json(value)["servers"]]


async def notify(
    contact: int | str,
    content: Content | str,
    *,
    path: str | PathLike[str],
    until: DeliveryState = DeliveryState.SENT,
    timeout: float = 30,
    wait: float = WAIT,
    servers: Iterable[Server | ServerAddress | str] = (),
    config: DuplexConfig | None = None,
    connector: Connector | None = None,
    key: str | bytes | None = None,
) -> Notification:
    """Send one alert from the store at ``path``, and say what became of it.

    `Notifier.send` and `open_notifier` say more.  Once the store is open, which takes up to
    ``wait`` seconds if other programs use it, the alert is stored; and from then it is not lost.
    It is waited for until it has come as far as ``until``, or for ``timeout`` seconds; or some
    seconds only, if the next program waits for the store.  What is stored and has not been sent
    then goes out with the next call, or a bot that opens the store.

    Raises `StoreLocked`, and as `Notifier.send` does; then nothing is stored.
    """
    if not await trio.Path(path).exists():
        raise UnknownContact("there is no store with contacts yet")
    async with open_notifier(
        path, servers=servers, wait=wait, config=config, connector=connector, key=key
    ) as notifier:
        return await notifier.send(contact, content, until=until, timeout=timeout, gives_way=True)
