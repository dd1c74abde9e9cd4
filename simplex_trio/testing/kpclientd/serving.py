"""Running the simulated daemon on real sockets, for this program or for others."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from simplex_trio.katzenpost.config import DialConfig, TcpDial, UnixDial
from simplex_trio.katzenpost.session.dial import unix_address
from simplex_trio.katzenpost.wire.cbor import require_cbor
from simplex_trio.testing.kpclientd.connection import ClientConnection
from simplex_trio.testing.kpclientd.daemon import SimulatedDaemon
from simplex_trio.testing.kpclientd.mixnet import LIFELIKE, Pace, SimulatedMixnet

__all__ = [
    "DEFAULT_LISTEN",
    "SHUTDOWN_SECONDS",
    "ListeningDaemon",
    "config_text",
    "open_simulated_daemon",
    "serve_simulated_daemon",
]

DEFAULT_LISTEN = TcpDial("localhost", 64331)
"""The usual address of the real daemon."""

SHUTDOWN_SECONDS = 0.1
"""Between telling clients that the daemon shuts down and hanging up on those that have not left.
Some handle messages beside reading, and would see the end before they knew that it was announced.
"""

_ANY_PORT = TcpDial("localhost", 0, "tcp4")

_log = logging.getLogger(__name__)


class ListeningDaemon(SimulatedDaemon):
    """A simulated daemon on a socket; clients dial ``dial``."""

    def __init__(self, mixnet: SimulatedMixnet | None, dial: DialConfig) -> None:
        super().__init__(mixnet)
        self.dial = dial

    def write_config(self, path: str | Path) -> None:
        """Write a ``thinclient.toml`` with the daemon's address."""
        Path(path).write_text(config_text(self.dial), "utf-8")

    async def _let_leave(self, connections: tuple[ClientConnection, ...]) -> None:
        with trio.move_on_after(SHUTDOWN_SECONDS):
            for connection in connections:
                await connection.ended()


def config_text(dial: DialConfig) -> str:
    """Return the ``thinclient.toml`` for a daemon at this address."""
    if isinstance(dial, UnixDial):
        return f'[Dial.Unix]\nAddress = "{dial.address}"\n'
    host = f"[{dial.host}]" if ":" in dial.host else dial.host
    return f'[Dial.Tcp]\nAddress = "{host}:{dial.port}"\nNetwork = "{dial.network}"\n'


async def _listeners(listen: DialConfig) -> list[trio.SocketListener]:
    if isinstance(listen, TcpDial):
        return await trio.open_tcp_listeners(listen.port, host=listen.host)
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await sock.bind(unix_address(listen.address))
        sock.listen()
    except BaseException:
        sock.close()
        raise
    return [trio.SocketListener(sock)]


def _dial_to(listen: DialConfig, listeners: list[trio.SocketListener]) -> DialConfig:
    """Return the address of the listeners, whose port the system may have chosen."""
    if isinstance(listen, UnixDial):
        return listen
    host, port, *_ = listeners[0].socket.getsockname()
    return listen if listen.port else TcpDial(host, port, listen.network)


@asynccontextmanager
async def open_simulated_daemon(
    listen: DialConfig = _ANY_PORT, mixnet: SimulatedMixnet | None = None
) -> AsyncIterator[ListeningDaemon]:
    """Run a listening simulated daemon for the duration of the block.

    By default it listens on an arbitrary local port.  Leaving the block ends it and its
    connections. Raises `OSError` if it cannot listen.
    """
    require_cbor()
    listeners = await _listeners(listen)
    daemon = ListeningDaemon(mixnet, _dial_to(listen, listeners))
    try:
        async with daemon.running() as nursery:
            await nursery.start(trio.serve_listeners, daemon.serve_stream, listeners)
            yield daemon
    finally:
        for listener in listeners:
            await trio.aclose_forcefully(listener)
        if isinstance(listen, UnixDial) and not listen.address.startswith("@"):
            with suppress(OSError):
                os.unlink(listen.address)


async def serve_simulated_daemon(
    listen: DialConfig = DEFAULT_LISTEN,
    *,
    pace: Pace = LIFELIKE,
    config_path: str | Path | None = None,
    task_status: trio.TaskStatus[ListeningDaemon] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a simulated daemon for other programs, until cancelled.

    If ``config_path`` is given, a ``thinclient.toml`` with its address is written there.  Raises
    `OSError` if it cannot listen, or cannot write that file.
    """
    async with open_simulated_daemon(listen, SimulatedMixnet(pace=pace)) as daemon:
        if config_path is not None:
            daemon.write_config(config_path)
        _log.warning("this daemon simulates a mixnet and protects nothing")
        task_status.started(daemon)
        await trio.sleep_forever()
