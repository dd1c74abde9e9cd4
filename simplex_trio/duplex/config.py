"""How a `DuplexAgent` behaves: its servers, what it hides from them, and what it speaks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType

from attrs import field
from attrs.validators import deep_iterable, ge, optional

from simplex_trio.agent.config import AgentConfig
from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.duplex.machine.step import Spoken
from simplex_trio.engine.backoff import Backoff
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth, each_of
from simplex_trio.wire.presets import PRESET_SERVERS

__all__ = [
    "DuplexConfig",
    "Fallback",
    "Isolation",
    "Network",
    "ProxyUse",
    "RotationPolicy",
    "Server",
    "UserLimits",
    "servers_of",
]


class Isolation(Enum):
    """What shares a connection to a router, and a circuit through a SOCKS proxy that isolates."""

    USER = "user"
    """All queues of a user."""
    SERVER = "server"
    """All queues of a user at one router; they already share no connection with those at another,
    and with this no circuit either."""
    QUEUE = "queue"
    """Nothing: each queue has its own."""


class ProxyUse(Enum):
    """When messages are sent through a proxy, which hides this program from the peer's router."""

    ALWAYS = "always"
    UNKNOWN = "unknown"
    """If the router is not one of the agent's own servers."""
    UNPROTECTED = "unprotected"
    """The same, unless a SOCKS proxy or an onion host hides the program already."""
    NEVER = "never"


class Network(Enum):
    """The network of this machine, as far as it makes a difference to an agent."""

    ORDINARY = "ordinary"
    SLOW = "slow"
    """Mobile, or metered: time-outs are longer, see `DuplexConfig.slowness`."""
    LOST = "lost"
    """There is none: nothing is tried."""


class Fallback(Enum):
    """What happens when no proxy can reach a router."""

    ALLOW = "allow"
    """It is sent to directly."""
    ALLOW_PROTECTED = "allow protected"
    """The same, if a SOCKS proxy or an onion host hides the program."""
    PROHIBIT = "prohibit"
    """The message waits."""


@frozen(repr=False)
class Server(Redacted):
    """A router that queues are made on, or that messages go through."""

    address: ServerAddress = field(validator=instance_of(ServerAddress))
    basic_auth: bytes | None = None
    """The router's password, if it has one."""
    operator: str = ""
    """Who runs it.  The two queues of a connection are kept on routers of different operators."""
    for_queues: bool = True
    for_proxy: bool = True
    enabled: bool = True
    """Whether it is used for anything new; if no server is, all of them are.  What is on it
    already goes on."""

    @classmethod
    def of(cls, server: Server | ServerAddress | str) -> Server:
        """A server from an address; as text that may have the password in it."""
        match server:
            case Server():
                return server
            case ServerAddress():
                return cls(server)
            case _:
                parsed = ServerAddressWithAuth.parse(server)
                return cls(parsed.address, parsed.basic_auth)


def servers_of(servers: Iterable[Server | ServerAddress | str]) -> tuple[Server, ...]:
    """The servers of some addresses; `TypeError` for one that is given in place of a list."""
    return tuple(map(Server.of, each_of(servers)))


def _by_user(
    servers: Mapping[str, Iterable[Server | ServerAddress | str]],
) -> Mapping[str, tuple[Server, ...]]:
    return MappingProxyType({user: servers_of(each) for user, each in servers.items()})


def _unchanging(limits: Mapping[str, UserLimits]) -> Mapping[str, UserLimits]:
    return MappingProxyType(dict(limits))


_at_least_0 = optional(ge(0))


@frozen
class UserLimits:
    """How much one user may have at a time; `None` for no limit.

    What would exceed one raises `LimitReached`, and nothing of it is stored.
    """

    connections: int | None = field(default=None, validator=_at_least_0)
    """Connections and addresses that are not being deleted."""
    queued_messages: int | None = field(default=None, validator=_at_least_0)
    """Messages of the program that no router has taken yet."""
    queued_bytes: int | None = field(default=None, validator=_at_least_0)
    """The bytes in these, a body that several peers get counted for each."""


@frozen
class RotationPolicy:
    """When queues are moved to other routers without a call of `DuplexAgent.rotate`.

    By default they are not: the peer and both routers see that a queue is moved, and a list of
    servers that was wrong for a minute would begin to move everything.
    """

    leave_removed_servers: bool = False
    """Whether queues leave routers that are not in the list of their user any more."""
    leave_unreachable_after: float | None = field(default=None, validator=optional(ge(0)))
    """The seconds for which a router cannot be reached, while others can, before queues leave it.

    What the peer has to answer comes through the old queue.  So the move goes on as soon as the
    router can be reached again, for however short a time, and never if it cannot."""
    at_once: int = field(default=10, validator=ge(1))
    """How many moves are begun in a minute, less those whose new queue is still to be made."""


@frozen(repr=False)
class DuplexConfig(Redacted):
    """The configuration of an agent; the first field is what most programs set."""

    servers: tuple[Server, ...] = field(
        default=(),
        converter=servers_of,
        validator=deep_iterable(instance_of(Server), instance_of(tuple)),
    )
    """Where queues are made; without any, an agent can join nothing and make nothing."""
    user_servers: Mapping[str, tuple[Server, ...]] = field(factory=dict, converter=_by_user)
    """The servers of users who have a list of their own, in place of ``servers``."""
    limits: UserLimits = field(factory=UserLimits)
    """Of each user."""
    user_limits: Mapping[str, UserLimits] = field(factory=dict, converter=_unchanging)
    """Of users who have limits of their own, in place of ``limits``."""
    pq: bool = True
    """Whether new connections use the post-quantum KEM, if the peer can; those that do go on."""
    isolation: Isolation = Isolation.USER
    proxy: ProxyUse = ProxyUse.UNKNOWN
    fallback: Fallback = Fallback.ALLOW_PROTECTED
    agent: AgentConfig = field(factory=AgentConfig)
    """How routers are connected to, and how subscribing is retried."""
    files: FileConfig = field(factory=FileConfig)
    """Where files are put, and limits for them."""
    presets: tuple[ServerAddress, ...] = PRESET_SERVERS
    """Servers that short links name by their host alone."""
    command_backoff: Backoff = field(
        factory=lambda: Backoff(initial=2, increase_after=10, factor=1.5, maximum=120)
    )
    """The waits between attempts at everything but messages, whose waits the protocol sets."""
    rotation: RotationPolicy = field(factory=RotationPolicy)
    slowness: float = field(default=1.5, validator=ge(1))
    """How many times as long time-outs are while the network is `Network.SLOW`."""
    answers_resynchronisation: bool = True
    """Whether a peer that asks for a new ratchet is answered without asking the program: only the
    key of the queue shows that it is the peer.  Otherwise `ResynchronisationRequested` is told."""
    spoken: Spoken = field(factory=Spoken)
    """The versions that are spoken, for tests with earlier ones."""
    keep: int = field(default=21 * 24 * 3600, validator=ge(1))
    """Seconds for which hashes of messages are kept, to recognise repetitions and receipts; as long
    as routers keep messages."""
    clock: Callable[[], float] = time.time
    """The time in seconds since 1970."""
    random_bytes: Callable[[int], bytes] = os.urandom

    def limits_of(self, user: str) -> UserLimits:
        """The limits of a user."""
        return self.user_limits.get(user, self.limits)
