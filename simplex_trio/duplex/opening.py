"""Opening an agent, with everything that it stands on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from os import PathLike
from pathlib import Path

from attrs import evolve

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.connections import Connector
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig, Server, servers_of
from simplex_trio.duplex.kem_stock import open_kem_stock
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import MemoryFile, open_duplex_store
from simplex_trio.duplex.work.ntf_routers import NTFConnector
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.xftp.client_config import AnyServer, servers_with_auth

__all__ = ["folder_beside", "open_duplex_agent"]

_FILES = ".files"
"""What is added to the name of a store for the folder with files that are being received."""


def folder_beside(path: str | PathLike[str] | MemoryFile | None, suffix: str) -> Path | None:
    """The folder beside a file that is named after it; `None` if it is to be a temporary one."""
    if path is None:
        return None
    if isinstance(path, MemoryFile):
        return None if path.folder is None else path.folder / suffix.lstrip(".")
    file = Path(path)
    return file.with_name(file.name + suffix)


@asynccontextmanager
async def open_duplex_agent(
    path: str | PathLike[str] | MemoryFile | None,
    *,
    servers: Iterable[Server | ServerAddress | str] = (),
    xftp_servers: Iterable[AnyServer] = (),
    config: DuplexConfig | None = None,
    connector: Connector | None = None,
    key: str | bytes | None = None,
    accept_loss: bool = False,
    subscribe: bool = True,
    ntf_connector: NTFConnector | None = None,
    configure: Callable[[KeptRecords, DuplexConfig], DuplexConfig] | None = None,
) -> AsyncIterator[DuplexAgent]:
    """Open an agent whose store is the file at ``path``, which is made if it is missing.

    ``None`` keeps everything in memory, and so does a `MemoryFile`, for tests.  ``servers`` are the
    routers on which queues are made, and ``xftp_servers`` those that files are put on; they replace
    those of the configuration.  ``connector`` replaces the way in which connections to routers of
    queues are made, and ``ntf_connector`` that to notification routers.  Leaving the block ends all
    tasks, closes all connections and the file.

    With ``subscribe`` all connections are subscribed to.  Without, a program calls
    `DuplexAgent.subscribe` for some of them, or `Notifications.fetch`; everything else is the same.

    ``configure`` is called with the program's own records and the configuration, before anything is
    done, and returns the one that is used.  So a program can keep its routers in the store.

    With a ``key`` the file is encrypted by SQLCipher, of the extra ``sqlcipher``: text is a
    passphrase, and 32 bytes are the key itself.  `change_store_key` changes it.

    Raises the errors of stores: `StoreLocked` while another program has the file open,
    `StoreForeign`, `StoreCorrupted`, `StoreUnavailable`, and `StoreIncomplete` if the last commits
    are missing, unless ``accept_loss``: see `DuplexAgent.back_up` for what that means.
    `StoreKeyWrong` if the file has another key or none, `EncryptionSupportMissing` if there is a
    key and SQLCipher is not installed.  `KEMSupportMissing` if the post-quantum KEM is configured
    or a connection uses it already, and no library computes it.
    """
    config = DuplexConfig() if config is None else config
    given = servers_of(servers)
    if given:
        config = evolve(config, servers=given)
    for_files = servers_with_auth(xftp_servers)
    if for_files:
        config = evolve(config, files=evolve(config.files, servers=for_files))
    async with AsyncExitStack() as stack:
        place = path if path is None or isinstance(path, MemoryFile) else Path(path)
        store = await stack.enter_async_context(
            open_duplex_store(place, key=key, accept_loss=accept_loss)
        )
        if configure is not None:
            config = await store.transact(partial(_configured, configure, config), durable=False)
        needs_kem = config.pq or await store.transact(SQLiteRows.has_kem, durable=False)
        stock = await stack.enter_async_context(open_kem_stock()) if needs_kem else None
        routers = await stack.enter_async_context(open_smp_agent(config.agent, connector=connector))
        agent = DuplexAgent(
            config,
            store,
            routers,
            stock,
            subscribes=subscribe,
            ntf_connector=ntf_connector,
            folder=folder_beside(path, _FILES),
        )
        async with open_inner_nursery() as nursery:
            await nursery.start(agent.run)
            yield agent
            nursery.cancel_scope.cancel()


def _configured(
    configure: Callable[[KeptRecords, DuplexConfig], DuplexConfig],
    config: DuplexConfig,
    rows: SQLiteRows,
) -> DuplexConfig:
    return configure(KeptRecords(lambda: rows), config)
