"""SMP as an attacker speaks it: blocks without encryption, commands as bytes.

Written from `protocol/simplex-messaging.md`.  The client sends no key in its hello, for which the
router leaves blocks unencrypted.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.adversary.links import Link, TlsLink
from tests.adversary.victim import Place

__all__ = [
    "BLOCK",
    "Answer",
    "Queue",
    "Reader",
    "SigningKey",
    "Smp",
    "block_of",
    "pad",
    "short",
    "signed_by",
    "signed_key",
    "spki",
    "word",
]

BLOCK = 16384
VERSION = 18

SigningKey = Ed25519PrivateKey | Ed448PrivateKey


def word(number: int) -> bytes:
    return number.to_bytes(2, "big")


def short(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def spki(key: SigningKey | X25519PrivateKey) -> bytes:
    """The public key, as it is on the wire."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pad(content: bytes) -> bytes:
    assert len(content) <= BLOCK - 2
    return (word(len(content)) + content).ljust(BLOCK, b"#")


def block_of(transmissions: list[bytes]) -> bytes:
    joined = b"".join(word(len(each)) + each for each in transmissions)
    return pad(bytes([len(transmissions)]) + joined)


def signed_key(by: Ed25519PrivateKey) -> bytes:
    """A new session key of a service, signed by the key of its certificate."""
    return signed_by(by, Ed25519PrivateKey.generate())


def signed_by(by: Ed25519PrivateKey, key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    """A session key, signed by the key of a certificate, behind its length."""
    inner = _der(0x30, spki(key))
    algorithm = _der(0x30, bytes.fromhex("06032b6570"))
    made = _der(0x30, inner + algorithm + _der(0x03, b"\0" + by.sign(inner)))
    return word(len(made)) + made


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, size] if size < 128 else [tag, 0x81, size]) + content


class Answer(NamedTuple):
    correlation_id: bytes
    entity_id: bytes
    command: bytes


class Queue(NamedTuple):
    key: SigningKey
    recipient_id: bytes
    sender_id: bytes


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        taken, self.data = self.data[:size], self.data[size:]
        assert len(taken) == size
        return taken

    def short(self) -> bytes:
        return self.take(self.take(1)[0])

    def large(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))


class Smp:
    """A connection after the handshake."""

    def __init__(
        self,
        place: Place,
        link: Link | None = None,
        *,
        version: int = VERSION,
        service: bytes | None = None,
    ) -> None:
        self.link: Link = link or TlsLink(place.port)
        try:
            hello = Reader(Reader(self.link.read(BLOCK)).large())
            hello.take(4)  # the versions
            self.session_id = hello.short()
            parts = [word(version), short(place.identity), b"F"]
            parts.append(b"0" if service is None else b"1" + service)
            self.link.send(pad(b"".join(parts)))
            self.service_answer = None if service is None else self.read_content()
        except BaseException:
            self.link.close()
            raise
        self._unread: list[Answer] = []

    def __enter__(self) -> Smp:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def transmission(
        self, command: bytes, entity_id: bytes = b"", key: SigningKey | None = None
    ) -> bytes:
        said = short(os.urandom(24)) + short(entity_id) + command
        if key is None:
            return b"\0" + said
        return short(key.sign(short(self.session_id) + said)) + b"0" + said

    def send(self, transmissions: list[bytes]) -> None:
        self.link.send(block_of(transmissions))

    def read_content(self) -> bytes:
        return Reader(self.link.read(BLOCK)).large()

    def read_block(self) -> list[Answer]:
        """What is in the next block."""
        reader = Reader(self.read_content())
        found = []
        for _ in range(reader.take(1)[0]):
            inner = Reader(reader.large())
            if inner.short():
                inner.take(1)
            found.append(Answer(inner.short(), inner.short(), inner.data))
        return found

    def read(self) -> Answer:
        while not self._unread:
            self._unread += self.read_block()
        return self._unread.pop(0)

    def read_answers(self, count: int) -> list[Answer]:
        """So many answers; events that come between are left out."""
        found: list[Answer] = []
        while len(found) < count:
            found += [each for each in self.read_block() if each.correlation_id]
        return found

    def ask(self, command: bytes, entity_id: bytes = b"", key: SigningKey | None = None) -> bytes:
        """What a command is answered with; events before it are left out."""
        self.send([self.transmission(command, entity_id, key)])
        while not (answer := self.read()).correlation_id:
            pass
        return answer.command

    def new_queue(self, mode: bytes = b"M", *, subscribe: bool = False) -> Queue:
        key = Ed25519PrivateKey.generate()
        return self.queues_in(self.send_new([key], mode, subscribe=subscribe))[0]

    def new_queues(self, count: int, mode: bytes = b"M", *, subscribe: bool = False) -> list[Queue]:
        """As many as fit into a block."""
        keys: list[SigningKey] = [Ed25519PrivateKey.generate() for _ in range(count)]
        return self.queues_in(self.send_new(keys, mode, subscribe=subscribe))

    def send_new(self, keys: list[SigningKey], mode: bytes, *, subscribe: bool) -> list[SigningKey]:
        new = []
        for key in keys:
            dh_key = spki(X25519PrivateKey.generate())
            when = b"S" if subscribe else b"C"
            command = b"NEW " + short(spki(key)) + short(dh_key) + b"0" + when + b"1" + mode + b"00"
            new.append(self.transmission(command, key=key))
        self.send(new)
        return keys

    def queues_in(self, keys: list[SigningKey]) -> list[Queue]:
        answers = self.read_answers(len(keys))
        found = []
        for key, answer in zip(keys, answers, strict=True):
            reader = Reader(answer.command)
            assert reader.take(4) == b"IDS ", answer.command[:40]
            found.append(Queue(key, reader.short(), reader.short()))
        return found
