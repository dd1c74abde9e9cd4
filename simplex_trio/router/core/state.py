"""`RouterState`: everything that a router knows while it runs, and what commands share. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from attrs import define, evolve, frozen

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.redaction import Redacted
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.notifications import PendingNotifications
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.queues import Queue, QueueTable
from simplex_trio.router.core.recent import RecentBodies
from simplex_trio.router.core.replies import Outlet, Reply
from simplex_trio.router.core.services import SECRET_SIZE, Services
from simplex_trio.router.core.shortage import Shortage
from simplex_trio.router.core.subscriptions import Subscriber, Subscribers, Told
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.store.interface import Snapshot
from simplex_trio.serving.counters import Counters
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.errors.values import RouterErrorValue
from simplex_trio.wire.handshake import PeerService, RouterAgreement
from simplex_trio.wire.session import SessionParameters
from simplex_trio.wire.smp.commands import Command
from simplex_trio.wire.smp.messages import Message
from simplex_trio.wire.smp.reading import ReceivedCommand
from simplex_trio.wire.transmissions import Transmission
from simplex_trio.wire.versions import SMPVersion

__all__ = [
    "ID_SIZE",
    "Answered",
    "Client",
    "Decision",
    "Errand",
    "Refusal",
    "Request",
    "RouterState",
    "Submit",
]

ID_SIZE = 24
"""Of all ids that the router chooses; that of a message is also a nonce, and cannot be shorter."""

DAY = 86400


@define(eq=False)
class Client:
    """A connection as commands see it; ``recipient`` and ``notifier`` are its subscriptions.

    ``proxied`` checks what a proxy passes on over this connection.
    """

    session: SessionParameters
    verifier: Verifier
    proxied: Verifier
    service: PeerService | None
    recipient: Subscriber
    notifier: Subscriber
    session_key: X25519PrivateKey
    shared_secret: bytes | None

    @classmethod
    def of(cls, agreement: RouterAgreement, outlet: Outlet) -> Self:
        """The client at the other end of a handshake."""
        service = agreement.service
        service_id = None if service is None else service.id
        # In versions without authenticators clients have no key to make them with.
        knows_key = agreement.session.version >= SMPVersion.AUTHENTICATORS
        session_key = agreement.session_key if knows_key else None
        return cls(
            session=agreement.session,
            verifier=Verifier(session_key, service),
            proxied=Verifier(agreement.session_key),
            service=service,
            recipient=Subscriber(outlet, service_id),
            notifier=Subscriber(outlet, service_id),
            session_key=agreement.session_key,
            shared_secret=agreement.shared_secret,
        )

    @property
    def spent(self) -> int:
        """What checking its commands has cost so far; see `Verifier`."""
        return self.verifier.spent + self.proxied.spent

    @property
    def service_id(self) -> bytes | None:
        return None if self.service is None else self.service.id

    @property
    def proxy_key(self) -> BoxKey | None:
        """What seals the layer between a proxy and this router, if the hello brought a key."""
        secret = self.shared_secret
        return None if secret is None else BoxKey.from_secret(secret)


@frozen(repr=False)
class Request(Redacted):
    """A command that a client may give, the time it came, and where its changes are noted.

    ``now`` is the system's time, for what is stored; ``instant`` is that of a monotonic clock, for
    limits of time.
    """

    client: Client
    received: ReceivedCommand[Command]
    version: int
    now: int
    instant: float
    transaction: Transaction

    @property
    def command(self) -> Command:
        return self.received.command

    @property
    def transmission(self) -> Transmission:
        return self.received.transmission

    @property
    def entity_id(self) -> bytes:
        return self.received.transmission.entity_id

    @property
    def day(self) -> int:
        return self.now // DAY


def _nothing() -> None:
    pass


def _as_it_is(message: Message) -> Message:
    return message


@frozen(eq=False)
class Decision:
    """A command that has been decided and not been answered.

    ``finish`` is called when what was decided is stored, in the order of the decisions.  Where
    ``needs_store`` says that the answer stands for something stored, and the store refuses, then
    ``abandon`` is called instead, after the transaction was rolled back.
    """

    finish: Callable[[], Reply]
    needs_store: bool = False
    abandon: Callable[[], None] = _nothing
    seal: Callable[[Message], Message] = _as_it_is
    """What to do with the error that takes the place of the answer."""


@frozen(repr=False, eq=False)
class Errand(Redacted):
    """A command that takes the time of others: PRXY, PFWD, or RSLV.

    It is answered whenever that is done, with what ``seal`` makes of the answer.
    """

    received: ReceivedCommand[Command]
    seal: Callable[[Message], Message] = _as_it_is


@frozen(repr=False)
class Refusal(Redacted):
    """A command that was refused before it was decided: it is not authorized."""

    error: RouterErrorValue


Answered = Message | Decision | Errand
"""What becomes of a command: an answer that needs nothing more, a decision, or an errand."""


Submit = Callable[[Transaction, Callable[[], None] | None], None]
"""Takes changes that no answer waits for, and what is to be called when they are stored."""


class RouterState:
    """All that a router knows.

    ``random`` gives so many bytes that cannot be predicted.
    """

    def __init__(
        self,
        policy: QueuePolicy,
        snapshot: Snapshot,
        *,
        random: Callable[[int], bytes],
        submit: Submit,
        resolves_names: bool = False,
    ) -> None:
        self.policy: QueuePolicy = policy
        self.random: Callable[[int], bytes] = random
        self.submit: Submit = submit
        self.resolves_names: bool = resolves_names
        self.queues: QueueTable = QueueTable()
        self.services: Services = Services(
            snapshot.services, secret=random(SECRET_SIZE), most=policy.max_services
        )
        self.notifications: PendingNotifications = PendingNotifications(snapshot.notifications)
        self.counters: Counters[Count] = Counters(Count, snapshot.statistics)
        self.recipients: Subscribers = Subscribers()
        self.notifiers: Subscribers = Subscribers()
        self.recent_bodies: RecentBodies = RecentBodies()
        self.shortage: Shortage = Shortage()
        self._next_sequence = snapshot.next_sequence
        for record in snapshot.queues:
            self.queues.load(record, snapshot.messages.get(record.recipient_id, ()))

    def new_id(self) -> bytes:
        """A random id, unlike all others but by chance."""
        return self.random(ID_SIZE)

    def new_sequence(self) -> int:
        """The number of the next message or notification."""
        sequence = self._next_sequence
        self._next_sequence += 1
        return sequence

    def touch(self, request: Request, queue: Queue) -> None:
        """Note that a queue is in use, once a day."""
        if queue.record.updated_day != request.day:
            record = evolve(queue.record, updated_day=request.day)
            self.queues.replace(request.transaction, queue, record)

    def keep_service(self, request: Request) -> bool:
        """Keep the service of a client that is about to have a queue; False if it cannot be."""
        service = request.client.service
        if service is None or self.services.has(service):
            return True
        if not self.services.add(request.transaction, service, request.day, request.instant):
            return False
        self.counters.add(Count.SERVICES_CREATED)
        return True

    def tell(self, told: list[Told]) -> None:
        """Tell other connections what has become of their subscriptions."""
        for each in told:
            each.subscriber.outlet.tell(each.event)
        if told:
            self.counters.add(Count.SUBSCRIPTIONS_ENDED, len(told))
