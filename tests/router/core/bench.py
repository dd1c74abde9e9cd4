"""A router without tasks: commands go in, answers come out, and the store does what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from attrs import Factory, define, frozen

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.router.core.decide import decide
from simplex_trio.router.core.decisions import Decision, Refusal, RemoteCommand, Work
from simplex_trio.router.core.interpreter import complete, undo
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.replies import Event, Payload
from simplex_trio.router.core.requests import Client, Context
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import Transaction
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
    Snapshot,
)
from simplex_trio.router.store.records import (
    MessageHead,
    NotificationRecord,
    QueueRecord,
    ServiceRecord,
)
from simplex_trio.wire.authorization import Authorizer
from simplex_trio.wire.handshake import PeerService, RouterAgreement, Service, ServiceRole
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import (
    ACK,
    NEW,
    NKEY,
    SEND,
    SUB,
    Command,
)
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.handshake import smp_session
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import ERR, IDS, NID, Message
from simplex_trio.wire.smp.new_queue import NotifierKeys, QueueRequest
from simplex_trio.wire.smp.reading import read_smp_commands
from simplex_trio.wire.transmissions import Batch, prepare_transmission
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

NOW = 1_800_000_000
STORE_FAILED = "the store has refused"

KEY = Ed25519PrivateKey(b"\x01" * 32)
OTHER_KEY = Ed25519PrivateKey(b"\x02" * 32)
DH_KEY = X25519PrivateKey(b"\x03" * 32)


def predictable_random() -> Callable[[int], bytes]:
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(8, "big").rjust(size, b"\x55")


@define(eq=False)
class Kept:
    """What a store would have: independent of how the router keeps things in memory."""

    queues: dict[bytes, QueueRecord] = Factory(dict)
    links: dict[bytes, QueueLinkData] = Factory(dict)
    messages: dict[int, tuple[bytes, MessageHead, bytes]] = Factory(dict)
    services: dict[bytes, ServiceRecord] = Factory(dict)
    notifications: dict[int, NotificationRecord] = Factory(dict)
    all_messages: dict[int, tuple[MessageHead, bytes]] = Factory(dict)
    """Also those that are gone."""

    def apply(self, change: Change) -> None:
        match change:
            case PutQueue(record, link_data):
                self.queues[record.recipient_id] = record
                if link_data is not None:
                    self.links[record.recipient_id] = link_data
                if record.link is None:
                    self.links.pop(record.recipient_id, None)
            case DeleteQueue(recipient_id):
                del self.queues[recipient_id]
                self.links.pop(recipient_id, None)
                for sequence, (owner, _, _) in list(self.messages.items()):
                    if owner == recipient_id:
                        del self.messages[sequence]
            case PutMessage(recipient_id, head, body):
                assert recipient_id in self.queues
                assert head.sequence not in self.messages
                self.messages[head.sequence] = (recipient_id, head, body)
                self.all_messages[head.sequence] = (head, body)
            case DeleteMessages(sequences):
                for sequence in sequences:
                    self.messages.pop(sequence, None)
            case PutService(service):
                self.services[service.service_id] = service
            case DeleteService(service_id):
                del self.services[service_id]
            case PutNotification(notification):
                self.notifications[notification.sequence] = notification
            case DeleteNotifications(sequences):
                for sequence in sequences:
                    self.notifications.pop(sequence, None)
            case _:
                raise AssertionError("a change that commands never make")

    def snapshot(self) -> Snapshot:
        """What a router would load."""
        messages: dict[bytes, list[MessageHead]] = {}
        for _, (recipient_id, head, _) in sorted(self.messages.items()):
            messages.setdefault(recipient_id, []).append(head)
        return Snapshot(
            queues=list(self.queues.values()),
            messages=messages,
            services=list(self.services.values()),
            notifications=[each for _, each in sorted(self.notifications.items())],
        )


@frozen(eq=False)
class Unstored:
    """Work that the store has not heard of yet; without a client it is the router's own."""

    work: Work
    client: BenchClient | None = None
    received: ReceivedCommand[Command] | None = None

    @property
    def transaction(self) -> Transaction:
        return self.work.transaction


@frozen(eq=False)
class Answer:
    """What a command was answered with, in the log of a bench; events are there as they are."""

    received: ReceivedCommand[Command]
    said: object
    was_stored: bool


class Bench:
    """A router; `hold` keeps decisions from the store until `store` or `refuse`."""

    def __init__(self, policy: QueuePolicy | None = None, *, resolves_names: bool = False) -> None:
        self.kept = Kept()
        self.now = NOW
        self.instant = 0.0
        self.hold = False
        self.waiting: list[Unstored] = []
        self.log: list[Answer | Event] = []
        """All answers and events of all clients, in order."""
        self._random = predictable_random()
        self._clients = count(1)
        self._policy = policy or QueuePolicy()
        self._resolves_names = resolves_names
        self.state = self._state(Snapshot())

    def _state(self, snapshot: Snapshot) -> RouterState:
        return RouterState(
            self._policy,
            snapshot,
            random=self._random,
            resolves_names=self._resolves_names,
        )

    def restart(self) -> None:
        """Begin again with what was stored; no client is connected any more."""
        self.state = self._state(self.kept.snapshot())

    def client(
        self,
        version: int = SMP_VERSIONS.highest,
        *,
        service: tuple[bytes, ServiceRole] | None = None,
    ) -> BenchClient:
        """Another client; ``service`` is the id and role of its service."""
        return BenchClient(self, next(self._clients), version, service)

    def submit(self, works: Iterable[Work]) -> None:
        """Have stored what the router does by itself."""
        self.waiting += map(Unstored, works)
        self.settle()

    def _submit_follow_ups(self) -> None:
        follow_ups, self.state.follow_ups = self.state.follow_ups, []
        self.waiting += [Unstored(Work(each)) for each in follow_ups]

    def settle(self) -> None:
        """Store what waits, unless that is put off."""
        self._submit_follow_ups()
        if not self.hold:
            self.store()

    def store(self) -> None:
        """The store takes everything that waits."""
        while self.waiting:
            each = self.waiting.pop(0)
            for change in each.transaction.changes:
                self.kept.apply(change)
            self._settle(each, stored=True)

    def refuse(self) -> None:
        """The store refuses everything that waits."""
        refused, self.waiting = self.waiting, []
        for each in reversed(refused):
            undo(self.state, each.transaction)
        for each in refused:
            self._settle(each, stored=False)

    def _settle(self, each: Unstored, *, stored: bool) -> None:
        replies = complete(self.state, each.work, stored=stored)
        for decision, answer in zip(each.work.decisions, replies.answers, strict=True):
            assert each.client is not None
            assert each.received is not None
            self._answer(each.client, each.received, decision, answer, stored=stored)
            for event in replies.following:
                each.client.tell(event)
        self._submit_follow_ups()

    def _answer(
        self,
        client: BenchClient,
        received: ReceivedCommand[Command],
        decision: Decision,
        answer: Payload,
        *,
        stored: bool,
    ) -> None:
        said: object = answer
        if decision.needs_store and not stored:
            assert said == STORE_REFUSED or decision.envelope is not None
            said = STORE_FAILED
        was_stored = stored and decision.needs_store
        self.log.append(Answer(received, said, was_stored))
        client.answers.append(said)


@frozen
class OwnedQueue:
    """A queue as its creator knows it."""

    recipient_id: bytes
    sender_id: bytes
    key: AuthPrivateKey
    box_key: BoxKey
    ids: IDS


class BenchClient:
    """A connection; `events` has what it was told, with what followed its answers."""

    def __init__(
        self, bench: Bench, number: int, version: int, service: tuple[bytes, ServiceRole] | None
    ) -> None:
        self.bench = bench
        self.events: list[Event] = []
        self.answers: list[object] = []
        self.has_room = True
        self._session = smp_session(version, number.to_bytes(32, "big"))
        session_key = X25519PrivateKey(number.to_bytes(32, "big"))
        ours, theirs = _services(service)
        agreement = RouterAgreement(
            session=self._session,
            versions=VersionRange(6, version),
            session_key=session_key,
            shared_secret=b"\x05" * 32,
            chains=None,
            service=theirs,
            client_is_proxy=False,
        )
        self.client = Client.of(agreement, self)
        self.session_key: X25519PublicKey = session_key.public
        self._authorizer = Authorizer(session_key.public, ours)
        self._correlation_ids = count(1)

    # --- as the router sees it ------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.bench.log.append(event)

    # --- what it says ---------------------------------------------------------------------------

    def give(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthPrivateKey | None = None,
        *,
        correlation_id: bytes | None = None,
        with_service: bool | None = None,
    ) -> Decision | RemoteCommand | Refusal:
        """Give a command; its answer is put into `answers` when the store allows."""
        correlation_id = correlation_id or next(self._correlation_ids).to_bytes(24, "big")
        encoded = command.encode(self._session.version)
        unsent = prepare_transmission(self._session, correlation_id, entity_id, encoded)
        uses_service = command.USES_SERVICE_SIGNATURE if with_service is None else with_service
        batch = Batch(self._session)
        batch.add(self._authorizer.finish(unsent, key, correlation_id, with_service=uses_service))
        (received,) = read_smp_commands(batch.content(), self._session)
        assert isinstance(received, ReceivedCommand), received.error
        transaction = Transaction()
        context = Context(
            self.client, self._session.version, self.bench.now, self.bench.instant, transaction
        )
        decided = decide(self.bench.state, context, received)
        if isinstance(decided, Refusal):
            self.answers.append(ERR(decided.error))
        elif isinstance(decided, Decision):
            work = Work(transaction, [decided])
            self.bench.waiting.append(Unstored(work, self, received))
        self.bench.settle()
        return decided

    def ask(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthPrivateKey | None = None,
        *,
        correlation_id: bytes | None = None,
        with_service: bool | None = None,
    ) -> Payload:
        """Give a command and take its answer."""
        assert not self.answers
        self.give(command, entity_id, key, correlation_id=correlation_id, with_service=with_service)
        (answer,) = self.answers
        self.answers.clear()
        assert not isinstance(answer, str)
        return answer  # type: ignore[return-value]

    def take_events(self) -> list[Event]:
        """What it was told since the last time."""
        events, self.events = self.events, []
        return events

    def disconnect(self) -> None:
        """The connection ends."""
        self.bench.state.recipients.forget(self.client.recipient)
        self.bench.state.notifiers.forget(self.client.notifier)

    # --- what tests do all the time -------------------------------------------------------------

    def create(
        self,
        queue_request: QueueRequest | None = None,
        *,
        key: AuthPrivateKey = KEY,
        subscribe: bool = True,
        correlation_id: bytes | None = None,
        notifier: AuthPrivateKey | None = None,
    ) -> OwnedQueue:
        """Create a queue."""
        keys = None if notifier is None else NotifierKeys(notifier.public, DH_KEY.public)
        command = NEW(key.public, DH_KEY.public, None, subscribe, queue_request, keys)
        ids = self.ask(command, key=key, correlation_id=correlation_id)
        assert isinstance(ids, IDS), ids
        box_key = BoxKey.agree(DH_KEY, ids.dh_key)
        return OwnedQueue(ids.recipient_id, ids.sender_id, key, box_key, ids)

    def add_notifier(self, queue: OwnedQueue, key: AuthPrivateKey) -> bytes:
        """Give a queue a notifier; its id."""
        keys = NotifierKeys(key.public, DH_KEY.public)
        answer = self.ask(NKEY(keys), queue.recipient_id, queue.key)
        assert isinstance(answer, NID), answer
        return answer.ids.notifier_id

    def send(
        self,
        queue: OwnedQueue,
        body: bytes = b"a message",
        key: AuthPrivateKey | None = None,
        *,
        notify: bool = False,
    ) -> Payload:
        """Send a message."""
        flags = MessageFlags(notification=notify)
        return self.ask(SEND(flags, body), queue.sender_id, key)

    def give_send(
        self, queue: OwnedQueue, body: bytes = b"a message", *, notify: bool = False
    ) -> None:
        """Send a message whose answer is to come later."""
        self.give(SEND(MessageFlags(notification=notify), body), queue.sender_id)

    def subscribe(self, queue: OwnedQueue) -> Payload:
        return self.ask(SUB(), queue.recipient_id, queue.key)

    def acknowledge(self, queue: OwnedQueue, message_id: bytes) -> Payload:
        return self.ask(ACK(message_id), queue.recipient_id, queue.key)


def _services(
    service: tuple[bytes, ServiceRole] | None,
) -> tuple[Service | None, PeerService | None]:
    if service is None:
        return None, None
    service_id, role = service
    key, certificate_hash = Ed25519PrivateKey(service_id[:1] * 32), service_id[:1] * 32
    return (
        Service(service_id, role, certificate_hash, key),
        PeerService(service_id, role, certificate_hash, key.public),
    )


def error(answer: object) -> object:
    """The error that an answer is."""
    assert isinstance(answer, ERR), answer
    return answer.error


def messages(events: list[Event]) -> list[type[Message] | type]:
    """The kinds of what was told."""
    return [type(event.payload) for event in events]
