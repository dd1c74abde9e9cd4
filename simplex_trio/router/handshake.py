"""The router's side of a handshake, over a connection."""

from __future__ import annotations

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.errors import DecodeError, MalformedHello, ServiceRefused
from simplex_trio.router.hub import Hub
from simplex_trio.transport.frames import FrameStream
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.blocks import PaddedBlocks
from simplex_trio.wire.handshake import RouterAgreement
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, SMPRouterHandshake

__all__ = ["shake_hands"]


async def shake_hands(
    hub: Hub,
    frames: FrameStream,
    tls: TlsSession,
    credentials: RouterCredentials | None = None,
) -> RouterAgreement:
    """Shake hands with a client, and tell its service its id.

    ``credentials`` are those that the client has seen in TLS, by default the hub's.
    Raises a `HandshakeFailed` when there is no agreement, after sending the client an error where
    the protocol has one, and whatever ``frames`` raises.
    """
    blocks = PaddedBlocks(SMP_BLOCK_SIZE)
    shown = credentials or hub.credentials
    handshake = SMPRouterHandshake(
        session_id=tls.session_id,
        chain=shown.chain,
        signing_key=shown.key,
        session_key=X25519PrivateKey(hub.state.random(X25519PrivateKey.SIZE)),
        alpn=tls.alpn,
        client_chain=tls.peer_chain,
        versions=hub.config.versions,
    )
    await frames.send_frames([blocks.seal(handshake.hello())])
    block = await frames.receive_frame()
    try:
        hello = blocks.open(block)
    except DecodeError as exc:
        raise MalformedHello("the client's hello is not a block") from exc
    last = handshake.receive(hello)
    claim = handshake.service_claim
    if claim is not None:
        service_id = hub.state.services.id_for(claim.role, claim.certificate_hash)
        if service_id is None:
            last = handshake.refuse_service()
        else:
            last = handshake.accept_service(service_id)
    if last is not None:
        await frames.send_frames([blocks.seal(last)])
    agreement = handshake.agreement
    if agreement is None:
        raise ServiceRefused("the client's service is not proven, or has another role")
    return agreement
