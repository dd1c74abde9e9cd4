"""`Resubscription`: one go at everything that is pending at a destination, over one connection."""

from __future__ import annotations

from simplex_trio.agent.asking import asking_for
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.connections import PooledClient
from simplex_trio.agent.events import (
    ServiceSubscribed,
    ServiceSubscriptionError,
    ServiceUnavailable,
    Subscribed,
    SubscriptionError,
)
from simplex_trio.agent.stream import AgentEvents
from simplex_trio.agent.subscriptions import Answers, ServerSubscriptions, ServiceVerdict
from simplex_trio.client.smp import SMPClient
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import SimplexError

__all__ = ["Resubscription"]


class Resubscription:
    """Asks routers for what is pending, and tells the program what came of it."""

    def __init__(self, config: AgentConfig, events: AgentEvents) -> None:
        self._asking = asking_for(config.role)
        self._chunk = config.chunk
        self._events = events

    async def run(self, connection: PooledClient, subscriptions: ServerSubscriptions) -> bool:
        """Subscribe to what is pending; False if it should be tried again later.

        Each chunk has the time of a request, and nothing limits how many there are.
        """
        client = connection.client
        if not await self._subscribe_service(connection, subscriptions):
            return False
        for chunk in subscriptions.chunks(subscriptions.pending(), self._chunk):
            frames = client.statistics().frames_received
            answers = await self._asking.queues(client, chunk)
            changed = subscriptions.answered(client.session_id, answers)
            if changed is None:
                return False
            self.tell(connection, changed)
            if changed.temporary:
                _give_up_if_silent(client, frames)
                return False
        return True

    async def _subscribe_service(
        self, connection: PooledClient, subscriptions: ServerSubscriptions
    ) -> bool:
        destination, client = connection.destination, connection.client
        session = client.session_id
        unavailable = subscriptions.take_unavailable_service(session)
        if unavailable is not None:
            self._events.put(ServiceUnavailable(destination, session, unavailable))
        asked = subscriptions.pending_service
        if asked is None:
            return True
        frames = client.statistics().frames_received
        result = await self._asking.service(client, asked.queues)
        match subscriptions.service_answered(session, asked, result):
            case ServiceVerdict.ACTIVE:
                assert isinstance(result, ServiceSubs)
                self._events.put(
                    ServiceSubscribed(destination, session, asked.service_id, asked.queues, result)
                )
            case ServiceVerdict.UNAVAILABLE:
                self._events.put(ServiceUnavailable(destination, session, asked))
            case ServiceVerdict.FAILED:
                assert isinstance(result, SimplexError)
                self._events.put(ServiceSubscriptionError(destination, session, asked, result))
            case ServiceVerdict.TEMPORARY:
                _give_up_if_silent(client, frames)
                return False
            case ServiceVerdict.STALE:
                return client.connected
        return True

    def tell(self, connection: PooledClient, changed: Answers) -> None:
        """Tell the program what answers have changed."""
        destination, client = connection.destination, connection.client
        if changed.active:
            active = tuple(changed.active)
            self._events.put(Subscribed(destination, client.session_id, active))
        if changed.of_service:
            assert client.service is not None
            of_service = tuple(changed.of_service)
            self._events.put(
                Subscribed(destination, client.session_id, of_service, client.service.id)
            )
        if changed.failed:
            for queue_id, _ in changed.failed:
                client.forget(queue_id)
            failures = tuple(changed.failed)
            self._events.put(SubscriptionError(destination, client.session_id, failures))


def _give_up_if_silent(client: SMPClient, frames: int) -> None:
    """Close a connection from which nothing has come since ``frames`` had been received.

    It had all the time of a request for what was asked, so it is better made anew than waited for.
    """
    if client.statistics().frames_received == frames:
        client.close()
