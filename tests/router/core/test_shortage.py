"""While the store has no room, what takes room is refused, and now and then one tries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import Factory, define, field

from simplex_trio.crypto.hashes import sender_id
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import Payload
from simplex_trio.router.core.shortage import RETRY_SECONDS, STORE_REFUSED, Shortage
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp import commands
from simplex_trio.wire.smp.commands import (
    DEL,
    GET,
    LDEL,
    LGET,
    LSET,
    NDEL,
    NEW,
    NKEY,
    NSUB,
    OFF,
    PING,
    QUE,
    RKEY,
    SKEY,
    SUB,
    Command,
)
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import ERR, OK
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingRequest,
    NotifierKeys,
)
from tests.router.core.bench import DH_KEY, KEY, OTHER_KEY, Bench, BenchClient, OwnedQueue

CORRELATION_ID = b"\x0c" * 24
DATA = QueueLinkData(b"fixed", b"user")


def test_one_tries_after_a_while() -> None:
    shortage = Shortage()
    assert not shortage.refuses(0)
    shortage.begin(100)
    assert shortage.refuses(100)
    assert shortage.refuses(99 + RETRY_SECONDS)
    assert not shortage.refuses(100 + RETRY_SECONDS)
    assert shortage.refuses(100 + RETRY_SECONDS)
    shortage.end()
    assert not shortage.refuses(100 + RETRY_SECONDS)


LINK_ID = b"link"
NOTIFIER_KEYS = NotifierKeys(OTHER_KEY.public, DH_KEY.public)
RECIPIENT_SERVICE = (b"S" * 24, ServiceRole.MESSAGING)
NOTIFIER_SERVICE = (b"N" * 24, ServiceRole.NOTIFIER)


@define
class House:
    """A queue for contacts, with a notifier and two messages, one for messages, one of services."""

    bench: Bench = Factory(Bench)
    client: BenchClient = field(init=False)
    contact: OwnedQueue = field(init=False)
    messaging: OwnedQueue = field(init=False)
    notifier_id: bytes = field(init=False)
    of_service: OwnedQueue = field(init=False)
    of_service_notifier_id: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = client = self.bench.client()
        link = ContactLink(LINK_ID, sender_id(CORRELATION_ID), DATA)
        self.contact = client.create(ContactRequest(link), correlation_id=CORRELATION_ID)
        self.messaging = client.create(MessagingRequest())
        self.notifier_id = client.add_notifier(self.contact, OTHER_KEY)
        self.of_service = self.bench.client(service=RECIPIENT_SERVICE).create()
        self.of_service_notifier_id = client.add_notifier(self.of_service, OTHER_KEY)
        notified = self.bench.client(service=NOTIFIER_SERVICE)
        notified.ask(NSUB(), self.of_service_notifier_id, OTHER_KEY)
        for body in (b"one", b"two"):
            assert client.send(self.contact, body) == OK()

    def short_of_room(self) -> None:
        self.bench.state.shortage.begin(self.bench.instant)

    @property
    def delivered(self) -> bytes:
        subscription = self.client.client.recipient.subscribed[self.contact.recipient_id]
        assert subscription.delivered is not None
        return subscription.delivered


def _new(house: House) -> Payload:
    return house.client.ask(NEW(KEY.public, DH_KEY.public), key=KEY)


def _owner(command: Command) -> Callable[[House], Payload]:
    return lambda house: house.client.ask(command, house.contact.recipient_id, KEY)


def _service_subscribes(house: House) -> Payload:
    client = house.bench.client(service=RECIPIENT_SERVICE)
    return client.ask(SUB(), house.contact.recipient_id, KEY)


def _service_is_notified(house: House) -> Payload:
    client = house.bench.client(service=NOTIFIER_SERVICE)
    return client.ask(NSUB(), house.notifier_id, OTHER_KEY)


def _another_service_subscribes(house: House) -> Payload:
    client = house.bench.client(service=(b"T" * 24, ServiceRole.MESSAGING))
    return client.ask(SUB(), house.of_service.recipient_id, KEY)


def _another_service_is_notified(house: House) -> Payload:
    client = house.bench.client(service=(b"O" * 24, ServiceRole.NOTIFIER))
    return client.ask(NSUB(), house.of_service_notifier_id, OTHER_KEY)


def _sender_secures(house: House) -> Payload:
    return house.client.ask(SKEY(OTHER_KEY.public), house.messaging.sender_id, OTHER_KEY)


GROWING: dict[str, Callable[[House], Payload]] = {
    "NEW": _new,
    "SEND": lambda house: house.client.send(house.contact),
    "KEY": _owner(commands.KEY(OTHER_KEY.public)),
    "SKEY": _sender_secures,
    "RKEY": _owner(RKEY((KEY.public, OTHER_KEY.public))),
    "LSET": _owner(LSET(LINK_ID, DATA)),
    "NKEY": _owner(NKEY(NOTIFIER_KEYS)),
    "SUB by a service": _service_subscribes,
    "NSUB by a service": _service_is_notified,
    "SUB by a service after another": _another_service_subscribes,
    "NSUB by a service after another": _another_service_is_notified,
}

OTHERS: dict[str, Callable[[House], Payload]] = {
    "SUB": lambda house: house.bench.client().subscribe(house.contact),
    "GET": lambda house: house.bench.client().ask(GET(), house.contact.recipient_id, KEY),
    "NSUB": lambda house: house.bench.client().ask(NSUB(), house.notifier_id, OTHER_KEY),
    "ACK": lambda house: house.client.acknowledge(house.contact, house.delivered),
    "OFF": _owner(OFF()),
    "NDEL": _owner(NDEL()),
    "LDEL": _owner(LDEL()),
    "DEL": _owner(DEL()),
    "QUE": _owner(QUE()),
    "LGET": lambda house: house.client.ask(LGET(), LINK_ID),
    "PING": lambda house: house.client.ask(PING()),
}


@pytest.mark.parametrize("name", GROWING)
def test_what_takes_room_is_refused_until_one_has_tried(name: str) -> None:
    house = House()
    ask = GROWING[name]
    house.short_of_room()
    before = dict(house.bench.kept.queues)
    assert ask(house) == STORE_REFUSED
    assert house.bench.kept.queues == before
    house.bench.instant += RETRY_SECONDS
    assert not isinstance(ask(house), ERR)
    assert _new(house) != STORE_REFUSED


@pytest.mark.parametrize("name", OTHERS)
def test_what_takes_no_room_works(name: str) -> None:
    house = House()
    house.short_of_room()
    assert not isinstance(OTHERS[name](house), ERR)
    assert _new(house) == STORE_REFUSED


def test_securing_again_takes_no_room() -> None:
    house = House()
    key = commands.KEY(OTHER_KEY.public)
    assert _owner(key)(house) == OK()
    house.short_of_room()
    assert _owner(key)(house) == OK()


def test_who_may_not_create_queues_is_told_so() -> None:
    bench = Bench(QueuePolicy(password="let-me-in"))
    bench.state.shortage.begin(bench.instant)
    assert bench.client().ask(NEW(KEY.public, DH_KEY.public), key=KEY) == ERR(Code.AUTH)
