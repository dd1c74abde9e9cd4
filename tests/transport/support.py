"""What the tests of connections share: certificates of all kinds, and pairs of TLS streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import (
    RouterCredentials,
    generate_router_credentials,
    generate_service_credentials,
)
from simplex_trio.transport.tls import (
    ServerContext,
    TlsCredentials,
    TlsStream,
    client_handshake,
    server_handshake,
)

NOW = datetime(2030, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)

StreamPair = tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]
Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def now() -> datetime:
    return NOW


ROUTER = generate_router_credentials(now=NOW)
OTHER_ROUTER = generate_router_credentials(now=NOW)
SERVICE = generate_service_credentials(now=NOW)


def of_router(router: RouterCredentials) -> TlsCredentials:
    return TlsCredentials.of(router.chain, router.key)


ROUTER_TLS = of_router(ROUTER)
SERVICE_TLS = TlsCredentials.of(SERVICE.chain, SERVICE.key)
PIN = ROUTER.identity_fingerprint
ALPN = ("smp/1", "http/1.1")
CONTEXT = ServerContext(ROUTER_TLS, alpn=ALPN)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    subject: str,
    key: Key,
    issuer: str,
    issuer_key: Key,
    *,
    authority: bool = False,
    start: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key, algorithm).public_bytes(Encoding.DER)


def new_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def pkcs8(key: Key) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def chain_of(length: int, **leaf: Any) -> TlsCredentials:
    """A chain that is valid, apart from its length and from what is said of its ``leaf``."""
    keys = [new_key() for _ in range(length)]
    names = [f"number {i}" for i in range(length)]
    certificates = [
        certificate(
            names[i],
            keys[i],
            names[min(i + 1, length - 1)],
            keys[min(i + 1, length - 1)],
            authority=i > 0,
            **(leaf if i == 0 else {}),
        )
        for i in range(length)
    ]
    return TlsCredentials(tuple(certificates), pkcs8(keys[0]))


def pin_of(credentials: TlsCredentials) -> bytes:
    """The fingerprint of the second certificate."""
    return CertificateChain(credentials.certificates[:2]).identity_fingerprint


def web_credentials() -> TlsCredentials:
    """What a public authority would have signed: another kind of key altogether."""
    key = ec.generate_private_key(ec.SECP256R1())
    return TlsCredentials((certificate("web", key, "web", key),), pkcs8(key))


class Outcome:
    """What became of the two sides of a handshake: a stream, or an exception."""

    def __init__(self) -> None:
        self.client: TlsStream | Exception | None = None
        self.server: TlsStream | Exception | None = None

    @property
    def streams(self) -> tuple[TlsStream, TlsStream]:
        assert isinstance(self.client, TlsStream), self.client
        assert isinstance(self.server, TlsStream), self.server
        return self.client, self.server


async def shake_hands(
    pair: StreamPair | None = None,
    *,
    context: ServerContext = CONTEXT,
    pin: bytes = PIN,
    alpn: Sequence[str] = ("smp/1",),
    server_name: str | None = None,
    credentials: TlsCredentials | None = None,
    clock: Callable[[], datetime] = now,
    patient: bool = True,
) -> Outcome:
    """Let both sides do their part, wherever it leads them.

    Without patience the connection ends when both wait for the other.
    """
    client, server = memory_stream_pair() if pair is None else pair
    outcome = Outcome()

    async def client_side() -> None:
        try:
            outcome.client = await client_handshake(
                client,
                pin=pin,
                alpn=alpn,
                server_name=server_name,
                credentials=credentials,
                clock=clock,
            )
        except Exception as exc:
            outcome.client = exc

    async def server_side() -> None:
        try:
            outcome.server = await server_handshake(server, context, clock=clock)
        except Exception as exc:
            outcome.server = exc

    async def hang_up() -> None:
        await wait_all_tasks_blocked()
        for stream in (client, server):
            with suppress(trio.ClosedResourceError):
                await stream.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client_side)
        nursery.start_soon(server_side)
        if not patient:
            nursery.start_soon(hang_up)
    return outcome


async def tls_pair(pair: StreamPair | None = None, **settings: Any) -> tuple[TlsStream, TlsStream]:
    """A client's and a server's end of one connection."""
    return (await shake_hands(pair, **settings)).streams


class _CancelAtStep(trio.abc.Instrument):
    def __init__(self, task: trio.lowlevel.Task, scope: trio.CancelScope, step: int) -> None:
        self.task = task
        self.scope = scope
        self.left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


async def cancelled_at_step(step: int, function: Callable[[], Awaitable[object]]) -> bool:
    """Run ``function`` and cancel it when it is run for the ``step``-th time since it began.

    Returns whether it was cancelled; if not, then it has fewer steps and is through.
    """
    cancelled = True

    async def run() -> None:
        nonlocal cancelled
        with trio.CancelScope() as scope:
            instrument = _CancelAtStep(trio.lowlevel.current_task(), scope, step)
            trio.lowlevel.add_instrument(instrument)
            try:
                await function()
            finally:
                trio.lowlevel.remove_instrument(instrument)
        cancelled = scope.cancelled_caught

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
    return cancelled
