"""A stand-in for TLS: the client begins by naming the session, and that is all."""

from __future__ import annotations

import trio

from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.transport.tls import TlsSession

_SESSION_ID_SIZE = 32


async def begin_as_client(stream: trio.abc.Stream, session_id: bytes) -> None:
    """Name the session."""
    assert len(session_id) == _SESSION_ID_SIZE
    await stream.send_all(session_id)


async def begin_as_router(stream: trio.abc.Stream) -> bytes:
    """The session id; raises `trio.EndOfChannel` if the client hangs up before."""
    received = b""
    while len(received) < _SESSION_ID_SIZE:
        data = await stream.receive_some(_SESSION_ID_SIZE - len(received))
        if not data:
            raise trio.EndOfChannel
        received += data
    return received


def session(
    session_id: bytes, peer_chain: CertificateChain | None, *, certificate_sent: bool = False
) -> TlsSession:
    """What TLS would have agreed on."""
    return TlsSession(
        session_id=session_id,
        tls_version="TLSv1.3",
        alpn="smp/1",
        peer_chain=peer_chain,
        server_name=None,
        certificate_sent=certificate_sent,
        suite="TLS_CHACHA20_POLY1305_SHA256",
        group="X25519",
    )
