"""Services: associations, all queues at once, displacement, roles and signatures."""

from __future__ import annotations

import pytest
from attrs import evolve

from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.expiry import expire_services
from simplex_trio.router.core.notification_delivery import MAX_AT_ONCE, catch_up
from simplex_trio.router.core.notifications import MAX_PENDING
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import DeferredMessage
from simplex_trio.router.core.services import NEW_AT_ONCE, NEW_PER_SECOND
from simplex_trio.router.core.state import ID_SIZE
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind, Name, NameErrorKind
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.commands import (
    ACK,
    DEL,
    GET,
    NEW,
    NSUB,
    NSUBS,
    PING,
    QUE,
    RSLV,
    SUB,
    SUBS,
    Command,
)
from simplex_trio.wire.smp.messages import ALLS, DELD, END, ENDS, IDS, NMSG, OK, PONG, SOK, SOKS
from simplex_trio.wire.smp.names import Domain
from tests.router.core.bench import DH_KEY, KEY, Bench, BenchClient, OwnedQueue, error, messages

PROHIBITED = Cmd(CommandErrorKind.PROHIBITED)
NOTIFIER_KEY = Ed25519PrivateKey(b"\x09" * 32)
MESSAGING = (b"S" * 24, ServiceRole.MESSAGING)
OTHER = (b"T" * 24, ServiceRole.MESSAGING)
NOTIFYING = (b"N" * 24, ServiceRole.NOTIFIER)


def subscribe_all(
    client: BenchClient, expected: ServiceSubs | None = None, *, to: type[SUBS | NSUBS] = SUBS
) -> ServiceSubs:
    service = client.client.service_id
    assert service is not None
    key = Ed25519PrivateKey(service[:1] * 32)
    subs = expected or ServiceSubs()
    answer = client.ask(to(subs.count, subs.ids_hash), service, key, with_service=False)
    assert isinstance(answer, SOKS), answer
    return ServiceSubs(answer.count, answer.ids_hash)


def of(*queues: OwnedQueue) -> ServiceSubs:
    return ServiceSubs.of(queue.recipient_id for queue in queues)


# --- associations -------------------------------------------------------------------------------


def test_queues_of_a_service_are_its_own_from_the_start() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queue = service.create()
    service.send(queue)
    assert messages(service.take_events()) == [DeferredMessage]
    assert bench.state.queues.service_queues.of(MESSAGING[0]) == of(queue)


def test_subscribing_associates() -> None:
    bench = Bench()
    client, service = bench.client(), bench.client(service=MESSAGING)
    queue = client.create()
    client.send(queue)
    client.take_events()
    assert service.subscribe(queue) == SOK(MESSAGING[0])
    assert messages(service.events) == [DeferredMessage]
    assert client.take_events()[0].payload == END()
    assert bench.kept.queues[queue.recipient_id].service_id == MESSAGING[0]


def test_ordinary_client_takes_a_queue_back() -> None:
    bench = Bench()
    client, service = bench.client(), bench.client(service=MESSAGING)
    queue, other = service.create(), service.create()
    assert client.subscribe(queue) == SOK()
    assert [(e.entity_id, e.payload) for e in service.take_events()] == [
        (queue.recipient_id, END())
    ]
    assert bench.kept.queues[queue.recipient_id].service_id is None
    assert service.client.recipient.service_queues == of(other)
    client.send(queue)
    assert messages(client.events) == [DeferredMessage]
    assert not service.events


def test_queue_moves_from_one_service_to_another() -> None:
    bench = Bench()
    first, second = bench.client(service=MESSAGING), bench.client(service=OTHER)
    queue = first.create()
    assert second.subscribe(queue) == SOK(OTHER[0])
    assert messages(first.take_events()) == [END]
    assert first.client.recipient.service_queues == ServiceSubs()
    assert second.client.recipient.service_queues == of(queue)


def test_repeated_subscriptions_count_once() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queues = [bench.client().create() for _ in range(2)]
    for queue in (*queues, *queues):
        service.subscribe(queue)
    assert service.client.recipient.service_queues == of(*queues)


# --- which services are kept --------------------------------------------------------------------


def name(number: int) -> tuple[bytes, ServiceRole]:
    return bytes([number]) * 24, ServiceRole.MESSAGING


def test_service_is_kept_when_it_gets_a_queue() -> None:
    bench = Bench()
    client, service, notifier = (
        bench.client(),
        bench.client(service=MESSAGING),
        bench.client(service=NOTIFYING),
    )
    subscribe_all(service)
    subscribe_all(notifier, to=NSUBS)
    assert service.ask(PING()) == PONG()
    assert not bench.kept.services
    queue = client.create()
    notifier_id = client.add_notifier(queue, NOTIFIER_KEY)
    service.subscribe(queue)
    notifier.ask(NSUB(), notifier_id, NOTIFIER_KEY)
    assert set(bench.kept.services) == {MESSAGING[0], NOTIFYING[0]}
    for _ in range(3):
        service.create()
    assert bench.state.counters[Count.SERVICES_CREATED] == 2
    assert len(bench.state.services) == 2


def test_service_without_the_password_is_not_kept() -> None:
    bench = Bench(QueuePolicy(password="secret"))
    service = bench.client(service=MESSAGING)
    command = NEW(KEY.public, DH_KEY.public, subscribe=True)
    assert error(service.ask(command, key=KEY)) is Code.AUTH
    assert not bench.kept.services
    assert len(bench.state.services) == 0
    answer = service.ask(evolve(command, basic_auth=b"secret"), key=KEY)
    assert isinstance(answer, IDS)
    assert set(bench.kept.services) == {MESSAGING[0]}


def test_service_that_the_store_refuses_is_not_kept() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queue = bench.client().create()
    bench.hold = True
    service.give(SUB(), queue.recipient_id, KEY)
    bench.refuse()
    assert len(bench.state.services) == 0
    bench.hold = False
    service.answers.clear()
    assert service.subscribe(queue) == SOK(MESSAGING[0])
    assert set(bench.kept.services) == {MESSAGING[0]}


def test_services_are_so_many() -> None:
    bench = Bench(QueuePolicy(max_services=2))
    for number in (1, 2):
        bench.client(service=name(number)).create()
    third = bench.client(service=name(3))
    queue = bench.client().create()
    for _ in range(2):
        assert error(third.subscribe(queue)) is Code.SERVICE
        assert error(third.ask(NEW(KEY.public, DH_KEY.public), key=KEY)) is Code.SERVICE
        bench.restart()
        third, queue = bench.client(service=name(3)), bench.client().create()
    assert set(bench.kept.services) == {name(1)[0], name(2)[0]}
    assert isinstance(bench.client(service=name(1)).create(), OwnedQueue)


def test_services_come_so_fast() -> None:
    bench = Bench()
    for number in range(1, NEW_AT_ONCE + 1):
        bench.client(service=name(number)).create()
    late = bench.client(service=name(NEW_AT_ONCE + 1))
    queue = bench.client().create()
    bench.now += 3600  # the time of the day has nothing to do with it
    for _ in range(3):
        assert error(late.subscribe(queue)) is Code.SERVICE
    bench.instant += 1 / NEW_PER_SECOND
    assert late.subscribe(queue) == SOK(late.client.service_id)


DAY = 86400


def test_unused_services_are_forgotten() -> None:
    bench = Bench(QueuePolicy(service_ttl=10 * DAY))
    used, unused = bench.client(service=MESSAGING), bench.client(service=OTHER)
    used.create()
    queue = unused.create()
    for _ in range(30):
        bench.now += DAY
        bench.submit(expire_services(bench.state, bench.state.services.ids(), bench.now))
        bench.settle()
    assert set(bench.kept.services) == {MESSAGING[0], OTHER[0]}
    bench.restart()
    assert bench.client().ask(DEL(), queue.recipient_id, KEY) == OK()
    for days in (10, 1):
        assert OTHER[0] in bench.kept.services
        bench.now += days * DAY
        bench.submit(expire_services(bench.state, bench.state.services.ids(), bench.now))
        bench.settle()
    assert set(bench.kept.services) == {MESSAGING[0]}
    assert bench.state.counters[Count.SERVICES_EXPIRED] == 1
    # A connection that is still there goes on as if nothing had happened.
    service = bench.client(service=OTHER)
    service.create()
    assert set(bench.kept.services) == {MESSAGING[0], OTHER[0]}


def test_forgetting_is_taken_back_when_the_store_refuses() -> None:
    bench = Bench(QueuePolicy(service_ttl=DAY))
    used, unused = bench.client(service=MESSAGING), bench.client(service=OTHER)
    used.create()
    assert unused.ask(DEL(), unused.create().recipient_id, KEY) == OK()
    before = dict(bench.kept.services)
    bench.now += 3 * DAY
    bench.hold = True
    bench.submit(expire_services(bench.state, bench.state.services.ids(), bench.now))
    assert len(bench.state.services) == 1
    bench.refuse()
    assert len(bench.state.services) == 2
    bench.hold = False
    assert bench.kept.services == before
    bench.submit(expire_services(bench.state, bench.state.services.ids(), bench.now))
    bench.settle()
    assert list(bench.kept.services) == [MESSAGING[0]]
    assert bench.kept.services[MESSAGING[0]].used_day == before[MESSAGING[0]].used_day + 3


def test_services_never_expire_if_the_operator_says_so() -> None:
    bench = Bench(QueuePolicy(service_ttl=None))
    service = bench.client(service=MESSAGING)
    assert service.ask(DEL(), service.create().recipient_id, KEY) == OK()
    bench.now += 10_000 * DAY
    bench.submit(expire_services(bench.state, bench.state.services.ids(), bench.now))
    assert len(bench.state.services) == 1


def test_ids_of_new_services_take_a_certificate_and_a_role() -> None:
    services = Bench().state.services
    ids = {
        services.id_for(role, certificate * 32)
        for role in (ServiceRole.MESSAGING, ServiceRole.NOTIFIER)
        for certificate in (b"a", b"b")
        for _ in range(2)
    }
    assert len(ids) == 4
    assert {len(each) for each in ids if each is not None} == {ID_SIZE}
    assert len(services) == 0


def test_one_certificate_is_one_service() -> None:
    bench = Bench()
    first, second = bench.client(service=MESSAGING), bench.client(service=MESSAGING)
    assert second.client.service is not None
    second.client.service = evolve(second.client.service, id=b"X" * 24)
    queue = first.create()
    expected = bench.state.services.id_for(ServiceRole.MESSAGING, MESSAGING[0][:1] * 32)
    assert expected == MESSAGING[0]
    assert error(second.ask(SUB(), queue.recipient_id, KEY)) is Code.SERVICE


# --- all at once --------------------------------------------------------------------------------


def test_subscribing_to_all() -> None:
    bench = Bench()
    first = bench.client(service=MESSAGING)
    queues = [first.create() for _ in range(3)]
    first.disconnect()
    for queue in queues[:2]:
        bench.client().send(queue)
        bench.client().send(queue)
    service = bench.client(service=MESSAGING)
    assert subscribe_all(service, of(*queues)) == of(*queues)
    *delivered, last = service.take_events()
    assert [event.entity_id for event in delivered] == sorted(q.recipient_id for q in queues[:2])
    assert (last.entity_id, last.payload) == (b"", ALLS())
    bench.client().send(queues[2])
    assert messages(service.take_events()) == [DeferredMessage]
    delivery = delivered[0].payload
    assert isinstance(delivery, DeferredMessage)
    command = ACK(delivery.head.message_id)
    following = service.ask(command, delivered[0].entity_id, KEY)
    assert isinstance(following, DeferredMessage)


def test_subscribing_to_all_again_tells_what_is_so_now() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    assert subscribe_all(service) == ServiceSubs()
    service.take_events()
    queue = service.create()
    assert subscribe_all(service) == of(queue)
    service.ask(DEL(), queue.recipient_id, KEY)
    assert subscribe_all(service) == ServiceSubs()
    assert not service.events


def test_what_was_delivered_already_is_not_delivered_again() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queue = service.create()
    service.send(queue)
    service.take_events()
    subscribe_all(service)
    assert messages(service.events) == [ALLS]


@pytest.mark.parametrize(
    ("expected", "count"),
    [
        (ServiceSubs(1, b"\x01" * 16), Count.SERVICE_EXPECTED_FEWER),
        (ServiceSubs(3, b"\x01" * 16), Count.SERVICE_EXPECTED_MORE),
        (ServiceSubs(2, b"\x01" * 16), Count.SERVICE_EXPECTED_OTHERS),
        (ServiceSubs(SUBS.UNKNOWN_COUNT), Count.SERVICE_SUBSCRIPTIONS),
        (None, Count.SERVICE_SUBSCRIPTIONS),
    ],
    ids=["fewer", "more", "others", "unknown", "the same"],
)
def test_drift_is_counted(expected: ServiceSubs | None, count: Count) -> None:
    bench = Bench()
    first = bench.client(service=MESSAGING)
    right = of(first.create(), first.create())
    service = bench.client(service=MESSAGING)
    assert subscribe_all(service, right if expected is None else expected) == right
    assert bench.state.counters[count] == 1


def test_service_is_displaced_as_a_whole() -> None:
    bench = Bench()
    first, second = bench.client(service=MESSAGING), bench.client(service=MESSAGING)
    queues = [first.create(), first.create()]
    first.send(queues[0])
    delivery = first.take_events()[0].payload
    assert isinstance(delivery, DeferredMessage)
    assert subscribe_all(second) == of(*queues)
    (event,) = first.take_events()
    total = of(*queues)
    assert (event.entity_id, event.payload) == (MESSAGING[0], ENDS(total.count, total.ids_hash))
    assert messages(second.take_events()) == [DeferredMessage, ALLS]
    answer = first.ask(ACK(delivery.head.message_id), queues[0].recipient_id, KEY)
    assert error(answer) is Code.NO_MSG


def test_displaced_service_that_had_asked_for_all_stays_displaced() -> None:
    bench = Bench()
    first, second = bench.client(service=MESSAGING), bench.client(service=MESSAGING)
    queue = first.create()
    subscribe_all(first)
    first.take_events()
    subscribe_all(second)
    first.take_events()
    assert subscribe_all(first) == ServiceSubs()
    first.send(queue)
    assert not first.events
    assert messages(second.take_events()) == [ALLS, DeferredMessage]


def test_displaced_service_that_disconnects_takes_nothing_along() -> None:
    bench = Bench()
    first, second = bench.client(service=MESSAGING), bench.client(service=MESSAGING)
    queue = first.create()
    subscribe_all(second)
    second.take_events()
    first.disconnect()
    assert bench.state.recipients.is_subscribed(second.client.recipient)
    second.send(queue)
    assert messages(second.events) == [DeferredMessage]
    second.disconnect()
    assert bench.state.recipients.service_count == 0


def test_deletion_by_another_connection_is_told_to_the_service() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queue, other = service.create(), service.create()
    assert bench.client().ask(DEL(), queue.recipient_id, KEY) == OK()
    (event,) = service.take_events()
    assert (event.entity_id, event.payload) == (queue.recipient_id, DELD())
    assert subscribe_all(service) == of(other)


def test_services_survive_a_restart() -> None:
    bench = Bench()
    queues = [bench.client(service=MESSAGING).create() for _ in range(2)]
    bench.restart()
    assert subscribe_all(bench.client(service=MESSAGING)) == of(*queues)


def test_older_versions_hear_no_alls() -> None:
    bench = Bench()
    service = bench.client(18, service=MESSAGING)
    assert subscribe_all(service).count == 0
    assert not service.events


def test_getting_in_a_service_session() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queue = service.create()
    assert service.ask(GET(), queue.recipient_id, KEY) == OK()
    service.send(queue)
    assert not service.events  # it reads by GET
    assert error(service.subscribe(queue)) == PROHIBITED


# --- notifier services --------------------------------------------------------------------------


def test_notifier_service() -> None:
    bench = Bench()
    owner = bench.client()
    queues = [owner.create() for _ in range(2)]
    ids = [owner.add_notifier(queue, NOTIFIER_KEY) for queue in queues]
    service = bench.client(service=NOTIFYING)
    for notifier_id in ids:
        assert service.ask(NSUB(), notifier_id, NOTIFIER_KEY) == SOK(NOTIFYING[0])
    assert subscribe_all(service, to=NSUBS) == ServiceSubs.of(ids)
    owner.send(queues[0], notify=True)
    assert messages(service.take_events()) == [NMSG]

    again = bench.client(service=NOTIFYING)
    assert subscribe_all(again, to=NSUBS) == ServiceSubs.of(ids)
    assert messages(service.take_events()) == [ENDS]
    owner.ask(DEL(), queues[0].recipient_id, KEY)
    assert messages(again.take_events()) == [DELD]
    assert bench.client().ask(NSUB(), ids[1], NOTIFIER_KEY) == SOK()
    assert messages(again.take_events()) == [END]
    assert subscribe_all(again, to=NSUBS) == ServiceSubs()


def test_what_waits_for_a_notifier_service() -> None:
    bench = Bench()
    owner = bench.client()
    queue = owner.create()
    notifier_id = owner.add_notifier(queue, NOTIFIER_KEY)
    first = bench.client(service=NOTIFYING)
    first.ask(NSUB(), notifier_id, NOTIFIER_KEY)
    first.disconnect()
    owner.send(queue, notify=True)
    service = bench.client(service=NOTIFYING)
    subscribe_all(service, to=NSUBS)
    assert messages(service.events) == [NMSG]
    assert not bench.kept.notifications


def test_many_notifications_for_a_service_come_bit_by_bit() -> None:
    bench = Bench(QueuePolicy(quota=1000))
    owner = bench.client()
    first = bench.client(service=NOTIFYING)
    for _ in range(MAX_AT_ONCE // MAX_PENDING + 2):
        queue = owner.create(subscribe=False)
        first.ask(NSUB(), owner.add_notifier(queue, NOTIFIER_KEY), NOTIFIER_KEY)
        first.disconnect()
        for _ in range(MAX_PENDING):
            owner.send(queue, notify=True)
    service = bench.client(service=NOTIFYING)
    subscribe_all(service, to=NSUBS)
    assert messages(service.take_events()) == [NMSG] * MAX_AT_ONCE
    assert service.client.notifier.missed
    catch_up(bench.state, service.client.notifier)
    bench.settle()
    assert messages(service.take_events()) == [NMSG] * (2 * MAX_PENDING)
    assert not service.client.notifier.missed
    assert not bench.kept.notifications


# --- who may do what ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "service"),
    [
        (SUB(), NOTIFYING),
        (SUBS(), NOTIFYING),
        (RSLV(Domain.parse("alice.simplex")), NOTIFYING),
        (NSUB(), MESSAGING),
        (NSUBS(), MESSAGING),
    ],
)
def test_commands_of_another_role(command: Command, service: tuple[bytes, ServiceRole]) -> None:
    bench = Bench()
    queue = bench.client().create()
    client = bench.client(service=service)
    needs_entity = not isinstance(command, RSLV)
    entity_id, key = (queue.recipient_id, KEY) if needs_entity else (b"", None)
    assert error(client.ask(command, entity_id, key)) == PROHIBITED


def test_commands_of_every_role() -> None:
    for service in (MESSAGING, NOTIFYING, None):
        assert Bench().client(service=service).ask(PING()) == PONG()


def test_names_are_for_messaging_services_too() -> None:
    client = Bench().client(service=MESSAGING)
    answer = client.ask(RSLV(Domain.parse("alice.simplex")))
    assert error(answer) == Name(NameErrorKind.NO_RESOLVER)


def test_services_sign_what_they_subscribe_to_and_nothing_else() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queue = service.create()
    answer = service.ask(SUB(), queue.recipient_id, KEY, with_service=False)
    assert error(answer) is Code.SERVICE
    answer = service.ask(QUE(), queue.recipient_id, KEY, with_service=True)
    assert error(answer) is Code.SERVICE


def test_only_the_service_itself_subscribes_to_all() -> None:
    bench = Bench()
    service = bench.client(service=MESSAGING)
    queue = service.create()
    signing = Ed25519PrivateKey(MESSAGING[0][:1] * 32)
    for entity_id, key in (
        (MESSAGING[0], KEY),
        (queue.recipient_id, signing),
        (OTHER[0], signing),
    ):
        answer = service.ask(SUBS(), entity_id, key, with_service=False)
        assert error(answer) is Code.SERVICE
    assert error(bench.client().ask(SUBS(), MESSAGING[0], signing)) is Code.SERVICE
