"""`ServerLog`: the queues and services in the store log of the reference's server.  Pure.

Its log has a line for each change since it was compacted, which the server does when it starts.  So
the lines are replayed as it replays them: a change of a queue that is gone, or one that was refused
when it was made, has no effect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import evolve

from simplex_trio.errors import DecodeError
from simplex_trio.router.store.interface import PutQueue, PutService
from simplex_trio.router.store.records import (
    LinkRecord,
    NotifierRecord,
    QueueRecord,
    ServiceRecord,
    Suspended,
)
from simplex_trio.serving.server_text import Fields, day, key, keys, maybe, octets, secret
from simplex_trio.wire.buffer import Reader
from simplex_trio.wire.errors.decoding import decode_router_error
from simplex_trio.wire.errors.values import Blocked
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import QueueMode

__all__ = ["ServerLog"]

_DAY: Final = 86_400

_MODES: Final = {"M": QueueMode.MESSAGING, "C": QueueMode.CONTACT}
_SECURED_BY_SENDER: Final = {"T": QueueMode.MESSAGING, "F": QueueMode.CONTACT}
"""How earlier versions said the mode."""


class ServerLog:
    """What the lines of a store log leave; feed it one after the other."""

    def __init__(self, now: int) -> None:
        """``now``, in seconds since 1970, is for times that the log does not have."""
        self._now = now
        self._queues: dict[bytes, PutQueue] = {}
        self._services: dict[bytes, ServiceRecord] = {}
        self._senders: set[bytes] = set()
        self._links: set[bytes] = set()
        self._notifiers: set[bytes] = set()
        self._certificates: set[bytes] = set()
        self.without_effect: Counter[str] = Counter()
        """How many lines of each kind changed nothing."""

    @property
    def queues(self) -> int:
        """How many queues there are."""
        return len(self._queues)

    @property
    def services(self) -> int:
        """How many services there are."""
        return len(self._services)

    def has_queue(self, recipient_id: bytes) -> bool:
        """Whether there is a queue with this recipient id."""
        return recipient_id in self._queues

    def has_notifier(self, notifier_id: bytes) -> bool:
        """Whether a queue has this notifier."""
        return notifier_id in self._notifiers

    def changes(self) -> Iterator[PutService | PutQueue]:
        """Changes that fill an empty store with what is left."""
        yield from map(PutService, self._services.values())
        yield from self._queues.values()

    # --- lines ----------------------------------------------------------------------------------

    def feed(self, line: bytes) -> None:
        """Replay one line; raises `DecodeError` if it is none of a store log."""
        fields = Fields(line)
        kind = fields.text()
        if kind == "CREATE":
            has_effect = self._create(fields)
        elif kind == "NEW_SERVICE":
            has_effect = self._create_service(fields)
        elif kind in _CHANGES:
            has_effect = self._change(_CHANGES[kind], fields)
        else:
            raise DecodeError("a line of an unknown kind")
        if not has_effect:
            self.without_effect[kind] += 1

    def _create(self, fields: Fields) -> bool:
        queue = _read_queue(fields, self._now)
        record = queue.record
        if record.recipient_id in self._queues or not self._take_ids(record):
            return False
        self._queues[record.recipient_id] = queue
        return True

    def _take_ids(self, record: QueueRecord) -> bool:
        """Note the ids of a queue, unless one of them is another queue's."""
        link, notifier = record.link, record.notifier
        if (
            record.sender_id in self._senders
            or (link is not None and link.link_id in self._links)
            or (notifier is not None and notifier.notifier_id in self._notifiers)
        ):
            return False
        self._senders.add(record.sender_id)
        if link is not None:
            self._links.add(link.link_id)
        if notifier is not None:
            self._notifiers.add(notifier.notifier_id)
        return True

    def _free_ids(self, record: QueueRecord) -> None:
        self._senders.discard(record.sender_id)
        if record.link is not None:
            self._links.discard(record.link.link_id)
        if record.notifier is not None:
            self._notifiers.discard(record.notifier.notifier_id)

    def _create_service(self, fields: Fields) -> bool:
        service = _read_service(fields)
        if service.service_id in self._services or service.certificate_hash in self._certificates:
            return False
        self._services[service.service_id] = service
        self._certificates.add(service.certificate_hash)
        return True

    def _change(self, change: _Change, fields: Fields) -> bool:
        recipient_id = fields.octets()
        before = self._queues.get(recipient_id)
        # The line has to be read in any case, to know that it is whole.
        reading = change(fields, self._now)
        fields.end()
        if before is None:
            return False
        after = reading(before)
        self._free_ids(before.record)
        if after is None:
            del self._queues[recipient_id]
            return True
        if not self._take_ids(after.record):
            self._take_ids(before.record)
            return False
        self._queues[recipient_id] = after
        return after is not before


# --- whole records ------------------------------------------------------------------------------


def _read_queue(fields: Fields, now: int) -> PutQueue:
    recipient_id = octets(fields.named("rid"))
    recipient_keys = keys(fields.named("rk"))
    dh_secret = secret(fields.named("rdh"))
    sender_id = octets(fields.named("sid"))
    sender_key = fields.named("sk")
    mode = _read_mode(fields)
    link, link_data = _read_link(fields)
    notifier = _read_notifier(fields)
    updated = maybe(fields.maybe_named("updated_at"), day)
    status = maybe(fields.maybe_named("status"), lambda text: _read_status(text, now))
    service_id = maybe(fields.maybe_named("rsrv"), octets)
    fields.end()
    known_day = now // _DAY if updated is None else updated
    record = QueueRecord(
        recipient_id=recipient_id,
        sender_id=sender_id,
        recipient_keys=recipient_keys,
        dh_secret=dh_secret,
        created_day=known_day,
        updated_day=known_day,
        mode=mode,
        sender_key=key(sender_key) if sender_key else None,
        link=link,
        notifier=notifier,
        status=status,
        service_id=service_id,
    )
    return PutQueue(record, link_data)


def _read_mode(fields: Fields) -> QueueMode | None:
    for name, modes in (("sndSecure", _SECURED_BY_SENDER), ("queue_mode", _MODES)):
        if (value := fields.maybe_named(name)) is not None:
            if value not in modes:
                raise DecodeError("a queue of an unknown mode")
            return modes[value]
    return None


def _read_link(fields: Fields) -> tuple[LinkRecord | None, QueueLinkData | None]:
    link_id = fields.maybe_named("link_id")
    if link_id is None:
        return None, None
    fixed = octets(fields.named("queue_data"))
    data = QueueLinkData(fixed, _maybe_empty(fields.text()))
    return LinkRecord.of(octets(link_id), data), data


def _maybe_empty(text: str) -> bytes:
    return octets(text) if text else b""


def _read_notifier(fields: Fields) -> NotifierRecord | None:
    notifier_id = fields.maybe_named("notifier")
    return None if notifier_id is None else _read_credentials(octets(notifier_id), fields)


def _read_credentials(notifier_id: bytes, fields: Fields) -> NotifierRecord:
    return NotifierRecord(
        notifier_id,
        fields.key(),
        fields.secret(),
        maybe(fields.maybe_named("nsrv"), octets),
    )


def _read_status(text: str, now: int) -> Suspended | Blocked | None:
    if text == "active":
        return None
    if text == "off":
        return Suspended(now)
    word, comma, reason = text.partition(",")
    if word != "blocked" or not comma:
        raise DecodeError("a queue of an unknown status")
    return _read_blocked(reason)


def _read_blocked(text: str) -> Blocked:
    """The reason, and the notice if there is one, as they are in the answer to a client."""
    reader = Reader(b"BLOCKED " + text.encode())
    blocked = decode_router_error(reader)
    reader.end()
    if not isinstance(blocked, Blocked):
        raise DecodeError("a queue that is blocked without a reason")
    return blocked


def _read_service(fields: Fields) -> ServiceRecord:
    service_id = octets(fields.named("service_id"))
    try:
        role = ServiceRole(fields.named("role").encode())
    except ValueError as exc:
        raise DecodeError("a service of an unknown role") from exc
    fields.named("cert")  # which the service presents whenever it connects
    certificate_hash = octets(fields.named("cert_hash"))
    created_day = day(fields.named("created_at"))
    fields.end()
    return ServiceRecord(service_id, role, certificate_hash, created_day)


# --- changes of a queue -------------------------------------------------------------------------

_Change = Callable[[Fields, int], Callable[[PutQueue], PutQueue | None]]
"""Reads a line, and gives what makes the queue after it of the queue before it, if it stays."""


def _with(queue: PutQueue, **changes: Any) -> PutQueue:
    return PutQueue(evolve(queue.record, **changes), queue.link_data)


def _set_link(fields: Fields, _: int) -> Callable[[PutQueue], PutQueue]:
    link_id, fixed = fields.octets(), fields.octets()
    data = QueueLinkData(fixed, _maybe_empty(fields.text()))
    link = LinkRecord.of(link_id, data)

    def change(queue: PutQueue) -> PutQueue:
        if queue.record.link not in (None, link):
            return queue
        return PutQueue(evolve(queue.record, link=link), data)

    return change


def _delete_link(_: Fields, __: int) -> Callable[[PutQueue], PutQueue]:
    return lambda queue: PutQueue(evolve(queue.record, link=None))


def _secure(fields: Fields, _: int) -> Callable[[PutQueue], PutQueue]:
    sender_key = fields.key()
    return lambda queue: queue if queue.record.sender_key else _with(queue, sender_key=sender_key)


def _set_keys(fields: Fields, _: int) -> Callable[[PutQueue], PutQueue]:
    recipient_keys = keys(fields.text())
    return lambda queue: _with(queue, recipient_keys=recipient_keys)


def _set_notifier(fields: Fields, _: int) -> Callable[[PutQueue], PutQueue]:
    notifier = _read_credentials(fields.octets(), fields)
    return lambda queue: _with(queue, notifier=notifier)


def _delete_notifier(_: Fields, __: int) -> Callable[[PutQueue], PutQueue]:
    return lambda queue: _with(queue, notifier=None)


def _suspend(_: Fields, now: int) -> Callable[[PutQueue], PutQueue]:
    return lambda queue: _with(queue, status=Suspended(now))


def _block(fields: Fields, _: int) -> Callable[[PutQueue], PutQueue]:
    status = _read_blocked(fields.text())
    return lambda queue: _with(queue, status=status)


def _unblock(_: Fields, __: int) -> Callable[[PutQueue], PutQueue]:
    return lambda queue: _with(queue, status=None)


def _delete(_: Fields, __: int) -> Callable[[PutQueue], None]:
    return lambda _: None


def _set_day(fields: Fields, _: int) -> Callable[[PutQueue], PutQueue]:
    updated_day = fields.day()
    return lambda queue: _with(queue, updated_day=updated_day)


def _set_service(fields: Fields, _: int) -> Callable[[PutQueue], PutQueue]:
    party, text = fields.text(), fields.text()
    if party not in ("R", "N"):
        raise DecodeError("a service of an unknown party")
    service_id = octets(text) if text else None

    def change(queue: PutQueue) -> PutQueue:
        if party == "R":
            return _with(queue, service_id=service_id)
        notifier = queue.record.notifier
        if notifier is None:
            return queue
        return _with(queue, notifier=evolve(notifier, service_id=service_id))

    return change


_CHANGES: Final[dict[str, _Change]] = {
    "LINK": _set_link,
    "LDELETE": _delete_link,
    "SECURE": _secure,
    "KEYS": _set_keys,
    "NOTIFIER": _set_notifier,
    "NDELETE": _delete_notifier,
    "SUSPEND": _suspend,
    "BLOCK": _block,
    "UNBLOCK": _unblock,
    "DELETE": _delete,
    "TIME": _set_day,
    "QUEUE_SERVICE": _set_service,
}
