"""Connections that stop at every stage, all of them at the same time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from hyperframe.frame import SettingsFrame

from tests.adversary.beside import Honest, HonestXftp
from tests.adversary.figures import note, sized
from tests.adversary.links import TlsLink, connect
from tests.adversary.smp import BLOCK, Smp, block_of
from tests.adversary.tls13 import HANDSHAKE, Tls13, certificate_message, plain_record
from tests.adversary.victim import MIB, Place, Victim
from tests.adversary.xftp import PREFACE, stalled_upload


def in_tcp(place: Place, stack: ExitStack) -> socket.socket:
    return stack.enter_context(connect(place.port))


def in_a_hello_of_tls(place: Place, stack: ExitStack) -> socket.socket:
    sock = in_tcp(place, stack)
    sock.sendall(plain_record(HANDSHAKE, b"\x01\x00\x01\x00\x03\x03"))
    return sock


def before_finishing_tls(place: Place, stack: ExitStack) -> socket.socket:
    return stack.enter_context(Tls13(place.port)).sock


def in_a_certificate(place: Place, stack: ExitStack) -> socket.socket:
    tls = stack.enter_context(Tls13(place.port))
    tls.send_record(HANDSHAKE, certificate_message([bytes(500)])[:100])
    return tls.sock


def before_a_hello_of_smp(place: Place, stack: ExitStack) -> socket.socket:
    link = TlsLink(place.port)
    stack.callback(link.close)
    return link.sock


def in_a_hello_of_smp(place: Place, stack: ExitStack) -> socket.socket:
    link = TlsLink(place.port)
    stack.callback(link.close)
    link.read(BLOCK)
    link.send(bytes(5000))
    return link.sock


def in_a_block(place: Place, stack: ExitStack) -> socket.socket:
    smp = stack.enter_context(Smp(place))
    smp.link.send(bytes(5000))
    return smp.link.sock


def after_all(place: Place, stack: ExitStack) -> socket.socket:
    """A client that only waits is a good one, and stays."""
    return stack.enter_context(Smp(place)).link.sock


STALLS: list[Callable[[Place, ExitStack], object]] = [
    in_tcp,
    in_a_hello_of_tls,
    before_finishing_tls,
    in_a_certificate,
    before_a_hello_of_smp,
    in_a_hello_of_smp,
    in_a_block,
]


def before_a_handshake_of_xftp(said: bytes) -> Callable[[Place, ExitStack], object]:
    def stall(place: Place, stack: ExitStack) -> None:
        link = TlsLink(place.port, alpn="xftp/1")
        stack.callback(link.close)
        link.send(said)

    return stall


XFTP_STALLS: list[Callable[[Place, ExitStack], object]] = [
    in_tcp,
    in_a_hello_of_tls,
    before_finishing_tls,
    *map(
        before_a_handshake_of_xftp,
        (b"", PREFACE[:10], PREFACE, PREFACE + SettingsFrame().serialize() * 3),
    ),
]


def slow_reader(place: Place, stack: ExitStack) -> int:
    """Ask as fast as the router reads, and read nothing; how many commands it has taken."""
    link = TlsLink(place.port)
    smp = stack.enter_context(Smp(place, link))
    link.seconds = 0.2
    block = block_of([smp.transmission(b"PING") for _ in range(200)])
    blocks = 0
    with suppress(TimeoutError):
        while blocks < MOST:
            smp.link.send(block)
            blocks += 1
    return blocks


MOST = 2000
"""Blocks, far more than all buffers on the way can hold."""


def test_stalls_end(victim: Victim) -> None:
    """All that stop before they are clients, in a block, in a body, or do not read, are cut off.

    The routers of the test have deadlines of two seconds.  A client that has come through the
    handshake and waits is a good one, and stays.
    """
    each = sized(2, 50)
    smp, xftp = victim["impatient"], victim["xftp-stalled"]
    with (
        victim.attacked(slack=sized(24, 200) * MIB),
        ExitStack() as stack,
        Honest(smp) as honest,
        HonestXftp(xftp) as other,
    ):
        for _ in range(each):
            after_all(smp, stack)
            stalled_upload(xftp, 64 * 1024, stack)
            for stall in STALLS:
                stall(smp, stack)
            for stall in XFTP_STALLS:
                stall(xftp, stack)
        taken = [slow_reader(smp, stack) for _ in range(each)]
        assert max(taken) < MOST, "a router reads more than it can answer"
        deadline = time.monotonic() + 60
        while True:
            honest.ping()
            now = victim.look().routers
            left = now["impatient"]["sockets_active"], now["xftp-stalled"]["sockets_active"]
            if left <= (each + 1, each + 1) and not now["xftp-stalled"]["bytes_reserved"]:
                break
            assert time.monotonic() < deadline, f"connections left: {left}"
            time.sleep(0.05)
        assert left == (each + 1, each + 1)
    stalls = f"{each * len(STALLS)} connections stalled at all stages, {each} slow readers"
    note("SMP router", stalls, "all are cut off", honest.figure)
    stalls = f"{each * len(XFTP_STALLS)} connections stalled at all stages, {each} uploads"
    note("XFTP router", stalls, "all are cut off", other.figure)


def test_connections_that_say_nothing(victim: Victim) -> None:
    """What costs an attacker one packet costs the router little, and is given back.

    An allocator may keep the memory, but then the next attack of this kind takes no more.
    """
    place = victim["smp"]
    count = sized(50, 5000)
    for slack in (sized(24, 400) * MIB, 24 * MIB):
        with victim.attacked(slack=slack), Honest(place) as honest, ExitStack() as stack:
            before = victim.look()
            for _ in range(count):
                in_tcp(place, stack)
            while victim.look().files < before.files + count:
                time.sleep(0.01)
            honest.ping()
            held = victim.look(collects=True).resident - before.resident
            assert held < max(count * 64 * 1024, 24 * MIB)
    figure = f"{held / count / 1024:.0f} KiB each, again; {honest.figure}"
    note("SMP router", f"{count:,} connections that say nothing", "64 KiB each", figure)
