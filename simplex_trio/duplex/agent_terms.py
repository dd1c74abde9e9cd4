"""`AgentTerms`: what calls of an agent have to keep to, beside what is stored."""

from __future__ import annotations

from typing import final

from simplex_trio.duplex.config import DuplexConfig, Server
from simplex_trio.duplex.errors import NoServers
from simplex_trio.duplex.machine.limiting import Room, check_connections
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.work.routers import Routers
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link, parse_link

__all__ = ["AgentTerms"]


@final
class AgentTerms:
    """The configuration of an agent and its servers, as of now; for any thread."""

    def __init__(self, config: DuplexConfig, routers: Routers, *, has_kem: bool) -> None:
        self._config = config
        self._routers = routers
        self._has_kem = has_kem

    def check_servers(self, user: str) -> None:
        """Raise `NoServers` if a user has none."""
        if not self._routers.servers_of(user):
            raise NoServers("the agent has no router to make queues on: open it with servers=[...]")

    def wants_pq(self, pq: bool | None) -> bool:
        """Whether to use the KEM, where a call says so or nothing."""
        wanted = self._config.pq if pq is None else pq
        if wanted and not self._has_kem:
            raise ValueError("the agent was opened without the post-quantum KEM")
        return wanted

    def parsed(self, link: Link | str) -> Link:
        """A link of any form; raises `NotALink`."""
        return parse_link(link, self._config.presets) if isinstance(link, str) else link

    def server_for_address(self, server: ServerAddress | str | None, user: str) -> ServerAddress:
        """The server on which an address is made."""
        if server is not None:
            return Server.of(server).address
        return self._routers.servers_for_queue([], None, user)[0].address

    def room(self, step: Step, user: str) -> Room:
        """How much more a user may queue."""
        limits = self._config.limits_of(user)
        return Room(step.rows, user, limits.queued_messages, limits.queued_bytes)

    def checked(self, step: Step, c: OpenConnection) -> str:
        """The id of a connection; raises `LimitReached` if it is new and one too many."""
        check_connections(step, c, self._config.limits_of(c.row.user).connections)
        return c.connection_id
