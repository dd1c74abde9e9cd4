"""`Place`: the store of a command, and `open_connections`, which opens the agent on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import trio
from cyclopts import Parameter

from simplex_trio.agent.connections import Connector
from simplex_trio.agent.destination import Destination
from simplex_trio.cli.addresses import read_address
from simplex_trio.cli.connect.memory import Memory
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import NoServers, UnknownConnection
from simplex_trio.duplex.events import ConfirmationReceived, RequestReceived
from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.errors import StoreIncomplete, StoreKeyWrong, StoreLocked
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.storage.folders import store_path
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.xftp.client import XFTPClient
from simplex_trio.xftp.client_config import XFTPClientConfig

__all__ = [
    "PATIENCE",
    "Asking",
    "ConnectionId",
    "KeyFile",
    "Open",
    "Place",
    "Routers",
    "StoreName",
    "chosen",
    "nowhere",
    "open_connections",
    "passphrase",
    "place",
    "read_connections",
    "short",
]

DEFAULT_NAME = "connections"

PATIENCE = 30.0
"""Seconds for which a command waits for routers to take what it leaves behind.  What they have not
taken then is stored, and goes on with the next command."""

_MAX_PASSPHRASE = 10_000
"""Characters that are read of a file with a passphrase."""

SHOWN = 8
"""Characters of an id that are shown in sentences; any that are enough to tell may be given."""

StoreName = Annotated[
    str | None,
    Parameter(
        name="--store",
        env_var="SIMPLEX_TRIO_STORE",
        help="The file with the connections and their keys; a name, such as `alice`, for one of "
        "that name in `~/.local/state/simplex-trio`; `connections` unless given.",
    ),
]

KeyFile = Annotated[
    Path | None,
    Parameter(
        name="--key-file",
        env_var="SIMPLEX_TRIO_STORE_KEY_FILE",
        help="A file with the passphrase that encrypts the store, from its first command on; needs "
        "the extra `sqlcipher`.",
    ),
]

Routers = Annotated[
    tuple[str, ...],
    Parameter(
        name="--router",
        show_default=False,
        help="A router to make queues on, `smp://…`, or `@FILE` for an address in a file; several "
        "if given several times. They are remembered, and replace those before.",
    ),
]

ConnectionId = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="The connection's id, or as much of its beginning as tells it from the others.",
    ),
]


Asking: TypeAlias = ConfirmationReceived | RequestReceived
"""A peer that asks for a connection."""


@frozen(repr=False)
class Place(Redacted):
    """A store, and what is remembered beside it."""

    path: Path
    memory: Memory
    key: str | None = None
    """The passphrase, if the store is encrypted."""


@frozen(repr=False)
class Open(Redacted):
    """An open agent, and what is remembered beside its store."""

    agent: DuplexAgent
    memory: Memory

    async def find(self, beginning: str) -> str:
        """The id of the connection whose id begins so."""
        return chosen(await self.agent.connections(), beginning)

    async def still_waits(self, event: Asking) -> bool:
        """Whether a peer has no answer yet; for a request only answering it can tell."""
        if isinstance(event, RequestReceived):
            return True
        try:
            status = await self.agent.status(event.connection_id)
        except UnknownConnection:
            return False
        return status.state is ConnectionState.CONFIRMED


def short(connection_id: str) -> str:
    """The beginning of an id, for people."""
    return connection_id[:SHOWN]


def chosen(ids: Iterable[str], beginning: str) -> str:
    """The one id that begins so; `UnknownConnection` for none, `CommandFailed` for several."""
    found = [each for each in ids if each.startswith(beginning)]
    if beginning in found:
        return beginning
    if len(found) == 1:
        return found[0]
    if found and beginning:
        raise CommandFailed("Several ids begin so; give more of it.", ExitCode.USAGE)
    raise UnknownConnection


# --- where it is --------------------------------------------------------------------------------


def place(store: str | None, key_file: Path | None) -> Place:
    """Where the store is that ``--store`` names, and the passphrase for it."""
    path = store_path(store or DEFAULT_NAME)
    key = None if key_file is None else passphrase(key_file)
    return Place(path, Memory.beside(path, has_names=key is None), key)


def passphrase(path: Path) -> str:
    """The passphrase in a file."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MAX_PASSPHRASE).strip()
    except UnicodeDecodeError as exc:
        raise CommandFailed(f"{path} is not a text file.", ExitCode.USAGE) from exc
    if not text:
        raise CommandFailed(f"There is no passphrase in {path}.", ExitCode.USAGE)
    return text


# --- opening it ---------------------------------------------------------------------------------


@asynccontextmanager
async def open_connections(
    where: Place,
    routers: Sequence[str] = (),
    *,
    makes_queues: bool = False,
    accept_loss: bool = False,
    file_routers: Sequence[str] = (),
    uses_files: bool = False,
) -> AsyncIterator[Open]:
    """Open the agent; one that ``makes_queues`` needs a router, and makes the store if need be.

    So does one that ``uses_files``.  ``routers`` are remembered, and so are ``file_routers``.
    Raises `CommandFailed` with what to do.
    """
    given = [read_address(each, ServerProtocol.SMP) for each in routers]
    if given:
        where.memory.routers = given
    given_for_files = [read_address(each, ServerProtocol.XFTP) for each in file_routers]
    if given_for_files:
        where.memory.file_routers = given_for_files
    if makes_queues and not where.memory.routers:
        raise NoServers
    if makes_queues or uses_files:
        where.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    else:
        _check_exists(where)
    config = DuplexConfig(
        servers=where.memory.servers(), files=FileConfig(servers=where.memory.file_routers)
    )
    async with _opened(where, config, accept_loss=accept_loss) as agent:
        if given or given_for_files:
            where.memory.save()
        yield Open(agent, where.memory)


@asynccontextmanager
async def read_connections(where: Place) -> AsyncIterator[Open]:
    """Open the agent without a network, to look at what is stored."""
    _check_exists(where)
    config = DuplexConfig(
        servers=where.memory.servers(), pq=False, files=FileConfig(connect=_no_files)
    )
    async with _opened(where, config, connector=nowhere) as agent:
        yield Open(agent, where.memory)


async def nowhere(_: trio.Nursery, __: Destination) -> SMPClient:
    """A connector for commands that ask no router."""
    await trio.sleep_forever()
    raise AssertionError  # for the type checker


@asynccontextmanager
async def _no_files(_: ServerAddress, __: XFTPClientConfig) -> AsyncIterator[XFTPClient]:
    await trio.sleep_forever()
    yield  # for the type checker


@asynccontextmanager
async def _opened(
    where: Place,
    config: DuplexConfig,
    *,
    connector: Connector | None = None,
    accept_loss: bool = False,
) -> AsyncIterator[DuplexAgent]:
    async with AsyncExitStack() as stack:
        opening = open_duplex_agent(
            where.path, config=config, connector=connector, key=where.key, accept_loss=accept_loss
        )
        try:
            agent = await stack.enter_async_context(opening)
        except StoreLocked as exc:
            raise CommandFailed(
                "The store is in use by another command, such as 'connect watch'; stop that one, "
                "or name another store with --store."
            ) from exc
        except StoreKeyWrong as exc:
            raise CommandFailed(
                "The store is encrypted with another passphrase, or not at all; or it is "
                "encrypted, and no --key-file is given.",
                ExitCode.USAGE,
            ) from exc
        except StoreIncomplete as exc:
            raise CommandFailed(
                f"The store cannot be used: {exc}. Nothing was changed. Look for a whole copy of "
                "its files first; without one, start 'connect watch' once with --accept-loss. "
                "Connections that were used since may be of no use then."
            ) from exc
        yield agent


def _check_exists(where: Place) -> None:
    if not where.path.exists():
        raise CommandFailed(
            "There are no connections in this store yet; make one with: "
            "simplex-trio connect create, or: simplex-trio connect join LINK",
            ExitCode.USAGE,
        )
