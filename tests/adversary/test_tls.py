"""What is wrong with TLS before and during its handshake, on ports of every kind."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.adversary.beside import Honest
from tests.adversary.certificates import broken_certificates, signed_verify
from tests.adversary.figures import note, sized
from tests.adversary.links import connect, reset, wait_for_end
from tests.adversary.smp import BLOCK, Smp, pad
from tests.adversary.tls13 import (
    ALERT,
    CHANGE_CIPHER_SPEC,
    DATA,
    FINISHED,
    HANDSHAKE,
    Tls13,
    certificate_message,
    client_hello,
    message,
    plain_record,
)
from tests.adversary.tls13 import sized as behind_size
from tests.adversary.victim import Victim

PORTS = ("smp", "web", "xftp")


def good_hello() -> bytes:
    share = X25519PrivateKey.generate().public_key()
    return client_hello(share.public_bytes(Encoding.Raw, PublicFormat.Raw))


def say_and_leave(port: int, said: bytes) -> None:
    """Send something, and nothing after it; the router has to end the connection."""
    sock = connect(port)
    with suppress(ConnectionError):
        sock.sendall(said)
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
    wait_for_end(sock)
    sock.close()


@pytest.mark.parametrize("name", PORTS)
def test_hellos_that_are_cut(victim: Victim, name: str) -> None:
    port = victim[name].port
    whole = plain_record(HANDSHAKE, good_hello())
    cuts = range(0, len(whole), sized(16, 1))
    with victim.attacked() as before:
        for at in cuts:
            say_and_leave(port, whole[:at])
            sock = connect(port)
            sock.sendall(whole[:at])
            reset(sock)
    held = victim.look().blocks - before.blocks
    note(f"TLS of {name}", f"{2 * len(cuts)} hellos cut", "nothing left", f"{held} objects left")


def broken_hellos() -> Iterator[bytes]:
    hello = good_hello()
    whole = plain_record(HANDSHAKE, hello)
    chosen = random.Random("hellos")
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"\x80\x2e\x01\x00\x02" + bytes(100)  # of SSL 2
    yield b"\x16\x03\x00" + whole[3:]
    yield whole[:5] + b"\xff\xff\xff\xff" + whole[9:]
    yield whole + whole
    yield plain_record(HANDSHAKE, message(1, b""))
    yield plain_record(HANDSHAKE, message(FINISHED, bytes(32)))
    yield plain_record(DATA, b"x" * 100)
    yield plain_record(ALERT, b"\x01\x5a") * 1000
    yield plain_record(HANDSHAKE, b"") * 1000
    yield b"".join(plain_record(HANDSHAKE, hello[i : i + 1]) for i in range(len(hello)))
    yield b"\x16\x03\x03\xff\xff" + bytes(0xFFFF)
    for size in (16 * 1024, 0xFFFF - 300):
        long = client_hello(bytes(32), more=b"\xfe\x0d" + behind_size(2, bytes(size)))
        yield b"".join(
            plain_record(HANDSHAKE, long[i : i + 16000]) for i in range(0, len(long), 16000)
        )
    yield plain_record(HANDSHAKE, client_hello(bytes(32)))  # a share that leads nowhere
    yield plain_record(HANDSHAKE, client_hello(bytes(31)))
    yield plain_record(HANDSHAKE, client_hello(b"", name="\0" * 200))
    for _ in range(sized(100, 1000)):
        at, bit = chosen.randrange(len(whole)), 1 << chosen.randrange(8)
        yield whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
    for _ in range(sized(20, 200)):
        yield chosen.randbytes(chosen.randrange(1, 2000))


@pytest.mark.parametrize("name", PORTS)
def test_hellos_that_are_broken(victim: Victim, name: str) -> None:
    hellos = list(broken_hellos())
    with victim.attacked():
        for said in hellos:
            say_and_leave(victim[name].port, said)
    note(f"TLS of {name}", f"{len(hellos)} broken hellos", "each is ended", "all ended")


def garbage_for_certificates() -> Iterator[bytes]:
    """Messages in the place of a client's Certificate."""
    chosen = random.Random("certificates")
    entry = behind_size(3, b"x") + b"\0\0"
    yield message(11, b"")
    yield message(11, b"\0")
    yield message(11, b"\xff")
    yield message(11, b"\0\xff\xff\xff")
    yield message(11, b"\0" + behind_size(3, b"\0\0\0"))
    yield message(11, b"\0" + behind_size(3, b"\xff\xff\xff"))
    yield message(11, b"\0" + behind_size(3, entry))
    yield message(11, b"\0" + behind_size(3, entry[:-1]))
    yield message(11, b"\0" + behind_size(3, behind_size(3, b"") + b"\0\0"))
    yield message(11, b"\0" + behind_size(3, behind_size(3, b"x") + b"\xff\xff"))
    yield message(11, b"\0" + behind_size(3, entry) + b"more")
    yield certificate_message([], context=b"another")
    yield certificate_message([b"\x30\x80" + bytes(40)])
    yield certificate_message([b"\x30\x84\xff\xff\xff\xff" + bytes(40)])
    yield certificate_message([b"\x30\x03\x02\x01\x01"] * 1000)
    yield certificate_message([b"\x30" * 50_000])  # nested without an end
    yield certificate_message([bytes(200_000)])
    yield b"\x0b\xff\xff\xff"  # 16 MiB are to come
    yield message(4, bytes(100))
    yield message(1, bytes(100))
    yield message(250, bytes(100))
    for _ in range(sized(20, 200)):
        yield certificate_message([chosen.randbytes(chosen.randrange(1, 500))])
    for _ in range(sized(20, 200)):
        yield message(11, chosen.randbytes(chosen.randrange(1, 500)))


def leave_and_wait(tls: Tls13) -> None:
    with suppress(OSError):
        tls.sock.shutdown(socket.SHUT_WR)
    wait_for_end(tls.sock)


@pytest.mark.parametrize("name", ["smp", "xftp"])
def test_garbage_in_the_message_of_certificates(victim: Victim, name: str) -> None:
    messages = list(garbage_for_certificates())
    with victim.attacked():
        for said in messages:
            with Tls13(victim[name].port) as tls:
                assert tls.is_asked_for_certificate is (name == "smp")  # where services are
                with suppress(ConnectionError):
                    tls.say(said)
                leave_and_wait(tls)
    note(
        f"TLS of {name}",
        f"{len(messages)} garbled Certificate messages",
        "each is ended",
        "all ended",
    )


def test_client_certificates_that_are_broken(victim: Victim) -> None:
    place = victim["smp"]
    chains = list(broken_certificates())
    taken = 0
    with victim.attacked(), Honest(place) as honest:
        for chain, key in chains:
            with Tls13(place.port) as tls:
                with suppress(ConnectionError):
                    tls.say(certificate_message(chain))
                    tls.say(signed_verify(tls.transcript, key))
                    tls.say_finished()
                with suppress(EOFError, ConnectionError):
                    tls.read(BLOCK)
                    taken += 1
                leave_and_wait(tls)
            honest.ping()
    note(
        "TLS of smp", f"{len(chains)} broken client certificates", "each is ended", f"{taken} taken"
    )


def test_a_certificate_without_proof(victim: Victim) -> None:
    """Neither a missing nor a wrong proof of the key gets a client anywhere."""
    place = victim["smp"]
    (chain, key), *_ = broken_certificates()
    wrong: list[Callable[[Tls13], bytes]] = [
        lambda tls: b"",
        lambda tls: signed_verify(tls.transcript + b"x", key),
        lambda tls: message(15, b"\x08\x07" + behind_size(2, bytes(64))),
        lambda tls: message(15, b"\xff\xff" + behind_size(2, bytes(64))),
        lambda tls: message(15, b""),
        lambda tls: message(15, b"\x08\x07\xff\xff"),
    ]
    with victim.attacked():
        for proof in wrong:
            with Tls13(place.port) as tls:
                tls.say(certificate_message(chain))
                with suppress(ConnectionError):
                    if said := proof(tls):
                        tls.say(said)
                    tls.say_finished()
                with pytest.raises((EOFError, ConnectionError)):
                    tls.read(BLOCK)


def test_a_wrong_finish(victim: Victim) -> None:
    with victim.attacked(), Tls13(victim["smp"].port) as tls:
        tls.say(certificate_message([]))
        tls.say(message(FINISHED, os.urandom(32)))
        with pytest.raises((EOFError, ConnectionError)):
            tls.read(BLOCK)


def floods(count: int) -> dict[str, Callable[[Tls13], bytes]]:
    """What is sent at once after the handshake; most of it breaks the rules sooner or later."""
    return {
        "empty encrypted records": lambda tls: b"".join(tls.seal(DATA, b"") for _ in range(count)),
        "empty records with padding": lambda tls: b"".join(
            tls.seal(DATA, b"", 1000) for _ in range(count // 10)
        ),
        "records without a kind": lambda tls: tls.seal_nothing(),
        "KeyUpdates": lambda tls: b"".join(tls.key_update() for _ in range(count)),
        "KeyUpdates that ask for more": lambda tls: b"".join(
            tls.key_update(asks=True) for _ in range(count)
        ),
        "warnings": lambda tls: b"".join(tls.seal(ALERT, b"\x01\x5a") for _ in range(count)),
        "changes of the cipher": lambda _: plain_record(CHANGE_CIPHER_SPEC, b"\x01") * count,
        "encrypted changes of the cipher": lambda tls: tls.seal(CHANGE_CIPHER_SPEC, b"\x01"),
        "records in the clear": lambda _: plain_record(HANDSHAKE, bytes(100)),
        "records of no key": lambda _: plain_record(DATA, os.urandom(1000)) * 10,
        "records that are too short": lambda _: plain_record(DATA, b"") * count,
        "records that are too long": lambda _: b"\x17\x03\x03\xff\xff" + bytes(0xFFFF),
        "a second hello": lambda tls: tls.seal(HANDSHAKE, good_hello()),
        "a ticket from a client": lambda tls: tls.seal(HANDSHAKE, message(4, bytes(50))),
        "an unsolicited certificate": lambda tls: tls.seal(HANDSHAKE, certificate_message([b"x"])),
        "a message of 16 MiB": lambda tls: (
            tls.seal(HANDSHAKE, b"\x18\xff\xff\xff")
            + b"".join(tls.seal(HANDSHAKE, bytes(16000)) for _ in range(count // 100))
        ),
        "a KeyUpdate in pieces": lambda tls: b"".join(
            tls.seal(HANDSHAKE, bytes([each])) for each in message(24, b"\x07")
        ),
        "empty messages": lambda tls: b"".join(tls.seal(HANDSHAKE, b"") for _ in range(count)),
        "records of an unknown kind": lambda tls: tls.seal(99, bytes(100)) * 2,
    }


def test_floods_after_the_handshake(victim: Victim) -> None:
    """Each is taken or ended, and an honest client beside them is answered."""
    place = victim["smp"]
    with victim.attacked():
        for attack, make in floods(sized(1000, 20_000)).items():
            with Honest(place) as honest:
                with Tls13(place.port) as tls:
                    tls.finish()
                    said = make(tls)
                    tls.sock.settimeout(20)
                    with suppress(ConnectionError, TimeoutError):
                        for start in range(0, len(said), 65536):
                            tls.sock.sendall(said[start : start + 65536])
                            if start % (16 * 65536) == 0:
                                honest.ping()
                    honest.ping()
                    leave_and_wait(tls)
                honest.ping()
            note("TLS of smp", f"{len(said):,} bytes: {attack}", "honest PING", honest.figure)


def test_keys_change_in_the_middle_of_blocks(victim: Victim) -> None:
    """What is allowed works: the flood of it is what the test before is about."""
    place = victim["smp"]
    with victim.attacked(), Tls13(place.port) as tls:
        tls.finish()
        with Smp(place, tls) as smp:
            block = pad(bytes([1]) + behind_size(2, smp.transmission(b"PING")))
            tls.send_record(DATA, block[:1000])
            tls.sock.sendall(tls.key_update(asks=True))
            tls.send_record(DATA, block[1000:], padding=100)
            assert smp.read().command == b"PONG"
