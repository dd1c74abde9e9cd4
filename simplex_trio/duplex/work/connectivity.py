"""`Connectivity`: the network as the program describes it, and the pauses of the whole agent."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import trio

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.duplex.config import Network
from simplex_trio.duplex.store.store import DuplexStore
from simplex_trio.duplex.work.activities import Activities, Activity
from simplex_trio.duplex.work.ntf_routers import NTFRouters
from simplex_trio.errors import StoreUnavailable

__all__ = ["LOSS_DELAY", "Connectivity"]

LOSS_DELAY = 2.0
"""Seconds for which the network has to be there before its loss counts at once.  Systems report a
loss between two networks that follow each other; a loss that comes earlier counts after that time,
unless the network is there again."""

_GRACE = 1.0
"""Seconds for which what was cut off at the deadline of a pause may take to end: it waits for the
store alone by then."""


class Connectivity:
    """What an agent may use of the network, of one agent."""

    def __init__(
        self,
        agent: SMPClientAgent,
        activities: Activities,
        store: DuplexStore,
        ntf_routers: NTFRouters,
        slowness: float,
        *,
        wake: Callable[[], object],
        renew_files: Callable[[], object],
    ) -> None:
        self._agent = agent
        self._activities = activities
        self._store = store
        self._ntf_routers = ntf_routers
        self._slowness = slowness
        self._wake = wake
        """Lets everything that waits for its next attempt look whether it may be tried."""
        self._renew_files = renew_files
        """Closes the connections to routers for files."""
        self.network: Network = Network.ORDINARY
        """What the program has said last."""
        self._used = Network.ORDINARY
        """The network that connections are made over, or were made over last."""
        self._there_since = -math.inf
        self._loss_planned = trio.Event()
        self._pauses = 0
        self.is_paused: bool = False

    # --- the network ----------------------------------------------------------------------------

    def set_network(self, network: Network, *, changed: bool = False) -> None:
        """See `DuplexAgent.set_network`."""
        self.network = network
        now = trio.current_time()
        if network is Network.LOST:
            if now - self._there_since >= LOSS_DELAY:
                self._lose()
            else:
                self._loss_planned.set()
            return
        self._there_since = now
        changed = changed or network is not self._used
        self._used = network
        if changed:
            self._renew(self._slowness if network is Network.SLOW else 1.0)
        self._activities.has_network = True
        self._go_on()

    def came_back(self) -> None:
        """See `DuplexAgent.network_came_back`."""
        self.set_network(self._used)

    def _lose(self) -> None:
        self._activities.has_network = False
        self._hold()
        self._wake()

    def _hold(self) -> None:
        self._agent.network_lost()
        self._ntf_routers.hold()

    def _renew(self, slowness: float | None = None) -> None:
        """Close all connections; those that are needed are made anew."""
        self._agent.network_changed(slowness=slowness)
        self._ntf_routers.close_all()
        self._renew_files()

    def _go_on(self) -> None:
        """Try everything at once, if there is a network and the agent is not paused."""
        if self.is_paused or not self._activities.has_network:
            return
        self._ntf_routers.release()
        self._agent.network_came_back()
        self._wake()

    async def run(self) -> None:
        """Let a loss count that came soon after the network was there."""
        while True:
            await self._loss_planned.wait()
            await trio.sleep_until(self._there_since + LOSS_DELAY)
            if self.network is not Network.LOST:
                self._loss_planned = trio.Event()
            elif trio.current_time() >= self._there_since + LOSS_DELAY:
                self._loss_planned = trio.Event()
                self._lose()

    # --- pauses ---------------------------------------------------------------------------------

    async def pause(self, within: float) -> bool:
        """See `DuplexAgent.pause`."""
        self._pauses += 1
        this = self._pauses
        self.is_paused = True
        is_idle = False
        try:
            with trio.move_on_after(within):
                for activity in Activity:
                    self._activities.close(activity)
                    await self._activities.wait_until_idle(activity)
                    if this != self._pauses:
                        break
                else:
                    with suppress(StoreUnavailable):  # what is flushed may get lost
                        await self._store.flush()
                    is_idle = True
                await trio.lowlevel.checkpoint()
        finally:
            if this == self._pauses:
                self._end_work()
        if this == self._pauses and not is_idle:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _GRACE):
                for activity in Activity:
                    await self._activities.wait_until_idle(activity)
        return is_idle

    def _end_work(self) -> None:
        for activity in Activity:
            self._activities.close(activity)
        self._activities.cut_off()
        self._hold()
        self._renew()
        self._wake()

    def resume(self) -> None:
        """See `DuplexAgent.resume`."""
        if not self.is_paused:
            return
        self._pauses += 1
        self.is_paused = False
        self._activities.open_all()
        # What came over the connections of before was left with the routers, which deliver it anew.
        self._renew()
        self._go_on()
