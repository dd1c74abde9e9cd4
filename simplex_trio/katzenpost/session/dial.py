"""Opening a socket to the daemon."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Awaitable, Callable

import trio

from simplex_trio.errors import DialFailed
from simplex_trio.katzenpost.config import DialConfig, TcpDial, UnixDial
from simplex_trio.transport.config import KeepAlive
from simplex_trio.transport.quick_ack import set_keep_alive

__all__ = ["Dialler", "dialler", "unix_address"]

Dialler = Callable[[], Awaitable[trio.abc.Stream]]
"""Opens a new connection each time it is called; raises `DialFailed`."""

_KEEP_ALIVE = KeepAlive(idle=10, interval=10, count=3)
"""As the daemon's own clients have it: half a minute until a daemon that vanished is noticed."""

_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)

_UNACKNOWLEDGED_MS = 30_000

_FAMILIES = {"tcp4": socket.AF_INET, "tcp6": socket.AF_INET6}


def dialler(config: DialConfig) -> Dialler:
    """What opens connections as the configuration says."""
    if isinstance(config, TcpDial):
        return lambda: _open_tcp(config)
    return lambda: _open_unix(config)


def unix_address(address: str) -> str:
    """The name of a Unix socket as the system takes it."""
    return "\0" + address[1:] if address.startswith("@") else address


async def _open_tcp(config: TcpDial) -> trio.abc.Stream:
    try:
        stream = await trio.open_tcp_stream(await _host(config), config.port)
    except (OSError, UnicodeError) as exc:  # the latter for names that cannot be resolved
        reason = _reason(exc)
    else:
        set_keep_alive(stream.socket, _KEEP_ALIVE)
        if _USER_TIMEOUT is not None:
            # A system that refuses it only notices later that a daemon does not acknowledge.
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        return stream
    # Not caused by what was caught, since its text has the address in it.
    raise DialFailed(f"no daemon answers at the configured port: {reason}")


async def _host(config: TcpDial) -> str:
    """The host, or its address if only one version of IP is wanted."""
    family = _FAMILIES.get(config.network)
    if family is None:
        return config.host
    found = await trio.socket.getaddrinfo(config.host, config.port, family, socket.SOCK_STREAM)
    return str(found[0][4][0])


async def _open_unix(config: UnixDial) -> trio.abc.Stream:
    family: int | None = getattr(socket, "AF_UNIX", None)
    if family is None or (config.address.startswith("@") and sys.platform != "linux"):
        raise DialFailed("this system has no sockets of this kind")
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await sock.connect(unix_address(config.address))
    except (OSError, ValueError) as exc:  # the latter for a path that cannot be one
        sock.close()
        reason = _reason(exc)
    except BaseException:
        sock.close()
        raise
    else:
        return trio.SocketStream(sock)
    raise DialFailed(f"no daemon answers at the configured socket: {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return "nothing listens there, or there is no such place"
