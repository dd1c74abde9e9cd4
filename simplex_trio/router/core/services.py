"""`Services`: the services that a router knows, by their certificates. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.interface import PutService
from simplex_trio.router.store.records import ServiceRecord
from simplex_trio.wire.smp.handshake import ServiceClaim

__all__ = ["Services"]


class Services:
    """A certificate is one service, in the role that it was first shown with."""

    def __init__(self, records: Iterable[ServiceRecord] = ()) -> None:
        self._by_id: dict[bytes, ServiceRecord] = {}
        self._by_certificate: dict[bytes, ServiceRecord] = {}
        for record in records:
            self._insert(record)

    def __len__(self) -> int:
        return len(self._by_id)

    def has_id(self, service_id: bytes) -> bool:
        """Whether an id is taken."""
        return service_id in self._by_id

    def find(self, certificate_hash: bytes) -> ServiceRecord | None:
        """The service with this certificate."""
        return self._by_certificate.get(certificate_hash)

    def add(
        self, transaction: Transaction, claim: ServiceClaim, service_id: bytes, day: int
    ) -> ServiceRecord:
        """Get to know a service whose certificate and id are new."""
        record = ServiceRecord(
            service_id, claim.role, claim.certificate_hash, claim.chain.certificates, day
        )
        self._insert(record)
        transaction.add(PutService(record), lambda: self._remove(record))
        return record

    def _insert(self, record: ServiceRecord) -> None:
        self._by_id[record.service_id] = record
        self._by_certificate[record.certificate_hash] = record

    def _remove(self, record: ServiceRecord) -> None:
        del self._by_id[record.service_id]
        del self._by_certificate[record.certificate_hash]
