"""A small agent for one connection: the pure parts of the package, and a client of the router.

It keeps everything in memory and repeats nothing, which is enough to talk to a real agent.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import trio

from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, ReceivingQueue
from simplex_trio.crypto.box import NONCE_SIZE, BoxKey
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.ratchet.receiving import open_header
from simplex_trio.ratchet.sending import advance_sending
from simplex_trio.ratchet.skipped import SkippedKeys
from simplex_trio.ratchet.sntrup761 import load_kem
from simplex_trio.ratchet.starting import initiator_ratchet, joiner_ratchet
from simplex_trio.ratchet.state import DHKeyPair, FreshKeys, Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex import InvitationURI, X3DHKeys
from simplex_trio.wire.duplex.bodies import MessageBody
from simplex_trio.wire.duplex.envelopes import (
    ConfirmationEnvelope,
    MessageEnvelope,
    decode_envelope,
)
from simplex_trio.wire.duplex.messages import (
    AgentMessage,
    ConnectionInfo,
    ConnectionInfoReply,
    RatchetPlaintext,
    decode_message,
    message_hash,
)
from simplex_trio.wire.duplex.sizes import check_fits, padded_length
from simplex_trio.wire.duplex.versions import AGENT_VERSIONS, RATCHET_VERSIONS, SMP_CLIENT_VERSIONS
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue
from simplex_trio.wire.smp.envelopes import ClientEnvelope, ClientMessage
from simplex_trio.wire.smp.new_queue import MessagingRequest, QueueMode, QueueRequest
from simplex_trio.wire.smp.sizes import E2E_CONFIRMATION_PADDED, E2E_MESSAGE_PADDED
from tests.interop.driver import PATIENCE

AGENT_VERSION = AGENT_VERSIONS.highest
CLIENT_VERSION = SMP_CLIENT_VERSIONS.highest
NOW = 0

KEM = load_kem()


def sealed_for(queue: QueueAddress, own: X25519PrivateKey, body: bytes, *, with_key: bool) -> bytes:
    """What SEND puts into a queue."""
    nonce = os.urandom(NONCE_SIZE)
    length = E2E_CONFIRMATION_PADDED if with_key else E2E_MESSAGE_PADDED
    sealed = ClientMessage(None, body).seal(BoxKey.agree(own, queue.dh_key), nonce, length)
    dh_key = own.public if with_key else None
    return ClientEnvelope(CLIENT_VERSION, dh_key, nonce, sealed).encode()


class Peer:
    """Our side of a connection."""

    queue: ReceivingQueue
    """Where the other side sends to."""
    x3dh: X3DHPrivateKeys
    ratchet: Ratchet
    reply_to: QueueAddress
    """Where we send to."""

    def __init__(self, client: SMPClient, server: ServerAddress, pq: bool) -> None:
        self.client, self._server, self.pq = client, server, pq
        self.queue_key = X25519PrivateKey.generate()
        self.skipped = SkippedKeys()
        self._box: BoxKey | None = None
        self._sender_key = X25519PrivateKey.generate()
        self.auth_key = Ed25519PrivateKey.generate()
        self._sent_id, self._sent_hash = 0, b""
        self._received_id, self._received_hash = 0, b""

    # --- queues and keys ------------------------------------------------------------------------

    async def make_queue(
        self, request: QueueRequest | None = None, correlation_id: bytes | None = None
    ) -> QueueAddress:
        self.queue = await self.client.create_queue(
            request or MessagingRequest(), correlation_id=correlation_id
        )
        return self.address(self.queue.sender_id)

    def address(self, sender_id: bytes, mode: QueueMode = QueueMode.MESSAGING) -> QueueAddress:
        return QueueAddress(self._server, sender_id, self.queue_key.public, mode)

    def make_x3dh_keys(self, *, kem: bool) -> None:
        pair = KEM.generate() if kem else None
        self.x3dh = X3DHPrivateKeys(DHKeyPair.generate(), DHKeyPair.generate(), pair)

    def invitation(self, queue: QueueAddress) -> InvitationURI:
        uri = QueueURI(SMP_CLIENT_VERSIONS, queue)
        return InvitationURI(AGENT_VERSIONS, (uri,), self.x3dh.offer(RATCHET_VERSIONS))

    async def secure(self, queue: QueueAddress) -> None:
        """Secure the queue that we send to."""
        await self.client.secure_as_sender(queue.sender_id, self.auth_key)

    # --- handshakes -----------------------------------------------------------------------------

    async def next_body(self) -> bytes:
        """The body of the next message in our queue, which is acknowledged."""
        with trio.fail_after(PATIENCE):
            while not isinstance(event := await self.client.events.receive(), MessageReceived):
                pass
        await self.client.acknowledge(self.queue, event.message_id)
        return event.body

    def _unsealed(self, body: bytes) -> bytes:
        envelope = ClientEnvelope.decode(body)
        if envelope.dh_key is not None:
            self._box = BoxKey.agree(self.queue_key, envelope.dh_key)
        assert self._box is not None
        message = ClientMessage.open(self._box, envelope.nonce, envelope.sealed)
        assert message.sender_key is None
        return message.body

    async def receive_confirmation(self) -> bytes:
        """The first message; returns what the other program tells of itself."""
        envelope = decode_envelope(self._unsealed(await self.next_body()))
        assert isinstance(envelope, ConfirmationEnvelope)
        if envelope.x3dh_keys is not None:
            self.ratchet = initiator_ratchet(
                self.x3dh, envelope.x3dh_keys, KEM, kem_supported=self.pq
            )
        plaintext = self.decrypt(envelope.ciphertext)
        self._received_id, self._received_hash = 1, message_hash(plaintext)
        message = decode_message(plaintext)
        if envelope.x3dh_keys is None:
            assert isinstance(message, ConnectionInfo)
        else:
            assert isinstance(message, ConnectionInfoReply)
            self.reply_to = message.queues[0].queue
            assert self.reply_to.sender_secures
        return message.info

    async def _send_confirmation(
        self, message: ConnectionInfo | ConnectionInfoReply, keys: X3DHKeys | None
    ) -> None:
        ciphertext = self.encrypt(message)
        self._sent_id, self._sent_hash = 1, message_hash(message.encode())
        body = ConfirmationEnvelope(AGENT_VERSION, keys, ciphertext).encode()
        await self._send(body, first=True)

    async def confirm(self, info: bytes) -> None:
        """Let the joiner in."""
        await self.secure(self.reply_to)
        await self._send_confirmation(ConnectionInfo(info), None)

    async def join(self, request: InvitationURI, info: bytes, *, secured: bool = False) -> None:
        """Join an invitation, whose queue may have been secured when its short link was read."""
        self.reply_to = request.queues[0].queue
        offered = request.x3dh_offer
        version = min(offered.versions.highest, RATCHET_VERSIONS.highest)
        peer = offered.at_version(version)
        self.make_x3dh_keys(kem=self.pq)
        self.x3dh = self.x3dh.accepting(peer, KEM)
        self.ratchet = joiner_ratchet(self.x3dh, peer, DHKeyPair.generate())
        if not secured:
            await self.secure(self.reply_to)
        replies = VersionedQueue(CLIENT_VERSION, await self.make_queue())
        message = ConnectionInfoReply((replies,), info)
        await self._send_confirmation(message, self.x3dh.public(version))

    # --- messages -------------------------------------------------------------------------------

    def encrypt(self, message: RatchetPlaintext, *, kem: bool | None = None) -> bytes:
        prepared = advance_sending(self.ratchet, kem=kem)
        large_headers = prepared.ratchet.large_headers
        check_fits(message, AGENT_VERSION, large_headers)
        self.ratchet = prepared.ratchet
        length = padded_length(message, AGENT_VERSION, large_headers)
        return prepared.key.encrypt(message.encode(), length)

    def decrypt(self, ciphertext: bytes) -> bytes:
        opened = open_header(self.ratchet, self.skipped, ciphertext, now=NOW)
        fresh = None
        if opened.needs_dh_pair:
            kem_pair = KEM.generate() if opened.needs_kem_pair else None
            fresh = FreshKeys(DHKeyPair.generate(), kem_pair)
        decrypted = opened.decrypt(fresh, KEM)
        # As a program would that stores its state after each message.
        self.ratchet = Ratchet.decode(decrypted.ratchet.encode())
        self.skipped = SkippedKeys.decode(decrypted.skipped.encode())
        return decrypted.plaintext

    async def _send(self, body: bytes, *, first: bool = False) -> None:
        sealed = sealed_for(self.reply_to, self._sender_key, body, with_key=first)
        await self.client.send(self.reply_to.sender_id, sealed, self.auth_key, notify=first)

    async def send(self, body: MessageBody, *, kem: bool | None = None) -> int:
        """Send a message; returns its number."""
        message = AgentMessage(self._sent_id + 1, self._sent_hash, body)
        ciphertext = self.encrypt(message, kem=kem)
        self._sent_id, self._sent_hash = self._sent_id + 1, message_hash(message.encode())
        await self._send(MessageEnvelope(AGENT_VERSION, ciphertext).encode())
        return self._sent_id

    async def next_ciphertext(self) -> bytes:
        envelope = decode_envelope(self._unsealed(await self.next_body()))
        assert isinstance(envelope, MessageEnvelope)
        return envelope.ciphertext

    def open_message(self, ciphertext: bytes) -> tuple[AgentMessage, bytes]:
        """A message, and its hash."""
        plaintext = self.decrypt(ciphertext)
        message = decode_message(plaintext)
        assert isinstance(message, AgentMessage)
        return message, message_hash(plaintext)

    async def receive(self) -> tuple[AgentMessage, bytes]:
        """The next message, which follows the one before it, and its hash."""
        message, its_hash = self.open_message(await self.next_ciphertext())
        assert message.sender_message_id == self._received_id + 1
        assert message.previous_hash == self._received_hash
        self._received_id, self._received_hash = message.sender_message_id, its_hash
        return message, its_hash

    @property
    def security_hash(self) -> str:
        assert self.ratchet.security_hash == sha256(self.ratchet.associated_data).digest()
        return self.ratchet.security_hash.hex()


@asynccontextmanager
async def open_peer(router: str, *, pq: bool) -> AsyncIterator[Peer]:
    """Our side of a connection, with queues on ``router``."""
    async with open_smp_client(router) as client:
        yield Peer(client, ServerAddress.parse(router), pq)
