"""Routers that mean harm: a chain of certificates, a hello, and then whatever a test wants."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.adversary.certificates import certificate
from tests.adversary.smp import BLOCK, Answer, Reader, block_of, pad, short, signed_by, word

__all__ = ["Conversation", "Script", "hostile_router"]


class Identity(NamedTuple):
    """The certificates of a router, and the key of the leaf."""

    chain: list[bytes]
    key: Ed25519PrivateKey
    context: ssl.SSLContext

    @property
    def text(self) -> str:
        """The fingerprint, as addresses have it."""
        return base64.urlsafe_b64encode(sha256(self.chain[1]).digest()).decode()


@cache
def identity() -> Identity:
    authority, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    root = certificate(authority, subject="ca", issuer="ca", extensions=[(constraints, True)])
    leaf = certificate(key, by=authority, subject="router", issuer="ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["smp/1"])
    with TemporaryDirectory() as folder:
        file = Path(folder, "chain.pem")
        pem = [ssl.DER_cert_to_PEM_cert(each) for each in (leaf, root)]
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_text("".join(pem) + secret.decode())
        context.load_cert_chain(file)
    return Identity([leaf, root], key, context)


class Conversation:
    """A client's connection, from the router's side."""

    def __init__(self, plain: socket.socket) -> None:
        self.sock: socket.socket = plain

    def start_tls(self) -> None:
        self.sock = identity().context.wrap_socket(self.sock, server_side=True)

    @property
    def session_id(self) -> bytes:
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.sock.get_channel_binding("tls-unique") or b""

    def hello(
        self,
        *,
        versions: tuple[int, int] = (6, 18),
        session_id: bytes | None = None,
        chain: bytes | None = None,
        key: bytes | None = None,
    ) -> bytes:
        """The content of the first block; what is given takes the place of what would be right."""
        mine = identity()
        encoded = b"\x02" + b"".join(word(len(each)) + each for each in mine.chain)
        return b"".join(
            [
                *map(word, versions),
                short(self.session_id if session_id is None else session_id),
                encoded if chain is None else chain,
                signed_by(mine.key, X25519PrivateKey.generate()) if key is None else key,
            ]
        )

    def shake_hands(self) -> None:
        """Become a router at version 10, where blocks are not encrypted."""
        self.start_tls()
        self.send(pad(self.hello(versions=(6, 10))))
        self.read_block()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, to: Answer, message: bytes) -> bytes:
        """A transmission that answers a command."""
        return b"\0" + short(to.correlation_id) + short(to.entity_id) + message

    def say(self, *transmissions: bytes) -> None:
        self.send(block_of(list(transmissions)))

    def read_block(self) -> bytes:
        data = b""
        while len(data) < BLOCK:
            piece = self.sock.recv(BLOCK - len(data))
            if not piece:
                raise EOFError
            data += piece
        return Reader(data).large()

    def commands(self) -> Iterator[Answer]:
        """The commands that come, one after another."""
        while True:
            reader = Reader(self.read_block())
            for _ in range(reader.take(1)[0]):
                inner = Reader(reader.large())
                inner.short()
                yield Answer(inner.short(), inner.short(), inner.data)


Script = Callable[[Conversation], None]

SECONDS = 20
"""For a client to do what it is waited for."""


@contextmanager
def hostile_router(script: Script) -> Iterator[str]:
    """A router that does as ``script`` says on each connection; its address."""
    failures: list[BaseException] = []
    threads: list[threading.Thread] = []

    def converse(plain: socket.socket) -> None:
        plain.settimeout(SECONDS)
        conversation = Conversation(plain)
        try:
            with suppress(OSError, EOFError):
                script(conversation)
        except BaseException as exc:
            failures.append(exc)
        finally:
            with suppress(OSError):
                conversation.sock.close()

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                thread = threading.Thread(target=converse, args=(plain,))
                threads.append(thread)
                thread.start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        accepting = threading.Thread(target=accept, args=(listener,))
        accepting.start()
        try:
            yield f"smp://{identity().text}@127.0.0.1:{port}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()
    assert not failures, failures
