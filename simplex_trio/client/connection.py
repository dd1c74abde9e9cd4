"""Connecting to a router: dial, TLS, handshake, and a client on top."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio
from attrs import field

from simplex_trio.client.spec import (
    AnyCommand,
    ProtocolSpec,
    TransmissionCodec,
    shake_hands,
)
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.deadline import connect_deadline
from simplex_trio.engine.events import EngineEvent
from simplex_trio.engine.protocol_client import ProtocolClient, drive, driven
from simplex_trio.engine.timeouts import INTERACTIVE, Patience
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.transport.config import ConnectConfig
from simplex_trio.transport.connect import Dialer, open_transport
from simplex_trio.transport.tls import TlsCredentials, TlsSession
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.handshake import ClientAgreement
from simplex_trio.wire.reading import AnyMessage

__all__ = [
    "ClientConfig",
    "Connection",
    "RouterClient",
    "address_for",
    "connect_protocol_client",
    "open_connection",
    "open_protocol_client",
]

CommandT = TypeVar("CommandT", bound=AnyCommand)
MessageT = TypeVar("MessageT", bound=AnyMessage)
EventT = TypeVar("EventT")


@frozen(repr=False)
class ClientConfig(Redacted):
    """How a client reaches its router, and how it waits."""

    transport: ConnectConfig = field(factory=ConnectConfig)
    engine: EngineConfig = field(factory=EngineConfig)
    dial: Dialer = open_transport
    """Opens the TLS connection."""


@frozen(repr=False)
class Connection(Redacted):
    """A connection after its handshake, without a client that drives it."""

    stream: BlockStream
    agreement: ClientAgreement
    tls: TlsSession


class RouterClient(ProtocolClient[CommandT, MessageT, EventT]):
    """A `ProtocolClient` that knows its router and what the handshake agreed on."""

    def __init__(
        self,
        address: ServerAddress,
        connection: Connection,
        codec: TransmissionCodec[CommandT, MessageT],
        config: EngineConfig,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(connection.stream, codec, config, disconnected=disconnected)
        self._address = address
        self._tls = connection.tls
        self._agreement = connection.agreement

    @property
    def address(self) -> ServerAddress:
        """The router at the other end."""
        return self._address

    @property
    def tls(self) -> TlsSession:
        """The TLS session of the connection."""
        return self._tls

    @property
    def agreement(self) -> ClientAgreement:
        """The outcome of the handshake; a proxy passes its versions and proof on to clients."""
        return self._agreement

    @property
    def version(self) -> int:
        """The agreed version of the protocol."""
        return self._agreement.session.version


async def open_connection(
    spec: ProtocolSpec[CommandT, MessageT],
    address: ServerAddress,
    config: ClientConfig,
    *,
    credentials: TlsCredentials | None = None,
    isolation: bytes | None = None,
    patience: Patience = INTERACTIVE,
) -> Connection:
    """Dial a router and complete the handshake, within the deadline of the configuration.

    Raises a `ConnectError`, such as `ConnectTimeout` or a `HandshakeFailed`.  If cancelled or
    failed, it leaves nothing open.
    """
    with connect_deadline(config.engine.connect_timeouts, patience):
        tls = await config.dial(
            address,
            alpn=spec.alpn,
            config=config.transport,
            credentials=credentials,
            isolation=isolation,
        )
        stream = BlockStream(tls, spec.block_size)
        handshake = spec.handshake(address, tls.session)
        agreement = await shake_hands(stream, handshake, spec.block_size)
    return Connection(stream, agreement, tls.session)


def address_for(
    spec: ProtocolSpec[CommandT, MessageT], address: ServerAddress | str
) -> ServerAddress:
    """The address of a router of this protocol, parsed if needed; `DecodeError` otherwise."""
    parsed = ServerAddress.parse(address) if isinstance(address, str) else address
    if parsed.protocol is not spec.protocol:
        raise DecodeError(f"this is not the address of a router that speaks {spec.name}")
    return parsed


@asynccontextmanager
async def open_protocol_client(
    spec: ProtocolSpec[CommandT, MessageT],
    address: ServerAddress | str,
    config: ClientConfig | None = None,
    *,
    patience: Patience = INTERACTIVE,
    disconnected: Callable[[BaseException], object] | None = None,
) -> AsyncIterator[RouterClient[CommandT, MessageT, EngineEvent]]:
    """Connect to a router of any protocol for the duration of the block.

    ``disconnected`` is called once, with the reason, after the connection has ended and all waiting
    callers have failed.  A lost connection does not cancel the block: its next call raises
    `ConnectionLost`.  Leaving the block closes the connection.  Raises a `ConnectError` if
    connecting fails; if cancelled while connecting, it leaves nothing open.
    """
    async with driven(await _connect(spec, address, config, patience, disconnected)) as client:
        yield client


async def connect_protocol_client(
    nursery: trio.Nursery,
    spec: ProtocolSpec[CommandT, MessageT],
    address: ServerAddress | str,
    config: ClientConfig | None = None,
    *,
    patience: Patience = INTERACTIVE,
    disconnected: Callable[[BaseException], object] | None = None,
) -> RouterClient[CommandT, MessageT, EngineEvent]:
    """Connect to a router of any protocol and run the connection in ``nursery``.

    Like `open_protocol_client`, except that the connection lasts until `ProtocolClient.aclose`, its
    loss, or the cancellation of the nursery.
    """
    client = await _connect(spec, address, config, patience, disconnected)
    return await drive(nursery, client)


async def _connect(
    spec: ProtocolSpec[CommandT, MessageT],
    address: ServerAddress | str,
    config: ClientConfig | None,
    patience: Patience,
    disconnected: Callable[[BaseException], object] | None,
) -> RouterClient[CommandT, MessageT, EngineEvent]:
    config = config or ClientConfig()
    address = address_for(spec, address)
    connection = await open_connection(spec, address, config, patience=patience)
    codec = spec.codec(connection.agreement)
    return RouterClient(address, connection, codec, config.engine, disconnected=disconnected)
