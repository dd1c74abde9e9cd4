"""`SMPClient`: a connection to an SMP router, with every command as a typed method.

::

    async with open_smp_client(router) as client:
        queue = await client.create_queue()
        await client.send(queue.sender_id, b"hello")
        async for event in client.events:
            match event:
                case MessageReceived(body=body):
                    await client.acknowledge(queue, event.message_id)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import field, frozen

from simplex_trio.client.answers import expect, read_each, unexpected
from simplex_trio.client.connection import (
    ClientConfig,
    Connection,
    address_for,
    open_connection,
)
from simplex_trio.client.engine import (
    Call,
    ProtocolClient,
    driven,
)
from simplex_trio.client.proxy import ProxiedRelay, forward
from simplex_trio.client.queues import (
    MessageReceived,
    NotifierCredentials,
    OwnedQueue,
    QuotaReached,
    ReceivingQueue,
    SealedMessage,
    ServiceSubscription,
)
from simplex_trio.client.smp_session import SMP, SMPCodec, SMPSessionConfig, smp_spec
from simplex_trio.client.timeouts import BACKGROUND, INTERACTIVE, Patience
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import ServiceSubs, sender_id
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.errors import (
    EncodeError,
    ServiceUnavailable,
    SimplexError,
)
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.handshake import ClientAgreement, Service
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.forwarding import FwdTransmission
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import (
    IDS,
    INFO,
    LNK,
    MSG,
    NID,
    OK,
    PONG,
    RNAME,
    SOK,
    SOKS,
    Message,
)
from simplex_trio.wire.smp.names import Domain, NameRecord
from simplex_trio.wire.smp.new_queue import (
    MessagingRequest,
    NotifierIds,
    NotifierKeys,
    QueueRequest,
)
from simplex_trio.wire.smp.queue_info import QueueInfo
from simplex_trio.wire.versions import SMPVersion

__all__ = ["SMPClient", "SMPClientConfig", "connect_smp_client", "open_smp_client"]


@frozen(repr=False)
class SMPClientConfig(ClientConfig):
    """How a client reaches its router, how it waits, and what it is to the router."""

    session: SMPSessionConfig = field(factory=SMPSessionConfig)


_SUB = smp.SUB()


def _read_ok(answer: Message) -> None:
    expect(answer, OK)


def _read_subscribed(answer: Message) -> bytes | None:
    """The id of the service that the queue is associated with; a message also says subscribed."""
    match answer:
        case SOK(service_id):
            return service_id
        case OK() | MSG():
            return None
        case _:
            raise unexpected(answer)


def _read_notifier(answer: Message) -> NotifierIds:
    return expect(answer, NID).ids


class SMPClient(ProtocolClient[Command, Message]):
    """A connection to an SMP router; see `open_smp_client` and `connect_smp_client`.

    Every method sends one command (those in the plural one each) and has the contract of
    `ProtocolClient.request`: what cancelling does, and the errors `RequestTimeout`,
    `ConnectionLost`, `RouterError` with the router's error, `UnexpectedResponseError`,
    `MalformedResponse`, and an `EncodeError` such as `UnsupportedVersion` before anything is sent.

    Messages reach `events`, also those that answer a command, as `MessageReceived`, `QuotaReached`
    or, if their queue's delivery key was never told, `SealedMessage`; what else the router says
    unasked (END, DELD, NMSG, ENDS, ALLS) as a `Notice`.
    """

    def __init__(
        self,
        address: ServerAddress,
        connection: Connection,
        config: SMPClientConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> None:
        config = config or SMPClientConfig()
        self._smp = SMPCodec(connection.agreement)
        super().__init__(connection.stream, self._smp, config.engine, disconnected=disconnected)
        self._address = address
        self._tls = connection.tls
        self._relays: dict[ServerAddress, ProxiedRelay] = {}

    @property
    def address(self) -> ServerAddress:
        """The router at the other end."""
        return self._address

    @property
    def tls(self) -> TlsSession:
        """What TLS knows about the connection."""
        return self._tls

    @property
    def version(self) -> int:
        """The version of SMP that was agreed."""
        return self._smp.session.version

    @property
    def agreement(self) -> ClientAgreement:
        """What the handshake ended in; a proxy hands its versions and proof on to clients."""
        return self._smp.agreement

    @property
    def service(self) -> Service | None:
        """What this connection is to the router, if it is a service's."""
        return self._smp.agreement.service

    # --- owning queues --------------------------------------------------------------------------

    async def create_queue(
        self,
        queue_request: QueueRequest | None = None,
        *,
        key: AuthPrivateKey | None = None,
        dh_key: X25519PrivateKey | None = None,
        notifier_key: AuthPublicKey | None = None,
        basic_auth: bytes | None = None,
        subscribe: bool = True,
        correlation_id: bytes | None = None,
        patience: Patience = INTERACTIVE,
    ) -> ReceivingQueue:
        """Create a queue, and subscribe to it unless told not to.

        The keys are made here unless given.  Without ``queue_request`` it is a messaging queue,
        where the version knows kinds of queues.  A request with a link carries a sender id that
        follows from ``correlation_id`` (`simplex_trio.crypto.hashes.sender_id`), so that one has to
        be given too.  With ``notifier_key`` the queue has a notifier from the start.
        """
        if queue_request is None and self.version >= SMPVersion.SENDER_SECURES:
            queue_request = MessagingRequest()
        link = None if queue_request is None else queue_request.link
        if correlation_id is None:
            correlation_id = self.new_correlation_id()
        if link is not None and link.sender_id != sender_id(correlation_id):
            raise EncodeError("the link's sender id does not follow from the correlation id")
        key = key or Ed25519PrivateKey.generate()
        dh_key = dh_key or X25519PrivateKey.generate()
        notifier_dh_key = X25519PrivateKey.generate()
        command = smp.NEW(
            auth_key=key.public,
            dh_key=dh_key.public,
            basic_auth=basic_auth,
            subscribe=subscribe,
            queue_request=queue_request,
            notifier=(
                None if notifier_key is None else NotifierKeys(notifier_key, notifier_dh_key.public)
            ),
        )
        self._smp.expect_queue(correlation_id, dh_key)
        try:
            answer = await self.request(
                command, key=key, correlation_id=correlation_id, patience=patience
            )
        finally:
            self._smp.forget_expected(correlation_id)
        ids = expect(answer, IDS)
        if subscribe:
            self.enable_pings()
        return ReceivingQueue(
            recipient_id=ids.recipient_id,
            sender_id=ids.sender_id,
            key=key,
            delivery_key=BoxKey.agree(dh_key, ids.dh_key),
            mode=ids.queue_mode,
            link_id=ids.link_id,
            service_id=ids.service_id,
            notifier=_notifier(ids.notifier, notifier_dh_key),
        )

    async def subscribe(
        self, queue: OwnedQueue, *, patience: Patience = BACKGROUND
    ) -> bytes | None:
        """Receive a queue's messages here, and nowhere else from now on.

        Returns the id of the service that the queue is associated with, if there is one.
        """
        (result,) = await self.subscribe_many([queue], patience=patience)
        if isinstance(result, SimplexError):
            raise result
        return result

    async def subscribe_many(
        self, queues: Iterable[OwnedQueue], *, patience: Patience = BACKGROUND
    ) -> list[bytes | SimplexError | None]:
        """Subscribe to queues together: what `subscribe` returns, or an error, for each."""
        queues = list(queues)
        for queue in queues:
            self._learn(queue)
        self.enable_pings()
        calls = [Call(_SUB, queue.recipient_id, queue.key) for queue in queues]
        return read_each(await self.request_many(calls, patience=patience), _read_subscribed)

    async def get(
        self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE
    ) -> MessageReceived | QuotaReached | SealedMessage | None:
        """The oldest message of a queue that is not subscribed to, if there is one.

        It also goes to the events.
        """
        self._learn(queue)
        answer = await self._ask(smp.GET(), queue, patience)
        match answer:
            case OK():
                return None
            case MSG():
                event = self._smp.event(queue.recipient_id, answer)
                assert isinstance(event, MessageReceived | QuotaReached | SealedMessage)
                return event
            case _:
                raise unexpected(answer)

    async def acknowledge(
        self, queue: OwnedQueue, message_id: bytes, *, patience: Patience = BACKGROUND
    ) -> None:
        """Say that a message is safe; the router deletes it and delivers the next one."""
        answer = await self._ask(smp.ACK(message_id), queue, patience)
        if not isinstance(answer, OK | MSG):
            raise unexpected(answer)

    async def secure(
        self, queue: OwnedQueue, sender_key: AuthPublicKey, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Let only the owner of ``sender_key`` send to a queue; this cannot be changed."""
        _read_ok(await self._ask(smp.KEY(sender_key), queue, patience))

    async def set_recipient_keys(
        self,
        queue: OwnedQueue,
        keys: Sequence[AuthPublicKey],
        *,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Let any of ``keys`` authorize the owner's commands of a contact queue."""
        _read_ok(await self._ask(smp.RKEY(tuple(keys)), queue, patience))

    async def set_link(
        self,
        queue: OwnedQueue,
        link_id: bytes,
        data: QueueLinkData,
        *,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Give a queue a short link, or change the user's part of its data."""
        _read_ok(await self._ask(smp.LSET(link_id, data), queue, patience))

    async def delete_link(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> None:
        """Take a queue's short link away."""
        _read_ok(await self._ask(smp.LDEL(), queue, patience))

    async def suspend(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> None:
        """Accept no more messages; those that are there will still be delivered."""
        _read_ok(await self._ask(smp.OFF(), queue, patience))

    async def delete(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> None:
        """Delete a queue and all that is in it."""
        (result,) = await self.delete_many([queue], patience=patience)
        if isinstance(result, SimplexError):
            raise result

    async def delete_many(
        self, queues: Iterable[OwnedQueue], *, patience: Patience = BACKGROUND
    ) -> list[SimplexError | None]:
        """Delete queues together: `None`, or an error, for each."""
        queues = list(queues)
        calls = [Call(smp.DEL(), queue.recipient_id, queue.key) for queue in queues]
        results = read_each(await self.request_many(calls, patience=patience), _read_ok)
        for queue, result in zip(queues, results, strict=True):
            if result is None:
                self.forget(queue.recipient_id)
        return results

    async def queue_info(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> QueueInfo:
        """What the router says about a queue's state."""
        return expect(await self._ask(smp.QUE(), queue, patience), INFO).info

    def forget(self, recipient_id: bytes) -> None:
        """Drop a queue's delivery key; should it still deliver, its messages arrive sealed."""
        self._smp.delivery_keys.pop(recipient_id, None)

    # --- notifications --------------------------------------------------------------------------

    async def enable_notifications(
        self,
        queue: OwnedQueue,
        notifier_key: AuthPublicKey,
        *,
        patience: Patience = BACKGROUND,
    ) -> NotifierCredentials:
        """Let the owner of ``notifier_key`` learn when messages arrive, but not what they are."""
        (result,) = await self.enable_notifications_many([(queue, notifier_key)], patience=patience)
        if isinstance(result, SimplexError):
            raise result
        return result

    async def enable_notifications_many(
        self,
        queues: Iterable[tuple[OwnedQueue, AuthPublicKey]],
        *,
        patience: Patience = BACKGROUND,
    ) -> list[NotifierCredentials | SimplexError]:
        """Enable notifications for queues together: credentials, or an error, for each."""
        queues = list(queues)
        dh_keys = [X25519PrivateKey.generate() for _ in queues]
        calls = [
            Call(smp.NKEY(NotifierKeys(key, dh_key.public)), queue.recipient_id, queue.key)
            for (queue, key), dh_key in zip(queues, dh_keys, strict=True)
        ]
        answers = read_each(await self.request_many(calls, patience=patience), _read_notifier)
        return [
            ids
            if isinstance(ids, SimplexError)
            else NotifierCredentials(ids.notifier_id, BoxKey.agree(dh_key, ids.dh_key))
            for ids, dh_key in zip(answers, dh_keys, strict=True)
        ]

    async def disable_notifications(
        self, queue: OwnedQueue, *, patience: Patience = BACKGROUND
    ) -> None:
        """Take a queue's notifier away."""
        _read_ok(await self._ask(smp.NDEL(), queue, patience))

    async def disable_notifications_many(
        self, queues: Iterable[OwnedQueue], *, patience: Patience = BACKGROUND
    ) -> list[SimplexError | None]:
        """Take the notifiers of queues away together: `None`, or an error, for each."""
        calls = [Call(smp.NDEL(), queue.recipient_id, queue.key) for queue in queues]
        return read_each(await self.request_many(calls, patience=patience), _read_ok)

    async def subscribe_notifications(
        self, notifier_id: bytes, key: AuthPrivateKey, *, patience: Patience = BACKGROUND
    ) -> bytes | None:
        """As a notifier, be told here when messages arrive; NMSG comes as a `Notice`.

        Returns the id of the service that the notifier is associated with, if there is one.
        """
        (result,) = await self.subscribe_notifications_many([(notifier_id, key)], patience=patience)
        if isinstance(result, SimplexError):
            raise result
        return result

    async def subscribe_notifications_many(
        self,
        notifiers: Iterable[tuple[bytes, AuthPrivateKey]],
        *,
        patience: Patience = BACKGROUND,
    ) -> list[bytes | SimplexError | None]:
        """Subscribe to notifications together, as `subscribe_notifications` does."""
        self.enable_pings()
        calls = [Call(smp.NSUB(), notifier_id, key) for notifier_id, key in notifiers]
        return read_each(await self.request_many(calls, patience=patience), _read_subscribed)

    # --- services -------------------------------------------------------------------------------

    async def subscribe_service(
        self, expected: ServiceSubs | None = None, *, patience: Patience = BACKGROUND
    ) -> ServiceSubscription:
        """Subscribe to all queues that are associated with this connection's service.

        ``expected`` is what the service believes to be associated with; the router's figures come
        back whether they agree or not.
        """
        return await self._subscribe_service(smp.SUBS, expected, patience)

    async def subscribe_service_notifications(
        self, expected: ServiceSubs | None = None, *, patience: Patience = BACKGROUND
    ) -> ServiceSubscription:
        """Subscribe to all notifiers that are associated with this connection's service."""
        return await self._subscribe_service(smp.NSUBS, expected, patience)

    async def _subscribe_service(
        self,
        command: type[smp.SUBS | smp.NSUBS],
        expected: ServiceSubs | None,
        patience: Patience,
    ) -> ServiceSubscription:
        service = self.service
        if service is None:
            raise ServiceUnavailable("this connection is not one of a service")
        self.enable_pings()
        asked = command() if expected is None else command(expected.count, expected.ids_hash)
        answer = await self.request(asked, service.id, service.session_key, patience=patience)
        found = expect(answer, SOKS)
        agrees = found.count == asked.count
        if self.version >= SMPVersion.SERVICE_SUBSCRIPTIONS:
            agrees &= found.ids_hash == asked.ids_hash
        return ServiceSubscription(
            found.count, found.ids_hash, as_expected=expected is not None and agrees
        )

    # --- sending --------------------------------------------------------------------------------

    async def send(
        self,
        sender_id: bytes,
        body: bytes,
        key: AuthPrivateKey | None = None,
        *,
        notify: bool = False,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Put a message into a queue; ``key`` is needed once the queue is secured."""
        command = smp.SEND(MessageFlags(notification=notify), body)
        _read_ok(await self.request(command, sender_id, key, patience=patience))

    async def secure_as_sender(
        self, sender_id: bytes, key: AuthPrivateKey, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Secure a messaging queue with the sender's own key, so that it can send at once."""
        command = smp.SKEY(key.public)
        _read_ok(await self.request(command, sender_id, key, patience=patience))

    async def read_link(self, link_id: bytes, *, patience: Patience = INTERACTIVE) -> LNK:
        """The data of a contact queue's link, and the queue's sender id."""
        return expect(await self.request(smp.LGET(), link_id, patience=patience), LNK)

    async def secure_and_read_link(
        self, link_id: bytes, key: AuthPrivateKey, *, patience: Patience = INTERACTIVE
    ) -> LNK:
        """Secure a messaging queue by its link, once, and read the link's data."""
        command = smp.LKEY(key.public)
        return expect(await self.request(command, link_id, key, patience=patience), LNK)

    # --- proxies --------------------------------------------------------------------------------

    def relay(
        self, address: ServerAddress | str, *, basic_auth: bytes | None = None
    ) -> ProxiedRelay:
        """Another router, to be reached through this one; one object for each address.

        ``basic_auth`` is for this router to act as a proxy, if it asks for that.
        """
        address = address_for(SMP, address)
        known = self._relays.get(address)
        if known is None:
            engine = self._config
            known = self._relays[address] = ProxiedRelay(
                self,
                address,
                basic_auth=basic_auth,
                connect_timeouts=engine.connect_timeouts,
                request_timeouts=engine.request_timeouts,
            )
        return known

    async def forward(self, forwarded: FwdTransmission) -> bytes:
        """As a proxy connected to a relay, pass on what a client sealed for it.

        Returns what the relay sealed for that client.  See `simplex_trio.client.proxy.forward`.
        """
        return await forward(self, self._smp.agreement.shared_secret, forwarded)

    # --- the router itself ----------------------------------------------------------------------

    async def ping(self, *, patience: Patience = INTERACTIVE) -> None:
        """See whether the router answers."""
        expect(await self.request(smp.PING(), patience=patience), PONG)

    async def resolve_name(self, domain: Domain, *, patience: Patience = INTERACTIVE) -> NameRecord:
        """What is registered for a name; the router sees who asks."""
        return expect(await self.request(smp.RSLV(domain), patience=patience), RNAME).record

    async def _ask(self, command: Command, queue: OwnedQueue, patience: Patience) -> Message:
        return await self.request(command, queue.recipient_id, queue.key, patience=patience)

    def _learn(self, queue: OwnedQueue) -> None:
        if queue.delivery_key is not None:
            self._smp.delivery_keys[queue.recipient_id] = queue.delivery_key.subkey


def _notifier(ids: NotifierIds | None, dh_key: X25519PrivateKey) -> NotifierCredentials | None:
    if ids is None:
        return None
    return NotifierCredentials(ids.notifier_id, BoxKey.agree(dh_key, ids.dh_key))


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
    """Connect to a router for as long as the block lasts.

    ``isolation`` tells unrelated connections apart to a SOCKS proxy.  ``disconnected`` is called
    once, with the reason, when the connection has ended and everybody who waited knows.

    A lost connection does not cancel the block: it sees `ConnectionLost` at its next call.  Leaving
    the block closes the connection.  Raises a `ConnectError` (`ConnectTimeout` when the deadline of
    the configuration passes) if no connection comes about; cancelled meanwhile, it leaves nothing
    open.
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
    """Connect to a router and let ``nursery`` drive the connection until it ends.

    As `open_smp_client`, except that it lasts until `ProtocolClient.aclose`, the loss of the
    connection, or the cancellation of the nursery.
    """
    client = await _connect(address, config, isolation, patience, disconnected)
    nursery.start_soon(client.run)
    return client
