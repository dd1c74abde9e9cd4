"""Any commands in any order, with a store that refuses now and then, and restarts in between.

What a queue holds is what was answered with OK and not acknowledged since, in that order; it is
delivered in that order, one message at a time; and it never waits while its subscriber does too.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.router.core.expiry import expire_queues
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.queues import QueueTable
from simplex_trio.router.core.replies import DeferredMessage
from simplex_trio.router.core.state import RouterState
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.commands import (
    ACK,
    DEL,
    GET,
    LDEL,
    LSET,
    NDEL,
    NKEY,
    NSUB,
    OFF,
    SEND,
    SUB,
)
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import OK
from simplex_trio.wire.smp.new_queue import ContactRequest, NotifierKeys
from tests.router.core.bench import DH_KEY, KEY, Answer, Bench, BenchClient, OwnedQueue

QUEUES = st.integers(0, 2)
CLIENTS = st.integers(0, 3)
SERVICE = (b"S" * 24, ServiceRole.MESSAGING)
NOTIFIER_KEY = Ed25519PrivateKey(b"\x09" * 32)
TTL = 1000


NOTICE = b"the queue was full"


@frozen
class Held:
    body: bytes
    received_at: int


class RouterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(QueuePolicy(quota=2, message_ttl=TTL, suspended_ttl=10 * TTL))
        self.queues: list[OwnedQueue] = []
        self.clients: list[BenchClient] = []
        self.bodies = 0
        self.held: dict[bytes, list[Held]] = {}
        self.ids: dict[bytes, bytes] = {}

    @initialize()
    def begin(self) -> None:
        self.clients = [self._client(number) for number in range(4)]
        self.queues = [self.clients[0].create(ContactRequest()) for _ in range(3)]

    def _client(self, number: int) -> BenchClient:
        return self.bench.client(service=SERVICE if number == 3 else None)

    def _client_and_queue(self, client: int, queue: int) -> tuple[BenchClient, OwnedQueue]:
        return self.clients[client], self.queues[queue]

    # --- what clients do ------------------------------------------------------------------------

    @rule(client=CLIENTS, queue=QUEUES, notify=st.booleans())
    def send(self, client: int, queue: int, notify: bool) -> None:
        who, to = self._client_and_queue(client, queue)
        self.bodies += 1
        who.give_send(to, b"%d" % self.bodies, notify=notify)

    @rule(client=CLIENTS, queue=QUEUES)
    def subscribe(self, client: int, queue: int) -> None:
        who, to = self._client_and_queue(client, queue)
        who.give(SUB(), to.recipient_id, KEY)

    @rule(client=CLIENTS, queue=QUEUES)
    def get(self, client: int, queue: int) -> None:
        who, to = self._client_and_queue(client, queue)
        who.give(GET(), to.recipient_id, KEY)

    @rule(client=CLIENTS, queue=QUEUES)
    def acknowledge(self, client: int, queue: int) -> None:
        who, to = self._client_and_queue(client, queue)
        subscription = who.client.recipient.subscribed.get(to.recipient_id)
        delivered = None if subscription is None else subscription.delivered
        who.give(ACK(delivered or b"\x01"), to.recipient_id, KEY)

    @rule(client=CLIENTS, queue=QUEUES, command=st.sampled_from(["OFF", "DEL", "NDEL", "LDEL"]))
    def take_away(self, client: int, queue: int, command: str) -> None:
        who, to = self._client_and_queue(client, queue)
        commands = {"OFF": OFF(), "DEL": DEL(), "NDEL": NDEL(), "LDEL": LDEL()}
        who.give(commands[command], to.recipient_id, KEY)

    @rule(client=CLIENTS, queue=QUEUES, link=st.sampled_from([b"a", b"b"]))
    def set_link(self, client: int, queue: int, link: bytes) -> None:
        who, to = self._client_and_queue(client, queue)
        who.give(LSET(link, QueueLinkData(b"fixed", link)), to.recipient_id, KEY)

    @rule(client=CLIENTS, queue=QUEUES)
    def add_notifier(self, client: int, queue: int) -> None:
        who, to = self._client_and_queue(client, queue)
        keys = NotifierKeys(NOTIFIER_KEY.public, DH_KEY.public)
        who.give(NKEY(keys), to.recipient_id, KEY)

    @rule(client=st.integers(0, 2), queue=QUEUES)
    def subscribe_notifier(self, client: int, queue: int) -> None:
        found = self.bench.state.queues.for_recipient(self.queues[queue].recipient_id)
        if found is not None and found.record.notifier is not None:
            notifier_id = found.record.notifier.notifier_id
            self.clients[client].give(NSUB(), notifier_id, NOTIFIER_KEY)

    @precondition(lambda self: not self.bench.waiting)
    @rule(client=st.integers(0, 2), queue=QUEUES)
    def create_in_place_of_a_deleted_one(self, client: int, queue: int) -> None:
        if self.bench.state.queues.for_recipient(self.queues[queue].recipient_id) is None:
            who = self.clients[client]
            who.answers.clear()
            hold, self.bench.hold = self.bench.hold, False
            self.queues[queue] = who.create(ContactRequest(), key=KEY)
            self.bench.hold = hold

    @rule(client=CLIENTS)
    def reconnect(self, client: int) -> None:
        self.clients[client].disconnect()
        waiting = self.bench.waiting
        if not any(each.client is self.clients[client] for each in waiting):
            self.clients[client] = self._client(client)

    # --- what else happens ----------------------------------------------------------------------

    @rule()
    def hold(self) -> None:
        self.bench.hold = True

    @rule()
    def store(self) -> None:
        self.bench.hold = False
        self.bench.store()

    @rule()
    def refuse(self) -> None:
        self.bench.refuse()
        self.bench.hold = False
        self.bench.store()

    @rule(seconds=st.integers(1, TTL))
    def wait(self, seconds: int) -> None:
        self.bench.now += seconds

    @precondition(lambda self: not self.bench.waiting)
    @rule()
    def expire(self) -> None:
        ids = self.bench.state.queues.recipient_ids()
        self.bench.submit(expire_queues(self.bench.state, ids, self.bench.now))

    @precondition(lambda self: not self.bench.waiting)
    @rule()
    def restart(self) -> None:
        self.bench.restart()
        self.clients = [self._client(number) for number in range(4)]

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def memory_is_what_is_stored(self) -> None:
        if not self.bench.waiting:
            policy = self.bench.state.policy
            loaded = RouterState(policy, self.bench.kept.snapshot(), random=bytes)
            assert _contents(self.bench.state.queues) == _contents(loaded.queues)
            assert len(self.bench.state.notifications) == len(self.bench.kept.notifications)

    @invariant()
    def nothing_waits_for_who_waits(self) -> None:
        if self.bench.waiting:
            return
        recipients = self.bench.state.recipients
        for queue in self.bench.state.queues:
            assert queue.unstored == 0
            if queue.first is not None and queue.record.service_id is None:
                # A service that has not asked for all of its queues need not have all of them.
                assert recipients.receiving(queue.record.recipient_id, None) is None

    @invariant()
    def each_queue_has_one_subscriber(self) -> None:
        for queue in self.queues:
            found = [
                client
                for client in self.clients[:3]
                if (each := client.client.recipient.subscribed.get(queue.recipient_id))
                and not each.by_get
            ]
            assert len(found) <= 1

    @invariant()
    def queues_hold_what_was_accepted_and_not_acknowledged(self) -> None:
        for entry in self.bench.log:
            if isinstance(entry, Answer):
                self._answered(entry)
            elif isinstance(entry.payload, DeferredMessage):
                self._delivered(entry.entity_id, entry.payload)
        self.bench.log.clear()
        for client in self.clients:
            client.answers.clear()
            client.events.clear()
        if self.bench.waiting:
            return
        stored: dict[bytes, list[bytes]] = {}
        for _, (recipient_id, head, body) in sorted(self.bench.kept.messages.items()):
            text = NOTICE if head.is_quota_notice else body
            stored.setdefault(recipient_id, []).append(text)
        for recipient_id, held in self.held.items():
            found = stored.pop(recipient_id, [])
            while len(held) > len(found) and self._is_old(held[0]):
                del held[0]
            assert [each.body for each in held] == found
        assert not stored

    def _received_at(self, body: bytes) -> int:
        found = self.bench.kept.all_messages.values()
        return next((head.received_at for head, text in found if text == body), 0)

    def _is_old(self, held: Held) -> bool:
        return held.body != NOTICE and held.received_at < self.bench.now - TTL

    def _answered(self, answer: Answer) -> None:
        command, said = answer.received.command, answer.said
        entity_id = answer.received.transmission.entity_id
        if isinstance(said, DeferredMessage) and not isinstance(command, ACK):
            self._delivered(entity_id, said)
        match command:
            case SEND() if isinstance(said, OK) or answer.was_stored:
                queue = next(each for each in self.queues if each.sender_id == entity_id)
                body = command.body if isinstance(said, OK) else NOTICE
                held = self.held.setdefault(queue.recipient_id, [])
                held.append(Held(body, self._received_at(body)))
            case ACK(message_id) if answer.was_stored:
                held = self.held[entity_id]
                body = self.ids[message_id]
                while held[0].body != body:
                    assert self._is_old(held[0])
                    del held[0]
                del held[0]
                if isinstance(said, DeferredMessage):
                    self._delivered(entity_id, said)
            case DEL() if isinstance(said, OK):
                self.held.pop(entity_id, None)

    def _delivered(self, recipient_id: bytes, delivery: DeferredMessage) -> None:
        """What is delivered is the first that is held, or what is being accepted right now."""
        _, body = self.bench.kept.all_messages[delivery.head.sequence]
        body = body or NOTICE
        self.ids[delivery.head.message_id] = body
        for held in self.held.get(recipient_id, []):
            if held.body == body:
                break
            assert self._is_old(held)


def _contents(table: QueueTable) -> Any:
    queues = sorted(table, key=lambda queue: queue.record.recipient_id)
    return (
        [(queue.record, queue.messages) for queue in queues],
        table.message_count,
        table.notifier_count,
        table.service_queues.of(SERVICE[0]),
    )


RouterMachine.TestCase.settings = settings(stateful_step_count=40)
test_any_commands = RouterMachine.TestCase
