"""`XFTPClient`: one connection to one XFTP router, with concurrent requests.

A request is a block with a command; the body of a packet follows the block, or the answer's block.
HTTP/2 separates the requests, and answers also have the id of their request, so that they cannot be
confused.  Cancelling a request does not affect the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

import trio

from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey, AuthPublicKey, X25519PrivateKey
from simplex_trio.engine.deadline import connect_deadline
from simplex_trio.engine.timeouts import BACKGROUND, Patience
from simplex_trio.errors import UnexpectedResponseError
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.redaction import Redacted
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.xftp.blocks import XFTP_BLOCK_SIZE, seal_transmission
from simplex_trio.wire.xftp.commands import (
    FACK,
    FADD,
    FDEL,
    FGET,
    FNEW,
    FPUT,
    PING,
    Command,
    PacketInfo,
)
from simplex_trio.wire.xftp.handshake import (
    ALPN,
    XFTPAgreement,
    XFTPClientHandshake,
    without_handshake,
)
from simplex_trio.wire.xftp.messages import FILE, OK, PONG, RIDS, SIDS, Message
from simplex_trio.xftp.bodies import BodyReader, WaitBudget
from simplex_trio.xftp.box_stream import BoxStream
from simplex_trio.xftp.client_config import AnyServer, XFTPClientConfig, server_with_auth
from simplex_trio.xftp.exchange import (
    Body,
    Exchange,
    check_status,
    opened,
    place_in,
    time_limit,
)
from simplex_trio.xftp.support import require_support
from simplex_trio.xftp.tasks import open_tasks

if TYPE_CHECKING:
    from simplex_trio.xftp.http2.client import Http2Client

__all__ = ["RegisteredPacket", "XFTPClient", "open_xftp_client"]

MessageT = TypeVar("MessageT", bound=Message)
T = TypeVar("T")


@frozen(repr=False)
class RegisteredPacket(Redacted):
    """The ids that a router has assigned to a packet."""

    sender_id: bytes
    recipient_ids: tuple[bytes, ...]
    """In the order of the keys."""


class XFTPClient:
    """A connection that is ready for use; see `open_xftp_client` for how to get one.

    All methods belong to the thread of the Trio program; any number of tasks may use them at once.
    All of them may raise `ConnectionLost`, `StreamReset` and `RequestTimeout`, `MalformedResponse`
    and `UnexpectedResponseError` for invalid answers, and `XFTPRouterError` for refused commands.
    """

    def __init__(
        self,
        server: ServerAddress,
        http: Http2Client,
        agreement: XFTPAgreement,
        config: XFTPClientConfig,
    ) -> None:
        self.server = server
        self._http = http
        self._session = agreement.session
        self._authorizer = Authorizer(agreement.router_key)
        self._config = config
        self._headers = _request_headers(server)
        self._sending = trio.Semaphore(config.sending)

    def __repr__(self) -> str:
        return f"<XFTPClient at version {self.version}: {self._http!r}>"

    @property
    def version(self) -> int:
        """The version of XFTP that was agreed."""
        return self._session.version

    @property
    def session_id(self) -> bytes:
        """The id of this connection's session, unlike that of any other."""
        return self._session.session_id

    @property
    def is_usable(self) -> bool:
        """Whether further requests can be made."""
        return self._http.is_usable

    async def wait_until_over(self) -> None:
        """Return when the connection has ended, for whatever reason."""
        await self._http.wait_until_over()

    # --- the sender's commands ----------------------------------------------------------------

    async def register(
        self,
        key: AuthPrivateKey,
        *,
        size: int,
        digest: bytes,
        recipient_keys: Sequence[AuthPublicKey],
        basic_auth: bytes | None = None,
    ) -> RegisteredPacket:
        """Register a packet of ``size`` bytes with the SHA-256 ``digest``.

        ``key`` becomes the sender's key of the packet.  If cancelled, the packet may have been
        registered.  Raises an `EncodeError` for more recipients than fit: use `add_recipients` for
        the rest.
        """
        info = PacketInfo(key.public, size, digest)
        command = FNEW(info, tuple(recipient_keys), basic_auth)
        message = await self._ask(command, b"", key, SIDS)
        _check_count(message.recipient_ids, recipient_keys)
        return RegisteredPacket(message.sender_id, message.recipient_ids)

    async def add_recipients(
        self, key: AuthPrivateKey, sender_id: bytes, recipient_keys: Sequence[AuthPublicKey]
    ) -> tuple[bytes, ...]:
        """The ids of further recipients of a packet, in the order of their keys."""
        message = await self._ask(FADD(tuple(recipient_keys)), sender_id, key, RIDS)
        _check_count(message.recipient_ids, recipient_keys)
        return message.recipient_ids

    async def upload(
        self,
        key: AuthPrivateKey,
        sender_id: bytes,
        size: int,
        body: Body,
    ) -> None:
        """Send the body of a packet, ``size`` bytes in pieces of any length.

        If ``body`` is a generator it is closed in the end.  If the packet has a body already, that
        is not changed, and there is no error.  If cancelled, the router keeps nothing of the body.
        Raises `WrongBodySize` if the length of ``body`` is not ``size``.
        """
        seconds = self._config.body_seconds(size)
        async with self._exchange(FPUT(), sender_id, key, seconds) as exchange:
            with time_limit(seconds):
                async with open_tasks() as tasks:
                    tasks.start(partial(exchange.send, body, size))
                    # A router that refuses the request may answer before it has the body.
                    await exchange.conclude(OK)
                    tasks.cancel()

    async def delete(self, key: AuthPrivateKey, sender_id: bytes) -> None:
        """Delete a packet for all recipients."""
        await self._ask(FDEL(), sender_id, key, OK)

    # --- a recipient's commands ---------------------------------------------------------------

    @overload
    def download(
        self, key: AuthPrivateKey, recipient_id: bytes, *, size: int, digest: bytes
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...

    @overload
    def download(
        self,
        key: AuthPrivateKey,
        recipient_id: bytes,
        *,
        size: int,
        digest: bytes,
        handle: Callable[[memoryview], T],
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]: ...

    @asynccontextmanager
    async def download(
        self,
        key: AuthPrivateKey,
        recipient_id: bytes,
        *,
        size: int,
        digest: bytes,
        handle: Callable[[memoryview], Any] = bytes,
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """Receive the body of a packet: ``async with ... as pieces: async for piece in pieces``.

        The pieces are decrypted, but not authenticated before the iteration has ended: do not rely
        on them earlier.  The iteration raises `WrongBodySize`, `DecryptionFailed`, or
        `DigestMismatch` if the packet is not the one described.  Leaving the block early cancels
        the request.

        With ``handle`` the iteration yields what this returns for each piece.  It is called in the
        worker thread that has decrypted the piece, one piece after the other, and must not keep it:
        all of them are in the same memory.  Errors of the system become a `StoreError`.
        """
        ephemeral = X25519PrivateKey.generate()
        seconds = self._config.body_seconds(size)
        async with self._exchange(FGET(ephemeral.public), recipient_id, key, seconds) as exchange:
            with time_limit(self._config.request_seconds):
                await exchange.send()
                answer = await exchange.answer(FILE)
            box = BoxStream(BoxKey.agree(ephemeral, answer.dh_key), answer.nonce)
            async with aclosing(opened(exchange.reader, box, size, digest, handle)) as pieces:
                yield pieces

    async def acknowledge(self, key: AuthPrivateKey, recipient_id: bytes) -> None:
        """Acknowledge a packet: the router forgets this recipient and its id."""
        await self._ask(FACK(), recipient_id, key, OK)

    async def ping(self) -> None:
        """Check that the router answers."""
        await self._ask(PING(), b"", None, PONG)

    # --- requests -----------------------------------------------------------------------------

    async def _ask(
        self,
        command: Command,
        entity_id: bytes,
        key: AuthPrivateKey | None,
        expected: type[MessageT],
    ) -> MessageT:
        """The answer to a command; neither of them has a body."""
        seconds = self._config.request_seconds
        async with self._exchange(command, entity_id, key, seconds) as exchange:
            with time_limit(seconds):
                await exchange.send()
                return await exchange.conclude(expected)

    @asynccontextmanager
    async def _exchange(
        self, command: Command, entity_id: bytes, key: AuthPrivateKey | None, seconds: float
    ) -> AsyncIterator[Exchange]:
        command.check_version(self.version)
        correlation_id = self._config.random(NONCE_SIZE)
        encoded = command.encode(self.version)
        unsent = prepare_transmission(self._session, correlation_id, entity_id, encoded)
        transmission = self._authorizer.finish(unsent, key, correlation_id)
        block = seal_transmission(transmission, self._session)
        async with (
            place_in(self._sending) as give_back,
            self._http.request(self._headers) as stream,
        ):
            budget = WaitBudget(seconds, self._config.request_seconds)
            yield Exchange(
                stream,
                BodyReader(stream, budget),
                self._session,
                block,
                correlation_id,
                entity_id,
                give_back,
            )


def _check_count(ids: tuple[bytes, ...], keys: Sequence[AuthPublicKey]) -> None:
    if len(ids) != len(keys):
        raise UnexpectedResponseError("the router gave more ids than keys, or fewer")


# --- connecting ---------------------------------------------------------------------------------


def _request_headers(server: ServerAddress) -> dict[str, str]:
    port = "" if server.port is None else f":{server.port}"
    authority = f"{server.hosts[0]}{port}"
    return {":method": "POST", ":scheme": "https", ":authority": authority, ":path": "/"}


@asynccontextmanager
async def open_xftp_client(
    server: AnyServer,
    config: XFTPClientConfig | None = None,
    *,
    patience: Patience = BACKGROUND,
    isolation: bytes | None = None,
) -> AsyncIterator[XFTPClient]:
    """Connect to a router, agree on a version, and close the connection at the end of the block.

    A SOCKS proxy that isolates connections gives those with different ``isolation`` different
    circuits.  If the connection breaks, the block is not cancelled: requests raise
    `ConnectionLost`.

    Raises a `ConnectError`, a `HandshakeFailed`, `ConnectionLost`, `StreamReset`, `RequestTimeout`,
    `UnexpectedResponseError`, `XFTPSupportMissing` without the necessary libraries, and
    `ValueError` unless ``server`` is the address of an XFTP router.
    """
    require_support()
    from simplex_trio.xftp.http2.client import Http2Client

    address = server_with_auth(server).address
    config = config or XFTPClientConfig()
    async with open_inner_nursery() as nursery:
        with connect_deadline(config.connect_timeouts, patience):
            tls = await config.dial(
                address, alpn=(ALPN,), config=config.connect, isolation=isolation
            )
            http = Http2Client(tls, config.limits)
            await nursery.start(http.run)
            try:
                agreement = await _shake_hands(address, http, tls.session, config)
            except BaseException:
                with trio.CancelScope(shield=True):
                    await http.aclose()
                raise
        try:
            yield XFTPClient(address, http, agreement, config)
        finally:
            with trio.CancelScope(shield=True):
                await http.aclose()


async def _shake_hands(
    server: ServerAddress, http: Http2Client, tls: TlsSession, config: XFTPClientConfig
) -> XFTPAgreement:
    if tls.alpn is None:
        return without_handshake(tls.session_id)
    assert tls.peer_chain is not None  # a server that shows none does not get through TLS
    handshake = XFTPClientHandshake(
        session_id=tls.session_id,
        identity=server.key_hash,
        tls_chain=tls.peer_chain,
        versions=config.versions,
    )
    headers = _request_headers(server)
    hello = await _post(http, headers, b"", config)
    return handshake.conclude(await _post(http, headers, handshake.receive(hello), config))


async def _post(
    http: Http2Client, headers: dict[str, str], body: bytes, config: XFTPClientConfig
) -> bytes:
    """The relevant part of the answer to a request of the handshake."""
    seconds = config.request_seconds
    async with http.request(headers) as stream:
        await stream.send(body, end=True)
        await check_status(stream)
        return await BodyReader(stream, WaitBudget(seconds, seconds)).read_up_to(
            XFTP_BLOCK_SIZE + 1
        )
