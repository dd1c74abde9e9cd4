"""`Resubscription`: one attempt to subscribe to all that is pending at a destination."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.agent.connections import PooledClient
from simplex_trio.agent.events import (
    ServiceSubscribed,
    ServiceSubscriptionError,
    ServiceUnavailable,
    Subscribed,
    SubscriptionError,
)
from simplex_trio.agent.stored_keys import load_keys
from simplex_trio.agent.stream import AgentEvents
from simplex_trio.agent.subscriptions import (
    ServerSubscriptions,
    ServiceVerdict,
    StoredQueue,
    SubscriptionAnswer,
    SubscriptionChanges,
    is_temporary,
)
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import ConnectionLost, SimplexError

__all__ = ["Resubscription"]


class Resubscription:
    """Subscribes to pending queues and services, and emits events about the outcome."""

    def __init__(self, config: AgentConfig, events: AgentEvents) -> None:
        self._for_notifications = config.role is AgentRole.NOTIFIER
        self._chunk = config.chunk
        self._events = events

    async def run(self, connection: PooledClient, subscriptions: ServerSubscriptions) -> bool:
        """Subscribe to what is pending; returns False if it should be tried again later.

        Each chunk has the time-out of one request; their number is not limited.
        """
        client = connection.client
        if not await self._subscribe_service(connection, subscriptions):
            return False
        for chunk in subscriptions.chunks(subscriptions.each_pending(), self._chunk):
            frames = client.statistics().frames_received
            answers = await self._subscribe_queues(client, chunk)
            unanswered = [each.queue_id for each in answers if is_temporary(each.result)]
            if unanswered:
                subscriptions.expect_echo(unanswered, trio.current_time())
            changed = subscriptions.answered(client.session_id, answers)
            if changed is None:
                return False
            self.report(connection, changed)
            if changed.temporary:
                _give_up_if_silent(client, frames)
                return False
            await trio.lowlevel.checkpoint()  # a chunk is some milliseconds' worth
        return True

    async def _subscribe_queues(
        self, client: SMPClient, chunk: Sequence[StoredQueue]
    ) -> list[SubscriptionAnswer]:
        """An answer for each queue, in order; a failure is an answer too."""
        results: Sequence[bytes | SimplexError | None]
        try:
            if self._for_notifications:
                results = await client.subscribe_notifications_many(
                    [(notifier_id, load_keys(keys)[0]) for notifier_id, keys in chunk]
                )
            else:
                results = await client.subscribe_many(
                    [QueueAccess(queue_id, *load_keys(keys)) for queue_id, keys in chunk]
                )
        except ConnectionLost as exc:
            results = [exc] * len(chunk)
        return [
            SubscriptionAnswer(queue_id, keys, result)
            for (queue_id, keys), result in zip(chunk, results, strict=True)
        ]

    async def _service_result(
        self, client: SMPClient, expected: ServiceSubs
    ) -> ServiceSubs | SimplexError:
        """The service's queues as the router knows them, or why it is not subscribed to."""
        try:
            if self._for_notifications:
                found = await client.subscribe_service_notifications(expected)
            else:
                found = await client.subscribe_service(expected)
            return ServiceSubs(found.count, found.ids_hash)  # which may be malformed
        except SimplexError as exc:
            return exc

    async def _subscribe_service(
        self, connection: PooledClient, subscriptions: ServerSubscriptions
    ) -> bool:
        destination, client = connection.destination, connection.client
        session = client.session_id
        unavailable = subscriptions.take_unavailable_service(session)
        if unavailable is not None:
            self._events.report(ServiceUnavailable(destination, session, unavailable))
        asked = subscriptions.pending_service
        if asked is None:
            return True
        frames = client.statistics().frames_received
        result = await self._service_result(client, asked.queues)
        match subscriptions.service_answered(session, asked, result):
            case ServiceVerdict.ACTIVE:
                assert isinstance(result, ServiceSubs)
                self._events.report(
                    ServiceSubscribed(destination, session, asked.service_id, asked.queues, result)
                )
            case ServiceVerdict.UNAVAILABLE:
                self._events.report(ServiceUnavailable(destination, session, asked))
            case ServiceVerdict.FAILED:
                assert isinstance(result, SimplexError)
                self._events.report(ServiceSubscriptionError(destination, session, asked, result))
            case ServiceVerdict.TEMPORARY:
                _give_up_if_silent(client, frames)
                return False
            case ServiceVerdict.STALE:
                return client.connected
        return True

    def report(self, connection: PooledClient, changed: SubscriptionChanges) -> None:
        """Emit events about what the answers have changed."""
        destination, client = connection.destination, connection.client
        if changed.active:
            active = tuple(changed.active)
            self._events.report(Subscribed(destination, client.session_id, active))
        if changed.of_service:
            assert client.service is not None
            of_service = tuple(changed.of_service)
            self._events.report(
                Subscribed(destination, client.session_id, of_service, client.service.id)
            )
        if changed.failed:
            for queue_id, _ in changed.failed:
                client.forget(queue_id)
            failures = tuple(changed.failed)
            self._events.report(SubscriptionError(destination, client.session_id, failures))


def _give_up_if_silent(client: SMPClient, frames: int) -> None:
    """Close a connection that has received nothing since ``frames`` was counted.

    It was silent for the whole time-out of a request, so connecting again is the better bet.
    """
    if client.statistics().frames_received == frames:
        client.close()
