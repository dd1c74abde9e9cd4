"""`XFTPClient`: one connection to one XFTP router, and any number of requests on it at once.

A request is a block with a command; the body of a packet follows the block, or the answer's block.
HTTP/2 keeps the requests apart, and answers must name the request besides, so that none is taken
for another.  Cancelling a request takes back that one alone.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterator,
    Sequence,
)
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

import trio
from attrs import field, frozen
from attrs.validators import ge, gt

from simplex_trio.client.deadline import connect_deadline
from simplex_trio.client.timeouts import BACKGROUND, CONNECT_TIMEOUTS, Patience, Timeouts
from simplex_trio.crypto.box import NONCE_SIZE, TAG_SIZE, BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey, AuthPublicKey, X25519PrivateKey
from simplex_trio.errors import (
    DecodeError,
    MalformedResponse,
    RequestTimeout,
    UnexpectedResponseError,
)
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.redaction import Redacted
from simplex_trio.transport.config import ConnectConfig
from simplex_trio.transport.connect import open_transport
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.transmissions import prepare_transmission
from simplex_trio.wire.versions import VersionRange
from simplex_trio.wire.xftp.blocks import XFTP_BLOCK_SIZE, read_response, seal_transmission
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
from simplex_trio.wire.xftp.messages import ERR, FILE, OK, PONG, RIDS, SIDS, Message
from simplex_trio.wire.xftp.versions import XFTP_VERSIONS
from simplex_trio.xftp.bodies import PIECE_SIZE, BodyReader, WaitBudget
from simplex_trio.xftp.box_stream import BoxStream
from simplex_trio.xftp.errors import DigestMismatch, WrongBodySize, XFTPRouterError
from simplex_trio.xftp.servers import AnyServer, server_with_auth
from simplex_trio.xftp.support import require_support
from simplex_trio.xftp.tasks import open_tasks

if TYPE_CHECKING:
    from simplex_trio.xftp.http2.client import Http2Client
    from simplex_trio.xftp.http2.connection import Http2Limits
    from simplex_trio.xftp.http2.stream import Http2Stream

__all__ = ["Body", "RegisteredPacket", "XFTPClient", "XFTPClientConfig", "open_xftp_client"]

MessageT = TypeVar("MessageT", bound=Message)

Body = AsyncIterable[bytes | memoryview]
"""What is uploaded, in pieces of any length."""

_KIB = 1024


@frozen(repr=False)
class XFTPClientConfig(Redacted):
    """How one router is reached, and how long it may take over things."""

    connect: ConnectConfig = field(factory=ConnectConfig)
    connect_timeouts: Timeouts = CONNECT_TIMEOUTS
    versions: VersionRange = XFTP_VERSIONS
    request_seconds: float = field(default=30, validator=gt(0))
    """For an answer, and for each next byte of a body."""
    seconds_per_kib: float = field(default=0.1, validator=gt(0))
    """Added for the size of a body: who sends less than 10 KiB in a second is given up."""
    sending: int = field(default=3, validator=ge(1))
    """Requests that are being sent at a time, from their first byte to their last.  Routers of the
    reference implementation work on three; when a fourth one fills the window of the connection
    with what nobody reads, the other three wait for ever."""
    limits: Http2Limits | None = None
    random: Callable[[int], bytes] = secrets.token_bytes

    def body_seconds(self, size: int) -> float:
        """How long a request with a body may take."""
        return self.request_seconds + self.seconds_per_kib * size / _KIB


@frozen(repr=False)
class RegisteredPacket(Redacted):
    """The ids that a router has given to a packet."""

    sender_id: bytes
    recipient_ids: tuple[bytes, ...]
    """In the order of the keys."""


class XFTPClient:
    """A connection that is ready for use; see `open_xftp_client` for how to get one.

    All methods belong to the thread of the Trio program; any number of tasks may use them at once.
    Besides what is said with each, they raise `ConnectionLost`, `StreamReset` and `RequestTimeout`,
    `MalformedResponse` and `UnexpectedResponseError` for answers that are none, and
    `XFTPRouterError` for what the router refuses.
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
        """What tells this connection from every other one."""
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
        """Announce a packet of ``size`` bytes with the SHA-256 ``digest``.

        ``key`` is the sender's from now on.  Cancelled, the packet may have been registered.
        Raises an `EncodeError` for more recipients than fit: then `add_recipients` is for the rest.
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

        If ``body`` is a generator it is closed in the end.
        A body that is uploaded already is not changed, and that is no error.  Cancelled, the router
        keeps nothing of it.  Raises `WrongBodySize` if ``body`` has another length than it should.
        """
        seconds = self._config.body_seconds(size)
        async with self._exchange(FPUT(), sender_id, key, seconds) as exchange:
            with _time_limit(seconds):
                async with open_tasks() as tasks:
                    tasks.start(partial(exchange.send, body, size))
                    # A router that refuses need not wait for the body to say so.
                    await exchange.conclude(OK)
                    tasks.cancel()

    async def delete(self, key: AuthPrivateKey, sender_id: bytes) -> None:
        """Delete a packet, for everybody."""
        await self._ask(FDEL(), sender_id, key, OK)

    # --- a recipient's commands ---------------------------------------------------------------

    @asynccontextmanager
    async def download(
        self, key: AuthPrivateKey, recipient_id: bytes, *, size: int, digest: bytes
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Receive the body of a packet: ``async with ... as pieces: async for piece in pieces``.

        The pieces are decrypted; nothing may be relied on before the iteration has ended, since
        only then all of them are known to be right.  The iteration raises `WrongBodySize`,
        `DecryptionFailed`, or `DigestMismatch` if the packet is not the one described.  Leaving the
        block early takes the request back.
        """
        ephemeral = X25519PrivateKey.generate()
        seconds = self._config.body_seconds(size)
        async with self._exchange(FGET(ephemeral.public), recipient_id, key, seconds) as exchange:
            with _time_limit(self._config.request_seconds):
                await exchange.send()
                answer = await exchange.answer(FILE)
            box = BoxStream(BoxKey.agree(ephemeral, answer.dh_key), answer.nonce)
            async with aclosing(_opened(exchange.reader, box, size, digest)) as pieces:
                yield pieces

    async def acknowledge(self, key: AuthPrivateKey, recipient_id: bytes) -> None:
        """Say that a packet is received: its id is of no use any more."""
        await self._ask(FACK(), recipient_id, key, OK)

    async def ping(self) -> None:
        """Ask the router for a sign of life."""
        await self._ask(PING(), b"", None, PONG)

    # --- requests -----------------------------------------------------------------------------

    async def _ask(
        self,
        command: Command,
        entity_id: bytes,
        key: AuthPrivateKey | None,
        expected: type[MessageT],
    ) -> MessageT:
        """The answer to a command, neither of them with a body."""
        seconds = self._config.request_seconds
        async with self._exchange(command, entity_id, key, seconds) as exchange:
            with _time_limit(seconds):
                await exchange.send()
                return await exchange.conclude(expected)

    @asynccontextmanager
    async def _exchange(
        self, command: Command, entity_id: bytes, key: AuthPrivateKey | None, seconds: float
    ) -> AsyncIterator[_Exchange]:
        command.check_version(self.version)
        correlation_id = self._config.random(NONCE_SIZE)
        encoded = command.encode(self.version)
        unsent = prepare_transmission(self._session, correlation_id, entity_id, encoded)
        transmission = self._authorizer.finish(unsent, key, correlation_id)
        block = seal_transmission(transmission, self._session)
        async with (
            _place_in(self._sending) as give_back,
            self._http.request(self._headers) as stream,
        ):
            budget = WaitBudget(seconds, self._config.request_seconds)
            yield _Exchange(
                stream,
                BodyReader(stream, budget),
                self._session,
                block,
                correlation_id,
                entity_id,
                give_back,
            )


@asynccontextmanager
async def _place_in(places: trio.Semaphore) -> AsyncIterator[Callable[[], None]]:
    """One of so many places, until the end of the block, or until what this yields is called."""
    await places.acquire()
    with ExitStack() as place:
        place.callback(places.release)
        yield place.close


@frozen(repr=False)
class _Exchange(Redacted):
    """One request and its answer."""

    _stream: Http2Stream
    reader: BodyReader
    _session: SessionParameters
    _block: bytes
    _correlation_id: bytes
    _entity_id: bytes
    _sent: Callable[[], None]
    """To be called when the request is sent."""

    async def send(self, body: Body | None = None, size: int = 0) -> None:
        """Send the block of the request, and what follows it."""
        await self._stream.send(self._block, end=body is None)
        if body is not None:
            await self._send_body(aiter(body), size)
        self._sent()

    async def _send_body(self, pieces: AsyncIterator[bytes | memoryview], size: int) -> None:
        try:
            async for piece in pieces:
                size -= len(piece)
                if size < 0:
                    break
                await self._stream.send(piece)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        if size:
            raise WrongBodySize("a body is not as long as was said")
        await self._stream.send(b"", end=True)

    async def answer(self, expected: type[MessageT]) -> MessageT:
        """The message that the answer begins with."""
        await check_status(self._stream)
        try:
            received = read_response(await self.reader.read_up_to(XFTP_BLOCK_SIZE), self._session)
        except DecodeError as exc:
            raise MalformedResponse("the router's answer cannot be read") from exc
        message = received.message
        is_ours = hmac.compare_digest(received.correlation_id, self._correlation_id)
        if isinstance(message, ERR) and (is_ours or not received.correlation_id):
            raise XFTPRouterError(message.error)
        if not is_ours:
            raise UnexpectedResponseError("an answer to another request")
        if received.entity_id != self._entity_id or not isinstance(message, expected):
            raise UnexpectedResponseError("the router's answer does not fit the request")
        return message

    async def conclude(self, expected: type[MessageT]) -> MessageT:
        """The message that is the whole answer."""
        message = await self.answer(expected)
        if not await self.reader.at_end():
            raise WrongBodySize("something follows the router's answer")
        return message


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise RequestTimeout("the router has not answered in time")


def _check_count(ids: tuple[bytes, ...], keys: Sequence[AuthPublicKey]) -> None:
    if len(ids) != len(keys):
        raise UnexpectedResponseError("the router gave more ids than keys, or fewer")


async def check_status(stream: Http2Stream) -> None:
    """Wait for the head of an answer, and refuse one that says that there is none."""
    status = (await stream.receive_headers()).get(b":status")
    if status != b"200":
        raise UnexpectedResponseError("the router answers as a web server does")


async def _opened(
    reader: BodyReader, box: BoxStream, size: int, digest: bytes
) -> AsyncGenerator[bytes]:
    """The body of a packet, decrypted by pieces, and checked when all of it is there."""
    hashed = sha256()

    def open_piece(sealed: bytes) -> bytes:
        piece = box.open(sealed)
        hashed.update(piece)
        return piece

    left = size
    while left:
        sealed = await reader.read_up_to(min(PIECE_SIZE, left))
        if not sealed:
            raise WrongBodySize("the body of a packet ends too early")
        left -= len(sealed)
        yield await trio.to_thread.run_sync(open_piece, sealed)
    tag = await reader.read_up_to(TAG_SIZE)
    if len(tag) != TAG_SIZE or not await reader.at_end():
        raise WrongBodySize("the body of a packet is not as long as it should be")
    box.verify(tag)
    if not hmac.compare_digest(hashed.digest(), digest):
        raise DigestMismatch("the router has something else than the packet")


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

    ``isolation`` is what tells unrelated connections apart to a SOCKS proxy that isolates.  A
    connection that breaks inside of the block cancels nothing: requests raise `ConnectionLost`.

    Raises a `ConnectError`, a `HandshakeFailed`, `ConnectionLost`, `UnexpectedResponseError`,
    `XFTPSupportMissing` without the libraries for it, and `ValueError` for what is not the address
    of an XFTP router.
    """
    require_support()
    from simplex_trio.xftp.http2.client import Http2Client

    address = server_with_auth(server).address
    config = config or XFTPClientConfig()
    async with open_inner_nursery() as nursery:
        with connect_deadline(config.connect_timeouts, patience):
            tls = await open_transport(
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
    """The answer to a request of the handshake, as far as it is of interest."""
    seconds = config.request_seconds
    async with http.request(headers) as stream:
        await stream.send(body, end=True)
        await check_status(stream)
        return await BodyReader(stream, WaitBudget(seconds, seconds)).read_up_to(
            XFTP_BLOCK_SIZE + 1
        )
