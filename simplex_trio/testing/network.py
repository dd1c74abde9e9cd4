"""`MemoryNetwork`: an in-memory network with faults drawn from a seed.

Connections carry bytes in order and with delays, as TCP does.  Some are refused, some break at any
byte, and some fall silent instead, so that neither side notices.  A server can be taken down with
all of its connections, and come back.  All waiting uses Trio's clock, so with a
`trio.testing.MockClock` years of faults pass in seconds.  A seed reproduces the same faults as long
as the program does the same.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from random import Random

import trio
from attrs import field
from attrs.validators import ge, gt, le

from simplex_trio.frozen import frozen

__all__ = ["MemoryNetwork", "Trouble"]

_WINDOW = 65536
"""In-flight bytes in one direction of a connection; beyond them the sender waits."""


@frozen
class Trouble:
    """The faults of connections; by default there are none."""

    refused: float = field(default=0.0, validator=[ge(0.0), le(1.0)])
    """The probability that a connection is refused."""
    breaks: float = field(default=0.0, validator=[ge(0.0), le(1.0)])
    """The probability that a connection breaks at some time."""
    falls_silent: float = field(default=0.0, validator=[ge(0.0), le(1.0)])
    """The probability that a connection that does not break falls silent at some time."""
    after_bytes: int = field(default=100_000, validator=gt(0))
    """The fault occurs before this many bytes in both directions together."""
    delay: float = field(default=0.0, validator=ge(0))
    """The longest delay of bytes, in seconds."""


class _Fault(Enum):
    NONE = auto()
    BREAK = auto()
    SILENCE = auto()


class _Line:
    """The shared state of both directions of a connection: when its fault occurs."""

    def __init__(self, fault: _Fault, bytes_left: int) -> None:
        self._fault = fault
        self._bytes_left = bytes_left
        self._on_break: list[Callable[[], object]] = []
        self.broken = False
        self.silent = False

    def when_broken(self, notify: Callable[[], object]) -> None:
        self._on_break.append(notify)

    def let_through(self, size: int) -> int:
        """Return how many of ``size`` bytes get through."""
        if self.broken or self.silent:
            return 0
        if self._fault is _Fault.NONE or size < self._bytes_left:
            self._bytes_left -= size
            return size
        size = self._bytes_left
        if self._fault is _Fault.BREAK:
            self.break_off()
        else:
            self.silent = True
        return size

    def break_off(self) -> None:
        """Break the connection, unless it is already broken or silent."""
        if not (self.broken or self.silent):
            self.broken = True
            for notify in self._on_break:
                notify()


class _Pipe:
    """One direction of a connection."""

    def __init__(self, line: _Line, delay: Callable[[], float]) -> None:
        self._line = line
        self._delay = delay
        self._pieces: deque[tuple[float, bytes]] = deque()  # empty bytes: the end
        self._last_due = 0.0
        self._size = 0
        self._reader_gone = False
        self._writer_gone = False
        self._changed = trio.lowlevel.ParkingLot()
        line.when_broken(self._changed.unpark_all)

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        while data:
            await self.wait_for_room()
            piece, data = data[: _WINDOW - self._size], data[_WINDOW - self._size :]
            piece = piece[: self._line.let_through(len(piece))]
            if piece:
                self._put(piece)

    async def wait_for_room(self) -> None:
        """Wait until something can be sent; a checkpoint only if it waits."""
        while self._size >= _WINDOW and not self._is_known_to_be_over:
            await self._changed.park()
        if self._writer_gone:
            raise trio.ClosedResourceError
        if self._is_known_to_be_over:
            raise trio.BrokenResourceError("the connection broke")

    @property
    def _is_known_to_be_over(self) -> bool:
        if self._line.broken or self._writer_gone:
            return True
        return self._reader_gone and not self._line.silent

    async def receive(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            if self._reader_gone:
                raise trio.ClosedResourceError
            if self._pieces and self._pieces[0][0] <= trio.current_time():
                return self._take(max_bytes)
            if self._pieces:
                with trio.move_on_at(self._pieces[0][0]):
                    await self._changed.park()
            elif self._line.broken:
                raise trio.BrokenResourceError("the connection broke")
            else:
                await self._changed.park()

    def end(self) -> None:
        self._writer_gone = True
        if not (self._line.silent or self._line.broken):
            self._put(b"")
        self._changed.unpark_all()

    def stop_reading(self) -> None:
        self._reader_gone = True
        self._changed.unpark_all()

    def _put(self, piece: bytes) -> None:
        self._last_due = max(self._last_due, trio.current_time() + self._delay())
        self._pieces.append((self._last_due, piece))
        self._size += len(piece)
        self._changed.unpark_all()

    def _take(self, max_bytes: int) -> bytes:
        due, piece = self._pieces[0]
        if not piece:
            return piece  # the end stays in the queue
        taken, rest = piece[:max_bytes], piece[max_bytes:]
        if rest:
            self._pieces[0] = due, rest
        else:
            self._pieces.popleft()
        self._size -= len(taken)
        self._changed.unpark_all()
        return taken


class _End(trio.abc.Stream):
    """One end of a connection."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False
        self._sending = _OneAtATime("another task is sending")
        self._receiving = _OneAtATime("another task is receiving")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with self._sending:
            self._check()
            await self._outgoing.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        with self._sending:
            self._check()
            await trio.lowlevel.checkpoint()
            await self._outgoing.wait_for_room()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        with self._receiving:
            self._check()
            return await self._incoming.receive(_WINDOW if max_bytes is None else max_bytes)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._outgoing.end()
            self._incoming.stop_reading()
        await trio.lowlevel.checkpoint()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError


class _OneAtATime:
    """Raises `trio.BusyResourceError` for a second task at a time."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise trio.BusyResourceError(self._message)
        self._busy = True

    def __exit__(self, *_exc_info: object) -> None:
        self._busy = False


Serve = Callable[[trio.abc.Stream], Awaitable[object]]
"""Serves one connection; when it returns or is cancelled, the connection is closed."""


class _Server:
    def __init__(self, serve: Serve, nursery: trio.Nursery) -> None:
        self.serve = serve
        self.nursery = nursery
        self.lines: list[_Line] = []


class MemoryNetwork:
    """Connects clients to the servers that are up, with faults."""

    def __init__(self, random: Random, trouble: Trouble | None = None) -> None:
        self.trouble: Trouble = trouble or Trouble()
        """The faults of connections from now on; may be replaced at any time."""
        self._random = random
        self._servers: dict[str, _Server] = {}

    async def run_server(
        self, name: str, serve: Serve, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Run a server of that name until cancelled or `take_down`; for `trio.Nursery.start`."""
        if name in self._servers:
            raise ValueError("a server of that name is already running")
        async with trio.open_nursery() as nursery:
            server = self._servers[name] = _Server(serve, nursery)
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._remove(name, server)

    def take_down(self, name: str) -> None:
        """Break all connections of a server, and refuse new ones until it is started again."""
        server = self._servers[name]
        self._remove(name, server)
        server.nursery.cancel_scope.cancel()

    def is_up(self, name: str) -> bool:
        return name in self._servers

    async def connect(self, name: str) -> trio.abc.Stream:
        """Connect to a server; raise `OSError` if it is down or the connection is refused."""
        await trio.sleep(self._delay())
        server = self._servers.get(name)
        if server is None or self._happens(self.trouble.refused):
            raise ConnectionRefusedError("the server is down")
        line = self._new_line()
        server.lines.append(line)
        there, back = _Pipe(line, self._delay), _Pipe(line, self._delay)
        server.nursery.start_soon(self._serve, server, _End(there, back), line)
        return _End(back, there)

    def cut_connections(self, name: str) -> None:
        """Break all connections of a server, which stays up."""
        server = self._servers[name]
        for line in server.lines:
            line.break_off()

    async def _serve(self, server: _Server, stream: trio.abc.Stream, line: _Line) -> None:
        try:
            await server.serve(stream)
        finally:
            server.lines.remove(line)
            with trio.CancelScope(shield=True):
                await stream.aclose()

    def _remove(self, name: str, server: _Server) -> None:
        if self._servers.get(name) is server:
            self.cut_connections(name)
            del self._servers[name]

    def _new_line(self) -> _Line:
        fault = _Fault.NONE
        if self._happens(self.trouble.breaks):
            fault = _Fault.BREAK
        elif self._happens(self.trouble.falls_silent):
            fault = _Fault.SILENCE
        return _Line(fault, self._random.randrange(self.trouble.after_bytes))

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def _delay(self) -> float:
        return self._random.uniform(0, self.trouble.delay)
