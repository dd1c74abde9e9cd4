"""The router as a whole: `open_router` for a program of one's own, `serve_router` for real use.

::

    async with open_router() as router:
        async with open_smp_client(router.address) as client:
            ...

An embedded router is on loopback and in memory, with credentials made for the occasion.  A real one
reads a `RouterConfig` from a file::

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
from functools import partial

import trio

from simplex_trio.crypto.credentials import RouterCredentials, generate_router_credentials
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.router import housekeeping
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.hub import Hub, assemble_hub
from simplex_trio.router.names import NameResolver
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.router.proxying import Relays
from simplex_trio.router.relays import open_relays
from simplex_trio.router.session import serve_client
from simplex_trio.router.statistics import RouterStatistics, take_statistics
from simplex_trio.router.store.interface import Store
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.router.store.sqlite import open_sqlite_store
from simplex_trio.router.web import WebPage
from simplex_trio.serving.credentials import load_credentials, load_web_credentials
from simplex_trio.serving.deadlines import PromptStream
from simplex_trio.serving.http import answer_one
from simplex_trio.serving.metrics import serve_metrics
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.listen import SocketStatistics, open_listeners, serve_tls
from simplex_trio.transport.tls import ServerContext, TlsCredentials, TlsStream, utc_now
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE

__all__ = ["EMBEDDED", "Router", "open_router", "serve_router"]

_log = logging.getLogger(__name__)

_ALPN = ("smp/1", "http/1.1")
"""SMP goes by either name: by the second on port 443, to pass for what is usual there."""

EMBEDDED = RouterConfig(
    hosts=("127.0.0.1",),
    listen="127.0.0.1",
    ports=(0,),
    proxy=ProxyPolicy(allow_private=True),
)
"""What `open_router` opens: a router that only this machine can reach."""


class Router:
    """A router that is running."""

    def __init__(
        self, address: ServerAddress, hub: Hub, sockets: SocketStatistics, ports: tuple[int, ...]
    ) -> None:
        self.address: ServerAddress = address
        """What clients take."""
        self.ports: tuple[int, ...] = ports
        """Where it listens, in the order of the configuration."""
        self.metrics_port: int | None = None
        """Where Prometheus finds metrics, if it does."""
        self.sockets: SocketStatistics = sockets
        """What became of the connections so far."""
        self._hub = hub

    def __repr__(self) -> str:
        return f"<Router with {len(self._hub.guests)} clients>"

    def statistics(self) -> RouterStatistics:
        """The router in numbers, now."""
        clients = len(self._hub.guests)
        return take_statistics(self._hub.state, clients=clients, sockets=self.sockets)


@asynccontextmanager
async def open_router(
    config: RouterConfig = EMBEDDED,
    *,
    store: Store | None = None,
    credentials: RouterCredentials | None = None,
    resolver: NameResolver | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
) -> AsyncIterator[Router]:
    """Run a router for as long as the block lasts.

    ``store`` and ``credentials`` take the place of what the configuration says; the store stays
    open.  With a ``resolver`` the router resolves names.  ``clock`` tells the seconds since 1970.
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
    resolver: NameResolver | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
    task_status: trio.TaskStatus[Router] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a router until it is cancelled; ``task_status`` gets the `Router` when it listens.

    See `open_router` for the parameters.  Cancelling it closes the listeners and all connections,
    stores what was decided, and leaves nothing behind; if the store does not answer in
    ``config.intervals.close`` seconds it is not waited for any longer.

    Raises `OSError` for files and ports that cannot be opened, `DecodeError` and `CertificateError`
    for credentials, and `StoreError` for a store that cannot be used; nothing is left out of one.
    """
    if credentials is None:
        credentials = await _credentials(config)
    web = None
    if config.web_ports and config.credentials is not None:
        web = await load_web_credentials(config.credentials)
    async with (
        _opened_store(config, store, accept_loss=accept_loss) as opened,
        _opened_relays(config.proxy) as relays,
    ):
        hub = await assemble_hub(
            config, credentials, opened, relays=relays, resolver=resolver, clock=clock
        )
        await _run(hub, web, task_status)


async def _credentials(config: RouterConfig) -> RouterCredentials:
    if config.credentials is None:
        await trio.lowlevel.checkpoint()
        return generate_router_credentials(now=utc_now()).without_ca_key()
    return await load_credentials(config.credentials, at=utc_now())


def _opened_store(
    config: RouterConfig, given: Store | None, *, accept_loss: bool
) -> AbstractAsyncContextManager[Store]:
    if given is not None:
        return nullcontext(given)
    if config.store is None:
        return nullcontext(MemoryStore())
    return open_sqlite_store(config.store, accept_loss=accept_loss)


def _opened_relays(policy: ProxyPolicy) -> AbstractAsyncContextManager[Relays | None]:
    return open_relays(policy) if policy.enabled else nullcontext(None)


async def _run(hub: Hub, web: TlsCredentials | None, task_status: trio.TaskStatus[Router]) -> None:
    config = hub.config
    async with open_inner_nursery() as background:
        background.start_soon(hub.commits.run)
        try:
            async with open_inner_nursery() as nursery:
                for task in (
                    housekeeping.expire,
                    housekeeping.disconnect_idle,
                    housekeeping.store_counters_regularly,
                ):
                    nursery.start_soon(task, hub)
                nursery.start_soon(hub.ends.run)
                nursery.start_soon(hub.notifications.run)
                router = await _listen(hub, web, nursery)
                if config.metrics_port is not None:
                    serve = partial(serve_metrics, router.statistics, config.metrics_port)
                    router.metrics_port = await nursery.start(serve)
                _log.info("a router with %d queues is listening", len(hub.state.queues))
                task_status.started(router)
        finally:
            with trio.move_on_after(config.intervals.close, shield=True) as closing:
                await housekeeping.store_counters(hub)
                await hub.commits.drained()
            if closing.cancelled_caught:
                _log.error("the store did not take in time what was left to be stored")
            hub.commits.close()


async def _listen(hub: Hub, web: TlsCredentials | None, nursery: trio.Nursery) -> Router:
    config = hub.config
    found = await _open_ports(config)
    ports = tuple(listeners[0].socket.getsockname()[1] for _, listeners in found)
    router = Router(_address(hub, ports[0]), hub, SocketStatistics(), ports)
    page = WebPage(router.address)
    for is_web in (False, True):
        listeners = [
            listener
            for port, opened in found
            if (port in config.web_ports) == is_web
            for listener in opened
        ]
        if listeners:
            context = ServerContext(
                TlsCredentials.of(hub.credentials.chain, hub.credentials.key),
                alpn=_ALPN,
                web=web if is_web else None,
            )
            await nursery.start(
                partial(
                    serve_tls,
                    partial(_serve_connection, hub, page if context.serves_web else None),
                    listeners,
                    context,
                    places=hub.places,
                    statistics=router.sockets,
                )
            )
    return router


async def _open_ports(config: RouterConfig) -> list[tuple[int, list[trio.SocketListener]]]:
    found: list[tuple[int, list[trio.SocketListener]]] = []
    try:
        for port in config.ports:
            found.append((port, await open_listeners(port, host=config.listen)))
    except BaseException:
        for _, listeners in found:
            for listener in listeners:
                listener.socket.close()
        raise
    return found


def _address(hub: Hub, port: int) -> ServerAddress:
    protocol = ServerProtocol.SMP
    return ServerAddress(
        protocol,
        tuple(map(parse_host, hub.config.hosts)),
        None if port == protocol.default_port else port,
        hub.credentials.identity_fingerprint,
    )


async def _serve_connection(hub: Hub, page: WebPage | None, tls: TlsStream) -> None:
    if page is not None and tls.session.server_name is not None:
        await answer_one(tls, page.answer)  # only browsers send a name
        return
    seconds = hub.config.limits.block_seconds
    blocks = BlockStream(PromptStream(tls, SMP_BLOCK_SIZE, seconds), SMP_BLOCK_SIZE)
    await serve_client(hub, blocks, tls.session, tls.origin)
