"""Dialling a server: from its address and the user's configuration to a TLS connection."""

from __future__ import annotations

import math
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Protocol

import trio

from simplex_trio.errors import DialFailed, ProxyRefused, SocksSupportMissing
from simplex_trio.transport.config import ConnectConfig, SocksProxy
from simplex_trio.transport.hosts import DialPlan, plan_dial
from simplex_trio.transport.quick_ack import QuickAckStream, set_keep_alive
from simplex_trio.transport.stagger import open_first
from simplex_trio.transport.tls import TlsCredentials, TlsStream, client_handshake, utc_now
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.hosts import Host

__all__ = ["Dialer", "open_transport"]

# As trio has it between the addresses of one host.
_NEXT_HOST_SECONDS = 0.25

# A login needs a password, and only the user name tells connections apart.
_ISOLATION_PASSWORD = "simplex"  # noqa: S105


class Dialer(Protocol):
    """Opens TLS connections to servers: `open_transport`, or a stand-in with the same contract.

    A stand-in may reach servers by other means, or none at all in a test.  It must make sure that
    the server is the one that the address names, raise `ConnectError` alone when it cannot, and
    leave nothing open when it is cancelled.
    """

    async def __call__(
        self,
        address: ServerAddress,
        *,
        alpn: Sequence[str] = (),
        config: ConnectConfig | None = None,
        credentials: TlsCredentials | None = None,
        isolation: bytes | None = None,
    ) -> TlsStream:
        """Connect to a server; see `open_transport` for the arguments."""
        ...


async def open_transport(
    address: ServerAddress,
    *,
    alpn: Sequence[str] = (),
    config: ConnectConfig | None = None,
    credentials: TlsCredentials | None = None,
    isolation: bytes | None = None,
    server_name: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> TlsStream:
    """Connect to a server and make sure that it is the one that the address names.

    ``alpn`` are the names of the protocol on its own port; on the web port another one is offered.
    ``credentials`` are those of a service.  ``isolation`` separates unrelated connections at a
    SOCKS proxy that isolates: those with equal values may share a circuit, and one without a value
    gets a circuit of its own.

    It has no deadline of its own; cancelling it leaves nothing open.  The caller owns what it
    returns.  Raises a `ConnectError`: `NoSuitableHost`, `SocksSupportMissing`, `DialFailed`,
    `ProxyRefused`, `WrongIdentity`, or another `TLSFailed`.
    """
    if config is None:
        config = ConnectConfig()
    plan = plan_dial(address, alpn, config)
    stream = await _dial(plan, isolation)
    if config.keep_alive is not None:
        set_keep_alive(stream.socket, config.keep_alive)
    return await client_handshake(
        QuickAckStream(stream),
        pin=address.key_hash,
        alpn=plan.alpn,
        server_name=server_name,
        credentials=credentials,
        clock=clock,
    )


async def _dial(plan: DialPlan, isolation: bytes | None) -> trio.SocketStream:
    if plan.socks is None:
        direct = [partial(_dial_directly, host, plan.port) for host in plan.hosts]
        return await open_first(direct, delay=_NEXT_HOST_SECONDS)
    # Through a proxy a slow attempt is normal, and each one is costly: one after the other.
    login = _login(plan.socks, isolation)
    proxied = [partial(_dial_socks, plan.socks, login, host, plan.port) for host in plan.hosts]
    return await open_first(proxied, delay=math.inf)


async def _dial_directly(host: Host, port: int) -> trio.SocketStream:
    try:
        return await trio.open_tcp_stream(host.bare, port)
    except (OSError, UnicodeError) as exc:  # the latter for names that cannot be resolved
        reasons = "; ".join(sorted(set(_reasons(exc))))
    # Without a cause: the text and the causes of the caught error contain addresses.
    raise DialFailed(f"the host cannot be reached: {reasons}")


def _reasons(error: BaseException) -> Iterator[str]:
    """What the system said about each attempt, without the addresses that trio adds."""
    match error:
        case ExceptionGroup():
            for each in error.exceptions:
                yield from _reasons(each)
        case OSError(__cause__=ExceptionGroup() as attempts):
            yield from _reasons(attempts)
        case socket.gaierror():
            yield "its name has no address"
        case OSError(errno=int(number)):
            yield os.strerror(number)
        case _:
            yield "its name cannot be resolved"


def _login(proxy: SocksProxy, isolation: bytes | None) -> tuple[str | None, str | None]:
    if not proxy.isolate:
        return proxy.username, proxy.password
    value = secrets.token_bytes(32) if isolation is None else isolation
    return sha256(value).hexdigest(), _ISOLATION_PASSWORD


async def _dial_socks(
    proxy: SocksProxy, login: tuple[str | None, str | None], host: Host, port: int
) -> trio.SocketStream:
    try:
        from python_socks import ProxyConnectionError, ProxyError, ProxyType
        from python_socks.async_.trio.v2 import Proxy
    except ImportError as exc:
        raise SocksSupportMissing(
            "a SOCKS proxy needs python-socks: pip install 'simplex-trio[socks]'"
        ) from exc
    username, password = login
    dialler = Proxy(ProxyType.SOCKS5, proxy.host, proxy.port, username, password, rdns=True)
    try:
        # The deadline is the caller's: without one here there would be a minute.
        connected = await dialler.connect(host.bare, port, timeout=math.inf)
        stream = connected.trio_stream
    except ProxyConnectionError:
        reason = "it cannot be reached"
    except ProxyError as exc:
        reason = str(exc)
    except (OSError, UnicodeError, trio.BrokenResourceError):
        reason = "the connection to it broke, or the name of the host is invalid"
    else:
        assert isinstance(stream, trio.SocketStream), "TLS comes after the proxy"
        return stream
    # Without a cause, for the same reason as above.
    raise ProxyRefused(f"the SOCKS proxy: {reason}")
