"""TLS 1.3 from the side of a client that keeps to nothing: each message can be replaced.

Written from RFC 8446.  It speaks TLS_CHACHA20_POLY1305_SHA256 with X25519 alone, and does not look
at who the server is.
"""

from __future__ import annotations

import hmac
import os
import socket
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.adversary.links import connect

__all__ = [
    "ALERT",
    "CHANGE_CIPHER_SPEC",
    "DATA",
    "FINISHED",
    "HANDSHAKE",
    "Tls13",
    "certificate_message",
    "client_hello",
    "message",
    "plain_record",
    "sized",
]

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23

CLIENT_HELLO, SERVER_HELLO, NEW_TICKET = 1, 2, 4
CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, FINISHED, KEY_UPDATE = 11, 13, 15, 20, 24

MAX_RECORD = 16384

_EMPTY = sha256().digest()


def sized(length_bytes: int, data: bytes) -> bytes:
    """Data behind its length."""
    return len(data).to_bytes(length_bytes, "big") + data


def message(kind: int, body: bytes) -> bytes:
    """A message of the handshake."""
    return bytes([kind]) + sized(3, body)


def plain_record(kind: int, data: bytes) -> bytes:
    return bytes([kind, 3, 3]) + sized(2, data)


def certificate_message(certificates: list[bytes], context: bytes = b"") -> bytes:
    entries = b"".join(sized(3, each) + b"\0\0" for each in certificates)
    return message(CERTIFICATE, sized(1, context) + sized(3, entries))


def _extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + sized(2, body)


def client_hello(
    share: bytes, *, alpn: str | None = "smp/1", name: str | None = None, more: bytes = b""
) -> bytes:
    """The first message; ``more`` is put behind its extensions."""
    extensions = [
        _extension(43, sized(1, b"\x03\x04")),
        _extension(10, sized(2, b"\x00\x1d")),
        _extension(13, sized(2, bytes.fromhex("080708080403050308040401"))),
        _extension(51, sized(2, b"\x00\x1d" + sized(2, share))),
    ]
    if alpn is not None:
        extensions.append(_extension(16, sized(2, sized(1, alpn.encode()))))
    if name is not None:
        extensions.append(_extension(0, sized(2, b"\0" + sized(2, name.encode()))))
    body = b"\x03\x03" + os.urandom(32) + sized(1, os.urandom(32)) + sized(2, b"\x13\x03")
    return message(CLIENT_HELLO, body + b"\x01\0" + sized(2, b"".join(extensions) + more))


def _expand(secret: bytes, label: str, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label, for what fits into one digest."""
    info = size.to_bytes(2, "big") + sized(1, b"tls13 " + label.encode()) + sized(1, context)
    return hmac.digest(secret, info + b"\x01", "sha256")[:size]


def _extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt, secret, "sha256")


class _Direction:
    """The keys of one direction."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._cipher = ChaCha20Poly1305(_expand(secret, "key", b"", 32))
        self._iv = int.from_bytes(_expand(secret, "iv", b"", 12), "big")
        self._count = 0

    def _nonce(self) -> bytes:
        nonce = (self._iv ^ self._count).to_bytes(12, "big")
        self._count += 1
        return nonce

    def seal(self, kind: int, data: bytes, padding: int = 0) -> bytes:
        inner = data + bytes([kind]) + bytes(padding)
        head = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        return head + self._cipher.encrypt(self._nonce(), inner, head)

    def seal_nothing(self) -> bytes:
        """A record that has not even a kind in it, which the rules forbid."""
        head = b"\x17\x03\x03\x00\x10"
        return head + self._cipher.encrypt(self._nonce(), b"", head)

    def open(self, head: bytes, sealed: bytes) -> tuple[int, bytes]:
        inner = self._cipher.decrypt(self._nonce(), sealed, head).rstrip(b"\0")
        return inner[-1], inner[:-1]

    def next(self) -> _Direction:
        return _Direction(_expand(self.secret, "traffic upd", b"", 32))

    def finished(self, transcript: bytes) -> bytes:
        key = _expand(self.secret, "finished", b"", 32)
        return hmac.digest(key, sha256(transcript).digest(), "sha256")


class Received(NamedTuple):
    kind: int
    data: bytes


class Tls13:
    """A connection whose handshake has come to where it is the client's turn again."""

    def __init__(self, port: int, *, alpn: str | None = "smp/1", name: str | None = None) -> None:
        self.sock: socket.socket = connect(port)
        self._unread = b""
        self._data = b""
        try:
            self._start(alpn, name)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Tls13:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    # --- the handshake ------------------------------------------------------------------------

    def _start(self, alpn: str | None, name: str | None) -> None:
        key = X25519PrivateKey.generate()
        share = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        hello = client_hello(share, alpn=alpn, name=name)
        self.sock.sendall(plain_record(HANDSHAKE, hello))
        kind, answer = self._plain()
        assert kind == HANDSHAKE, f"answered with {kind}, {answer.hex()}"
        assert answer[0] == SERVER_HELLO
        secret = key.exchange(X25519PublicKey.from_public_bytes(_share_in(answer)))
        self.transcript = hello + answer
        early = _extract(b"", bytes(32))
        self._secret = _extract(_expand(early, "derived", _EMPTY, 32), secret)
        self._ours = _Direction(self._derive("c hs traffic"))
        self._theirs = _Direction(self._derive("s hs traffic"))
        self.is_asked_for_certificate = False
        self._read_flight()
        self._secret = _extract(_expand(self._secret, "derived", _EMPTY, 32), bytes(32))
        self._client_secret = self._derive("c ap traffic")
        self._theirs = _Direction(self._derive("s ap traffic"))

    def _derive(self, label: str) -> bytes:
        return _expand(self._secret, label, sha256(self.transcript).digest(), 32)

    def _read_flight(self) -> None:
        """Read what the server says up to its Finished."""
        buffer = b""
        while True:
            kind, data = self._record()
            assert kind == HANDSHAKE, f"record {kind}: {data.hex()}"
            buffer += data
            while len(buffer) >= 4:
                size = 4 + int.from_bytes(buffer[1:4], "big")
                if len(buffer) < size:
                    break
                each, buffer = buffer[:size], buffer[size:]
                self.transcript += each
                self.is_asked_for_certificate |= each[0] == CERTIFICATE_REQUEST
                if each[0] == FINISHED:
                    return

    def say(self, said: bytes) -> None:
        """Send a message of the handshake, in as many records as it takes, and go on from it."""
        self.transcript += said
        for start in range(0, len(said), MAX_RECORD):
            self.send_record(HANDSHAKE, said[start : start + MAX_RECORD])

    def finish(self) -> None:
        """Complete the handshake with no certificate."""
        if self.is_asked_for_certificate:
            self.say(certificate_message([]))
        self.say_finished()

    def say_finished(self) -> None:
        """Send the last message of the handshake, whatever came before it."""
        self.say(message(FINISHED, self._ours.finished(self.transcript)))
        self._ours = _Direction(self._client_secret)

    # --- records ------------------------------------------------------------------------------

    def seal(self, kind: int, data: bytes, padding: int = 0) -> bytes:
        return self._ours.seal(kind, data, padding)

    def seal_nothing(self) -> bytes:
        return self._ours.seal_nothing()

    def send_record(self, kind: int, data: bytes, padding: int = 0) -> None:
        self.sock.sendall(self.seal(kind, data, padding))

    def key_update(self, *, asks: bool = False) -> bytes:
        """A record after which our next one has other keys; ``asks`` the server to do the same."""
        sealed = self.seal(HANDSHAKE, message(KEY_UPDATE, b"\x01" if asks else b"\0"))
        self._ours = self._ours.next()
        return sealed

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._unread += data
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def _plain(self) -> Received:
        head = self._take(5)
        return Received(head[0], self._take(int.from_bytes(head[3:], "big")))

    def _record(self) -> Received:
        """The next record that says something, opened."""
        while True:
            head = self._take(5)
            data = self._take(int.from_bytes(head[3:], "big"))
            if head[0] == CHANGE_CIPHER_SPEC:
                continue
            if head[0] != DATA:
                return Received(head[0], data)
            try:
                return Received(*self._theirs.open(head, data))
            except InvalidTag:
                raise AssertionError("a record with other keys than expected") from None

    # --- data ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_RECORD):
            self.send_record(DATA, data[start : start + MAX_RECORD])

    def read(self, size: int) -> bytes:
        """So much data; `EOFError` at the end, be it an alert."""
        while len(self._data) < size:
            kind, data = self._record()
            if kind == DATA:
                self._data += data
            elif kind == ALERT:
                raise EOFError
            elif data[0] == KEY_UPDATE:
                self._theirs = self._theirs.next()
        taken, self._data = self._data[:size], self._data[size:]
        return taken


def _share_in(hello: bytes) -> bytes:
    """The server's share of the key exchange."""
    at = 4 + 2 + 32
    at += 1 + hello[at] + 2 + 1
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at < end:
        kind, size = (int.from_bytes(hello[at + i : at + i + 2], "big") for i in (0, 2))
        if kind == 51:
            return hello[at + 8 : at + 4 + size]
        at += 4 + size
    raise AssertionError("no share")
