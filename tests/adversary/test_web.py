"""Whatever a browser would not send to the port that serves browsers and clients of SMP."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, suppress

from tests.adversary.beside import Honest
from tests.adversary.figures import LONG, note, sized
from tests.adversary.links import TlsLink, end_writing, reset, wait_for_end
from tests.adversary.smp import BLOCK
from tests.adversary.tls13 import Tls13, certificate_message, message
from tests.adversary.victim import MIB, Victim
from tests.adversary.xftp import PREFACE

GOOD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def said_by_router(port: int, said: bytes) -> bytes:
    """What a router answers until it ends the connection."""
    link = TlsLink(port, alpn="http/1.1", name="localhost")
    with suppress(OSError):
        link.send(said)
    with suppress(OSError):
        end_writing(link.sock)
    try:
        return wait_for_end(link.sock)
    finally:
        link.close()


def bad_requests() -> dict[str, bytes]:
    chosen = random.Random("requests")
    return {
        "nothing": b"",
        "line ends": b"\r\n" * 10_000,
        "no headers": b"GET / HTTP/1.1\r\n",
        "a long path": b"GET /" + b"a" * MIB + b" HTTP/1.1\r\n\r\n",
        "a long header": b"GET / HTTP/1.1\r\na: " + b"x" * MIB + b"\r\n\r\n",
        "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
        "a long method": b"G" * 9000 + b" / HTTP/1.1\r\n\r\n",
        "another method": b"DELETE / HTTP/1.1\r\n\r\n",
        "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n",
        "an address in place of a path": b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n",
        "another version": b"GET / HTTP/9.9\r\n\r\n",
        "HTTP 0.9": b"GET /\r\n\r\n",
        "HTTP 2": PREFACE + bytes(1000),
        "a body": b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + bytes(MIB),
        "a GET with a body": b"GET / HTTP/1.1\r\nContent-Length: 10\r\n\r\n" + GOOD,
        "chunks": b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GOOD,
        "a folded header": b"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
        "a header of no name": b"GET / HTTP/1.1\r\n: b\r\n\r\n",
        "zeros": bytes(10_000),
        "only line feeds": b"GET / HTTP/1.1\n\n",
        "a path outside": b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
        "an encoded path outside": b"GET /%2e%2e/server.key HTTP/1.1\r\n\r\n",
        "a block of SMP": bytes(BLOCK),
        **{f"garbage {n}": chosen.randbytes(9000) for n in range(sized(3, 100))},
    }


def test_requests_that_are_bad(victim: Victim) -> None:
    """Each is refused or cut, and none gets more than the one page."""
    port = victim["web"].port
    with victim.attacked():
        for name, said in bad_requests().items():
            answer = said_by_router(port, said)
            assert not answer or answer[:12] in {
                b"HTTP/1.1 400",
                b"HTTP/1.1 404",
                b"HTTP/1.1 405",
                b"HTTP/1.1 431",
            }, f"{name}: {answer[:100]!r}"
            assert b"PRIVATE" not in answer
        assert said_by_router(port, GOOD).startswith(b"HTTP/1.1 200")
    note("web port", f"{len(bad_requests())} bad requests", "refused or cut", "all of them")


def test_pipelining(victim: Victim) -> None:
    """There is one answer for each connection, however many requests it has."""
    port = victim["web"].port
    with victim.attacked():
        answer = said_by_router(port, GOOD * sized(1000, 20_000))
    assert answer.count(b"HTTP/1.1") <= 1
    note("web port", "pipelined requests", "one answer", f"{answer.count(b'HTTP/1.1')} answer")


def test_requests_in_great_number(victim: Victim) -> None:
    place = victim["web"]
    count = sized(50, 1000)
    with victim.attacked(), Honest(place) as honest:
        for number in range(count):
            if number % 2:
                assert b"200 OK" in said_by_router(place.port, GOOD)
            else:
                link = TlsLink(place.port, alpn="http/1.1", name="localhost")
                link.send(GOOD)
                reset(link.sock)
            honest.ping()
    note("web port", f"{count} requests, half of them not read", "SMP goes on", honest.figure)


def test_slow_requests(victim: Victim) -> None:
    """Headers that come byte by byte have 20 seconds, and hold up nothing meanwhile."""
    place = victim["web"]
    count = sized(10, 200)
    with victim.attacked(), ExitStack() as stack, Honest(place) as honest:
        links = []
        for _ in range(count):
            link = TlsLink(place.port, alpn="http/1.1", name="localhost")
            stack.callback(link.close)
            links.append(link)
        started = time.monotonic()
        for at in range(sized(3, 10)):
            for link in links:
                with suppress(OSError):
                    link.send(GOOD[at : at + 1])
            assert b"200 OK" in said_by_router(place.port, GOOD)
            honest.ping()
        while LONG and victim.look().routers["web"]["sockets_active"] > 1:
            honest.ping()
            assert time.monotonic() - started < 60
    note("web port", f"{count} slow requests", "cut after 20 s", honest.figure)


def test_answers_that_are_not_read(victim: Victim) -> None:
    place = victim["web"]
    with victim.attacked(), ExitStack() as stack, Honest(place) as honest:
        for _ in range(sized(10, 200)):
            link = TlsLink(place.port, alpn="http/1.1", name="localhost")
            stack.callback(link.close)
            link.send(GOOD)
        honest.ping()


def test_certificates_of_browsers(victim: Victim) -> None:
    """Also behind a server name, garbage in the place of a certificate is the end."""
    port = victim["web"].port
    garbage = [b"", b"\xff", b"\0\xff\xff\xff", b"\0\0\0\5\0\0\x01x\xff"]
    with victim.attacked():
        for body in garbage:
            for name in ("localhost", "x" * 200, "\0"):
                with suppress(AssertionError), Tls13(port, alpn="http/1.1", name=name) as tls:
                    with suppress(OSError):
                        tls.say(message(11, body))
                    wait_for_end(tls.sock)
        with Tls13(port, alpn="http/1.1", name="localhost") as tls:
            if tls.is_asked_for_certificate:
                tls.say(certificate_message([]))
            tls.say_finished()
            tls.send(GOOD)
            assert tls.read(12) == b"HTTP/1.1 200"
