"""`Services`: the services that a router has stored, by their certificates. Pure.

Making a certificate costs nothing, so nothing is stored when a client presents one: the id of a
new service is computed from its certificate and a secret of this process, and is the same for
each of its connections.  A record is stored when a queue is first associated with the service.
For that its client must own a queue, and where creating one takes a password, so does this.  Of
the certificates only the hash is stored.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from attrs import evolve

from simplex_trio.router.core.service_queues import ServiceQueues
from simplex_trio.router.core.transaction import RemoveService, RestoreService, Transaction
from simplex_trio.router.store.interface import DeleteService, PutService
from simplex_trio.router.store.records import ServiceRecord
from simplex_trio.serving.limits import TokenBucket
from simplex_trio.wire.handshake import PeerService, ServiceRole

__all__ = ["NEW_AT_ONCE", "NEW_PER_SECOND", "SECRET_SIZE", "Services"]

SECRET_SIZE: Final = 32

NEW_AT_ONCE: Final = 100
"""The burst of new services, from all connections together: a router has few.  Beyond it one is
added every second, and commands of others are refused with SERVICE."""

NEW_PER_SECOND: Final = 1

_ID_SIZE = 24
_DAY = 86400


class Services:
    """A certificate is one service, in the role that it was first used with.

    At most ``most`` are stored.  ``secret`` is random, so that ids cannot be predicted.
    """

    def __init__(self, records: Iterable[ServiceRecord] = (), *, secret: bytes, most: int) -> None:
        self._secret = secret
        self.most: int = most
        """At this limit no other service is stored."""
        self._new = TokenBucket(NEW_AT_ONCE, NEW_PER_SECOND)
        self._by_id: dict[bytes, ServiceRecord] = {}
        self._by_certificate: dict[bytes, ServiceRecord] = {}
        for record in records:
            self.put(record)

    def __len__(self) -> int:
        return len(self._by_id)

    def ids(self) -> tuple[bytes, ...]:
        """A copy of all ids, for iterating while services come and go."""
        return tuple(self._by_id)

    def id_for(self, role: ServiceRole, certificate_hash: bytes) -> bytes | None:
        """The id of the service with this certificate; `None` if it has another role."""
        record = self._by_certificate.get(certificate_hash)
        if record is not None:
            return record.service_id if record.role is role else None
        return hmac.digest(self._secret, role.value + certificate_hash, "sha256")[:_ID_SIZE]

    def has(self, service: PeerService) -> bool:
        """Whether a service is stored, under the id that its connection uses."""
        record = self._by_id.get(service.id)
        return record is not None and record.certificate_hash == service.certificate_hash

    def add(self, transaction: Transaction, service: PeerService, day: int, instant: float) -> bool:
        """Add a service that is not stored yet; False if that is refused.

        That happens when there are too many, when too many are added at once, and on a connection
        that is older than the record of a service with the same certificate.
        """
        if service.certificate_hash in self._by_certificate or len(self) >= self.most:
            return False
        if not self._new.try_take(instant):
            return False
        record = ServiceRecord(service.id, service.role, service.certificate_hash, day)
        self.put(record)
        transaction.add(PutService(record), RemoveService(record))
        return True

    def expire(
        self,
        transaction: Transaction,
        service_id: bytes,
        queues: ServiceQueues,
        day: int,
        ttl: int | None,
    ) -> bool:
        """Note that a service with queues is in use, or remove it if it had none for too long.

        Returns whether it was removed.
        """
        record = self._by_id.get(service_id)
        if record is None:
            return False
        if queues.of(service_id).count:
            if record.used_day != day:
                used = evolve(record, used_day=day)
                self.put(used)
                transaction.add(PutService(used), RestoreService(record))
            return False
        if ttl is None or day - record.used_day <= ttl / _DAY:
            return False
        self.remove(record)
        transaction.add(DeleteService(service_id), RestoreService(record))
        return True

    def put(self, record: ServiceRecord) -> None:
        """Add a service, or replace its record, without a transaction."""
        self._by_id[record.service_id] = record
        self._by_certificate[record.certificate_hash] = record

    def remove(self, record: ServiceRecord) -> None:
        """Remove a service, without a transaction."""
        del self._by_id[record.service_id]
        del self._by_certificate[record.certificate_hash]
