"""How each kind of agent asks a router for subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simplex_trio.agent.config import AgentRole
from simplex_trio.agent.stored_keys import load_keys
from simplex_trio.agent.subscriptions import Answer, StoredQueue
from simplex_trio.client.smp import SMPClient
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.errors import ConnectionLost, SimplexError

__all__ = ["Asking", "asking_for"]

_Results = Sequence[bytes | SimplexError | None]


class Asking(Protocol):
    """Asks over a connection; whatever fails comes back as an answer."""

    async def queues(self, client: SMPClient, chunk: Sequence[StoredQueue]) -> list[Answer]:
        """Subscribe to queues together; an answer for each, in order."""
        ...

    async def service(self, client: SMPClient, expected: ServiceSubs) -> ServiceSubs | SimplexError:
        """Subscribe to the connection's service; its queues as the router knows them."""
        ...


class _AsRecipient:
    async def queues(self, client: SMPClient, chunk: Sequence[StoredQueue]) -> list[Answer]:
        loaded = [QueueAccess(queue_id, *load_keys(keys)) for queue_id, keys in chunk]
        results: _Results
        try:
            results = await client.subscribe_many(loaded)
        except ConnectionLost as exc:
            results = [exc] * len(chunk)
        return _answers(chunk, results)

    async def service(self, client: SMPClient, expected: ServiceSubs) -> ServiceSubs | SimplexError:
        try:
            found = await client.subscribe_service(expected)
            return ServiceSubs(found.count, found.ids_hash)
        except SimplexError as exc:
            return exc


class _AsNotifier:
    async def queues(self, client: SMPClient, chunk: Sequence[StoredQueue]) -> list[Answer]:
        loaded = [(notifier_id, load_keys(keys)[0]) for notifier_id, keys in chunk]
        results: _Results
        try:
            results = await client.subscribe_notifications_many(loaded)
        except ConnectionLost as exc:
            results = [exc] * len(chunk)
        return _answers(chunk, results)

    async def service(self, client: SMPClient, expected: ServiceSubs) -> ServiceSubs | SimplexError:
        try:
            found = await client.subscribe_service_notifications(expected)
            return ServiceSubs(found.count, found.ids_hash)
        except SimplexError as exc:
            return exc


def _answers(chunk: Sequence[StoredQueue], results: _Results) -> list[Answer]:
    return [
        Answer(queue_id, keys, result)
        for (queue_id, keys), result in zip(chunk, results, strict=True)
    ]


def asking_for(role: AgentRole) -> Asking:
    """How an agent of this kind asks; one for sending has nothing to ask for."""
    return _AsNotifier() if role is AgentRole.NOTIFIER else _AsRecipient()
