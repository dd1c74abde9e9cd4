"""Connections of attackers: a socket, and TLS by Python's own module."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

__all__ = ["Link", "TlsLink", "connect", "end_writing", "reset", "wait_for_end"]

T = TypeVar("T")

SECONDS = 60
"""For anything that a router has to do; a test that waits so long has failed."""


class Link(Protocol):
    """Bytes both ways, to a router that has done its part of TLS."""

    @property
    def sock(self) -> socket.socket: ...

    def send(self, data: bytes) -> None: ...

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; `EOFError` if the other side ends before."""
        ...

    def close(self) -> None: ...


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def end_writing(sock: socket.socket) -> None:
    """Say that nothing more comes, without a goodbye of TLS; what comes can still be read."""
    socket.socket.shutdown(sock, socket.SHUT_WR)  # that of `ssl` would end the reading, too


def reset(sock: socket.socket) -> None:
    """Close a connection so that the other side gets an error and no goodbye."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def wait_for_end(sock: socket.socket) -> bytes:
    """Read until the other side ends the connection, in whatever way; what it said before."""
    said = b""
    try:
        while data := sock.recv(65536):
            said += data
    except (ConnectionError, ssl.SSLError):
        pass
    return said


class TlsLink:
    """TLS as Python has it, which does not check who the server is.

    One thread may send while another one reads.
    """

    seconds: float = SECONDS
    """How long to wait for anything, before `TimeoutError`."""

    def __init__(
        self,
        port: int,
        *,
        alpn: str | None = "smp/1",
        name: str | None = None,
        certificate: Path | None = None,
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if alpn is not None:
            context.set_alpn_protocols([alpn])
        if certificate is not None:
            context.load_cert_chain(certificate)
        plain = connect(port)
        try:
            self._sock = context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

        self._lock = threading.Lock()

    @property
    def sock(self) -> ssl.SSLSocket:
        self._sock.settimeout(SECONDS)
        return self._sock

    def send(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._when_possible(partial(self._sock.send, left)) :]

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._when_possible(partial(self._sock.recv, size - len(data)))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def _when_possible(self, act: Callable[[], T]) -> T:
        # Before Python 3.13 `ssl` does not keep two threads from calling OpenSSL at once, which
        # makes either of them wait for the wrong thing.
        self._sock.settimeout(0)
        while True:
            with self._lock:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    event = select.POLLIN
                except ssl.SSLWantWriteError:
                    event = select.POLLOUT
            poll = select.poll()
            poll.register(self._sock, event)
            if not poll.poll(self.seconds * 1000):
                raise TimeoutError

    def close(self) -> None:
        self._sock.close()
