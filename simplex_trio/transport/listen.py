"""The listener of a router: it accepts connections, does TLS, and counts all sockets.

A listener survives failures of single connections and shortages of the whole system; a client
cannot affect other connections than its own.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Protocol, TypeVar

import trio
from attrs import define

from simplex_trio.errors import ConnectError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.transport.config import KeepAlive
from simplex_trio.transport.networks import Origin, origin_of
from simplex_trio.transport.places import Places
from simplex_trio.transport.quick_ack import QuickAckStream, set_keep_alive
from simplex_trio.transport.tls import ServerContext, TlsStream, server_handshake, utc_now

__all__ = [
    "ServerHandshake",
    "SocketStatistics",
    "accept",
    "open_listeners",
    "peer_origin",
    "serve_tls",
]

StreamT = TypeVar("StreamT", bound=trio.abc.Stream)

_log = logging.getLogger(__name__)


def _numbers(*names: str) -> frozenset[int]:
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


# Failures of the connection that was to be accepted, which `accept` happens to report.
_TRY_NEXT = _numbers(
    "EAGAIN",
    "ECONNABORTED",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENETDOWN",
    "ENETUNREACH",
    "ENONET",
    "ENOPROTOOPT",
    "EOPNOTSUPP",
    "EPROTO",
)

# The process or the system is short of something; the connection stays in the queue meanwhile.
_TRY_LATER = _numbers("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")

# Long enough not to keep the processor busy, and too short for clients to notice.
_SHORTAGE_SECONDS = 0.1

_NO_SUCH_FAMILY = _numbers("EAFNOSUPPORT", "EADDRNOTAVAIL", "EPROTONOSUPPORT")

_BACKLOG = 1024


@define
class SocketStatistics:
    """How many connections there were and are; `leaked` is 0 unless there is a bug."""

    accepted: int = 0
    closed: int = 0
    active: int = 0
    turned_away: int = 0
    """Accepted connections that were closed at once for lack of a place."""

    @property
    def leaked(self) -> int:
        """Connections that are neither closed nor served by a task."""
        return self.accepted - self.closed - self.active


class ServerHandshake(Protocol):
    """Does TLS on an accepted connection: `server_handshake`, or a stand-in."""

    async def __call__(
        self, stream: trio.abc.Stream, context: ServerContext, *, clock: Callable[[], datetime]
    ) -> TlsStream:
        """See `server_handshake`."""
        ...


async def open_listeners(port: int, *, host: str | None = None) -> list[trio.SocketListener]:
    """Listen on ``port`` (0: one that the system chooses) of ``host``, or of the whole machine.

    Without a host a single listener takes connections over IPv6 and IPv4 both, or over IPv4 where
    the system has no IPv6; ``"::"`` and ``"0.0.0.0"`` stand for either alone.  A name may have
    several addresses: each has its listener, those of IPv6 first, except on port 0, where there is
    one for the first that works, since each would get another port.

    The caller owns what it returns.  Raises `OSError` if nothing can be opened.
    """
    if host is None:
        await trio.lowlevel.checkpoint()
        return [await _listen_everywhere(port)]
    found = await trio.socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    addresses = [(family, address) for family, _, _, _, address in found]
    addresses.sort(key=lambda each: each[0] != socket.AF_INET6)
    listeners: list[trio.SocketListener] = []
    missing: OSError | None = None
    try:
        for family, address in addresses:
            try:
                listeners.append(await _listen(family, address, dual=False))
            except OSError as exc:
                if exc.errno not in _NO_SUCH_FAMILY:
                    raise
                missing = exc
            if listeners and port == 0:
                break
    except BaseException:
        for listener in listeners:
            listener.socket.close()
        raise
    if missing is not None and not listeners:
        raise missing
    return listeners


async def _listen_everywhere(port: int) -> trio.SocketListener:
    if socket.has_dualstack_ipv6():
        try:
            return await _listen(socket.AF_INET6, ("::", port), dual=True)
        except OSError as exc:
            if exc.errno not in _NO_SUCH_FAMILY:
                raise
    return await _listen(socket.AF_INET, ("0.0.0.0", port), dual=False)  # noqa: S104


async def _listen(family: int, address: tuple[Any, ...], *, dual: bool) -> trio.SocketListener:
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        try:
            await sock.bind(address)
        except OSError as exc:
            exc.add_note(f"port {address[1]}")  # the system's message does not name it
            raise
        sock.listen(_BACKLOG)
        return trio.SocketListener(sock)
    except BaseException:
        sock.close()
        raise


async def accept(listener: trio.abc.Listener[StreamT]) -> StreamT:
    """The next connection of a listener.

    One that is gone already is passed over, and while the process or the system is short of
    something the connection waits.  Raises `OSError` if the listener itself cannot go on.
    """
    reported = False
    while True:
        try:
            return await listener.accept()
        except OSError as exc:
            if exc.errno in _TRY_NEXT:
                _log.debug("a connection was gone before it was accepted: %s", exc.strerror)
                await trio.lowlevel.checkpoint()
            elif exc.errno in _TRY_LATER:
                if not reported:
                    _log.warning("no connection can be accepted now: %s", exc.strerror)
                    reported = True
                await trio.sleep(_SHORTAGE_SECONDS)
            else:
                _log.error("a listener cannot go on: %s", exc.strerror)
                raise


async def serve_tls(
    handler: Callable[[TlsStream], Awaitable[object]],
    listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
    context: ServerContext,
    *,
    places: Places | None = None,
    statistics: SocketStatistics | None = None,
    keep_alive: KeepAlive | None = None,
    clock: Callable[[], datetime] = utc_now,
    handshake: ServerHandshake = server_handshake,
    origin: Callable[[trio.abc.Stream], Origin | None] | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept connections until it is cancelled, and run ``handler`` for each when TLS is there.

    A connection is closed when its handler returns or raises, which is logged and concerns no other
    connection.  ``places`` bounds how many there are, together with what else shares it.
    ``statistics`` is kept up to date.  ``keep_alive`` is off by default: its probes wake up phones.
    ``handshake`` does TLS on what was accepted, and ``origin`` says which connections count as one
    client's, by default `peer_origin`.

    The listeners belong to this call.  Cancelling it closes them, cancels all handlers and closes
    their connections, politely if that takes no longer than the limits say; nothing is left when it
    returns.  Raises the `OSError` of a listener that cannot go on.
    """
    server = _Server(
        handler,
        context,
        places or Places(),
        statistics or SocketStatistics(),
        keep_alive,
        clock,
        handshake,
        origin or peer_origin,
    )
    await server.run(listeners, task_status)


@define(eq=False)
class _Server:
    handler: Callable[[TlsStream], Awaitable[object]]
    context: ServerContext
    places: Places
    statistics: SocketStatistics
    keep_alive: KeepAlive | None
    clock: Callable[[], datetime]
    handshake: ServerHandshake
    origin: Callable[[trio.abc.Stream], Origin | None]

    async def run(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        task_status: trio.TaskStatus[None],
    ) -> None:
        async with open_inner_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self.accept_all, listener, nursery)
            task_status.started()

    async def accept_all(
        self, listener: trio.abc.Listener[trio.abc.Stream], nursery: trio.Nursery
    ) -> None:
        async with listener:
            while True:
                stream = await accept(listener)
                await nursery.start(self.serve, stream)

    async def serve(self, stream: trio.abc.Stream, task_status: trio.TaskStatus[None]) -> None:
        """Serve one connection; "started" when it has got a place, or was turned away."""
        self.statistics.accepted += 1
        self.statistics.active += 1
        origin = self.origin(stream)
        try:
            admitted = await self.places.take(origin)
            task_status.started()
            if not admitted:
                self.statistics.turned_away += 1
                return
            try:
                await self.converse(stream, origin)
            finally:
                self.places.leave(origin)
        finally:
            try:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)
                self.statistics.closed += 1
            finally:
                self.statistics.active -= 1

    async def converse(self, stream: trio.abc.Stream, origin: Origin | None) -> None:
        try:
            tls = await self.secure(stream)
            if tls is None:
                return
            tls.origin = origin
            try:
                await self.handler(tls)
            finally:
                with trio.move_on_after(self.places.limits.close_seconds, shield=True):
                    await tls.aclose()
        except trio.BrokenResourceError:
            _log.debug("a client disconnected")
        except Exception:
            _log.exception("a connection failed")

    async def secure(self, stream: trio.abc.Stream) -> TlsStream | None:
        try:
            with self.places.handshake(self.places.limits.handshake_seconds):
                if isinstance(stream, trio.SocketStream):
                    if not await _says_something(stream):
                        _log.debug("a client disconnected before TLS")
                        return None
                    if self.keep_alive is not None:
                        set_keep_alive(stream.socket, self.keep_alive)
                    stream = QuickAckStream(stream)
                return await self.handshake(stream, self.context, clock=self.clock)
        except (ConnectError, trio.TooSlowError) as exc:
            _log.debug("a TLS handshake failed: %s", type(exc).__name__)
            return None


def peer_origin(stream: trio.abc.Stream) -> Origin | None:
    """The origin of the other end of a connection; `None` where limits do not apply to it.

    See `simplex_trio.transport.networks.origin_of`.
    """
    if not isinstance(stream, trio.SocketStream | QuickAckStream):
        return None
    try:
        return origin_of(ip_address(stream.socket.getpeername()[0].partition("%")[0]))
    except (OSError, ValueError):  # it is gone already, or has an address of another kind
        return None


async def _says_something(stream: trio.SocketStream) -> bool:
    """Wait for a client's first byte without taking it; False if the connection ends before.

    Until then a connection costs a task and nothing else.
    """
    try:
        return bool(await stream.socket.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
