"""Two machines and the routers between them, without an event loop.

The routers do what SMP's do, as far as a machine can tell.  Whoever drives a world decides which
work is done next, what is delivered next, which answers get lost, and where a program crashes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from enum import Enum, auto
from typing import Any

from attrs import define, field

from simplex_trio.crypto.keys import AuthPublicKey
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import LinkNotUsable, NeedsNewerAgent, NoCommonDuplexVersion
from simplex_trio.duplex.events import InvitationReady, Problem
from simplex_trio.duplex.machine.accepting import accept_confirmation, accept_request
from simplex_trio.duplex.machine.acknowledging import acknowledge, acknowledged
from simplex_trio.duplex.machine.creating import (
    link_changed,
    plan_address,
    plan_invitation,
    queue_created,
)
from simplex_trio.duplex.machine.deleting import (
    go_on_deleting,
    queue_deleted,
    queue_suspended,
)
from simplex_trio.duplex.machine.delivering import (
    SendFailure,
    delivered,
    not_delivered,
    outgoing,
)
from simplex_trio.duplex.machine.handshake import (
    fail,
    receiver_secured,
    request_sent,
    sender_secured,
)
from simplex_trio.duplex.machine.joining import link_problem, link_read, start_joining
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.opening import Arrival
from simplex_trio.duplex.machine.postponing import postpone, work_done
from simplex_trio.duplex.machine.queues import CreatedQueue, link_update, plan_queue
from simplex_trio.duplex.machine.receiving import (
    old_queue_drained,
    quota_notice_received,
    receive,
    wait_for_turn,
)
from simplex_trio.duplex.machine.rotating import new_queue_failed
from simplex_trio.duplex.machine.sending import enqueue_message
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    Deliver,
    DrainQueue,
    ReadLink,
    SecureAsReceiver,
    SecureAsSender,
    SendRequest,
    SuspendQueue,
    UpdateLink,
    WaitForOther,
    Work,
    is_about,
)
from simplex_trio.errors import TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkKeys, read_link
from simplex_trio.wire.duplex.links import Link, parse_link
from simplex_trio.wire.duplex.owners import LinkDataInvalid
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import (
    ShortContactLink,
    ShortInvitationLink,
    parse_short_link,
)
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import ContactRequest
from tests.duplex.machines import BOX_KEY, Machine

__all__ = ["BACKOFF", "SERVERS", "Answer", "Queue", "World"]

BACKOFF = DuplexConfig().command_backoff

SERVERS = tuple(
    ServerAddress.parse(f"smp://{letter * 42}A=@{host}")
    for letter, host in (("A", "one.example"), ("B", "two.example"))
)


class Answer(Enum):
    """What becomes of a command."""

    OK = auto()
    LOST = auto()
    """The router does it, and the answer gets lost: the program gives up waiting, or crashes."""
    NETWORK = auto()
    """The router does not answer in time."""
    AWAY = auto()
    """The router cannot be connected to."""
    GONE = auto()
    """The router answers AUTH, whatever is asked."""


class Refused(Exception):
    """A router's answer that is not what was hoped for."""

    def __init__(self, failure: SendFailure) -> None:
        super().__init__(failure)
        self.failure = failure


@define(eq=False)
class Queue:
    """A queue on a router."""

    server: ServerAddress
    recipient_id: bytes
    sender_id: bytes
    mode: QueueMode | None
    owner: Machine
    connection_id: str
    number: int
    sender_key: AuthPublicKey | None = None
    is_suspended: bool = False
    messages: deque[tuple[bytes, bytes | None]] = field(factory=deque)
    """The router's ids and the bodies; `None` says that the queue was full."""
    is_full: bool = False
    link_id: bytes | None = None
    link_data: QueueLinkData | None = None


class World:
    """Machines, and the queues of all routers."""

    def __init__(
        self, *machines: Machine, capacity: int = 8, without_modes: Collection[Machine] = ()
    ) -> None:
        self.machines = machines
        self.capacity = capacity
        self.without_modes = without_modes
        """Whose routers know of no modes, so that the owners of queues have to secure them."""
        self.queues: list[Queue] = []
        self._count = 0

    def _new_id(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(24, "big")

    # --- programs -------------------------------------------------------------------------------

    def invite(
        self, machine: Machine, *, short: bool = False, pq: bool = False, info: bytes = b"A"
    ) -> InvitationReady:
        """A new invitation."""

        def decide(step: Step) -> str:
            c = plan_invitation(step, user="", info=info, pq=pq, offers_kem=short, wants_link=short)
            return c.connection_id

        return self._created(machine, machine.step(decide))

    def address(
        self, machine: Machine, *, short: bool = False, pq: bool = False, **options: Any
    ) -> InvitationReady:
        """A new contact address."""
        made = machine.step(
            lambda step: (
                plan_address(step, user="", pq=pq, wants_link=short, **options).connection_id
            )
        )
        return self._created(machine, made)

    def _created(self, machine: Machine, connection_id: str) -> InvitationReady:
        for work in machine.work(connection_id):
            self.do(machine, work)
        [ready] = (
            event
            for event in machine.told
            if isinstance(event, InvitationReady) and event.connection_id == connection_id
        )
        return ready

    def join(
        self,
        machine: Machine,
        link: str | Link,
        *,
        pq: bool = False,
        info: bytes = b"B",
        decides: bool = False,
    ) -> str:
        """A new connection for a link; nothing is done yet."""
        parsed = parse_link(link) if isinstance(link, str) else link

        def decide(step: Step) -> str:
            c = start_joining(step, parsed, user="", info=info, pq=pq, decides=decides)
            return c.connection_id

        return machine.step(decide)

    def accept(self, machine: Machine, connection_id: str, info: bytes | None = None) -> None:
        """Accept the confirmation that waits."""
        confirmation_id = machine.connection(connection_id).row.confirmation_id
        assert confirmation_id is not None
        machine.on(
            connection_id,
            lambda step, c: accept_confirmation(step, c, confirmation_id, info),
        )

    def accept_request(self, machine: Machine, request_id: str, info: bytes = b"A") -> str:
        return machine.step(
            lambda step: accept_request(step, request_id, info, pq=None).connection_id
        )

    def send(self, machine: Machine, connection_id: str, body: bytes = b"hello") -> int:
        return machine.on(
            connection_id,
            lambda step, c: enqueue_message(step, c, body, None, notify=True, pq=None),
        )

    def acknowledge(
        self,
        machine: Machine,
        connection_id: str,
        message_id: int,
        receipt: bytes | None = None,
        *,
        crash: bool = False,
    ) -> None:
        machine.on(
            connection_id,
            lambda step, c: acknowledge(step, c, message_id, receipt),
            crash=crash,
        )

    # --- getting on -----------------------------------------------------------------------------

    def connect(
        self, a: Machine, b: Machine, *, short: bool = False, pq: bool = False
    ) -> tuple[str, str]:
        """The ids of a connection of two machines, which ``b`` has joined."""
        ready = self.invite(a, short=short, pq=pq)
        joined = self.join(b, ready.short_link or ready.link, pq=pq)
        self.settle()
        self.accept(a, ready.connection_id)
        self.settle()
        for machine in (a, b):
            machine.news()
        return ready.connection_id, joined

    def do_all(self, machine: Machine) -> None:
        """Do what there is to do, and what follows from it."""
        while work := machine.all_work():
            for each in work:
                self.do(machine, each)

    def settle(self) -> None:
        """Do and deliver everything until that changes nothing."""
        before: object = None
        while before != (before := self.progress()):
            for machine in self.machines:
                for work in machine.all_work():
                    self.do(machine, work)
            for queue in list(self.queues):
                if queue.messages and self.can_deliver(queue):
                    self.deliver(queue)

    def progress(self) -> object:
        """What changes as long as anything gets on."""
        return (
            [work.lane for machine in self.machines for work in machine.all_work()],
            [broker_id for queue in self.queues for broker_id, _ in queue.messages],
            [len(machine.told) for machine in self.machines],
        )

    def can_deliver(self, queue: Queue) -> bool:
        """Whether the next message of a queue is one that its owner has not seen."""
        if not queue.owner.is_known(queue.connection_id):
            return False
        c = queue.owner.connection(queue.connection_id)
        known = c.receiving.get(queue.number)
        return known is not None and known.broker_id != queue.messages[0][0]

    def queue_of(self, machine: Machine, connection_id: str) -> Queue:
        """The queue that a connection receives from."""
        [found] = (
            queue
            for queue in self.queues
            if (queue.owner, queue.connection_id) == (machine, connection_id)
        )
        return found

    def put(self, queue: Queue, body: bytes | None) -> None:
        """Put a message into a queue, whoever may have sent it."""
        queue.messages.append((self._new_id(), body))

    def deliver(self, queue: Queue, *, crash: bool = False) -> None:
        """Deliver a queue's first message, which stays until it is acknowledged."""
        broker_id, body = queue.messages[0]
        number = queue.number

        def decide(step: Step) -> None:
            c = step.find(queue.connection_id)
            if c is None or number not in c.receiving:
                return
            if body is None:
                quota_notice_received(step, c, number, broker_id)
            else:
                receive(step, c, number, Arrival(broker_id, int(queue.owner.now), body))

        queue.owner.step(decide, crash=crash)

    # --- routers --------------------------------------------------------------------------------

    def do(self, machine: Machine, work: Work, answer: Answer = Answer.OK) -> None:
        """Try a work once, and store its outcome unless the answer gets lost."""
        connection_id = work.connection.connection_id
        try:
            outcome = _done(work, self._ask(machine, work, answer))
        except Refused as exc:
            outcome = self._failed(work, exc.failure)
        except LinkDataInvalid as exc:
            needs_newer = isinstance(link_problem(exc), NeedsNewerAgent)
            outcome = _failing(Problem.NEWER_AGENT if needs_newer else Problem.LINK)
        if answer is Answer.LOST:
            return

        def decide(step: Step) -> None:
            c = step.find(connection_id)
            if c is not None and is_about(work, c):
                outcome(step, c)

        try:
            machine.step(decide)
        except TooLarge:
            machine.on(connection_id, _failing(Problem.TOO_LARGE))
        except LinkNotUsable:
            machine.on(connection_id, _failing(Problem.LINK))
        except NeedsNewerAgent:
            machine.on(connection_id, _failing(Problem.NEWER_AGENT))
        except NoCommonDuplexVersion:
            machine.on(connection_id, _failing(Problem.VERSION))

    def _ask(self, machine: Machine, work: Work, answer: Answer) -> _Outcome:
        if answer is Answer.NETWORK:
            raise Refused(SendFailure.TEMPORARY)
        if answer is Answer.AWAY:
            raise Refused(SendFailure.UNREACHABLE)
        if answer is Answer.GONE:
            raise Refused(SendFailure.GONE)
        match work:
            case CreateQueue():
                return self._create(machine, work)
            case ReadLink():
                return self._read_link(work)
            case SecureAsSender():
                queue = self._sent_to(work.sending.server, work.sending.sender_id)
                if queue.mode is not QueueMode.MESSAGING:
                    raise Refused(SendFailure.GONE)
                self._secure(queue, work.sending.auth_key.public)
                return lambda step, c: sender_secured(step, c, work.number)
            case SecureAsReceiver():
                assert work.receiving.sender_key is not None
                self._secure(self._own(work), work.receiving.sender_key)
                return lambda step, c: _if_receiving(step, c, work.number, receiver_secured)
            case SendRequest():
                assert work.connection.row.address is not None
                assert work.connection.row.request is not None
                to = ContactURI.parse(work.connection.row.address).queues[0].queue
                self._send(to.server, to.sender_id, None, work.connection.row.request)
                return request_sent
            case AcknowledgeMessage():
                return self._acknowledge(work)
            case UpdateLink():
                return self._update_link(machine, work)
            case SuspendQueue():
                self._own(work).is_suspended = True
                return lambda step, c: _if_receiving(step, c, work.number, queue_suspended)
            case DrainQueue():
                if self._own(work).messages:
                    return lambda step, c: None
                return lambda step, c: _if_receiving(step, c, work.number, old_queue_drained)
            case WaitForOther():
                machine.now += 1
                return lambda step, c: _if_receiving(step, c, work.number, wait_for_turn)
            case DeleteQueue():
                self.queues.remove(self._own(work))
                return lambda step, c: _if_receiving(step, c, work.number, queue_deleted)
            case Deliver():
                return self._deliver(machine, work)

    def _failed(self, work: Work, failure: SendFailure) -> _Outcome:
        temporary = failure not in (SendFailure.GONE, SendFailure.REFUSED)
        match work:
            case Deliver():
                return lambda step, c: _settle_delivery(step, c, work.delivery, failure)
            case DrainQueue() if not temporary:
                return lambda step, c: _if_receiving(step, c, work.number, old_queue_drained)
            case WaitForOther():
                return lambda step, c: _if_receiving(step, c, work.number, wait_for_turn)
            case AcknowledgeMessage() if temporary:
                return lambda step, c: None
            case SecureAsReceiver() if work.receiving.replaces and not temporary:
                return lambda step, c: new_queue_failed(step, c, work.number, failure.problem)
            case AcknowledgeMessage():
                return _acknowledged(work)
            case _ if temporary:
                return _postponed(work, failure)
            case DeleteQueue():
                return lambda step, c: _if_receiving(step, c, work.number, queue_deleted)
            case SuspendQueue():
                return lambda step, c: _if_receiving(step, c, work.number, queue_suspended)
            case UpdateLink():
                queue = work.receiving
                return lambda step, c: link_changed(step, c, queue, failure.problem)
            case CreateQueue():
                return lambda step, c: None  # another server is tried
            case _:
                return _failing(failure.problem)

    # --- what routers do ------------------------------------------------------------------------

    def _create(self, machine: Machine, work: CreateQueue) -> _Outcome:
        turn = self.machines.index(machine) + max(work.number - 1, 0)
        server = work.receiving.server or SERVERS[turn % 2]
        planned = plan_queue(work.connection, work.receiving, server, machine.moment())
        is_contact = isinstance(planned.request, ContactRequest)
        mode = QueueMode.CONTACT if is_contact else QueueMode.MESSAGING
        link = planned.request.link
        queue = Queue(
            server,
            self._new_id(),
            self._new_id() if link is None else link.sender_id,
            None if machine in self.without_modes else mode,
            machine,
            work.connection.connection_id,
            work.number,
        )
        if link is not None:
            queue.link_data = link.data
            queue.link_id = getattr(link, "link_id", None) or self._new_id()
        self.queues.append(queue)
        made = CreatedQueue(queue.recipient_id, queue.sender_id, BOX_KEY, queue.mode, queue.link_id)
        return lambda step, c: _if_planned(
            c, work.number, lambda: queue_created(step, c, work.number, planned, made, tell=True)
        )

    def _read_link(self, work: ReadLink) -> _Outcome:
        row = work.connection.row
        assert row.link is not None
        link = parse_short_link(row.link)
        if isinstance(link, ShortInvitationLink):
            link_id: bytes | None = link.link_id
        else:
            assert isinstance(link, ShortContactLink)
            link_id = LinkKeys.of(link).link_id
        found = [queue for queue in self.queues if queue.link_id == link_id]
        if not found or found[0].link_data is None:
            raise Refused(SendFailure.GONE)
        if isinstance(link, ShortInvitationLink):
            assert row.link_key is not None
            self._secure(found[0], row.link_key.public)
        content = read_link(link, found[0].sender_id, found[0].link_data)
        return lambda step, c: link_read(step, c, content)

    def _update_link(self, machine: Machine, work: UpdateLink) -> _Outcome:
        queue, wanted = self._own(work), work.receiving
        if wanted.wants_link:
            queue.link_id, queue.link_data = link_update(work.connection, wanted, machine.moment())
        else:
            queue.link_id = queue.link_data = None
        return lambda step, c: link_changed(step, c, wanted, None)

    def _deliver(self, machine: Machine, work: Deliver) -> _Outcome:
        message = outgoing(work.sending, work.delivery, work.body, machine.spoken)
        key = None if message.key is None else message.key.public
        to = work.sending.server, work.sending.sender_id
        try:
            self._send(*to, key, message.body)
        except Refused as exc:
            if exc.failure is not SendFailure.GONE or message.key_if_secured is None:
                raise
            self._send(*to, message.key_if_secured.public, message.body)
        return lambda step, c: _settle_delivery(step, c, work.delivery, None)

    def _acknowledge(self, work: AcknowledgeMessage) -> _Outcome:
        messages = self._own(work).messages
        if messages and messages[0][0] == work.receiving.broker_id:
            messages.popleft()
        if not messages:
            self._own(work).is_full = False
        return _acknowledged(work)

    def _send(
        self, server: ServerAddress, sender_id: bytes, key: AuthPublicKey | None, body: bytes
    ) -> None:
        queue = self._sent_to(server, sender_id)
        if queue.sender_key != key or queue.is_suspended:
            raise Refused(SendFailure.GONE)
        if queue.is_full:
            raise Refused(SendFailure.QUOTA)
        if len(queue.messages) >= self.capacity:
            self.put(queue, None)
            queue.is_full = True
            raise Refused(SendFailure.QUOTA)
        self.put(queue, body)

    @staticmethod
    def _secure(queue: Queue, key: AuthPublicKey) -> None:
        if queue.sender_key not in (None, key):
            raise Refused(SendFailure.GONE)
        queue.sender_key = key

    def _sent_to(self, server: ServerAddress, sender_id: bytes) -> Queue:
        for queue in self.queues:
            if (queue.server, queue.sender_id) == (server, sender_id):
                return queue
        raise Refused(SendFailure.GONE)

    def _own(self, work: Work) -> Queue:
        for queue in self.queues:
            if queue.recipient_id == work.receiving.recipient_id:
                return queue
        raise Refused(SendFailure.GONE)


_Outcome = Callable[[Step, OpenConnection], object]


def _failing(problem: Problem) -> _Outcome:
    return lambda step, c: fail(step, c, problem)


def _acknowledged(work: AcknowledgeMessage) -> _Outcome:
    broker_id = work.receiving.broker_id
    return lambda step, c: acknowledged(step, c, work.number, broker_id)


def _if_planned(c: OpenConnection, number: int, then: Callable[[], object]) -> None:
    if number in c.receiving and not c.receiving[number].recipient_id:
        then()


def _if_receiving(
    step: Step, c: OpenConnection, number: int, then: Callable[[Step, OpenConnection, int], object]
) -> None:
    if number in c.receiving:
        then(step, c, number)


def _done(work: Work, outcome: _Outcome) -> _Outcome:
    """An outcome, and that the work is done."""

    def decide(step: Step, c: OpenConnection) -> None:
        if not isinstance(work, Deliver):
            work_done(step, work)
        outcome(step, c)

    return decide


def _postponed(work: Work, failure: SendFailure) -> _Outcome:
    def decide(step: Step, c: OpenConnection) -> None:
        if work.number in (0, *c.receiving, *c.sending):
            postpone(step, c, work, failure, BACKOFF, is_watched=False)

    return decide


def _settle_delivery(
    step: Step, c: OpenConnection, delivery: Delivery, failure: SendFailure | None
) -> None:
    known = step.rows.get(Delivery, delivery.connection_id, delivery.queue, delivery.message_id)
    if known is None:
        return
    if failure is None:
        delivered(step, c, known, proxied=False)
    else:
        not_delivered(step, c, known, failure)
    go_on_deleting(step, c)
