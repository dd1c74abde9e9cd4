"""Commands of a queue's owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simplex_trio.client.smp.queues import (
    MessageReceived,
    NotifierCredentials,
    OwnedQueue,
    QuotaReached,
    ReceivingQueue,
    SealedMessage,
)
from simplex_trio.client.smp.requests import SMPRequests, read_ok, read_subscribed
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    AuthPublicKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.engine.answers import expect, only, read_each, unexpected
from simplex_trio.engine.calls import Call
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE, Patience
from simplex_trio.errors import EncodeError, SimplexError
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import IDS, INFO, MSG, OK
from simplex_trio.wire.smp.new_queue import (
    MessagingRequest,
    NotifierIds,
    NotifierKeys,
    QueueRequest,
)
from simplex_trio.wire.smp.queue_info import QueueInfo
from simplex_trio.wire.versions import SMPVersion

__all__ = ["OwnerCommands"]

_SUB = smp.SUB()


class OwnerCommands(SMPRequests):
    """Creating queues, receiving from them, and all other commands of their owner."""

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
        """Create a queue and, by default, subscribe to it.

        Keys that are not given are generated.  Without ``queue_request`` the queue is for
        messaging, if the version has kinds of queues.  A request with a link contains a sender id
        derived from ``correlation_id`` (`simplex_trio.crypto.hashes.sender_id`), which must then be
        given too.  With ``notifier_key`` the queue has a notifier from the start.
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
        expected = self._smp.expect_queue(correlation_id, dh_key)
        try:
            answer = await self.request(
                command, key=key, correlation_id=correlation_id, patience=patience
            )
        finally:
            self._smp.forget_expected(correlation_id, expected)
        ids = expect(answer, IDS)
        if subscribe:
            self.enable_pings()
        return ReceivingQueue(
            recipient_id=ids.recipient_id,
            sender_id=ids.sender_id,
            key=key,
            delivery_key=expected.delivery_key or BoxKey.agree(dh_key, ids.dh_key),
            mode=ids.queue_mode,
            link_id=ids.link_id,
            service_id=ids.service_id,
            notifier=_notifier(ids.notifier, notifier_dh_key),
        )

    async def subscribe(
        self, queue: OwnedQueue, *, patience: Patience = BACKGROUND
    ) -> bytes | None:
        """Receive a queue's messages on this connection, which ends any other subscription to it.

        Returns the id of the service that the queue is associated with, if any.
        """
        return only(await self.subscribe_many([queue], patience=patience))

    async def subscribe_many(
        self, queues: Iterable[OwnedQueue], *, patience: Patience = BACKGROUND
    ) -> list[bytes | SimplexError | None]:
        """Subscribe to queues together; returns what `subscribe` does, or an error, for each."""
        queues = list(queues)
        for queue in queues:
            self._keep_delivery_key(queue)
        self.enable_pings()
        calls = [Call(_SUB, queue.recipient_id, queue.key) for queue in queues]
        return read_each(await self.request_many(calls, patience=patience), read_subscribed)

    async def get(
        self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE
    ) -> MessageReceived | QuotaReached | SealedMessage | None:
        """Get the oldest message, if any, of a queue without subscribing to it.

        The message also goes to `events`.
        """
        self._keep_delivery_key(queue)
        answer = await self._request_as_owner(smp.GET(), queue, patience)
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
        """Acknowledge a message: the router deletes it and delivers the next one."""
        answer = await self._request_as_owner(smp.ACK(message_id), queue, patience)
        if not isinstance(answer, OK | MSG):
            raise unexpected(answer)

    async def secure(
        self, queue: OwnedQueue, sender_key: AuthPublicKey, *, patience: Patience = INTERACTIVE
    ) -> None:
        """Let only the holder of ``sender_key`` send to a queue; this is permanent."""
        read_ok(await self._request_as_owner(smp.KEY(sender_key), queue, patience))

    async def set_recipient_keys(
        self,
        queue: OwnedQueue,
        keys: Sequence[AuthPublicKey],
        *,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Let any of ``keys`` authorize the owner's commands of a contact queue."""
        read_ok(await self._request_as_owner(smp.RKEY(tuple(keys)), queue, patience))

    async def set_link(
        self,
        queue: OwnedQueue,
        link_id: bytes,
        data: QueueLinkData,
        *,
        patience: Patience = INTERACTIVE,
    ) -> None:
        """Give a queue a short link, or replace the user's part of the link's data."""
        read_ok(await self._request_as_owner(smp.LSET(link_id, data), queue, patience))

    async def delete_link(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> None:
        """Remove a queue's short link."""
        read_ok(await self._request_as_owner(smp.LDEL(), queue, patience))

    async def suspend(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> None:
        """Stop accepting messages; those already in the queue are still delivered."""
        read_ok(await self._request_as_owner(smp.OFF(), queue, patience))

    async def delete(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> None:
        """Delete a queue with all of its messages."""
        only(await self.delete_many([queue], patience=patience))

    async def delete_many(
        self, queues: Iterable[OwnedQueue], *, patience: Patience = BACKGROUND
    ) -> list[SimplexError | None]:
        """Delete queues together; returns `None` or an error for each."""
        queues = list(queues)
        calls = [Call(smp.DEL(), queue.recipient_id, queue.key) for queue in queues]
        results = read_each(await self.request_many(calls, patience=patience), read_ok)
        for queue, result in zip(queues, results, strict=True):
            if result is None:
                self.forget(queue.recipient_id)
        return results

    async def queue_info(self, queue: OwnedQueue, *, patience: Patience = INTERACTIVE) -> QueueInfo:
        """The state of a queue, as the router reports it."""
        return expect(await self._request_as_owner(smp.QUE(), queue, patience), INFO).info


def _notifier(ids: NotifierIds | None, dh_key: X25519PrivateKey) -> NotifierCredentials | None:
    if ids is None:
        return None
    return NotifierCredentials(ids.notifier_id, BoxKey.agree(dh_key, ids.dh_key))
