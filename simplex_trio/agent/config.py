"""The configuration of an agent."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum, auto

from attrs import evolve, field
from attrs.validators import deep_iterable, ge

from simplex_trio.agent.pool import REMEMBER_FAILURE
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.engine.backoff import Backoff
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.handshake import ServiceRole

__all__ = ["SUBSCRIBE_CHUNK", "AgentConfig", "AgentRole"]

SUBSCRIBE_CHUNK = 1360
"""Queues in one batch of subscriptions: about as many as ten blocks hold."""


class AgentRole(Enum):
    """What an agent is for."""

    RECIPIENT = auto()
    """It receives from queues, and may send."""
    NOTIFIER = auto()
    """It is told when messages arrive in the queues of others."""
    SENDER = auto()
    """It subscribes to nothing and passes on what others send: the agent of a proxy."""

    @property
    def service_role(self) -> ServiceRole:
        """The role of a service that an agent of this kind can belong to."""
        return _SERVICE_ROLES[self]


_SERVICE_ROLES = {
    AgentRole.RECIPIENT: ServiceRole.MESSAGING,
    AgentRole.NOTIFIER: ServiceRole.NOTIFIER,
    AgentRole.SENDER: ServiceRole.PROXY,
}


@frozen(repr=False)
class AgentConfig(Redacted):
    """How an agent connects and retries, and its role."""

    role: AgentRole = AgentRole.RECIPIENT
    client: SMPClientConfig = field(factory=SMPClientConfig)
    """How each connection is made; in the role `AgentRole.SENDER` as a proxy's connection."""
    backoff: Backoff = field(factory=Backoff)
    remember_failure: float = field(default=REMEMBER_FAILURE, validator=ge(0))
    """Seconds for which callers get the error of a failed attempt to connect instead of a new one;
    0 for always trying.  Subscribing is retried regardless."""
    chunk: int = field(default=SUBSCRIBE_CHUNK, validator=ge(1))
    own_domains: tuple[str, ...] = field(
        default=(), validator=deep_iterable(instance_of(str), instance_of(tuple))
    )
    """Servers with these names, or in these domains, are the program's own."""
    random_fraction: Callable[[], float] = random.random
    """A random number between 0 and 1, for the jitter of waits."""

    @property
    def client_config(self) -> SMPClientConfig:
        """The configuration for connections in this role."""
        if self.role is not AgentRole.SENDER:
            return self.client
        session = evolve(self.client.session, is_proxy=True, agree_secret=True)
        return evolve(self.client, session=session)

    def is_own(self, server: ServerAddress) -> bool:
        """Whether the first host of a server is one of ``own_domains``."""
        name = str(server.hosts[0]).lower()
        domains = [domain.lower().strip(".") for domain in self.own_domains]
        return any(name == domain or name.endswith(f".{domain}") for domain in domains)
