"""`ServiceQueues`: which queues are associated with which service, with their count and hash. Pure.

A messaging service has recipient ids, a notifier service notifier ids; a service has one role, so
one table serves both.  Count and hash are updated with each id, because a service may have a
hundred thousand queues, and asks for them at every connection.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import Factory, define

from simplex_trio.crypto.hashes import ServiceSubs, ids_hash, xor

__all__ = ["ServiceQueues"]


@define(eq=False)
class _Associated:
    ids: set[bytes] = Factory(set)
    hash: bytes = ServiceSubs().ids_hash


class ServiceQueues:
    """The queues of all services."""

    def __init__(self) -> None:
        self._services: dict[bytes, _Associated] = {}

    def add(self, service_id: bytes, entity_id: bytes) -> None:
        """Associate a queue with a service; it must not be associated with one yet."""
        associated = self._services.setdefault(service_id, _Associated())
        associated.ids.add(entity_id)
        associated.hash = xor(associated.hash, ids_hash((entity_id,)))

    def remove(self, service_id: bytes, entity_id: bytes) -> None:
        """End the association of a queue with this service."""
        associated = self._services[service_id]
        associated.ids.remove(entity_id)
        associated.hash = xor(associated.hash, ids_hash((entity_id,)))
        if not associated.ids:
            del self._services[service_id]

    def of(self, service_id: bytes) -> ServiceSubs:
        """How many queues a service has, and the hash of their ids."""
        associated = self._services.get(service_id)
        if associated is None:
            return ServiceSubs()
        return ServiceSubs(len(associated.ids), associated.hash)

    def ids(self, service_id: bytes) -> Collection[bytes]:
        """The ids of a service's queues."""
        associated = self._services.get(service_id)
        return () if associated is None else associated.ids
