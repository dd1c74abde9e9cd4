"""`SMPClient`, and the functions that connect one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from simplex_trio.client.connection import Connection, address_for, open_connection
from simplex_trio.client.smp.notifying import NotificationCommands
from simplex_trio.client.smp.owning import OwnerCommands
from simplex_trio.client.smp.proxy import ProxiedRelay, forward
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.sending import SenderCommands
from simplex_trio.client.smp.serving import ServiceCommands
from simplex_trio.client.smp.session import SMP, smp_spec
from simplex_trio.engine.answers import expect
from simplex_trio.engine.protocol_client import drive, driven
from simplex_trio.engine.timeouts import INTERACTIVE, Patience
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.forwarding import FwdTransmission
from simplex_trio.wire.smp.messages import PONG

__all__ = ["MAX_RELAYS", "SMPClient", "connect_smp_client", "open_smp_client"]

MAX_RELAYS = 1024
"""Relays whose sessions are cached, as many as a proxy serves; the oldest is dropped first, and its
session requested again when needed."""


class SMPClient(OwnerCommands, NotificationCommands, ServiceCommands, SenderCommands):
    """A connection to an SMP router; see `open_smp_client` and `connect_smp_client`.

    Every method sends one command, or one for each queue if it takes several.  It has the contract
    of `ProtocolClient.request`: the effect of cancellation, and the errors `RequestTimeout`,
    `ConnectionLost`, `RouterError` with the router's error, `UnexpectedResponseError`,
    `MalformedResponse`, and an `EncodeError` such as `UnsupportedVersion` before anything is sent.

    All messages go to `events`, including those that answer a command: as `MessageReceived`,
    `QuotaReached` or, if the client was not given the queue's delivery key, `SealedMessage`.  What
    else the router says unasked (END, DELD, NMSG, ENDS, ALLS) is a `Notice`.
    """

    def __init__(
        self,
        address: ServerAddress,
        connection: Connection,
        config: SMPClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(address, connection, config, disconnected=disconnected)
        self._relays: OrderedDict[tuple[ServerAddress, bytes | None], ProxiedRelay] = OrderedDict()

    # --- proxies --------------------------------------------------------------------------------

    def relay(
        self, address: ServerAddress | str, *, basic_auth: bytes | None = None
    ) -> ProxiedRelay:
        """Another router, reached through this one as a proxy.

        ``basic_auth`` is this router's password for acting as a proxy, if it has one.  Calls with
        equal arguments return the same object, and so share its session, while it is cached.
        """
        address = address_for(SMP, address)
        known = self._relays.get((address, basic_auth))
        if known is None:
            engine = self._config
            if len(self._relays) >= MAX_RELAYS:
                self._relays.popitem(last=False)
            known = self._relays[address, basic_auth] = ProxiedRelay(
                self,
                address,
                basic_auth=basic_auth,
                connect_timeouts=engine.connect_timeouts,
                request_timeouts=engine.request_timeouts,
            )
        return known

    async def forward(self, forwarded: FwdTransmission) -> bytes:
        """Forward what a client sealed for this relay; for proxies.

        Returns what the relay sealed for that client; see `simplex_trio.client.smp.proxy`.
        """
        return await forward(self, self.agreement.shared_secret, forwarded)

    # --- the router itself ----------------------------------------------------------------------

    async def ping(self, *, patience: Patience = INTERACTIVE) -> None:
        """Check that the router answers."""
        expect(await self.request(smp.PING(), patience=patience), PONG)


async def _connect(
    address: ServerAddress | str,
    config: SMPClientConfig | None,
    isolation: bytes | None,
    patience: Patience,
    disconnected: Callable[[BaseException], object] | None,
) -> SMPClient:
    config = config or SMPClientConfig()
    address = address_for(SMP, address)
    service = config.session.service
    connection = await open_connection(
        smp_spec(config.session),
        address,
        config,
        credentials=None if service is None else service.tls_credentials(),
        isolation=isolation,
        patience=patience,
    )
    return SMPClient(address, connection, config, disconnected=disconnected)


@asynccontextmanager
async def open_smp_client(
    address: ServerAddress | str,
    config: SMPClientConfig | None = None,
    *,
    isolation: bytes | None = None,
    patience: Patience = INTERACTIVE,
    disconnected: Callable[[BaseException], object] | None = None,
) -> AsyncIterator[SMPClient]:
    """Connect to a router for the duration of the block.

    ``isolation`` separates unrelated connections at a SOCKS proxy.  ``disconnected`` is called
    once, with the reason, after the connection has ended and all waiting callers have failed.

    A lost connection does not cancel the block: its next call raises `ConnectionLost`.  Leaving the
    block closes the connection.  Raises a `ConnectError` if connecting fails, `ConnectTimeout` when
    the deadline of the configuration passes; if cancelled while connecting, it leaves nothing open.
    """
    client = await _connect(address, config, isolation, patience, disconnected)
    async with driven(client):
        yield client


async def connect_smp_client(
    nursery: trio.Nursery,
    address: ServerAddress | str,
    config: SMPClientConfig | None = None,
    *,
    isolation: bytes | None = None,
    patience: Patience = INTERACTIVE,
    disconnected: Callable[[BaseException], object] | None = None,
) -> SMPClient:
    """Connect to a router and run the connection in ``nursery``.

    Like `open_smp_client`, except that the connection lasts until `ProtocolClient.aclose`, its
    loss, or the cancellation of the nursery.
    """
    client = await _connect(address, config, isolation, patience, disconnected)
    return await drive(nursery, client)
