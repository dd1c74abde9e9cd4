"""`Moving`: queues that are moved without being asked for, as `RotationPolicy` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import trio

from simplex_trio.duplex.config import RotationPolicy, Server
from simplex_trio.duplex.machine.messages import SilentRouter
from simplex_trio.duplex.machine.rotating import can_rotate, rotate
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.work.activities import Activities, Activity
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.routers import Routers
from simplex_trio.duplex.work.subscriptions import Subscriptions
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["PERIOD", "RETRY_AFTER", "Moving"]

PERIOD = 60
"""Seconds between looks at where all queues are, each of which reads the whole table of them."""

RETRY_AFTER = 24 * 3600
"""Seconds before a move that has failed, or that the program has aborted, is begun again."""


class Moving:
    """Of one agent."""

    def __init__(
        self,
        policy: RotationPolicy,
        core: Core,
        routers: Routers,
        subscriptions: Subscriptions,
        activities: Activities,
    ) -> None:
        self._policy = policy
        self._core = core
        self._routers = routers
        self._subscriptions = subscriptions
        self._activities = activities

    async def run(self) -> None:
        """Begin some moves from time to time, until cancelled."""
        policy = self._policy
        if not policy.leave_removed_servers and policy.leave_unreachable_after is None:
            return
        while True:
            await trio.sleep(PERIOD)
            await self._activities.wait_until_open(Activity.CLEANING)
            with self._activities.doing(Activity.CLEANING):
                await self.look()

    async def look(self) -> None:
        """Begin the moves that are due, as many as may be begun at once."""
        silent = await self._silent_routers()
        in_use, being_made = await self._core.read_persistently(lambda rows: rows.queues_by_place())
        room = self._policy.at_once - being_made
        before = int(self._core.config.clock()) - RETRY_AFTER
        for user, server in in_use:
            if room <= 0:
                return
            others = [each for each in self._usable(user) if not _is_same(each, server)]
            if not others or not self._is_to_be_left(user, server, silent):
                continue
            look = partial(_connections_at, user, server, before, room)
            found = await self._core.read_persistently(look)
            room -= await self._core.step_persistently(partial(_move, found))

    def _usable(self, user: str) -> list[Server]:
        servers = self._routers.servers_of(user)
        return [server for server in servers if server.for_queues] or list(servers)

    def _is_to_be_left(
        self, user: str, server: ServerAddress, silent: Mapping[ServerAddress, int]
    ) -> bool:
        after = self._policy.leave_unreachable_after
        if after is not None and server in silent:
            return self._core.config.clock() - silent[server] >= after
        is_listed = any(_is_same(each, server) for each in self._usable(user))
        return self._policy.leave_removed_servers and not is_listed

    async def _silent_routers(self) -> dict[ServerAddress, int]:
        """The routers that cannot be reached, and since when."""
        if self._policy.leave_unreachable_after is None:
            return {}
        reachable = self._subscriptions.reachable_routers()
        return await self._core.step_persistently(partial(_note_silence, reachable), durable=False)


def _is_same(listed: Server, server: ServerAddress) -> bool:
    """A router may be listed with other hosts than those that it was known by."""
    has_port = listed.address.effective_port == server.effective_port
    return has_port and not set(listed.address.hosts).isdisjoint(server.hosts)


def _connections_at(
    user: str, server: ServerAddress, ended_before: int, limit: int, rows: SQLiteRows
) -> list[str]:
    return rows.connections_at(user, server, ended_before, limit)


def _note_silence(reachable: Mapping[ServerAddress, bool], step: Step) -> dict[ServerAddress, int]:
    """If no router can be reached, that says nothing of any of them."""
    known = {each.server: each for each in step.rows.find(SilentRouter)}
    has_network = any(reachable.values())
    silent: dict[ServerAddress, int] = {}
    for server, is_reachable in reachable.items():
        if has_network and not is_reachable:
            each = known.pop(server, None)
            if each is None:
                each = SilentRouter(server, step.moment.seconds)
                step.rows.insert(each)
            silent[server] = each.since
    for each in known.values():
        step.rows.delete(each)
    return silent


def _move(connection_ids: Sequence[str], step: Step) -> int:
    """Begin the moves; how many there are."""
    count = 0
    for connection_id in connection_ids:
        c = step.find(connection_id)
        if c is not None and can_rotate(c):
            rotate(step, c)
            count += 1
    return count
