"""A small router for simulations: real blocks and handshakes, simple queues, and moods.

It does what SMP says about subscribing, delivering and acknowledging, and nothing else.  It answers
late and in any order, as a router may.  `SimulatedRouter.respond` can be replaced by tests that
need a router to misbehave.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from random import Random

import trio
from attrs import define, field

from simplex_trio.client.smp.queues import OwnedQueue, QueueAccess
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.keys import AuthPublicKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.errors import CryptoError, DecodeError, HandshakeFailed
from simplex_trio.testing.in_memory import stand_in
from simplex_trio.testing.in_memory.router import credentials
from simplex_trio.testing.network import MemoryNetwork
from simplex_trio.transport.block_stream import BlockStream
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.blocks import BlockCodec, PaddedBlocks
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.handshake import RouterAgreement
from simplex_trio.wire.hosts import parse_host
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import ACK, PING, SEND, SUB, Command
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE, SMPRouterHandshake
from simplex_trio.wire.smp.messages import END, ERR, MSG, OK, PONG, SOK, Message
from simplex_trio.wire.smp.reading import read_smp_commands
from simplex_trio.wire.transmissions import batches, prepare_transmission
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

SERVICE_ID = b"the id of the service"

_GONE = (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError)


@define(eq=False)
class SimulatedQueue:
    """A queue with what is in it; its one subscriber has been delivered the first message."""

    recipient_id: bytes
    key: AuthPublicKey
    messages: deque[tuple[bytes, bytes]] = field(factory=deque)
    subscriber: SimulatedSession | None = None
    delivered: bytes | None = None

    def deliver(self) -> MSG | None:
        """The first message, for its subscriber, unless that has it already."""
        if self.subscriber is None or self.delivered is not None or not self.messages:
            return None
        message_id, body = self.messages[0]
        self.delivered = message_id
        return MSG(message_id, body)


@define(eq=False)
class SimulatedSession:
    """One connection to a router, seen from there."""

    agreement: RouterAgreement
    frames: BlockStream
    nursery: trio.Nursery
    random: Random
    max_delay: float
    verifier: Verifier = field(init=False)
    blocks: BlockCodec = field(init=False)
    _writing: trio.Lock = field(factory=trio.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self.verifier = Verifier(self.agreement.session_key, self.agreement.service)
        self.blocks = self.agreement.block_codec()

    @property
    def session_id(self) -> bytes:
        return self.agreement.session.session_id

    def say(self, *answers: tuple[bytes, bytes, Message]) -> None:
        """Send messages, each to a correlation id about an entity, after a while."""
        if answers:
            self.nursery.start_soon(self._say, answers)

    async def _say(self, answers: Iterable[tuple[bytes, bytes, Message]]) -> None:
        await trio.sleep(self.random.uniform(0, self.max_delay))
        session = self.agreement.session
        said = [
            prepare_transmission(
                session, correlation_id, entity_id, message.encode(session.version)
            ).finish()
            for correlation_id, entity_id, message in answers
        ]
        try:
            async with self._writing:
                for batch in batches(said, session):
                    await self.frames.send_frames([self.blocks.seal(batch.content())])
        except _GONE:
            self.nursery.cancel_scope.cancel()


Respond = Callable[[SimulatedSession, ReceivedCommand[Command]], Message | None]
"""What a router answers at once; `None` for never."""


class SimulatedRouter:
    """A router in a `MemoryNetwork`; what is in its queues survives that it is taken down."""

    def __init__(
        self,
        network: MemoryNetwork,
        name: str,
        random: Random,
        *,
        number: int = 0,
        versions: VersionRange = SMP_VERSIONS,
        max_delay: float = 0.0,
    ) -> None:
        self.network = network
        self.name = name
        self.random = random
        self.versions = versions
        self.max_delay = max_delay
        self.credentials = credentials(number)
        self.address = ServerAddress(
            ServerProtocol.SMP, (parse_host(name),), None, self.credentials.identity_fingerprint
        )
        self.queues: dict[bytes, SimulatedQueue] = {}
        self.sessions: list[SimulatedSession] = []
        self.client_chains: dict[bytes, CertificateChain] = {}
        """What TLS would have shown of the client, by session id."""
        self.service_id = SERVICE_ID
        self.respond: Respond = self.do
        self.subscribed: list[bytes] = []
        """The queues of all SUB that came, in order."""

    # --- for the simulation -------------------------------------------------------------------

    async def start(self, nursery: trio.Nursery) -> None:
        """Be there, until `stop`."""
        await nursery.start(self._run)

    def stop(self) -> None:
        """Go away with all connections; what is in the queues stays."""
        self.network.take_down(self.name)
        self.sessions.clear()
        for queue in self.queues.values():
            queue.subscriber = queue.delivered = None

    def add_queue(self, recipient_id: bytes, key: AuthPublicKey) -> SimulatedQueue:
        queue = self.queues[recipient_id] = SimulatedQueue(recipient_id, key)
        return queue

    async def new_queue(self, key: Ed25519PrivateKey) -> QueueAccess:
        await trio.lowlevel.checkpoint()
        queue_id = b"queue %d at %b" % (len(self.queues), self.name.encode())
        self.add_queue(queue_id, key.public)
        return QueueAccess(queue_id, key)

    async def accept(self, queue: OwnedQueue, body: bytes) -> bool:
        await trio.lowlevel.checkpoint()
        self.accept_message(queue.recipient_id, body)
        return True

    def accept_message(self, recipient_id: bytes, body: bytes) -> None:
        """Put a message into a queue, and deliver it if it is the first."""
        queue = self.queues[recipient_id]
        queue.messages.append((self.random.randbytes(24), body))
        self._deliver(queue)

    # --- what commands do ---------------------------------------------------------------------

    def do(self, session: SimulatedSession, received: ReceivedCommand[Command]) -> Message | None:
        """Do what the command says, and answer as a router does."""
        transmission = received.transmission
        match received.command:
            case PING():
                return PONG()
            case SEND(body=body) if transmission.entity_id in self.queues:
                self.accept_message(transmission.entity_id, body)
                return OK()
            case SUB() | ACK() as command:
                queue = self.queues.get(transmission.entity_id)
                keys = () if queue is None else (queue.key,)
                if not session.verifier.accepts(transmission, keys) or queue is None:
                    return ERR(Code.AUTH)
                if isinstance(command, SUB):
                    return self._subscribe(session, queue)
                return self._acknowledge(session, queue, command.message_id)
            case _:
                return ERR(Cmd(CommandErrorKind.PROHIBITED))

    def _subscribe(self, session: SimulatedSession, queue: SimulatedQueue) -> Message:
        self.subscribed.append(queue.recipient_id)
        if queue.subscriber is not None and queue.subscriber is not session:
            queue.subscriber.say((b"", queue.recipient_id, END()))
        queue.subscriber = session
        queue.delivered = None
        self._deliver(queue)
        return SOK()

    def _acknowledge(
        self, session: SimulatedSession, queue: SimulatedQueue, message_id: bytes
    ) -> Message:
        if queue.subscriber is not session or queue.delivered != message_id:
            return ERR(Code.NO_MSG)
        queue.messages.popleft()
        queue.delivered = None
        self._deliver(queue)
        return OK()

    def _deliver(self, queue: SimulatedQueue) -> None:
        message = queue.deliver()
        if message is not None:
            assert queue.subscriber is not None
            queue.subscriber.say((b"", queue.recipient_id, message))

    # --- connections --------------------------------------------------------------------------

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        await self.network.run_server(self.name, self._serve, task_status=task_status)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            session_id = await stand_in.begin_as_router(stream)
            frames = BlockStream(stream, SMP_BLOCK_SIZE)
            agreement = await self._shake_hands(frames, session_id)
            async with trio.open_nursery() as nursery:
                session = SimulatedSession(agreement, frames, nursery, self.random, self.max_delay)
                self.sessions.append(session)
                try:
                    await self._serve_session(session)
                finally:
                    nursery.cancel_scope.cancel()
                    self._forget(session)
        except* (*_GONE, HandshakeFailed, DecodeError, CryptoError):
            pass

    async def _shake_hands(self, frames: BlockStream, session_id: bytes) -> RouterAgreement:
        handshake = SMPRouterHandshake(
            session_id=session_id,
            chain=self.credentials.chain,
            signing_key=self.credentials.key,
            session_key=X25519PrivateKey.generate(),
            alpn="smp/1",
            client_chain=self.client_chains.pop(session_id, None),
            versions=self.versions,
        )
        blocks = PaddedBlocks(SMP_BLOCK_SIZE)
        await frames.send_frames([blocks.seal(handshake.hello())])
        answer = handshake.receive(blocks.open(await frames.receive_frame()))
        if handshake.service_claim is not None:
            answer = handshake.accept_service(self.service_id)
        if answer is not None:
            await frames.send_frames([blocks.seal(answer)])
        assert handshake.agreement is not None
        return handshake.agreement

    async def _serve_session(self, session: SimulatedSession) -> None:
        while True:
            content = session.blocks.open(await session.frames.receive_frame())
            received = read_smp_commands(content, session.agreement.session)
            answers = []
            for each in received:
                assert isinstance(each, ReceivedCommand), "a command that cannot be read"
                answer = self.respond(session, each)
                if answer is not None:
                    transmission = each.transmission
                    answers.append((transmission.correlation_id, transmission.entity_id, answer))
            self.random.shuffle(answers)
            middle = self.random.randint(0, len(answers))
            session.say(*answers[:middle])
            session.say(*answers[middle:])

    def _forget(self, session: SimulatedSession) -> None:
        if session in self.sessions:
            self.sessions.remove(session)
        for queue in self.queues.values():
            if queue.subscriber is session:
                queue.subscriber = queue.delivered = None
