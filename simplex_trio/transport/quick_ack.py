"""`QuickAckStream`: a TCP stream that acknowledges what it receives at once.

Routers of the reference implementation leave Nagle's algorithm on: they hold a small packet back
until the previous one is acknowledged, which the kernel on our side puts off for 40 ms in the hope
of sending the acknowledgement along with data.  The two together cost 40 ms for each strict round
trip and several times that for connecting.  Linux has an option against it that wears off by
itself, and so is set again before each read, from the first byte of the TLS handshake on.
"""

from __future__ import annotations

import contextlib
import logging
import socket

import trio

from simplex_trio.transport.config import KeepAlive

__all__ = ["QuickAckStream", "set_keep_alive", "widen_reads"]

_log = logging.getLogger(__name__)

# A block and what TLS adds to it (16,406 bytes), in one read.  For blocks, more at once is not
# faster, and the buffers that it passes through stay as large as the most that they ever held.
_RECEIVE_SIZE = 20_480

# What a read passes through costs more than the bytes: half of the time for a long body is that of
# the reads, if each of them takes no more than a block.
_WIDE_RECEIVE_SIZE = 256 * 1024

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)

# macOS has another name for the same option.
_KEEP_IDLE: int | None = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
_KEEP_INTERVAL: int | None = getattr(socket, "TCP_KEEPINTVL", None)
_KEEP_COUNT: int | None = getattr(socket, "TCP_KEEPCNT", None)


def set_keep_alive(sock: trio.socket.SocketType, keep_alive: KeepAlive) -> None:
    """Switch keep-alive on; a system that refuses part of it is worth a log line and no more."""
    wanted = (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, _KEEP_IDLE, keep_alive.idle),
        (socket.IPPROTO_TCP, _KEEP_INTERVAL, keep_alive.interval),
        (socket.IPPROTO_TCP, _KEEP_COUNT, keep_alive.count),
    )
    for level, option, value in wanted:
        if option is None:
            continue
        try:
            sock.setsockopt(level, option, value)
        except OSError as exc:
            _log.warning("TCP keep-alive is not as configured: %s", exc.strerror)


class QuickAckStream(trio.abc.HalfCloseableStream):
    """``stream`` with quick acknowledgements where the system has them; it owns the stream.

    `trio.SocketStream` switches Nagle's algorithm off on this side by itself (TCP_NODELAY).
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._size = self._largest = _RECEIVE_SIZE

    def widen_reads(self) -> None:
        """Read more at once, up to 256 KiB, as long as that much arrives."""
        self._largest = _WIDE_RECEIVE_SIZE

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if _QUICK_ACK is not None:
            # A lost connection is reported by the read below, as an error that callers know.
            with contextlib.suppress(OSError):
                self.stream.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        data = await self.stream.receive_some(self._size if max_bytes is None else max_bytes)
        self._size = min(max(2 * len(data), _RECEIVE_SIZE), self._largest)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()


def widen_reads(stream: trio.abc.Stream) -> None:
    """Read more at once from now on, for a connection that carries long bodies.

    Whoever reads must take all of it at once: it does not wait in the buffers of TLS then.
    """
    if isinstance(stream, QuickAckStream):
        stream.widen_reads()
