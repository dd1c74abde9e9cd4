"""`NTFClient`: a connection to a notification router, with every command as a typed method.

A notification router subscribes to the notifiers of queues and wakes a device when a message
arrives.  It runs on the same engine as SMP, with smaller blocks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import trio

from simplex_trio.client.connection import (
    ClientConfig,
    Connection,
    RouterClient,
    address_for,
    open_connection,
)
from simplex_trio.client.spec import ProtocolSpec, TransmissionCodec
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
    auth_private_key,
)
from simplex_trio.engine.answers import expect, read_each
from simplex_trio.engine.calls import Call
from simplex_trio.engine.events import EngineEvent
from simplex_trio.engine.protocol_client import drive, driven
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE, Patience
from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.errors.values import RouterErrorValue
from simplex_trio.wire.ntf import commands as ntf
from simplex_trio.wire.ntf.commands import Command
from simplex_trio.wire.ntf.handshake import NTF_BLOCK_SIZE, NTFClientHandshake
from simplex_trio.wire.ntf.messages import (
    ERR,
    IDSUB,
    IDTKN,
    OK,
    PONG,
    SUB,
    TKN,
    Message,
    decode_message,
)
from simplex_trio.wire.ntf.queues import NotifierQueue
from simplex_trio.wire.ntf.statuses import SubscriptionStatus, TokenStatus
from simplex_trio.wire.ntf.tokens import DeviceToken
from simplex_trio.wire.saved import SavedFields, SavedFormat

__all__ = ["NTF", "NTFClient", "RegisteredToken", "connect_ntf_client", "open_ntf_client"]


def _handshake(address: ServerAddress, tls: TlsSession) -> NTFClientHandshake:
    assert tls.peer_chain is not None  # TLS fails for a server without a certificate
    return NTFClientHandshake(
        session_id=tls.session_id, identity=address.key_hash, tls_chain=tls.peer_chain
    )


class NTFCodec(TransmissionCodec[Command, Message]):
    """NTF in one session."""

    def ping(self) -> Command:
        return ntf.PING()

    def decode_message(self, encoded: bytes, version: int) -> Message:
        return decode_message(encoded, version)

    def error_of(self, message: Message) -> RouterErrorValue | None:
        return message.error if isinstance(message, ERR) else None


NTF = ProtocolSpec[Command, Message](
    name="NTF",
    protocol=ServerProtocol.NTF,
    alpn=("ntf/1",),
    block_size=NTF_BLOCK_SIZE,
    handshake=_handshake,
    codec=NTFCodec,
)
"""NTF for the engine."""


_REGISTERED_TOKEN = SavedFormat("registered token")


@frozen(repr=False)
class RegisteredToken(Redacted):
    """A device registered with a notification router; a program must keep all of it.

    ``key`` authorizes commands about the device, ``push_key`` opens its push messages.
    """

    token_id: bytes
    key: AuthPrivateKey
    push_key: BoxKey

    def to_bytes(self) -> bytes:
        """All of it, for a file that others cannot read."""
        return _REGISTERED_TOKEN.pack(self.token_id, self.key.der, self.push_key.subkey)

    @staticmethod
    def from_bytes(data: bytes) -> RegisteredToken:
        """What `to_bytes` has saved; raises `DecodeError`."""

        def read(fields: SavedFields) -> RegisteredToken:
            return RegisteredToken(
                token_id=fields.required(),
                key=auth_private_key(fields.required()),
                push_key=BoxKey(fields.required()),
            )

        return _REGISTERED_TOKEN.unpack(data, read)


def _read_ok(answer: Message) -> None:
    expect(answer, OK)


def _read_subscription_id(answer: Message) -> bytes:
    return expect(answer, IDSUB).subscription_id


def _read_subscription(answer: Message) -> SubscriptionStatus:
    return expect(answer, SUB).status


class NTFClient(RouterClient[Command, Message, EngineEvent]):
    """A connection to a notification router; see `open_ntf_client` and `connect_ntf_client`.

    Every method sends one command and has the contract of `ProtocolClient.request`: what cancelling
    does, and the errors it may raise, with the router's own as `RouterError`.
    """

    def __init__(
        self,
        address: ServerAddress,
        connection: Connection,
        config: ClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> None:
        config = config or ClientConfig()
        codec = NTFCodec(connection.agreement)
        super().__init__(address, connection, codec, config.engine, disconnected=disconnected)

    # --- tokens ---------------------------------------------------------------------------------

    async def register_token(
        self,
        device_token: DeviceToken,
        *,
        key: AuthPrivateKey | None = None,
        dh_key: X25519PrivateKey | None = None,
        patience: Patience = INTERACTIVE,
    ) -> RegisteredToken:
        """Register a device; the router sends it a code for `verify_token`."""
        key = key or Ed25519PrivateKey.generate()
        dh_key = dh_key or X25519PrivateKey.generate()
        command = ntf.TNEW(device_token, key.public, dh_key.public)
        answer = expect(await self.request(command, key=key, patience=patience), IDTKN)
        return RegisteredToken(answer.token_id, key, BoxKey.agree(dh_key, answer.dh_key))

    async def verify_token(
        self, token: RegisteredToken, code: bytes, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Prove that the device received the code; it can then have subscriptions."""
        _read_ok(await self._request_for(ntf.TVFY(code), token, patience))

    async def check_token(
        self, token: RegisteredToken, *, patience: Patience = INTERACTIVE
    ) -> TokenStatus:
        """The status of a token's registration."""
        return expect(await self._request_for(ntf.TCHK(), token, patience), TKN).status

    async def replace_token(
        self,
        token: RegisteredToken,
        device_token: DeviceToken,
        *,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Replace the device's push token; it has to be verified again."""
        _read_ok(await self._request_for(ntf.TRPL(device_token), token, patience))

    async def delete_token(
        self, token: RegisteredToken, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Delete the device and all of its subscriptions."""
        _read_ok(await self._request_for(ntf.TDEL(), token, patience))

    async def set_periodic_notifications(
        self, token: RegisteredToken, minutes: int, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Wake the device every ``minutes`` minutes, at least 20; 0 turns this off."""
        _read_ok(await self._request_for(ntf.TCRN(minutes), token, patience))

    # --- subscriptions --------------------------------------------------------------------------

    async def create_subscription(
        self,
        token: RegisteredToken,
        queue: NotifierQueue,
        notifier_key: AuthPrivateKey,
        *,
        patience: Patience = INTERACTIVE,
    ) -> bytes:
        """Have the device notified about a queue; returns the subscription's id.

        The router gets the notifier's private key, and subscribes with it.
        """
        command = ntf.SNEW(token.token_id, queue, notifier_key)
        answer = await self.request(command, key=token.key, patience=patience)
        return _read_subscription_id(answer)

    async def create_subscriptions(
        self,
        token: RegisteredToken,
        notifiers: Iterable[tuple[NotifierQueue, AuthPrivateKey]],
        *,
        patience: Patience = BACKGROUND,
    ) -> list[bytes | SimplexError]:
        """Have the device notified about queues; returns a subscription's id, or an error, each."""
        calls = [
            Call(ntf.SNEW(token.token_id, queue, notifier_key), b"", token.key)
            for queue, notifier_key in notifiers
        ]
        return read_each(await self.request_many(calls, patience=patience), _read_subscription_id)

    async def check_subscription(
        self, token: RegisteredToken, subscription_id: bytes, *, patience: Patience = INTERACTIVE
    ) -> SubscriptionStatus:
        """The status of a subscription."""
        command = ntf.SCHK()
        answer = await self.request(command, subscription_id, token.key, patience=patience)
        return _read_subscription(answer)

    async def check_subscriptions(
        self,
        token: RegisteredToken,
        subscription_ids: Iterable[bytes],
        *,
        patience: Patience = BACKGROUND,
    ) -> list[SubscriptionStatus | SimplexError]:
        """The status of each subscription, or an error."""
        calls = [Call(ntf.SCHK(), each, token.key) for each in subscription_ids]
        return read_each(await self.request_many(calls, patience=patience), _read_subscription)

    async def delete_subscription(
        self, token: RegisteredToken, subscription_id: bytes, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Stop notifying the device about a queue."""
        command = ntf.SDEL()
        _read_ok(await self.request(command, subscription_id, token.key, patience=patience))

    async def delete_subscriptions(
        self,
        token: RegisteredToken,
        subscription_ids: Iterable[bytes],
        *,
        patience: Patience = BACKGROUND,
    ) -> list[SimplexError | None]:
        """Stop notifying the device about queues; returns `None` or an error for each."""
        calls = [Call(ntf.SDEL(), each, token.key) for each in subscription_ids]
        return read_each(await self.request_many(calls, patience=patience), _read_ok)

    async def ping(self, *, patience: Patience = INTERACTIVE) -> None:
        """Check that the router answers."""
        expect(await self.request(ntf.PING(), patience=patience), PONG)

    async def _request_for(
        self, command: Command, token: RegisteredToken, patience: Patience
    ) -> Message:
        return await self.request(command, token.token_id, token.key, patience=patience)


async def _connect(
    address: ServerAddress | str,
    config: ClientConfig | None,
    isolation: bytes | None,
    patience: Patience,
    disconnected: Callable[[BaseException], object] | None,
) -> NTFClient:
    config = config or ClientConfig()
    address = address_for(NTF, address)
    connection = await open_connection(NTF, address, config, isolation=isolation, patience=patience)
    return NTFClient(address, connection, config, disconnected=disconnected)


@asynccontextmanager
async def open_ntf_client(
    address: ServerAddress | str,
    config: ClientConfig | None = None,
    *,
    isolation: bytes | None = None,
    patience: Patience = INTERACTIVE,
    disconnected: Callable[[BaseException], object] | None = None,
) -> AsyncIterator[NTFClient]:
    """Connect to a notification router for as long as the block lasts.

    The contract is that of `open_smp_client`.
    """
    client = await _connect(address, config, isolation, patience, disconnected)
    async with driven(client):
        yield client


async def connect_ntf_client(
    nursery: trio.Nursery,
    address: ServerAddress | str,
    config: ClientConfig | None = None,
    *,
    isolation: bytes | None = None,
    patience: Patience = INTERACTIVE,
    disconnected: Callable[[BaseException], object] | None = None,
) -> NTFClient:
    """Connect to a notification router and let ``nursery`` drive the connection until it ends.

    The contract is that of `connect_smp_client`.
    """
    client = await _connect(address, config, isolation, patience, disconnected)
    return await drive(nursery, client)
