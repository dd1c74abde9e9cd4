"""The router as a whole: `open_xftp_router` for a program of one's own, `serve_xftp_router` else.

::

    async with open_xftp_router() as router:
        sent = await send_file(path, [router.address])
        ...

An embedded router is on loopback and in a temporary folder, with credentials made for the occasion.
A real one has a folder, and credentials that stay the same.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from simplex_trio.crypto.credentials import RouterCredentials, generate_router_credentials
from simplex_trio.errors import StoreError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.shares import FairShares
from simplex_trio.transport.listen import (
    SocketStatistics,
    open_listeners,
    serve_tls,
)
from simplex_trio.transport.places import ListenLimits, Places
from simplex_trio.transport.tls import ServerContext, TlsCredentials, TlsStream, utc_now
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.errors.values import Blocked
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.xftp.handshake import ALPN, WEB_ALPN
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.router.commands import Commands
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.pages import Pages
from simplex_trio.xftp.router.statistics import (
    Count,
    XFTPRouterStatistics,
    take_statistics,
)
from simplex_trio.xftp.router.storage import Storage, open_storage
from simplex_trio.xftp.support import require_support

__all__ = ["EMBEDDED", "XFTPRouter", "open_xftp_router", "serve_xftp_router"]

_log = logging.getLogger(__name__)

_HTTP_ALPN = "http/1.1"
"""The name by which clients pass for what is usual on port 443; what follows is HTTP/2 even so."""

EMBEDDED = XFTPRouterConfig(hosts=("127.0.0.1",), listen="127.0.0.1", ports=(0,))
"""What `open_xftp_router` opens: a router that only this machine can reach."""

_HOUR = 3600


class XFTPRouter:
    """A router that is running."""

    def __init__(
        self,
        config: XFTPRouterConfig,
        credentials: RouterCredentials,
        storage: Storage,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.ports: tuple[int, ...] = ()
        """Where it listens, in the order of the configuration."""
        self._config = config
        self._credentials = credentials
        self._storage = storage
        self._clock = clock
        self._sockets = SocketStatistics()
        limits = config.limits
        self._places = Places(
            ListenLimits(
                connections=limits.connections,
                max_connections_per_address=limits.max_connections_per_address,
                handshake_seconds=limits.tls_seconds,
                crowded_handshake_seconds=limits.crowded_handshake_seconds,
            )
        )
        self._counters: Counter[Count] = Counter()
        self._files = FairShares(config.limits.open_files, config.limits.open_files_per_connection)
        self._clients = 0
        self._commands = Commands(
            storage,
            config.packets,
            config.limits,
            self._counters,
            clock=clock,
            random=secrets.token_bytes,
        )

    def __repr__(self) -> str:
        return f"<XFTPRouter with {self._clients} clients>"

    @property
    def address(self) -> ServerAddress:
        """What clients take."""
        protocol, port = ServerProtocol.XFTP, self.ports[0]
        return ServerAddress(
            protocol,
            tuple(map(parse_host, self._config.hosts)),
            None if port == protocol.default_port else port,
            self._credentials.identity_fingerprint,
        )

    def statistics(self) -> XFTPRouterStatistics:
        """The router in numbers, now."""
        self._counters[Count.PACKETS_FORGOTTEN] = self._storage.packets_forgotten
        return take_statistics(
            packets=self._storage.packets,
            bytes_stored=self._storage.bytes_stored,
            bytes_reserved=self._storage.bytes_reserved,
            bytes_of_records=self._storage.bytes_of_records,
            open_files=self._files.count,
            clients=self._clients,
            sockets=self._sockets,
            counters=self._counters,
        )

    async def block(self, packet_id: bytes, reason: Blocked, *, of_sender: bool = False) -> bool:
        """Remove the body of a packet for good, and tell everybody who asks for it why.

        ``packet_id`` is a recipient's, as complaints have it, or the sender's.  Returns whether
        there is such a packet.  Raises `StoreError`.
        """
        packet = await self._storage.find(packet_id, from_sender=of_sender)
        if packet is None or not await self._storage.block(packet.sender_id, reason):
            return False
        self._counters[Count.PACKETS_BLOCKED] += 1
        return True

    async def expire(self) -> int:
        """Delete what is too old; the router does it by itself, too.  Raises `StoreError`."""
        oldest = int(self._clock()) // _HOUR - self._config.packets.expiry_hours
        count = await self._storage.delete_created_before(oldest)
        self._counters[Count.PACKETS_EXPIRED] += count
        return count

    # --- running ------------------------------------------------------------------------------

    async def run(
        self, web: TlsCredentials | None, task_status: trio.TaskStatus[XFTPRouter]
    ) -> None:
        """Serve until it is cancelled."""
        async with open_inner_nursery() as nursery:
            nursery.start_soon(self._expire_regularly)
            await self._listen(web, nursery)
            _log.info("a router with %d packets is listening", self._storage.packets)
            task_status.started(self)

    async def _listen(self, web: TlsCredentials | None, nursery: trio.Nursery) -> None:
        config = self._config
        credentials = TlsCredentials.of(self._credentials.chain, self._credentials.key)
        context = ServerContext(credentials, alpn=(ALPN, WEB_ALPN, _HTTP_ALPN), web=web)
        browsers = None if web is None else Pages(config.pages)
        serve_client = partial(self._serve_client, pages=browsers)
        ports: list[int] = []
        for port in config.ports:
            listeners = await open_listeners(port, host=config.listen)
            ports.append(listeners[0].socket.getsockname()[1])
            serve = partial(serve_tls, places=self._places, statistics=self._sockets)
            await nursery.start(serve, serve_client, listeners, context)
        self.ports = tuple(ports)

    async def _serve_client(self, tls: TlsStream, *, pages: Pages | None) -> None:
        from simplex_trio.xftp.router.session import serve_client

        self._clients += 1
        try:
            await serve_client(
                tls,
                self._credentials,
                self._commands,
                self._config.limits,
                self._files.share(tls.origin),
                self._places,
                pages,
            )
        finally:
            self._clients -= 1

    async def _expire_regularly(self) -> None:
        while True:
            try:
                if count := await self.expire():
                    _log.info("%d packets have expired", count)
            except StoreError as exc:
                _log.error("expired packets cannot be deleted: %s", exc)
            await trio.sleep(self._config.expiry_check)


@asynccontextmanager
async def open_xftp_router(
    config: XFTPRouterConfig = EMBEDDED,
    *,
    credentials: RouterCredentials | None = None,
    web: TlsCredentials | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
) -> AsyncIterator[XFTPRouter]:
    """Run a router for as long as the block lasts.

    Without ``credentials`` the router makes some, and with them an address, that end with it.  With
    ``web`` credentials, from an authority that browsers trust, it serves browsers on its ports too.
    ``clock`` tells the seconds since 1970.  ``accept_loss`` starts even if the last records of
    packets are missing, and gives these packets up.

    Leaving the block ends every connection, and returns when nothing of the router is left.  Raises
    what `serve_xftp_router` raises.
    """
    async with open_inner_nursery() as nursery:
        serve = partial(
            serve_xftp_router,
            config,
            credentials=credentials,
            web=web,
            clock=clock,
            accept_loss=accept_loss,
        )
        router: XFTPRouter = await nursery.start(serve)
        yield router
        nursery.cancel_scope.cancel()


async def serve_xftp_router(
    config: XFTPRouterConfig,
    *,
    credentials: RouterCredentials | None = None,
    web: TlsCredentials | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
    task_status: trio.TaskStatus[XFTPRouter] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a router until it is cancelled; ``task_status`` gets the `XFTPRouter` when it listens.

    See `open_xftp_router` for the parameters.  Cancelling it closes the listeners and all
    connections; uploads that are not complete leave nothing.

    Raises `OSError` for ports that cannot be opened, `ValueError` for credentials that cannot be
    used and for pages without any for browsers, `StoreError` for a folder that cannot be used,
    `StoreIncomplete` if the last records are missing, and `XFTPSupportMissing` without the
    libraries that it takes.
    """
    require_support()
    quota = config.packets.quota
    if config.pages is not None and web is None:
        raise ValueError("pages are for browsers, for which there are no credentials")
    if credentials is None:
        credentials = generate_router_credentials(now=utc_now()).without_ca_key()
    async with (
        _opened_folder(config.folder) as folder,
        open_storage(folder, quota, secrets.token_bytes, accept_loss=accept_loss) as storage,
    ):
        await XFTPRouter(config, credentials, storage, clock=clock).run(web, task_status)


@asynccontextmanager
async def _opened_folder(given: Path | None) -> AsyncIterator[Path]:
    if given is not None:
        yield given
        return
    temporary = await in_thread(lambda: tempfile.TemporaryDirectory(prefix="simplex-trio-xftp-"))
    try:
        yield Path(temporary.name)
    finally:
        with trio.CancelScope(shield=True):
            await in_thread(temporary.cleanup)
