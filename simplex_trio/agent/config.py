"""What a program says about its agent."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum, auto

from attrs import evolve, field, frozen
from attrs.validators import deep_iterable, ge

from simplex_trio.agent.pool import REMEMBER_FAILURE
from simplex_trio.client.smp import SMPClientConfig
from simplex_trio.engine.backoff import Backoff
from simplex_trio.redaction import Redacted, instance_of
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.handshake import ServiceRole

__all__ = ["SUBSCRIBE_CHUNK", "AgentConfig", "AgentRole"]

SUBSCRIBE_CHUNK = 1360
"""Queues that are subscribed to in one go: about as many as ten blocks hold."""


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
    """How an agent connects, how it tries again, and what it is for."""

    role: AgentRole = AgentRole.RECIPIENT
    client: SMPClientConfig = field(factory=SMPClientConfig)
    """How each connection is made; an agent for sending makes it one of a proxy."""
    backoff: Backoff = field(factory=Backoff)
    remember_failure: float = field(default=REMEMBER_FAILURE, validator=ge(0))
    """Seconds for which a server that could not be reached is not tried again, except to subscribe;
    0 for trying whenever somebody asks."""
    chunk: int = field(default=SUBSCRIBE_CHUNK, validator=ge(1))
    own_domains: tuple[str, ...] = field(
        default=(), validator=deep_iterable(instance_of(str), instance_of(tuple))
    )
    """Servers in these domains, or with exactly these names, are the program's own."""
    random: Callable[[], float] = random.random
    """A number from 0 to 1, by which waits differ from those of others."""

    @property
    def client_config(self) -> SMPClientConfig:
        """How connections of this role are made."""
        if self.role is not AgentRole.SENDER:
            return self.client
        session = evolve(self.client.session, is_proxy=True, agree_secret=True)
        return evolve(self.client, session=session)

    def is_own(self, server: ServerAddress) -> bool:
        """Whether a server is one of the program's own, by the first of its hosts."""
        name = str(server.hosts[0]).lower()
        domains = [domain.lower().strip(".") for domain in self.own_domains]
        return any(name == domain or name.endswith(f".{domain}") for domain in domains)
