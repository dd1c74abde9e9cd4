"""`Routers`: the routers that an agent uses, through the `SMPClientAgent` below it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import trio

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.client.router_errors import ProxyFailed, RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.sending import SenderCommands
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.config import DuplexConfig, Isolation, Server
from simplex_trio.duplex.machine.connection import SendingQueue
from simplex_trio.duplex.machine.delivering import SendFailure
from simplex_trio.duplex.server_lists import ServerLists
from simplex_trio.duplex.servers import (
    Route,
    first_route,
    may_fall_back,
    proxies_for,
    servers_for_queue,
)
from simplex_trio.duplex.work.fetched import fetching_label
from simplex_trio.errors import (
    ConnectError,
    NoCommonVersion,
    NoSuitableHost,
    SimplexError,
)
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkContent, LinkKeys, decode_link
from simplex_trio.wire.duplex.short_links import ShortInvitationLink, ShortLink
from simplex_trio.wire.errors.values import (
    Broker,
    BrokerErrorKind,
    Code,
    Proxy,
    TransportError,
    TransportErrorKind,
)
from simplex_trio.wire.smp.messages import LNK

__all__ = ["NETWORK_ERRORS", "Routers", "failure_of", "is_temporary"]

T = TypeVar("T")

NETWORK_ERRORS = (SimplexError, OSError)
"""The ordinary ways in which a command fails."""

_MAX_PROXIES = 1024
"""Routers whose proxy is remembered, so that they keep one session; the oldest is forgotten."""

_FEW_OWNERS = 4
"""Owners of a link whose signatures are checked at once: 15 at most, which take 2 ms.

Those of more are checked in a thread."""


def failure_of(error: BaseException) -> SendFailure:
    """What the failure of a command means for what was to be done."""
    match error:
        case RouterError(error=Code.QUOTA):
            return SendFailure.QUOTA
        case RouterError(error=Code.AUTH):
            return SendFailure.GONE
        case ProxyFailed() if _is_host_error(error):
            return SendFailure.UNREACHABLE
        case ProxyFailed():
            return SendFailure.TEMPORARY
        case ConnectError():
            return SendFailure.UNREACHABLE
        case SimplexError(retryable=True):
            return SendFailure.TEMPORARY
        case SimplexError():
            return SendFailure.REFUSED
        case _:
            return SendFailure.TEMPORARY


def is_temporary(error: BaseException) -> bool:
    """Whether the same command may succeed later."""
    return failure_of(error) not in (SendFailure.GONE, SendFailure.REFUSED)


def _is_host_error(error: BaseException) -> bool:
    """Whether a router cannot be reached this way at all: by its hosts, or by its versions."""
    match error:
        case NoSuitableHost() | NoCommonVersion():
            return True
        case ProxyFailed(error=Proxy(error=Broker(error=BrokerErrorKind.HOST))):
            return True
        case ProxyFailed(
            error=Proxy(error=Broker(error=TransportError(kind=TransportErrorKind.VERSION)))
        ):
            return True
        case _:
            return False


class Routers:
    """What the work does with routers: whom to ask, under which label, and which way to send."""

    def __init__(
        self, config: DuplexConfig, agent: SMPClientAgent, random: Callable[[], float]
    ) -> None:
        self._config = config
        self._lists = ServerLists(config)
        self._agent = agent
        self._random = random
        self._proxies: OrderedDict[tuple[ServerAddress, str], Server] = OrderedDict()

    @property
    def separates_queues(self) -> bool:
        """Whether the id of a queue makes a difference to `label`."""
        return self._config.isolation is Isolation.QUEUE

    def label(self, user: str, server: ServerAddress, queue_id: bytes = b"") -> str:
        """What separates connections to routers, as far as the configuration asks for it."""
        match self._config.isolation:
            case Isolation.USER:
                return user
            case Isolation.SERVER:
                return f"{user}|{server}"
            case Isolation.QUEUE:
                return f"{user}|{server}|{queue_id.hex()}"

    def servers_of(self, user: str) -> tuple[Server, ...]:
        """The servers of a user."""
        return self._lists.of(user)

    def change_servers(
        self, servers: Iterable[Server | ServerAddress | str] | None, user: str | None
    ) -> None:
        """Replace the servers of a user, or of all who have no list of their own."""
        self._lists.change(servers, user)
        self._proxies.clear()

    def servers_for_queue(
        self, avoid: list[ServerAddress], chosen: ServerAddress | None, user: str = ""
    ) -> list[Server]:
        """Where to make a queue, best first; only on a server that was chosen before."""
        config = self._lists.config_of(user)
        if chosen is None:
            return servers_for_queue(config, avoid, self._random)
        known = [server for server in config.servers if server.address == chosen]
        return known[:1] or [Server(chosen)]

    async def owner(self, server: ServerAddress, label: str) -> SMPClient:
        """A connection for the commands of a queue's owner."""
        return await self._agent.client(server, label=label)

    def leave(self, server: ServerAddress, label: str) -> None:
        """A queue is gone, and with it the connections that it had to itself, if it had any."""
        if not self.separates_queues:
            return
        self._agent.remove(server, label=label)
        self._agent.remove(server, label=fetching_label(label))
        proxy = self._proxies.pop((server, label), None)
        if proxy is not None:
            self._agent.remove(proxy.address, label=label)

    def leave_peer(self, user: str, queue: SendingQueue) -> None:
        """The same for a queue of a peer."""
        with suppress(trio.ClosedResourceError):  # a step may still be taken then
            self.leave(queue.server, self.label(user, queue.server, queue.e2e_key.raw))

    async def send(
        self,
        server: ServerAddress,
        label: str,
        call: Callable[[SenderCommands], Awaitable[T]],
        *,
        user: str = "",
    ) -> tuple[T, bool]:
        """The outcome of a sender's command, and whether it went through a proxy.

        It is one of the ``user``'s servers.
        """
        config = self._lists.config_of(user)
        if first_route(config, server) is Route.DIRECT:
            return await call(await self._agent.client(server, label=label)), False
        try:
            return await self._send_proxied(config, server, label, call), True
        except NETWORK_ERRORS as exc:
            if not (_is_host_error(exc) and may_fall_back(config, server)):
                raise
        return await call(await self._agent.client(server, label=label)), False

    async def read_link(
        self, link: ShortLink, key: Ed25519PrivateKey | None, user: str
    ) -> LinkContent:
        """The data of a short link, checked; ``key`` secures the queue of a one-time link.

        Raises `LinkDataInvalid` if it is not what the link promises.
        """
        label = self.label(user, link.server)
        ask = partial(_ask_for_link, link, key)
        answer, _ = await self.send(link.server, label, ask, user=user)
        unchecked = decode_link(LinkKeys.of(link), answer.data)
        if unchecked.owners <= _FEW_OWNERS:
            return unchecked.check_from(link, answer.sender_id)
        return await trio.to_thread.run_sync(unchecked.check_from, link, answer.sender_id)

    async def _send_proxied(
        self,
        config: DuplexConfig,
        server: ServerAddress,
        label: str,
        call: Callable[[SenderCommands], Awaitable[T]],
    ) -> T:
        place = (server, label)
        proxy = self._proxies.get(place)
        if proxy is None:
            proxies = proxies_for(config, server, self._random)
            if not proxies:
                raise NoSuitableHost("there is no proxy to send through")
            proxy = proxies[0]
            self._proxies[place] = proxy
            if len(self._proxies) > _MAX_PROXIES:
                self._proxies.popitem(last=False)
        try:
            relay = await self._agent.relay(
                proxy.address, server, basic_auth=proxy.basic_auth, label=label
            )
            return await call(relay)
        except RouterError:
            raise  # the relay's own answer
        except NETWORK_ERRORS:
            self._proxies.pop(place, None)
            raise


async def _ask_for_link(
    link: ShortLink, key: Ed25519PrivateKey | None, sender: SenderCommands
) -> LNK:
    if isinstance(link, ShortInvitationLink):
        assert key is not None
        return await sender.secure_and_read_link(link.link_id, key)
    link_id = LinkKeys.of(link).link_id
    assert link_id is not None
    return await sender.read_link(link_id)
