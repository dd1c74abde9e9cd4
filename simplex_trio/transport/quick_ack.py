"""`QuickAckStream`: a TCP stream that acknowledges what it receives at once.

Routers of the reference implementation leave Nagle's algorithm on: they hold a small packet back
until the previous one is acknowledged, which the kernel on our side puts off for 40 ms in the hope
of sending the acknowledgement along with data.  The two together cost 40 ms for each strict round
trip and several times that for connecting.  Linux has an option against it that wears off by
itself, and so is set again whenever a read is about to wait, from the first byte of the TLS
handshake on; what has come since the last time is acknowledged by that as well.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket

import trio

from simplex_trio.transport.config import KeepAlive

__all__ = ["QuickAckStream", "set_keep_alive"]

_log = logging.getLogger(__name__)

# A block and what TLS adds to it, unless the reader asks for more.
_RECEIVE_SIZE = 16_406

_CLOSED_HERE = {errno.EBADF, errno.ENOTSOCK}

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
    """A TCP stream with quick acknowledgements where the system has them.

    It takes the socket over from ``stream``, which has switched Nagle's algorithm off on this side
    (TCP_NODELAY), and works on it directly, since every block passes here.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        was = stream.socket
        self.socket: socket.socket = socket.socket(
            was.family, was.type, was.proto, fileno=was.detach()
        )
        self.socket.setblocking(False)
        self._receiving = False
        self._is_drained = False
        self._sending = False
        self._left = b""  # of what was to be sent without waiting
        self._has_ended = False

    # --- receiving ----------------------------------------------------------------------------

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this socket")
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("this socket is closed")
        if max_bytes is None:
            max_bytes = _RECEIVE_SIZE
        elif max_bytes < 1:
            raise ValueError("at least one byte is to be received")
        self._receiving = True
        try:
            data = await self._receive(max_bytes)
        except OSError as exc:
            raise _as_stream_error(exc) from exc
        finally:
            self._receiving = False
        self._is_drained = 0 < len(data) < max_bytes
        return data

    async def _receive(self, max_bytes: int) -> bytes:
        if not self._is_drained:
            await trio.lowlevel.checkpoint_if_cancelled()
            with contextlib.suppress(BlockingIOError):
                data = self.socket.recv(max_bytes)
                await trio.lowlevel.cancel_shielded_checkpoint()
                return data
        self._acknowledge_quickly()
        while True:
            await trio.lowlevel.wait_readable(self.socket)
            with contextlib.suppress(BlockingIOError):
                return self.socket.recv(max_bytes)

    def _acknowledge_quickly(self) -> None:
        if _QUICK_ACK is not None:
            # A lost connection is reported by the read that follows, as an error that callers know.
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    # --- sending ------------------------------------------------------------------------------

    sends_nowait: bool = True

    def send_nowait(self, data: bytes) -> bool:
        """Send what the system takes at once; whether that was all.

        What is left goes out with the next `send_all`, which must then be called, if only without
        data.
        """
        self._begin_sending()
        try:
            data = self._left + data
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            raise _as_stream_error(exc) from exc
        finally:
            self._sending = False
        self._left = data[sent:]
        return not self._left

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._begin_sending()
        try:
            if self._left:
                await trio.lowlevel.checkpoint_if_cancelled()
                data, self._left = self._left + data, b""
            await self._send(data)
        except OSError as exc:
            raise _as_stream_error(exc) from exc
        finally:
            self._sending = False

    async def _send(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        has_waited = False
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                try:
                    with view[sent:] as left:
                        sent += self.socket.send(left)
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self.socket)
                    has_waited = True
        if not has_waited:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        self._begin_sending()
        try:
            await trio.lowlevel.wait_writable(self.socket)
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        if self._has_ended:
            await trio.lowlevel.checkpoint()
            return
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            self.socket.shutdown(socket.SHUT_WR)
            self._has_ended = True
        except OSError as exc:
            raise _as_stream_error(exc) from exc
        finally:
            self._sending = False

    def _begin_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this socket")
        if self._has_ended or self.socket.fileno() < 0:
            raise trio.ClosedResourceError("nothing can be sent on this socket any more")
        self._sending = True

    # --- closing ------------------------------------------------------------------------------

    async def aclose(self) -> None:
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()
        await trio.lowlevel.checkpoint()


def _as_stream_error(error: OSError) -> trio.ClosedResourceError | trio.BrokenResourceError:
    if error.errno in _CLOSED_HERE:
        return trio.ClosedResourceError("this socket is closed")
    return trio.BrokenResourceError(f"the connection is broken: {error.strerror}")
