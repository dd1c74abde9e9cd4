"""`ServerLists`: the servers of each user, as they are at the moment.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from simplex_trio.duplex.config import DuplexConfig, Server
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["ServerLists"]


class ServerLists:
    """Of one agent; the configuration has what they are at first."""

    def __init__(self, config: DuplexConfig) -> None:
        self._default = config
        self._by_user = {
            user: evolve(config, servers=servers) for user, servers in config.user_servers.items()
        }

    def config_of(self, user: str) -> DuplexConfig:
        """The configuration, with the servers of this user."""
        return self._by_user.get(user, self._default)

    def of(self, user: str) -> tuple[Server, ...]:
        """The servers of this user."""
        return self.config_of(user).servers

    def change(
        self, servers: Iterable[Server | ServerAddress | str] | None, user: str | None
    ) -> None:
        """Replace the list of a user, or if that is `None` the one of all who have none.

        ``servers`` are `None` for a user who is to have no list any more.
        """
        if user is None:
            self._default = evolve(self._default, servers=() if servers is None else servers)
        elif servers is None:
            self._by_user.pop(user, None)
        else:
            self._by_user[user] = evolve(self._default, servers=servers)
