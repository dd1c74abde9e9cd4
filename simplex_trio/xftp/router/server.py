"""The router as a whole: `open_xftp_router` embeds one, `serve_xftp_router` is for real use.

::

    async with open_xftp_router() as router:
        sent = await send_file(path, [router.address])
        ...

An embedded router is on loopback and in a temporary folder, with temporary credentials.  A real one
reads an `XFTPRouterConfig` from a file::

    config = XFTPRouterConfig.load(path)
    async with trio.open_nursery() as nursery:
        router = await nursery.start(serve_xftp_router, config)
        print(router.address)
"""

from __future__ import annotations

import logging
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path

import trio

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import StoreError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.control_messages import Controls
from simplex_trio.serving.counters import Counters
from simplex_trio.serving.credentials import CredentialSource, ShownCredentials
from simplex_trio.serving.pace import Pace
from simplex_trio.serving.running import CONNECTION_LOST, RunningRouter, ServingNames
from simplex_trio.serving.shares import FairShares
from simplex_trio.serving.web import WebPage
from simplex_trio.transport.tls import TlsCredentials, TlsStream
from simplex_trio.wire.addresses import ServerProtocol
from simplex_trio.wire.errors.values import Blocked
from simplex_trio.wire.xftp.handshake import ALPN, WEB_ALPN
from simplex_trio.xftp.disk import in_thread
from simplex_trio.xftp.router.commands import Commands
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.control import PacketStatus, packet_controls
from simplex_trio.xftp.router.pages import Pages
from simplex_trio.xftp.router.records.interface import PacketRecord
from simplex_trio.xftp.router.statistics import (
    REFERENCE_NAMES,
    Count,
    XFTPRouterStatistics,
    take_statistics,
)
from simplex_trio.xftp.router.storage import Storage, open_storage
from simplex_trio.xftp.support import require_support

__all__ = ["EMBEDDED", "XFTPRouter", "open_xftp_router", "serve_xftp_router"]

_log = logging.getLogger(__name__)

EMBEDDED = XFTPRouterConfig(hosts=("127.0.0.1",), listen="127.0.0.1", ports=(0,))
"""What `open_xftp_router` opens: a router that only this machine can reach."""

_HOUR = 3600

_AFTER_FAILURE = 10.0
"""Seconds before packets that are to be deleted at once, and could not be, are tried again."""

METRICS_PREFIX = "simplex_xftp_router_"
"""What the names of metrics begin with."""

_NAMES = ServingNames(
    protocol=ServerProtocol.XFTP,
    # The last one is for looking like usual web traffic on port 443; what follows is HTTP/2.
    alpn=(ALPN, WEB_ALPN, "http/1.1"),
    metrics_prefix=METRICS_PREFIX,
    aliases=REFERENCE_NAMES,
)


class XFTPRouter(RunningRouter):
    """A router that is running."""

    def __init__(
        self,
        config: XFTPRouterConfig,
        source: CredentialSource,
        shown: ShownCredentials,
        storage: Storage,
        counters: Counters[Count],
        *,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(_NAMES, config, source, shown, config.limits.places(), Pace())
        self._config = config
        self._storage = storage
        self._counters = counters
        self._clock = clock
        self._files = FairShares(config.limits.open_files, config.limits.open_files_per_connection)
        self._pages = Pages(config.pages, lambda request: self._page.answer(request))
        self._clients = 0
        self._commands = Commands(
            storage,
            config.packets,
            config.limits,
            counters,
            clock=clock,
            random=secrets.token_bytes,
        )

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return self._clients

    def statistics(self) -> XFTPRouterStatistics:
        """The router in numbers, now."""
        self._counters.add(Count.PACKETS_FORGOTTEN, self._storage.take_forgotten())
        return take_statistics(
            packets=self._storage.packets,
            bytes_stored=self._storage.bytes_stored,
            bytes_reserved=self._storage.bytes_reserved,
            bytes_of_records=self._storage.bytes_of_records,
            open_files=self._files.count,
            clients=self._clients,
            sockets=self.sockets,
            problems=len(self.problems()),
            web_certificate_until=self._web_certificate_until,
            counters=self._counters,
        )

    def problems(self) -> tuple[str, ...]:
        """See `RunningRouter`."""
        return () if self._storage.is_connected else (CONNECTION_LOST,)

    async def block_packet(self, packet_id: bytes, reason: Blocked) -> bool:
        """Remove the body of a packet permanently; clients that request it get the reason.

        ``packet_id`` is a recipient's id, as it is in complaints, or the sender's.  Returns whether
        there is such a packet.  Raises `StoreError`.
        """
        packet = await self._find(packet_id)
        if packet is None or not await self._storage.block(packet.sender_id, reason):
            return False
        self._counters.add(Count.PACKETS_BLOCKED)
        return True

    async def packet_status(self, packet_id: bytes) -> PacketStatus | None:
        """A packet as it is now, found by the id of its sender or a recipient; or `None`.

        Raises `StoreError`.
        """
        packet = await self._find(packet_id)
        if packet is None:
            return None
        return PacketStatus(packet.info.size, packet.has_body, packet.blocked)

    async def delete_packet(self, packet_id: bytes) -> bool:
        """Delete a packet, which may be named by its sender's id or a recipient's.

        Returns whether there is such a packet.  Raises `StoreError`.
        """
        packet = await self._find(packet_id)
        if packet is None or not await self._storage.delete(packet.sender_id):
            return False
        self._counters.add(Count.PACKETS_DELETED)
        return True

    async def _find(self, packet_id: bytes) -> PacketRecord | None:
        for from_sender in (False, True):
            packet = await self._storage.find(packet_id, from_sender=from_sender)
            if packet is not None:
                return packet
        return None

    def _controls(self) -> Controls:
        return {**super()._controls(), **packet_controls(self)}

    async def expire(self) -> int:
        """Delete expired packets, as the router does regularly; returns their number.

        Raises `StoreError`.
        """
        packets, now = self._config.packets, self._clock()
        oldest = max(0, int(now) // _HOUR - packets.kept_hours)
        count = await self._storage.delete_created_before(oldest)
        for sender_id in self._commands.short_lives.take_older(now - packets.packet_ttl):
            count += await self._storage.delete(sender_id)
        self._counters.add(Count.PACKETS_EXPIRED, count)
        return count

    # --- running ------------------------------------------------------------------------------

    def _reconfigure(self, config: XFTPRouterConfig, _credentials: RouterCredentials) -> None:
        self._config = config
        limits = config.limits
        self._storage.quota = config.packets.quota
        self._commands.reconfigure(config.packets, limits)
        self._files.change(limits.open_files, limits.open_files_per_connection)

    async def _store_counters(self) -> None:
        await self._storage.put_statistics(self.statistics().counters)

    @cached_property
    def _page(self) -> WebPage:
        return WebPage(self.address)

    async def _serve(self, tls: TlsStream) -> None:
        await self._serve_client(tls, None)

    async def _serve_web(self, tls: TlsStream) -> None:
        await self._serve_client(tls, self._pages)

    async def _serve_client(self, tls: TlsStream, pages: Pages | None) -> None:
        from simplex_trio.xftp.router.session import serve_client

        self._clients += 1
        try:
            await serve_client(
                tls,
                self._credentials_in(tls),
                self._commands,
                self._config.limits,
                self._files.share(tls.origin),
                self._places,
                pages,
            )
        finally:
            self._clients -= 1

    async def expire_regularly(self) -> None:
        """Call `expire` as the configuration says, until cancelled."""
        while True:
            try:
                if count := await self.expire():
                    _log.info("%d packets have expired", count)
            except StoreError as exc:
                _log.error("expired packets cannot be deleted: %s", exc)
                await trio.sleep(_AFTER_FAILURE)
            await self._pace.wait(self._seconds_to_expiry)

    def _seconds_to_expiry(self) -> float:
        """Until packets may have to be deleted."""
        packets, expiry = self._config.packets, self._config.intervals.expiry
        if not packets.is_exact:
            return expiry
        oldest = self._commands.short_lives.oldest
        since = self._clock() if oldest is None else oldest
        return min(expiry, max(0.0, since + packets.packet_ttl - self._clock()))


@asynccontextmanager
async def open_xftp_router(
    config: XFTPRouterConfig = EMBEDDED,
    *,
    credentials: RouterCredentials | None = None,
    web_credentials: TlsCredentials | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
) -> AsyncIterator[XFTPRouter]:
    """Run a router for as long as the block lasts.

    ``credentials`` take the place of what the configuration says, and so do ``web_credentials``,
    from an authority that browsers trust, for browsers on the configured ``web_ports``.  ``clock``
    tells the seconds since 1970.  ``accept_loss`` starts even if the last records of packets are
    missing, and gives these packets up.

    Leaving the block ends every connection, and returns when nothing of the router is left.  Raises
    what `serve_xftp_router` raises.
    """
    async with open_inner_nursery() as nursery:
        serve = partial(
            serve_xftp_router,
            config,
            credentials=credentials,
            web_credentials=web_credentials,
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
    web_credentials: TlsCredentials | None = None,
    clock: Callable[[], float] = time.time,
    accept_loss: bool = False,
    task_status: trio.TaskStatus[XFTPRouter] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a router until it is cancelled; ``task_status`` gets the `XFTPRouter` when it listens.

    See `open_xftp_router` for the parameters.  Cancelling it closes the listeners and all
    connections; uploads that are not complete leave nothing.  With ``config.standby`` it waits
    first until no other process has the records open.

    Raises `OSError` for files and ports that cannot be opened, `DecodeError` and `CertificateError`
    for credentials, `ConfigError` for ports for browsers without credentials or the reverse,
    `StoreError` for a folder that cannot be used, `StoreIncomplete` if the last records are
    missing, `StoreLost` if they cannot be used any more, and `XFTPSupportMissing` or
    `MetricsSupportMissing` without the libraries that it needs.
    """
    require_support()
    source = CredentialSource(config, credentials, web_credentials)
    shown = await source.load()
    quota = config.packets.quota
    async with (
        _opened_folder(config.store) as folder,
        open_storage(
            folder,
            quota,
            secrets.token_bytes,
            records=config.records,
            standby=config.standby,
            accept_loss=accept_loss,
        ) as storage,
    ):
        if config.standby:
            shown = await source.load()  # they may have been renewed in the meantime
        counters = Counters(Count, await storage.statistics())
        router = XFTPRouter(config, source, shown, storage, counters, clock=clock)

        def ready() -> None:
            _log.info("a router with %d packets is listening", storage.packets)
            task_status.started(router)

        await router.run((router.expire_regularly,), trio.lowlevel.checkpoint, ready)


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
