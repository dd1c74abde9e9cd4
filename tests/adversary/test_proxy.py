"""An SMP router that is asked to be a proxy to where nothing good is."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.adversary.beside import Honest
from tests.adversary.figures import note, sized
from tests.adversary.smp import BLOCK, Smp, pad, short
from tests.adversary.victim import Place, Victim


def prxy(host: str, port: int, identity: bytes) -> bytes:
    """The command that asks for a session with a relay."""
    hosts = b"\x01" + short(host.encode())
    return b"PRXY " + hosts + short(str(port).encode()) + short(identity) + b"0"


@contextmanager
def listening(backlog: int = 4096) -> Iterator[socket.socket]:
    """A socket on loopback on which connections wait and nothing answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as sock:
        yield sock


def port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


@pytest.fixture
def relay(victim: Victim) -> Place:
    """A relay to which the proxy has a session already, so that it counts as before."""
    place = victim["smp"]
    with Smp(victim["proxy"]) as smp:
        assert smp.ask(prxy("127.0.0.1", place.port, place.identity)).startswith(b"PKEY ")
    return place


def test_tar_pits_do_not_take_the_proxy_from_others(victim: Victim, relay: Place) -> None:
    """A few connections that ask for relays which never answer leave room for a good one.

    The router of the test has a limit of 64 relays, which the attackers ask for twice.
    """
    place, other = victim["proxy"], victim["web"]
    count = sized(4, 35)
    with victim.attacked(kept_relays=1), listening() as pit, ExitStack() as stack:
        for _ in range(count):
            smp = stack.enter_context(Smp(place))
            asks = [
                smp.transmission(prxy("127.0.0.1", port_of(pit), os.urandom(32))) for _ in range(32)
            ]
            smp.send(asks)
        with Smp(place) as honest, Honest(place) as beside:
            beside.ping()
            started = time.monotonic()
            answer = honest.ask(prxy("127.0.0.1", other.port, other.identity))
            seconds = time.monotonic() - started
            beside.ping()
            figure = f"{answer[:30]!r} after {seconds:.2f} s"
            note("proxy", f"{count} connections ask for tar pits", "an honest PRXY works", figure)
            assert answer.startswith(b"PKEY ")
        stack.close()
        # A session with the second relay is kept; it is no leftover of the attack.
        left = victim.look().routers["web"]["sockets_active"]
        assert left <= 1


def test_attempts_end_with_those_who_asked(victim: Victim, relay: Place) -> None:
    """When attackers have gone, the router does not go on to dial for them."""
    place = victim["proxy"]
    with listening() as pit:
        before = victim.look()
        with ExitStack() as stack:
            for _ in range(2):
                smp = stack.enter_context(Smp(place))
                asks = [
                    smp.transmission(prxy("127.0.0.1", port_of(pit), os.urandom(32)))
                    for _ in range(40)
                ]
                smp.send(asks)
            while victim.look().files < before.files + 20:
                time.sleep(0.01)
        left = time.monotonic()
        while (now := victim.look()).files > before.files or now.tasks > before.tasks:
            assert time.monotonic() - left < 30
            time.sleep(0.05)
        seconds = time.monotonic() - left
        assert now.tasks <= before.tasks
    note("proxy", "attackers leave while it dials", "given up within 10 s", f"{seconds:.1f} s")
    assert seconds < 10


PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "ff02::1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:db8::1",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "printer.local",
    "ip6-localhost",
    "127.0.0.1.",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
]


def test_addresses_that_are_not_public(victim: Victim) -> None:
    """Nothing on the machine of a router, or beside it, is reached through it."""
    place = victim["smp"]
    answers: dict[str, bytes] = {}
    with victim.attacked(), listening() as own, Smp(place) as smp:
        own.settimeout(0.2)
        for host in PRIVATE:
            answers[host] = smp.ask(prxy(host, port_of(own), os.urandom(32)))
        with pytest.raises(TimeoutError):
            own.accept()
    refused = [host for host, answer in answers.items() if answer.startswith(b"ERR ")]
    assert refused == PRIVATE
    dialled = [host for host in PRIVATE if answers[host].startswith(b"ERR PROXY BROKER NETWORK")]
    # Texts that are no addresses are names, which are looked up and found to be nothing.
    allowed = {"127.0.0.1.", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "ip6-localhost"}
    note("proxy", f"{len(PRIVATE)} addresses that are not public", "refused", "none is dialled")
    assert set(dialled) <= allowed


@pytest.mark.parametrize("said", [b"", b"\xff" * BLOCK, pad(b""), b"HTTP/1.1 400\r\n\r\n"])
def test_relays_that_are_none(victim: Victim, relay: Place, said: bytes) -> None:
    """What answers is not TLS, or nothing: the proxy tells so, and keeps nothing."""
    with victim.attacked(), listening() as pit, Smp(victim["proxy"]) as smp:
        smp.send([smp.transmission(prxy("127.0.0.1", port_of(pit), os.urandom(32)))])
        connection, _ = pit.accept()
        with suppress(ConnectionError):
            connection.sendall(said)
        connection.close()
        # A relay that hangs up may be tried again.
        pit.settimeout(0.5)
        with suppress(TimeoutError):
            while True:
                again, _ = pit.accept()
                again.close()
        assert smp.read().command.startswith(b"ERR PROXY BROKER ")
