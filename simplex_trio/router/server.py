"""The router as a whole: `open_router` embeds one in a program, `serve_router` is for real use.

::

    async with open_router() as router:
        async with open_smp_client(router.address) as client:
            ...

An embedded router is on loopback and in memory, with temporary credentials.  A real one reads a
`RouterConfig` from a file::

    config = RouterConfig.load(path)
    async with trio.open_nursery() as nursery:
        router = await nursery.start(serve_router, config)
        print(router.address)
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path

import trio

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import StoreUnavailable
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.router import housekeeping
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.control import QueueAdministration, queue_controls, store_controls
from simplex_trio.router.core.administration import QueueStatus
from simplex_trio.router.hub import Hub, assemble_hub
from simplex_trio.router.names import NameResolver
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.router.relays import open_relays
from simplex_trio.router.session import serve_client
from simplex_trio.router.signature_threads import spare_processors
from simplex_trio.router.statistics import REFERENCE_NAMES, RouterStatistics, take_statistics
from simplex_trio.router.store.interface import Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.opening import open_store
from simplex_trio.router.store.postgres import PostgresStore
from simplex_trio.router.store.sqlite import SQLiteStore
from simplex_trio.serving.control_messages import Controls
from simplex_trio.serving.credentials import CredentialSource, ShownCredentials
from simplex_trio.serving.deadlines import PromptStream
from simplex_trio.serving.http import answer_one
from simplex_trio.serving.running import CONNECTION_LOST, RunningRouter, ServingNames
from simplex_trio.serving.web import WebPage
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.tls import TlsCredentials, TlsStream
from simplex_trio.wire.addresses import ServerProtocol
from simplex_trio.wire.errors.values import Blocked
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE

__all__ = ["EMBEDDED", "Router", "open_router", "serve_router"]

_log = logging.getLogger(__name__)

EMBEDDED = RouterConfig(
    hosts=("127.0.0.1",),
    listen="127.0.0.1",
    ports=(0,),
    proxy=ProxyPolicy(allow_private=True),
)
"""What `open_router` opens: a router that only this machine can reach."""

_STORE_SECONDS = 30
"""For one call to the store, which takes some milliseconds; longer than a busy disk needs."""

METRICS_PREFIX = "simplex_router_"
"""What the names of metrics begin with."""

_NAMES = ServingNames(
    protocol=ServerProtocol.SMP,
    # SMP goes by either name: by the second on port 443, to look like usual web traffic.
    alpn=("smp/1", "http/1.1"),
    metrics_prefix=METRICS_PREFIX,
    aliases=REFERENCE_NAMES,
)


class Router(RunningRouter):
    """A router that is running."""

    def __init__(
        self, hub: Hub, store: Store, source: CredentialSource, shown: ShownCredentials
    ) -> None:
        super().__init__(_NAMES, hub.config, source, shown, hub.places, hub.pace)
        self._hub = hub
        self._store = store
        self._queues = QueueAdministration(hub)

    @property
    def clients(self) -> int:
        """How many clients are connected and have shaken hands."""
        return len(self._hub.sessions)

    def statistics(self) -> RouterStatistics:
        """The router in numbers, now."""
        return take_statistics(
            self._hub.state,
            clients=self.clients,
            sockets=self.sockets,
            problems=len(self.problems()),
            web_certificate_until=self._web_certificate_until,
        )

    def problems(self) -> tuple[str, ...]:
        """See `RunningRouter`."""
        found = []
        if self._hub.state.shortage.is_now:
            found.append("the store has no room")
        if self._hub.commits.seconds_in_store > _STORE_SECONDS:
            found.append("the store does not answer")
        if isinstance(self._store, PostgresStore) and not self._store.is_connected:
            found.append(CONNECTION_LOST)
        return tuple(found)

    # --- what its operator does with queues -----------------------------------------------------

    def queue_status(self, queue_id: bytes) -> QueueStatus | None:
        """A queue as it is now; `None` if there is none.

        Here and in what follows the id may be that of the queue's sender, as it is in links, of its
        short link, of its recipient, or of its notifier.
        """
        return self._queues.status(queue_id)

    async def block_queue(self, queue_id: bytes, reason: Blocked) -> bool:
        """Block a queue: senders and its owner get the reason, and its subscriber is told at once.

        The owner can still suspend or delete it.  Returns whether there is such a queue, when that
        is stored.  Raises `StoreError`; then nothing has changed.  Cancelled, it happens all the
        same.
        """
        return await self._queues.block(queue_id, reason)

    async def suspend_queue(self, queue_id: bytes) -> bool:
        """Have a queue take no more messages, as its owner can; see `block_queue`.

        What is in it can be received.  `QueuePolicy.suspended_ttl` applies.
        """
        return await self._queues.suspend(queue_id)

    async def resume_queue(self, queue_id: bytes) -> bool:
        """Have a queue work again, also if its owner has suspended it; see `block_queue`."""
        return await self._queues.resume(queue_id)

    async def delete_queue(self, queue_id: bytes) -> bool:
        """Delete a queue with its messages; its subscribers are told.  See `block_queue`."""
        return await self._queues.delete(queue_id)

    # --- its store ------------------------------------------------------------------------------

    async def back_up(self, path: Path) -> None:
        """Copy the store to ``path``, where nothing may be, while everything goes on.

        The copy has all that was stored before the call, and some of what is stored meanwhile.  It
        lacks what comes later, so that a router refuses it with `StoreIncomplete`, unless that is
        accepted.  If this raises, or is cancelled, there is nothing at ``path``.

        Raises `StoreUnavailable`, also if the store is not a file.
        """
        if not isinstance(self._store, SQLiteStore):
            await trio.lowlevel.checkpoint()
            raise StoreUnavailable("the router's store is not a file")
        await self._store.back_up(path)

    def _controls(self) -> Controls:
        return {
            **super()._controls(),
            **queue_controls(self._hub, self._queues),
            **store_controls(self._store),
        }

    # --- running ------------------------------------------------------------------------------

    @cached_property
    def _page(self) -> WebPage:
        return WebPage(self.address)

    async def _serve_web(self, tls: TlsStream) -> None:
        if tls.session.server_name is not None:
            await answer_one(tls, self._page.answer)  # only browsers send a name
        else:
            await self._serve(tls)

    async def _serve(self, tls: TlsStream) -> None:
        seconds = self._hub.config.limits.block_seconds
        blocks = BlockStream(PromptStream(tls, SMP_BLOCK_SIZE, seconds), SMP_BLOCK_SIZE)
        credentials = self._credentials_in(tls)
        await serve_client(self._hub, blocks, tls.session, tls.origin, credentials)

    async def _store_counters(self) -> None:
        await housekeeping.store_counters(self._hub)

    def _asks_clients(self, config: RouterConfig) -> bool:
        return config.client_certificates

    def _reconfigure(self, config: RouterConfig, credentials: RouterCredentials) -> None:
        self._hub.credentials = credentials
        self._hub.reconfigure(config)


@asynccontextmanager
async def open_router(
    config: RouterConfig = EMBEDDED,
    *,
    store: Store | None = None,
    credentials: RouterCredentials | None = None,
    web_credentials: TlsCredentials | None = None,
    resolver: NameResolver | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
) -> AsyncIterator[Router]:
    """Run a router for as long as the block lasts.

    ``store`` and ``credentials`` take the place of what the configuration says, and so do
    ``web_credentials``, for browsers on the configured ``web_ports``; the store stays open.  With a
    ``resolver`` the router resolves names.  ``clock`` tells the seconds since 1970.
    ``accept_loss`` opens the configured store even if its last commits are missing; see
    `open_sqlite_store`.

    Leaving the block ends every connection, and returns when nothing of the router is left.  Raises
    what `serve_router` raises.
    """
    async with open_inner_nursery() as nursery:
        serve = partial(
            serve_router,
            config,
            store=store,
            credentials=credentials,
            web_credentials=web_credentials,
            resolver=resolver,
            clock=clock,
            accept_loss=accept_loss,
        )
        router: Router = await nursery.start(serve)
        yield router
        nursery.cancel_scope.cancel()


async def serve_router(
    config: RouterConfig,
    *,
    store: Store | None = None,
    credentials: RouterCredentials | None = None,
    web_credentials: TlsCredentials | None = None,
    resolver: NameResolver | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
    task_status: trio.TaskStatus[Router] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a router until it is cancelled; ``task_status`` gets the `Router` when it listens.

    See `open_router` for the parameters.  Cancelling it closes the listeners and all connections,
    stores what was decided, and leaves nothing behind; it waits for the store for no more than
    ``config.intervals.close`` seconds.  With ``config.standby`` it waits first until no other
    process has the store open.

    Raises `OSError` for files and ports that cannot be opened, `DecodeError` and `CertificateError`
    for credentials, `ConfigError` for ports for browsers without credentials or the reverse,
    `MetricsSupportMissing`, and `StoreError` for a store that cannot be used, or `StoreLost` if
    it cannot be used any more.
    """
    source = CredentialSource(config, credentials, web_credentials)
    shown = await source.load()
    async with (
        _opened_store(config, store, accept_loss=accept_loss) as opened,
        open_relays(config.proxy) as relays,
    ):
        if config.standby:
            shown = await source.load()  # they may have been renewed in the meantime
        hub = await assemble_hub(
            config,
            shown.router,
            opened,
            relays=relays,
            resolver=resolver,
            clock=clock,
            threads=spare_processors(),
        )
        await _run(hub, Router(hub, opened, source, shown), task_status)


def _opened_store(
    config: RouterConfig, given: Store | None, *, accept_loss: bool
) -> AbstractAsyncContextManager[Store]:
    if given is not None:
        return nullcontext(given)
    if config.store is None:
        return nullcontext(MemoryStore())
    return open_store(config.store, accept_loss=accept_loss, standby=config.standby)


async def _run(hub: Hub, router: Router, task_status: trio.TaskStatus[Router]) -> None:
    def ready() -> None:
        _log.info("a router with %d queues is listening", len(hub.state.queues))
        task_status.started(router)

    async with open_inner_nursery() as background:
        background.start_soon(hub.commits.run)
        try:
            await router.run(
                (
                    partial(housekeeping.expire, hub),
                    partial(housekeeping.disconnect_idle, hub),
                    hub.ends.run,
                    hub.notifications.run,
                    hub.signature_threads.run,
                ),
                hub.commits.drained,
                ready,
            )
        finally:
            hub.commits.close()
