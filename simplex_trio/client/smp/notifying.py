"""Commands about notifications: those of the owner, and those of the notifier."""

from __future__ import annotations

from collections.abc import Iterable

from simplex_trio.client.smp.queues import NotifierCredentials, OwnedQueue
from simplex_trio.client.smp.requests import SMPRequests, read_ok, read_subscribed
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import AuthPrivateKey, AuthPublicKey, X25519PrivateKey
from simplex_trio.engine.answers import expect, only, read_each
from simplex_trio.engine.calls import Call
from simplex_trio.engine.timeouts import BACKGROUND, Patience
from simplex_trio.errors import SimplexError
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.messages import NID, Message
from simplex_trio.wire.smp.new_queue import NotifierIds, NotifierKeys

__all__ = ["NotificationCommands"]


def _read_notifier(answer: Message) -> NotifierIds:
    return expect(answer, NID).ids


class NotificationCommands(SMPRequests):
    """Setting up notifiers for queues, and subscribing as a notifier."""

    async def enable_notifications(
        self,
        queue: OwnedQueue,
        notifier_key: AuthPublicKey,
        *,
        patience: Patience = BACKGROUND,
    ) -> NotifierCredentials:
        """Let the holder of ``notifier_key`` learn when messages arrive, but not read them."""
        return only(
            await self.enable_notifications_many([(queue, notifier_key)], patience=patience)
        )

    async def enable_notifications_many(
        self,
        queues: Iterable[tuple[OwnedQueue, AuthPublicKey]],
        *,
        patience: Patience = BACKGROUND,
    ) -> list[NotifierCredentials | SimplexError]:
        """Enable notifications for queues together; returns credentials or an error for each."""
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
        """Remove a queue's notifier."""
        read_ok(await self._request_as_owner(smp.NDEL(), queue, patience))

    async def disable_notifications_many(
        self, queues: Iterable[OwnedQueue], *, patience: Patience = BACKGROUND
    ) -> list[SimplexError | None]:
        """Remove the notifiers of queues together; returns `None` or an error for each."""
        calls = [Call(smp.NDEL(), queue.recipient_id, queue.key) for queue in queues]
        return read_each(await self.request_many(calls, patience=patience), read_ok)

    async def subscribe_notifications(
        self, notifier_id: bytes, key: AuthPrivateKey, *, patience: Patience = BACKGROUND
    ) -> bytes | None:
        """As a notifier, be told here when messages arrive; NMSG comes as a `Notice`.

        Returns the id of the service that the notifier is associated with, if there is one.
        """
        return only(
            await self.subscribe_notifications_many([(notifier_id, key)], patience=patience)
        )

    async def subscribe_notifications_many(
        self,
        notifiers: Iterable[tuple[bytes, AuthPrivateKey]],
        *,
        patience: Patience = BACKGROUND,
    ) -> list[bytes | SimplexError | None]:
        """Subscribe to notifications together, as `subscribe_notifications` does."""
        self.enable_pings()
        calls = [Call(smp.NSUB(), notifier_id, key) for notifier_id, key in notifiers]
        return read_each(await self.request_many(calls, patience=patience), read_subscribed)
