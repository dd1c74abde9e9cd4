"""TLS 1.3 over any trio stream: the identity of the peer, and the id of the session.

A client authenticates the server by the fingerprint of its identity alone: no names, no
authorities.  It compares while the certificates are being verified, so that its own certificate is
only ever shown to the right server, and checks everything again after the handshake.  A server asks
for a certificate, and accepts any valid one, or none.

Sessions are named by the client's Finished message, to which both sides bind what they sign.
"""

from __future__ import annotations

import hmac
import operator
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from typing import Self

import trio
from attrs import define, field
from attrs.validators import deep_iterable, min_len

from simplex_trio.crypto.certificates import (
    MAX_CERTIFICATES,
    CertificateChain,
    fingerprint,
    validate,
)
from simplex_trio.crypto.keys import SigningKey
from simplex_trio.errors import (
    CertificateError,
    CertificateExpired,
    ChainTooLong,
    DecodeError,
    PeerCertificateExpired,
    PeerCertificateInvalid,
    PeerChainTooLong,
    TLSFailed,
    WrongIdentity,
    without_traceback,
)
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.transport import _openssl
from simplex_trio.transport.networks import Origin

__all__ = [
    "ServerContext",
    "TlsCredentials",
    "TlsSession",
    "TlsStream",
    "client_handshake",
    "server_handshake",
    "utc_now",
]

_TLS_1_3 = "TLSv1.3"

_RECORD = 16_384
"""The most that TLS puts into one record."""

_RECORD_SENT = 5 + _RECORD + 1 + 16
"""The length of such a record on the wire, with its header, its type and its tag."""

# An alert tells the peer why.  It must not delay anything, and a few bytes take no time.
_ALERT_SECONDS = 1


def utc_now() -> datetime:
    """The time at which certificates have to be valid, unless another clock is given."""
    return datetime.now(UTC)


@frozen(repr=False)
class TlsCredentials(Redacted):
    """Certificates in DER, leaf first, and the leaf's private key as PKCS#8 in DER."""

    certificates: tuple[bytes, ...] = field(
        validator=[deep_iterable(instance_of(bytes), instance_of(tuple)), min_len(1)]
    )
    private_key: bytes = field(validator=instance_of(bytes), eq=False)

    @classmethod
    def of(cls, chain: CertificateChain, key: SigningKey) -> Self:
        """The credentials of a router or a service: its chain and the key of its leaf."""
        return cls(chain.certificates, key.der)


@frozen(repr=False)
class TlsSession(Redacted):
    """What TLS knows about a connection; it never changes."""

    session_id: bytes
    """The client's Finished message, which is the same on both sides and nowhere else."""
    tls_version: str
    alpn: str | None
    """The protocol that was agreed by name, if the two sides had one in common."""
    peer_chain: CertificateChain | None
    """The peer's certificates; a server's, or those of a client that has some."""
    server_name: str | None
    """On servers, the name that the client asked for; SMP clients ask for none."""
    certificate_sent: bool
    """Whether the client showed a certificate."""
    suite: str
    group: str | None


class ServerContext:
    """What a listener needs for TLS, built once for all of its connections.

    Clients that send a server name get the ``web`` credentials if there are some, and then the
    whole port accepts what browsers need.  ``alpn`` are the protocols by name, of which the first
    that the client lists is taken.  Without ``asks_clients`` no client is asked for a certificate,
    so that none has one.  Raises `ValueError` for credentials that cannot be used.
    """

    def __init__(
        self,
        credentials: TlsCredentials,
        *,
        alpn: Sequence[str],
        web: TlsCredentials | None = None,
        asks_clients: bool = True,
    ) -> None:
        self._asks_clients = asks_clients
        self.serves_web: bool = web is not None
        self._lists = _openssl.ROUTER_LISTS if web is None else _openssl.WEB_LISTS
        named = None if web is None else self._context(web, alpn, None)
        self._openssl = self._context(credentials, alpn, named)

    def _context(
        self, credentials: TlsCredentials, alpn: Sequence[str], named: _openssl.Context | None
    ) -> _openssl.Context:
        return _openssl.server_context(
            credentials.certificates,
            credentials.private_key,
            alpn=alpn,
            lists=self._lists,
            named=named,
            asks_clients=self._asks_clients,
        )


class TlsStream(trio.abc.Stream):
    """A connection over TLS and its `session`; it owns the stream below.

    It does what `trio.SSLStream` does for the TLS that SimpleX speaks, and takes much less time for
    each block.  Unlike that it takes it for an ordinary end when the peer closes the connection
    without saying goodbye: blocks have a fixed size, so nothing can be cut off unnoticed.

    Reading never writes: what OpenSSL wants to send by itself (tickets, the answer to a change of
    keys) goes out with the next data.  So there is one writer at a time, and one reader.

    A peer that asks for new keys again and again, while this side has no data to send, breaks the
    connection when 4,096 bytes of answers wait; so do 64 records without data that come together.

    When it is closed, or broken, what OpenSSL holds for it is freed at once.
    """

    def __init__(
        self, stream: trio.abc.Stream, connection: _openssl.TlsConnection, session: TlsSession
    ) -> None:
        self.session = session
        self.origin: Origin | None = None
        """On servers, where the connection comes from, if that has limits of its own."""
        self.context: ServerContext | None = None
        """On servers, what the handshake was done with; a listener may have another one since."""
        self._stream = stream
        self._connection = connection
        self._receiving = False
        self._sending = False
        self._sent = trio.lowlevel.ParkingLot()
        self._broken = False
        self._closed = False

    def __repr__(self) -> str:
        return f"<TlsStream: {self.session!r}>"

    @property
    def transport_stream(self) -> trio.abc.Stream:
        """The stream below."""
        return self._stream

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._broken:
            raise trio.BrokenResourceError("an earlier failure has left this connection unusable")

    def _break(self) -> None:
        self._broken = True
        self._connection.release()

    # --- sending ------------------------------------------------------------------------------

    def _begin_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this connection")
        self._check()
        self._sending = True

    def _end_sending(self) -> None:
        self._sending = False
        if self._closed:
            self._sent.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt data and send it; cancelled before its first byte, it changes nothing."""
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                await self._stream.send_all(self._encrypted(data) if data else b"")
            except trio.BrokenResourceError:
                self._break()
                raise
            except BaseException:
                self._broken = True
                raise
        finally:
            self._end_sending()

    @property
    def sends_nowait(self) -> bool:
        """Whether the stream below has `send_nowait`."""
        return getattr(self._stream, "sends_nowait", False)

    def send_nowait(self, data: bytes) -> bool:
        """Encrypt data, and send what can be sent without waiting; whether that was all.

        What is left goes out with the next `send_all`, which must then be called, if only without
        data.
        """
        self._begin_sending()
        try:
            sent: bool = self._stream.send_nowait(self._encrypted(data))  # type: ignore[attr-defined]
        except trio.BrokenResourceError:
            self._break()
            raise
        except BaseException:
            self._broken = True
            raise
        finally:
            self._end_sending()
        return sent

    def _encrypted(self, data: bytes | bytearray | memoryview) -> bytes:
        try:
            return self._connection.encrypt(data)
        except ssl.SSLError as exc:
            raise trio.BrokenResourceError("TLS has failed") from exc

    async def wait_send_all_might_not_block(self) -> None:
        self._begin_sending()
        try:
            await self._stream.wait_send_all_might_not_block()
        finally:
            self._end_sending()

    # --- receiving ----------------------------------------------------------------------------

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Wait for data; it is empty at the end.  Cancelling it loses nothing.

        With a ``max_bytes`` of several records, as many are read at once from below.
        """
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this connection")
        self._check()
        if max_bytes is None:
            limit, wanted = 2 * _RECORD, None
        else:
            limit = operator.index(max_bytes)
            if limit < 1:
                raise ValueError("at least one byte is to be received")
            wanted = limit // _RECORD * _RECORD_SENT or None
        self._receiving = True
        try:
            return await self._receive(limit, wanted)
        except trio.BrokenResourceError:
            self._break()
            raise
        finally:
            self._receiving = False

    async def _receive(self, limit: int, wanted: int | None) -> bytes:
        if self._connection.has_more:
            await trio.lowlevel.checkpoint_if_cancelled()
            data = self._decrypted(limit)
            if data is not None:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return data
        while True:
            arrived = await self._stream.receive_some(wanted)
            data = self._decrypted(limit, arrived)
            if data is not None:
                return data

    def _decrypted(self, limit: int, arrived: bytes | bytearray | None = None) -> bytes | None:
        try:
            if arrived is not None:
                self._connection.feed(arrived)
            return self._connection.decrypt(limit)
        except ssl.SSLError as exc:
            raise trio.BrokenResourceError("TLS has failed") from exc

    # --- closing ------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Say goodbye and close.

        Where the peer does not read, that may wait until it is cancelled, which cuts the
        connection.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        try:
            await self._say_goodbye()
        except BaseException:
            await trio.aclose_forcefully(self._stream)
            raise
        else:
            await self._stream.aclose()
        finally:
            self._connection.release()

    async def _say_goodbye(self) -> None:
        while self._sending:  # what is half written has to be completed before
            await self._sent.park()
        if self._broken:
            return
        with suppress(ssl.SSLError, trio.BrokenResourceError):  # the peer has gone already
            self._connection.say_goodbye()
            await self._stream.send_all(self._connection.take_unsent())


@define
class _Verifier:
    """Verifies the peer's certificates: see `_openssl.CertificateVerifier`.

    ``pin`` is the fingerprint that the identity must have, or `None` for any identity.
    """

    pin: bytes | None
    now: datetime
    fault: TLSFailed | None = None
    certificate_sent: bool = False
    accepted: CertificateChain | None = None
    _seen: dict[int, bytes] = field(factory=dict)

    def check_certificate(self, depth: int, certificate: bytes) -> TLSFailed | None:
        if depth >= MAX_CERTIFICATES:
            return PeerChainTooLong(f"a chain of more than {MAX_CERTIFICATES} certificates")
        self._seen[depth] = certificate
        if depth == 1 and not self._is_pinned(certificate):
            return WrongIdentity("the server does not have the identity that was expected")
        return None

    def check_chain(self, presented: tuple[bytes, ...] | None) -> TLSFailed | None:
        # OpenSSL leaves out what it had no use for; on servers it knows only that much here.
        built = tuple(self._seen[depth] for depth in sorted(self._seen))
        complete = presented is not None and presented[:1] == built[:1]
        return self._check(presented if presented is not None and complete else built)

    def failure(self) -> TLSFailed:
        """What to raise; it is not kept here, as its traceback leads back to here."""
        failure, self.fault = self.fault or TLSFailed("the TLS handshake failed"), None
        return failure

    def check_presented(self, presented: tuple[bytes, ...]) -> TLSFailed | None:
        """What is wrong with what the peer presented, now that all of it is known."""
        if not presented:
            return None if self.pin is None else WrongIdentity("the peer shows no identity")
        if self.accepted is not None and self.accepted.certificates == presented:
            return None
        return self._check(presented)

    def _check(self, certificates: tuple[bytes, ...]) -> TLSFailed | None:
        self.accepted = None
        try:
            chain = CertificateChain(certificates)
            validate(chain, at=self.now)
            chain.leaf_key()  # its kind is that of the signature that TLS has checked
        except (CertificateError, DecodeError) as exc:
            return _as_fault(exc)
        if self.pin is not None and len(certificates) == 1:
            return PeerCertificateInvalid("a server shows at least two certificates")
        if not self._is_pinned(chain.identity):
            return WrongIdentity("the server does not have the identity that was expected")
        self.accepted = chain
        return None

    def _is_pinned(self, certificate: bytes) -> bool:
        return self.pin is None or hmac.compare_digest(fingerprint(certificate), self.pin)


def _as_fault(error: CertificateError | DecodeError) -> TLSFailed:
    kind: type[TLSFailed]
    match error:
        case CertificateExpired():
            kind = PeerCertificateExpired
        case ChainTooLong():
            kind = PeerChainTooLong
        case _:
            kind = PeerCertificateInvalid
    fault = kind(str(error))
    fault.__cause__ = without_traceback(error)
    return fault


@cache
def _anonymous_context() -> _openssl.Context:
    return _openssl.client_context()


async def client_handshake(
    stream: trio.abc.Stream,
    *,
    pin: bytes,
    alpn: Sequence[str] = (),
    server_name: str | None = None,
    credentials: TlsCredentials | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> TlsStream:
    """Make ``stream`` a TLS connection to the server whose identity has the SHA-256 digest ``pin``.

    ``credentials`` are those of a service, shown if the server asks for them, after the server has
    proven to be the right one.  A ``server_name`` is for servers of other kinds: routers of SMP
    take a client that sends one for a browser.

    The stream belongs to this call: it is closed if the call fails or is cancelled, and goes over
    to what it returns otherwise.  Raises `WrongIdentity`, `PeerCertificateExpired`,
    `PeerCertificateInvalid` or `PeerChainTooLong` for the server's certificates, and `TLSFailed`
    for all other failures.
    """
    async with _closed_on_failure(stream):
        if credentials is None:
            context = _anonymous_context()
        else:
            context = _openssl.client_context(credentials.certificates, credentials.private_key)
        verifier = _Verifier(pin, clock())
        connection = _openssl.TlsConnection(context, verifier, alpn=alpn, server_name=server_name)
        return await _handshake(stream, connection, verifier, _openssl.ROUTER_LISTS)


async def server_handshake(
    stream: trio.abc.Stream,
    context: ServerContext,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> TlsStream:
    """Make ``stream`` a TLS connection as its server.

    The client may show no certificate, a single one that signed itself, or a chain; whose they are
    is for the caller to check.  The stream belongs to this call: it is closed if the call fails or
    is cancelled, and goes over to what it returns otherwise.  Raises the same errors as
    `client_handshake`, except that there is no wrong identity.
    """
    async with _closed_on_failure(stream):
        verifier = _Verifier(None, clock())
        connection = _openssl.TlsConnection(context._openssl, verifier, server_side=True)
        tls = await _handshake(stream, connection, verifier, context._lists)
        tls.context = context
        return tls


@asynccontextmanager
async def _closed_on_failure(stream: trio.abc.Stream) -> AsyncGenerator[None]:
    try:
        yield
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def _handshake(
    stream: trio.abc.Stream,
    connection: _openssl.TlsConnection,
    verifier: _Verifier,
    lists: _openssl.TlsLists,
) -> TlsStream:
    try:
        await _agree(stream, connection, verifier)
        return TlsStream(stream, connection, _session(connection, verifier, lists))
    except BaseException:
        connection.release()
        raise


async def _agree(
    stream: trio.abc.Stream, connection: _openssl.TlsConnection, verifier: _Verifier
) -> None:
    try:
        await _exchange(stream, connection)
    except (ssl.SSLError, trio.BrokenResourceError) as exc:
        await _send_alert(stream, connection.take_unsent())
        raise verifier.failure() from exc
    verifier.fault = verifier.check_presented(connection.peer_certificates())
    if verifier.fault is not None:
        raise verifier.failure()


async def _exchange(stream: trio.abc.Stream, connection: _openssl.TlsConnection) -> None:
    while not connection.do_handshake():
        unsent = connection.take_unsent()
        if unsent:
            await stream.send_all(unsent)
        connection.feed(await stream.receive_some())
    # A server's tickets are not sent before it has something to say: a client that does not read
    # yet must not keep it waiting.
    if not connection.server_side:
        await stream.send_all(connection.take_unsent())


async def _send_alert(stream: trio.abc.Stream, alert: bytes) -> None:
    if alert:
        gone = (trio.BrokenResourceError, trio.ClosedResourceError)
        with trio.move_on_after(_ALERT_SECONDS), suppress(*gone):
            await stream.send_all(alert)


def _session(
    connection: _openssl.TlsConnection, verifier: _Verifier, lists: _openssl.TlsLists
) -> TlsSession:
    """The session, checked to be within our choices even where OpenSSL could not be restricted."""
    suite, group = connection.suite(), connection.group()
    if (
        connection.version() != _TLS_1_3
        or suite not in lists.suites
        or (group is not None and group.lower() not in lists.groups)
    ):
        raise TLSFailed("TLS was agreed with choices that are not allowed here")
    server = connection.server_side
    return TlsSession(
        session_id=connection.session_id(),
        tls_version=connection.version(),
        alpn=connection.alpn(),
        peer_chain=verifier.accepted,
        server_name=connection.server_name(),
        certificate_sent=verifier.accepted is not None if server else verifier.certificate_sent,
        suite=suite,
        group=group,
    )
