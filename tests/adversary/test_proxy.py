"""An SMP router that is asked to be a proxy to where nothing good is."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

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
