"""A store so simple that it is plainly right, and random changes to try on it and on others."""

from __future__ import annotations

from copy import deepcopy

from attrs import Factory, define, evolve
from hypothesis import strategies as st

from simplex_trio.router.store.interface import (
    Change,
    DeleteMessages,
    DeleteNotifications,
    DeleteQueue,
    DeleteService,
    PutMessage,
    PutNotification,
    PutQueue,
    PutService,
    PutStatistics,
)
from simplex_trio.router.store.records import QueueRecord, Suspended
from simplex_trio.wire.errors.values import Blocked, BlockingReason
from simplex_trio.wire.smp.links import QueueLinkData
from tests.router.store.support import (
    Contents,
    link,
    message,
    notification,
    notifier,
    octets,
    queue,
    service,
)

__all__ = ["BEGINNING", "Conflict", "Model", "changes"]


class Conflict(Exception):
    """The model refuses a change."""


@define
class Model:
    """Lists of what is stored; every rule is a search through all of them."""

    queues: list[tuple[QueueRecord, QueueLinkData | None]] = Factory(list)
    messages: list[PutMessage] = Factory(list)
    services: list[PutService] = Factory(list)
    notifications: list[PutNotification] = Factory(list)
    statistics: dict[str, int] = Factory(dict)

    def after(self, commit: list[Change]) -> Model:
        """The model with all of the changes, or `Conflict`."""
        model = deepcopy(self)
        for change in commit:
            model._apply(change)
            model._check()
        return model

    def _apply(self, change: Change) -> None:
        match change:
            case PutQueue(record, link_data):
                for old, data in self.queues:
                    if old.recipient_id == record.recipient_id and link_data is None:
                        link_data = data if old.link == record.link else None
                if record.link is None:
                    link_data = None
                self._remove_queue(record.recipient_id)
                self.queues.append((record, link_data))
            case DeleteQueue(recipient_id):
                self._remove_queue(recipient_id)
                self.messages = [m for m in self.messages if m.recipient_id != recipient_id]
            case PutMessage():
                self.messages.append(change)
            case DeleteMessages(sequences):
                self.messages = [m for m in self.messages if m.head.sequence not in sequences]
            case PutService(record):
                self.services = [
                    s for s in self.services if s.record.service_id != record.service_id
                ]
                self.services.append(change)
            case DeleteService(service_id):
                self.services = [s for s in self.services if s.record.service_id != service_id]
            case PutNotification():
                self.notifications.append(change)
                if change.record.notifier_id not in self._notifier_ids():
                    raise Conflict
            case DeleteNotifications(sequences):
                self.notifications = [
                    n for n in self.notifications if n.record.sequence not in sequences
                ]
            case PutStatistics(counters):
                self.statistics |= counters
        known = self._notifier_ids()
        self.notifications = [n for n in self.notifications if n.record.notifier_id in known]

    def _remove_queue(self, recipient_id: bytes) -> None:
        self.queues = [q for q in self.queues if q[0].recipient_id != recipient_id]

    def _notifier_ids(self) -> list[bytes]:
        return [q.notifier.notifier_id for q, _ in self.queues if q.notifier is not None]

    def _check(self) -> None:
        records = [record for record, _ in self.queues]
        for unique in (
            [record.sender_id for record in records],
            [record.link.link_id for record in records if record.link is not None],
            self._notifier_ids(),
            [m.head.sequence for m in self.messages],
            [n.record.sequence for n in self.notifications],
            [s.record.certificate_hash for s in self.services],
        ):
            if len(unique) != len(set(unique)):
                raise Conflict
        known = [record.recipient_id for record in records]
        if any(m.recipient_id not in known for m in self.messages):
            raise Conflict
        if any(record.link is not None and data is None for record, data in self.queues):
            raise Conflict

    def contents(self) -> Contents:
        """What a store that has seen the same changes must hold."""
        in_order = sorted(self.messages, key=lambda m: m.head.sequence)
        return Contents(
            {record.recipient_id: record for record, _ in self.queues},
            {
                owner: [m.head for m in in_order if m.recipient_id == owner]
                for owner in {m.recipient_id for m in self.messages}
            },
            {m.head.sequence: m.body for m in self.messages},
            {record.recipient_id: data for record, data in self.queues if data is not None},
            {s.record.service_id: s.record for s in self.services},
            sorted((n.record for n in self.notifications), key=lambda n: n.sequence),
            self.statistics,
        )


_names = st.sampled_from("abc")
_numbers = st.integers(1, 30)
_fixed = QueueLinkData(b"fixed", b"")

BEGINNING: list[Change] = [PutQueue(queue(name, notifier=notifier(name))) for name in "ab"]
"""Without any queues most random changes would be conflicts."""


@st.composite
def _put_queue(draw: st.DrawFn) -> PutQueue:
    # A queue mostly has ids of its own, and now and then one that may be another queue's.
    name = draw(_names)
    own = st.sampled_from([name] * 6 + list("abc"))
    linked, announced = draw(st.booleans()), draw(st.booleans())
    record = evolve(
        queue(name),
        sender_id=octets(f"sender {draw(own)}"),
        link=link(draw(own), _fixed) if linked else None,
        notifier=notifier(draw(own)) if announced else None,
        status=draw(st.sampled_from([None, Suspended(7), Blocked(BlockingReason.SPAM)])),
        updated_day=draw(st.integers(0, 2**40)),
    )
    data = QueueLinkData(_fixed.fixed, draw(st.binary(max_size=5000)))
    return PutQueue(record, data if linked and draw(st.booleans()) else None)


def changes() -> st.SearchStrategy[Change]:
    """One change about a few queues, so that changes often meet."""
    certificates = _names.map(lambda name: octets(f"certificate {name}", 32))
    few = st.lists(_numbers, max_size=8).map(tuple)
    return st.one_of(
        _put_queue(),
        _put_queue(),
        st.builds(message, _numbers, _names, st.integers(0, 16_048)),
        st.builds(message, _numbers, _names),
        st.builds(DeleteMessages, few),
        st.builds(PutNotification, st.builds(notification, _numbers, _names)),
        st.builds(DeleteNotifications, few),
        st.builds(DeleteQueue, _names.map(lambda name: queue(name).recipient_id)),
        st.builds(
            PutService,
            st.builds(lambda n, c: service(n, certificate_hash=c), _names, certificates),
        ),
        st.builds(DeleteService, _names.map(lambda name: service(name).service_id)),
        st.builds(
            PutStatistics,
            st.dictionaries(st.text(max_size=3), st.integers(-(2**63), 2**63 - 1), max_size=3),
        ),
    )
