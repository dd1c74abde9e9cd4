"""Floods and other misuse of an SMP router, by clients that have come through the handshake."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.adversary.beside import Honest
from tests.adversary.certificates import certificate, signed_verify
from tests.adversary.figures import LONG, note, sized
from tests.adversary.links import TlsLink, end_writing, reset, wait_for_end
from tests.adversary.smp import (
    BLOCK,
    Queue,
    Reader,
    SigningKey,
    Smp,
    block_of,
    pad,
    short,
    signed_key,
    spki,
    word,
)
from tests.adversary.tls13 import Tls13, certificate_message
from tests.adversary.victim import MIB, Place, Victim

EACH = 70
"""Commands in a block of a flood, about as many as fit with the longest signatures."""


def flood(place: Place, smp: Smp, blocks: list[bytes], answers: int) -> Honest:
    """Send blocks as fast as they are taken, read all answers, and ping honestly meanwhile."""

    def send() -> None:
        for block in blocks:
            smp.link.send(block)

    def read() -> None:
        smp.read_answers(answers)

    threads = [threading.Thread(target=each) for each in (send, read)]
    with Honest(place) as honest:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            honest.ping()
            time.sleep(0.002)
        for thread in threads:
            thread.join()
        honest.ping()
    return honest


class Flood(NamedTuple):
    """A command that is sent over and over again, and its answers."""

    command: Callable[[], bytes]
    entity_id: bytes = b""
    key: SigningKey | None = None
    blocks: int = 600
    """At full size; fewer of what the router takes long to check."""


def floods(queue: Queue) -> dict[str, Flood]:
    mine = queue.recipient_id, queue.key
    stranger = short(spki(Ed25519PrivateKey.generate()))
    return {
        "PING": Flood(lambda: b"PING"),
        "GET of an empty queue": Flood(lambda: b"GET", *mine),
        "ACK of what is not there": Flood(lambda: b"ACK " + short(os.urandom(24)), *mine),
        "KEY with the wrong signature": Flood(
            lambda: b"KEY " + stranger, queue.recipient_id, Ed448PrivateKey.generate(), 60
        ),
        "SUB of unknown queues": Flood(lambda: b"SUB", os.urandom(24), queue.key, 150),
        "unknown commands": Flood(lambda: b"WHAT " + os.urandom(8)),
    }


@pytest.mark.parametrize(
    "name",
    list(floods(Queue(Ed25519PrivateKey.generate(), b"", b""))),
)
def test_floods(victim: Victim, name: str) -> None:
    place = victim["smp"]
    with victim.attacked(), Smp(place) as smp:
        attack = floods(smp.new_queue())[name]
        count = sized(10, attack.blocks)
        several = [
            smp.transmission(attack.command(), attack.entity_id, attack.key) for _ in range(EACH)
        ]
        honest = flood(place, smp, [block_of(several)] * count, count * EACH)
    figure = f"{honest.figure}, {len(honest.seconds)} answered"
    note("SMP router", f"{count * EACH:,} {name}", "every answer comes", figure)


def test_keys_of_a_queue_are_few(victim: Victim) -> None:
    """As many keys as fit into a block would make every later command as costly as all of them."""
    place = victim["smp"]
    with victim.attacked(), Smp(place) as smp, Honest(place) as honest:
        queue = smp.new_queue(b"C")
        many: list[SigningKey] = [Ed448PrivateKey.generate() for _ in range(227)]
        keys = b"".join(short(spki(each)) for each in (*many, queue.key))
        answer = smp.ask(b"RKEY " + bytes([len(many) + 1]) + keys, queue.recipient_id, queue.key)
        honest.ping()
        assert answer.startswith(b"ERR ")
        smp.ask(b"DEL", queue.recipient_id, queue.key)
    note("SMP router", "RKEY with 228 Ed448 keys", "refused", answer.decode())


def test_costly_signatures_leave_others_their_turn(victim: Victim) -> None:
    """A few honest commands are answered long before blocks full of what is costly to check."""
    place = victim["smp"]
    count = sized(20, 50)
    done: list[float] = []
    with victim.attacked(), Smp(place) as smp, Honest(place) as honest:
        queue = smp.new_queue()
        wrong = Ed448PrivateKey.generate()
        several = [smp.transmission(b"SUB", queue.recipient_id, wrong) for _ in range(EACH)]
        block = block_of(several)

        def attack() -> None:
            for _ in range(count):
                smp.link.send(block)

        def read() -> None:
            assert {each.command for each in smp.read_answers(EACH * count)} == {b"ERR AUTH"}
            done.append(time.monotonic())

        threads = [threading.Thread(target=each) for each in (attack, read)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            honest.ping()
        answered = time.monotonic()
        while LONG and threads[1].is_alive():
            honest.ping()
        for thread in threads:
            thread.join()
        assert answered < done[0]
    note("SMP router", f"{count} blocks of wrong Ed448 signatures", "others go on", honest.figure)


def test_empty_messages_leave_nothing(victim: Victim) -> None:
    """What was sent and acknowledged is not remembered, not even as an entry without a body."""
    place = victim["smp"]
    rounds, each = sized(32, 300), 80

    def work(smp: Smp, times: int) -> None:
        queues = smp.new_queues(60, subscribe=True)
        by_id = {queue.recipient_id: queue for queue in queues}
        sends = block_of([smp.transmission(b"SEND F ", queue.sender_id) for queue in queues])
        for _ in range(times):
            smp.link.send(sends)
            waiting: list[bytes] = []
            answered = 0
            while answered < len(queues) or len(waiting) < len(queues):
                for said in smp.read_block():
                    if said.command.startswith(b"MSG "):
                        message_id = Reader(said.command[4:]).short()
                        queue = by_id[said.entity_id]
                        ack = b"ACK " + short(message_id)
                        waiting.append(smp.transmission(ack, queue.recipient_id, queue.key))
                    else:
                        assert said.command == b"OK"
                        answered += 1
            smp.send(waiting)
            smp.read_answers(len(waiting))
        for start in range(0, len(queues), each):
            deletions = [
                smp.transmission(b"DEL", queue.recipient_id, queue.key)
                for queue in queues[start : start + each]
            ]
            smp.send(deletions)
            smp.read_answers(len(deletions))

    with Smp(place) as smp:
        work(smp, 2)  # what is made once, at first use
    with victim.attacked() as before, Smp(place) as smp:
        work(smp, rounds)
    now = victim.look()
    sent = now.routers["smp"]["messages_sent"] - before.routers["smp"]["messages_sent"]
    assert sent == rounds * 60
    left = now.blocks - before.blocks
    note("SMP router", f"{sent:,} empty messages", "nothing is left", f"{left} objects left")
    assert left < sent / 2


def test_services_that_are_never_used(victim: Victim) -> None:
    """A self-made certificate does not become a record by showing it."""
    place = victim["smp"]
    count = sized(30, 300)
    with victim.attacked() as before:
        for _ in range(count):
            key = Ed25519PrivateKey.generate()
            chain = [certificate(key)]
            with Tls13(place.port) as tls:
                tls.say(certificate_message(chain))
                tls.say(signed_verify(tls.transcript, key))
                tls.say_finished()
                claim = b"N\x01" + word(len(chain[0])) + chain[0] + signed_key(key)
                with suppress(EOFError), Smp(place, tls, service=claim) as smp:
                    assert smp.service_answer is not None
    after = victim.look().routers["smp"]["services"]
    new = after - before.routers["smp"]["services"]
    note("SMP router", f"{count} services that do nothing", "no record", f"{new} records")
    assert new == 0


def test_queues_are_made_at_a_limited_rate(victim: Victim) -> None:
    """One connection cannot fill the store with queues as fast as it can write."""
    place = victim["smp"]
    blocks = sized(3, 80)
    keys: list[SigningKey] = [Ed25519PrivateKey.generate() for _ in range(70)]
    with victim.attacked(slack=sized(24, 200) * MIB), Smp(place) as smp:
        for _ in range(blocks):
            queues = smp.queues_in(smp.send_new(keys, b"M", subscribe=False))
            deletions = [smp.transmission(b"DEL", each.recipient_id, each.key) for each in queues]
            smp.send(deletions)
            assert {each.command for each in smp.read_answers(70)} == {b"OK"}


def garbage() -> list[bytes]:
    chosen = random.Random("blocks")
    ping = short(b"") + short(bytes(24)) + short(b"") + b"PING"
    blocks = [
        bytes(BLOCK),
        b"\xff" * BLOCK,
        word(BLOCK) + bytes(BLOCK - 2),
        pad(b""),
        pad(b"\0"),
        pad(b"\xff"),
        pad(b"\xff" + word(0xFFFF)),
        pad(bytes([255]) + word(0) * 255),
        pad(b"\x02" + word(len(ping)) + ping),
        pad(b"\x01" + word(len(ping)) + ping + b"more"),
        block_of([short(b"x" * 255) + b"1" + short(b"x" * 255) + ping[1:]]),
        block_of([b"\0" + b"\xff" * 300]),
        block_of([short(b"") + short(b"") + short(b"x" * 255) + b"PING"]),
        block_of([short(b"") + short(b"x" * 255) + short(b"") + b"PING"]),
        block_of([short(b"") + short(bytes(24)) + short(b"") + b"RSLV " + b"a." * 8000]),
        block_of([short(b"") + short(bytes(24)) + short(b"") + b"SUBS \xff" + bytes(7)]),
        block_of([short(b"") + short(bytes(24)) + short(b"") + b"PRXY \xff" + bytes(700)]),
        block_of([short(b"") + short(bytes(24)) + short(b"") + b"RFWD " + bytes(16000)]),
        block_of([short(b"") + short(bytes(24)) + short(bytes(24)) + b"PFWD " + bytes(16000)]),
        block_of([short(b"") + short(bytes(24)) + short(bytes(24)) + b"SEND T " + b"x" * 16300]),
    ]
    for _ in range(sized(100, 3000)):
        blocks.append(pad(bytes([chosen.randrange(1, 5)]) + chosen.randbytes(300)))
    for _ in range(sized(100, 3000)):
        at = chosen.randrange(len(ping))
        changed = ping[:at] + chosen.randbytes(1) + ping[at + 1 :]
        blocks.append(block_of([changed] * 3))
    return blocks


def test_garbage_in_blocks(victim: Victim) -> None:
    """Whatever is in a block, the connection goes on and its next command is answered."""
    place = victim["smp"]
    blocks = garbage()
    with victim.attacked(), Smp(place) as smp, Honest(place) as honest:
        last = smp.transmission(b"PING")
        correlation_id = last[2:26]
        seen: list[int] = []

        def read() -> None:
            count = 0
            while True:
                found = smp.read_block()
                count += len(found)
                if any(each.correlation_id == correlation_id for each in found):
                    seen.append(count)
                    return

        reader = threading.Thread(target=read)
        reader.start()
        for number, block in enumerate(blocks):
            smp.link.send(block)
            if number % 50 == 0:
                honest.ping()
        smp.send([last])
        reader.join(120)
        assert seen
    note("SMP router", f"{len(blocks):,} blocks of garbage", "each is answered", honest.figure)


def test_hellos_of_smp_that_are_broken(victim: Victim) -> None:
    place = victim["smp"]
    chosen = random.Random("hellos")
    tail = b"F0"
    hellos = [
        pad(word(18) + short(bytes(32)) + tail),  # of another router
        pad(word(0xFFFF) + short(place.identity) + tail),
        pad(word(0) + short(place.identity) + tail),
        pad(word(18) + short(place.identity)),
        pad(word(18) + short(place.identity) + short(b"x" * 44) + tail),
        pad(word(18) + short(place.identity) + b"F1"),
        pad(word(18) + short(place.identity) + b"F1X" + bytes(500)),
        pad(word(18) + short(place.identity) + b"F1M\xff" + b"\xff" * 16000),
        pad(b""),
        bytes(BLOCK),
        b"\xff" * BLOCK,
        *(pad(word(18) + chosen.randbytes(200)) for _ in range(sized(10, 200))),
    ]
    with victim.attacked(), Honest(place) as honest:
        for hello in hellos:
            link = TlsLink(place.port)
            link.read(BLOCK)
            link.send(hello)
            link.send(pad(bytes([1]) + word(29) + bytes(2) + bytes(23) + b"PING"))
            wait_for_end(link.sock)
            link.close()
        honest.ping()
    note("SMP router", f"{len(hellos)} broken hellos of SMP", "each is ended", "all ended")


def test_clients_that_vanish(victim: Victim) -> None:
    """In the middle of commands, with messages on their way to them, without a word."""
    place = victim["smp"]
    count = sized(40, 300)
    with victim.attacked() as before, Honest(place) as honest:
        for number in range(count):
            smp = Smp(place)
            queue = smp.new_queue(subscribe=True)
            smp.send([smp.transmission(b"SEND T " + bytes(100), queue.sender_id)])
            smp.send([smp.transmission(b"DEL", queue.recipient_id, queue.key)])
            smp.send([smp.transmission(b"PING") for _ in range(100)])
            if number % 2:
                smp.link.send(bytes(BLOCK // 2))
            reset(smp.link.sock)
        honest.ping()
    now = victim.look().routers["smp"]
    assert now["queues"] - before.routers["smp"]["queues"] <= count
    assert now["subscribed_queues"] == before.routers["smp"]["subscribed_queues"]
    note("SMP router", f"{count} clients that vanish", "nothing left", honest.figure)


def test_half_a_goodbye(victim: Victim) -> None:
    """A client that has said all it will may still get answers; in any case its end is noticed."""
    place = victim["smp"]
    with victim.attacked():
        for _ in range(sized(5, 100)):
            with Smp(place) as smp:
                smp.send([smp.transmission(b"PING") for _ in range(100)])
                end_writing(smp.link.sock)
                with suppress(EOFError, ConnectionError):
                    while True:
                        smp.read_block()
