"""What peers send that cannot be used: told once, acknowledged, and without any other effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from attrs import define, evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X25519PrivateKey
from simplex_trio.duplex.events import (
    ConnectionFailed,
    ConnectionReady,
    Integrity,
    JoinSent,
    PeerInfo,
    PeerMessage,
    Problem,
    RatchetBroken,
    ReceiptReceived,
    ReceivingProblem,
    SecurityCodeChanged,
)
from simplex_trio.duplex.machine.connection import Acknowledgement, ReceivingQueue
from simplex_trio.duplex.machine.handshake import fail
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.wire.duplex.bodies import (
    EREADY,
    HELLO,
    QADD,
    QCONT,
    QTEST,
    AddedQueue,
    MessageBody,
    QueueLocation,
    Receipt,
    Receipts,
    UnknownBody,
    UserMessage,
)
from simplex_trio.wire.duplex.envelopes import (
    ConfirmationEnvelope,
    MessageEnvelope,
    RatchetKeyEnvelope,
    UnknownEnvelope,
)
from simplex_trio.wire.duplex.messages import (
    AgentMessage,
    ConnectionInfo,
    ConnectionInfoReply,
    RatchetInfo,
)
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI
from simplex_trio.wire.versions import VersionRange
from tests.duplex.forging import (
    answer_from_peer,
    confirmation_envelope,
    from_peer,
    invitation,
    plaintext_from_peer,
    reply,
    sealed,
    x3dh_keys,
)
from tests.duplex.machines import Machine
from tests.duplex.worlds import SERVERS, Queue, World


@define
class Stage:
    """Two machines in the middle of a handshake, and the one that something bad is sent to."""

    world: World
    a: Machine
    b: Machine
    mine: str
    """The connection of ``a``."""
    theirs: str
    link: str
    victim: Machine
    attacked: str

    @property
    def queue(self) -> ReceivingQueue:
        """The victim's queue, as it has it."""
        [queue] = self.victim.connection(self.attacked).receiving.values()
        return queue

    @property
    def on_router(self) -> Queue:
        return self.world.queue_of(self.victim, self.attacked)

    @property
    def peer(self) -> tuple[Machine, str]:
        return (self.b, self.theirs) if self.victim is self.a else (self.a, self.mine)

    def suffer(self, body: bytes) -> list[object]:
        """Deliver this before anything else, and return what the program is told."""
        self.victim.news()
        before = self.victim.connection(self.attacked).row
        self.world.put(self.on_router, body)
        self.on_router.messages.rotate(1)
        self.world.deliver(self.on_router)
        told: list[object] = list(self.victim.news())
        if told and isinstance(told[0], ReceivingProblem):
            assert self.queue.acknowledgement is Acknowledgement.DUE
            after = self.victim.connection(self.attacked).row
            if told[0].problem is not Problem.UNKNOWN_KIND:
                # What cannot be decrypted may show that the two sides have lost each other.
                same = evolve(after, synchrony=before.synchrony)
                assert same == before or after.last_received > before.last_received
        return told

    def go_on(self) -> None:
        """Become connected, if that is not so yet, and exchange messages."""
        self.world.settle()
        if self.a.status(self.mine).state is ConnectionState.CONFIRMED:
            self.world.accept(self.a, self.mine)
        self.world.settle()
        for machine, connection_id in ((self.a, self.mine), (self.b, self.theirs)):
            assert machine.status(connection_id).state is ConnectionState.READY
        attacked = self.victim, self.attacked
        # The next message of the peer shows that the ratchet is still the same.
        for sender, to in ((self.peer, attacked), (attacked, self.peer)):
            to[0].news()
            self.world.send(*sender, b"still here")
            self.world.settle()
            received = [e for e in to[0].news() if isinstance(e, PeerMessage)][-1]
            assert received.body == b"still here"
            self.world.acknowledge(*to, received.message_id)
            self.world.settle()
        assert not any(queue.messages for queue in self.world.queues)


def offered(*, slow: bool = False) -> Stage:
    """The peer's confirmation is on its way."""
    a, b = Machine("a"), Machine("b")
    world = World(a, b, without_modes=(a, b) if slow else ())
    ready = world.invite(a)
    joined = world.join(b, ready.link)
    world.do_all(b)
    return Stage(world, a, b, ready.connection_id, joined, ready.link, a, ready.connection_id)


def confirmed() -> Stage:
    """The peer's confirmation waits to be accepted."""
    stage = offered()
    stage.world.settle()
    return stage


def waiting(*, slow: bool = False) -> Stage:
    """The answer to the joiner is on its way."""
    stage = offered(slow=slow)
    stage.world.settle()
    stage.world.accept(stage.a, stage.mine)
    stage.world.do_all(stage.a)
    stage.victim, stage.attacked = stage.b, stage.theirs
    return stage


def ready_initiator() -> Stage:
    stage = waiting()
    stage.world.settle()
    stage.victim, stage.attacked = stage.a, stage.mine
    return stage


def ready_joiner() -> Stage:
    stage = ready_initiator()
    stage.victim, stage.attacked = stage.b, stage.theirs
    return stage


STAGES: dict[str, Callable[[], Stage]] = {
    "offered": offered,
    "confirmed": confirmed,
    "waiting": waiting,
    "ready initiator": ready_initiator,
    "ready joiner": ready_joiner,
}

SECURED = ("confirmed", "ready initiator", "ready joiner")
"""Stages in which the queue's secret is known."""


def outer_layers(stage: Stage, name: str) -> Iterator[tuple[bytes, Problem]]:
    """What is wrong around the agents' envelope, and each kind of envelope."""
    queue = stage.queue
    yield b"", Problem.MALFORMED
    yield b"\x00\x04", Problem.MALFORMED
    yield bytes(16_000), Problem.MALFORMED
    yield sealed(queue, b"whatever", version=9), Problem.NEWER_AGENT
    other = BoxKey(bytes(32))
    yield sealed(queue, b"whatever", secret=other), Problem.DECRYPTION
    yield sealed(queue, b""), Problem.MALFORMED
    yield sealed(queue, b"\x00\x07"), Problem.MALFORMED
    yield sealed(queue, b"\x00\x07C9"), Problem.MALFORMED
    yield sealed(queue, UnknownEnvelope(7, b"X", b"from the future")), Problem.UNKNOWN_KIND
    if not name.startswith("ready"):
        keys = x3dh_keys().public(3)
        yield sealed(queue, RatchetKeyEnvelope(7, keys, b"R")), Problem.UNEXPECTED
    yield sealed(queue, invitation(stage.link)), Problem.UNEXPECTED
    message = MessageEnvelope(7, b"never encrypted" * 20)
    if name in SECURED:
        yield sealed(queue, message), Problem.DECRYPTION
        yield sealed(queue, confirmation_envelope(stage.link)), Problem.UNEXPECTED
        # With a key in front it is another sender's first message.
        first = sealed(queue, confirmation_envelope(stage.link), with_key=True)
        yield first, Problem.DECRYPTION
    else:
        yield sealed(queue, message), Problem.UNEXPECTED
        yield sealed(queue, message, with_key=False, secret=other), Problem.UNEXPECTED


@pytest.mark.parametrize("name", STAGES)
def test_outer_layers_at_every_stage(name: str) -> None:
    stage = STAGES[name]()
    for body, problem in outer_layers(stage, name):
        told, *more = stage.suffer(body)
        assert told == ReceivingProblem(stage.attacked, problem)
        assert all(isinstance(event, RatchetBroken) for event in more)
        take_events(stage.victim)
        stage.world.do_all(stage.victim)
    stage.go_on()


@pytest.mark.parametrize("name", ["ready initiator", "ready joiner"])
def test_a_key_for_a_new_ratchet_that_is_not_the_peers(name: str) -> None:
    """All who have the secret of the queue can send one, and the program learns of it.

    The two sides find each other again, since the peer answers the answer.
    """
    stage = STAGES[name]()
    keys = x3dh_keys().public(3)
    told = stage.suffer(sealed(stage.queue, RatchetKeyEnvelope(7, keys, b"R")))
    assert [type(event) for event in told] == [SecurityCodeChanged]
    stage.go_on()
    codes = {
        machine.status(connection_id).security_code
        for machine, connection_id in ((stage.a, stage.mine), (stage.b, stage.theirs))
    }
    assert len(codes) == 1


def take_events(machine: Machine) -> None:
    """The program asks for the next event, and the next."""
    with machine.database.transaction():
        numbers = [number for number, _ in machine.rows.events_after(0, -1)]
        machine.rows.delete_events(numbers)


def test_a_key_of_small_order() -> None:
    stage = offered()
    body = bytearray(sealed(stage.queue, b"whatever"))
    start = body.index(b"\x03\x21\x00") + 3
    body[start : start + 32] = bytes(32)
    assert stage.suffer(bytes(body)) == [ReceivingProblem(stage.attacked, Problem.MALFORMED)]
    stage.go_on()


# --- confirmations ------------------------------------------------------------------------------


def test_confirmations_that_do_not_begin_a_ratchet() -> None:
    stage = offered()
    link = stage.link
    other_ratchet = confirmation_envelope(link)
    message = AgentMessage(1, b"", UserMessage(b"too early")).encode()
    bad = [
        (confirmation_envelope(link, with_keys=False), Problem.UNEXPECTED),
        (confirmation_envelope(link, agent_version=1), Problem.VERSION),
        (confirmation_envelope(link, agent_version=8), Problem.NEWER_AGENT),
        (confirmation_envelope(link, ratchet_version=4), Problem.NEWER_AGENT),
        (
            ConfirmationEnvelope(7, x3dh_keys().public(3), other_ratchet.ciphertext),
            Problem.DECRYPTION,
        ),
        (ConfirmationEnvelope(7, other_ratchet.x3dh_keys, b""), Problem.DECRYPTION),
        (confirmation_envelope(link, b""), Problem.MALFORMED),
        (confirmation_envelope(link, b"D\x00"), Problem.MALFORMED),
        (confirmation_envelope(link, ConnectionInfo(b"B").encode()), Problem.UNEXPECTED),
        (confirmation_envelope(link, RatchetInfo(b"B").encode()), Problem.UNEXPECTED),
        (confirmation_envelope(link, message), Problem.UNEXPECTED),
        (confirmation_envelope(link, b"Zukunft"), Problem.UNEXPECTED),
    ]
    for envelope, problem in bad:
        told = stage.suffer(sealed(stage.queue, envelope))
        assert told == [ReceivingProblem(stage.mine, problem)], problem
        take_events(stage.a)
        stage.world.do_all(stage.a)
    stage.go_on()


def test_the_joiner_gets_no_new_ratchet_from_a_confirmation() -> None:
    stage = waiting()
    told = stage.suffer(sealed(stage.queue, confirmation_envelope(stage.link)))
    assert told == [ReceivingProblem(stage.theirs, Problem.UNEXPECTED)]
    stage.go_on()


def test_an_answer_of_another_kind() -> None:
    stage = confirmed()
    stage.victim, stage.attacked = stage.b, stage.theirs
    # The initiator answers with what only a joiner says, under the right ratchet.
    plaintext = ConnectionInfoReply((reply(),), b"A").encode()
    body = answer_from_peer(stage.a, stage.mine, stage.queue, plaintext)
    assert stage.suffer(body) == [ReceivingProblem(stage.theirs, Problem.UNEXPECTED)]
    stage.go_on()


@pytest.mark.parametrize("slow", [False, True])
def test_a_confirmation_that_comes_again(slow: bool) -> None:
    stage = offered(slow=slow)
    body = stage.on_router.messages[0][1]
    assert body is not None
    stage.world.settle()
    assert stage.suffer(body) == []
    stage.world.accept(stage.a, stage.mine)
    stage.world.do_all(stage.a)
    answer = stage.world.queue_of(stage.b, stage.theirs).messages[0][1]
    assert answer is not None
    stage.world.settle()
    assert stage.suffer(body) == []
    stage.victim, stage.attacked = stage.b, stage.theirs
    assert stage.suffer(answer) == []
    stage.go_on()


def test_a_second_confirmation_of_somebody_else() -> None:
    stage = confirmed()
    second = sealed(stage.queue, confirmation_envelope(stage.link), with_key=True)
    assert stage.suffer(second) == [ReceivingProblem(stage.mine, Problem.DECRYPTION)]
    stage.go_on()


# --- messages -----------------------------------------------------------------------------------


def test_messages_that_mean_nothing() -> None:
    stage = ready_initiator()
    location = QueueLocation(SERVERS[0], b"q" * 24)
    address = QueueAddress(SERVERS[0], b"q" * 24, X25519PrivateKey.generate().public, None)
    added = AddedQueue(QueueURI(VersionRange(1, 4), address), None)
    bad: list[tuple[MessageBody, list[object]]] = [
        (HELLO(), [ReceivingProblem(stage.mine, Problem.UNEXPECTED)]),
        (UnknownBody(b"Z", b"tail"), [ReceivingProblem(stage.mine, Problem.UNKNOWN_KIND)]),
        (QADD((added,)), [ReceivingProblem(stage.mine, Problem.UNEXPECTED)]),
        (QTEST((location,)), []),
        (EREADY(1), []),
        (QCONT(location), []),
        (Receipts((Receipt(77, bytes(32), b""),)), []),
    ]
    for body, expected in bad:
        assert stage.suffer(from_peer(*stage.peer, body)) == expected
        take_events(stage.a)
        stage.world.do_all(stage.a)
    stage.go_on()


@pytest.mark.parametrize(
    ("plaintext", "problem"),
    [
        (b"", Problem.MALFORMED),
        (b"M", Problem.MALFORMED),
        (b"M" + bytes(8) + b"\x05hash", Problem.MALFORMED),
        (b"Zukunft", Problem.UNKNOWN_KIND),
        (ConnectionInfo(b"again").encode(), Problem.UNEXPECTED),
        (RatchetInfo(b"").encode(), Problem.UNEXPECTED),
    ],
)
def test_plaintexts_that_are_no_messages(plaintext: bytes, problem: Problem) -> None:
    stage = ready_initiator()
    body = plaintext_from_peer(*stage.peer, stage.queue, plaintext)
    assert stage.suffer(body) == [ReceivingProblem(stage.mine, problem)]
    # The ratchet went back, so that the next message comes by a key that was skipped.
    stage.go_on()


def test_hello_before_it_is_due() -> None:
    stage = confirmed()
    assert stage.suffer(from_peer(*stage.peer, HELLO())) == [
        ReceivingProblem(stage.mine, Problem.UNEXPECTED)
    ]
    stage.go_on()


def test_numbers_and_hashes_that_are_wrong_are_told_and_hold_nothing_up() -> None:
    stage = ready_initiator()

    def send(number: int, previous: bytes) -> PeerMessage:
        message = AgentMessage(number, previous, UserMessage(b"odd"))
        body = plaintext_from_peer(*stage.peer, stage.queue, message.encode())
        [told] = stage.suffer(body)
        assert isinstance(told, PeerMessage)
        stage.world.acknowledge(stage.a, stage.mine, told.message_id)
        stage.world.do_all(stage.a)
        return told

    last = stage.a.connection(stage.mine).row
    assert send(last.last_received + 1, bytes(32)).integrity is Integrity.BAD_HASH
    assert send(last.last_received + 1, bytes(32)).integrity is Integrity.DUPLICATE
    jump = send(last.last_received + 5, bytes(32))
    assert (jump.integrity, jump.skipped) == (Integrity.SKIPPED, 3)
    assert send(1, bytes(32)).integrity is Integrity.BAD_ID
    ids = [e.message_id for e in stage.a.told if isinstance(e, PeerMessage)]
    assert ids == sorted(set(ids))
    stage.go_on()


def test_receipts_that_are_wrong_or_repeated() -> None:
    stage = ready_initiator()
    world, a, mine = stage.world, stage.a, stage.mine
    first = world.send(a, mine)
    second = world.send(a, mine)
    world.settle()
    a.news()
    row = a.connection(mine).row
    number, right = row.last_sent, row.sent_hash

    def receipt(number: int, hashed: bytes) -> list[object]:
        body = from_peer(*stage.peer, Receipts((Receipt(number, hashed, b"info"),)))
        told = stage.suffer(body)
        world.do_all(a)
        return told

    assert receipt(number + 1, right) == []
    assert receipt(1, right) == []  # this side's confirmation
    disputed = ReceiptReceived(mine, second, intact=False, info=b"info")
    assert receipt(number, bytes(32)) == [disputed]
    assert receipt(number, bytes(32)) == []
    assert receipt(number, right) == [ReceiptReceived(mine, second, intact=True, info=b"info")]
    assert receipt(number, right) == []
    assert receipt(number, bytes(32)) == []
    disputed = ReceiptReceived(mine, first, intact=False, info=b"info")
    assert receipt(number - 1, right) == [disputed]
    world.settle()
    received = [e for e in stage.b.told if isinstance(e, PeerMessage)]
    for message in received:
        if world.queue_of(stage.b, stage.theirs).messages:
            world.acknowledge(stage.b, stage.theirs, message.message_id)
            world.settle()
    stage.b.news()


def test_problems_are_told_once_until_they_are_taken() -> None:
    stage = ready_initiator()
    for _ in range(3):
        stage.suffer(b"garbage")
        stage.world.do_all(stage.a)
    problems = [e for e in stage.a.stored_events() if isinstance(e, ReceivingProblem)]
    assert problems == [ReceivingProblem(stage.mine, Problem.MALFORMED)]
    stage.suffer(from_peer(*stage.peer, UnknownBody(b"Z", b"")))
    stage.world.do_all(stage.a)
    take_events(stage.a)
    assert stage.suffer(b"garbage") == [ReceivingProblem(stage.mine, Problem.MALFORMED)]
    stage.go_on()


# --- after the end ------------------------------------------------------------------------------


def test_what_comes_after_a_handshake_has_failed() -> None:
    stage = waiting()
    stage.b.on(stage.theirs, lambda step, c: fail(step, c, Problem.NETWORK))
    assert stage.b.news()[-1] == ConnectionFailed(stage.theirs, Problem.NETWORK)
    assert stage.b.status(stage.theirs).state is ConnectionState.FAILED
    world = stage.world
    while stage.on_router.messages:
        world.deliver(stage.on_router)
        world.do_all(stage.b)
    told = stage.b.news()
    assert not [e for e in told if isinstance(e, PeerInfo | ConnectionReady | JoinSent)]
    assert stage.b.status(stage.theirs).state is ConnectionState.FAILED
