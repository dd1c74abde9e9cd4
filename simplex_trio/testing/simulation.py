"""`Simulation`: routers and the agents that use them, in memory and with one time for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from os import PathLike
from random import Random
from typing import Any

import trio
import trio.testing
from trio.testing import MockClock, active_thread_count, wait_all_threads_completed

from simplex_trio.agent.agent import SMPClientAgent, start_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.store import MemoryFile
from simplex_trio.nursery import hold_open
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.in_memory.crashes import Crash
from simplex_trio.testing.in_memory.place import IN_MEMORY, Place, check_kem, open_place
from simplex_trio.testing.network import Trouble
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["Simulation", "open_simulation"]


class Simulation:
    """Routers in memory, and agents on them; `open_simulation` opens one."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._names = 0

    def __repr__(self) -> str:
        return f"<Simulation: {len(self._place.routers)} routers>"

    # --- the agents -----------------------------------------------------------------------------

    async def smp_agent(self, config: AgentConfig | None = None) -> SMPClientAgent:
        """Start an agent without a file, which runs until the simulation ends or it is closed."""
        return await start_smp_agent(self._place.nursery, **self.smp_options(config))

    async def duplex_agent(
        self,
        path: str | PathLike[str] | MemoryFile | None = None,
        *,
        config: DuplexConfig = IN_MEMORY,
        **options: Any,
    ) -> DuplexAgent:
        """Start an agent that runs until the simulation ends; all arguments as `open_duplex_agent`.

        Raises what `open_duplex_agent` raises, and `ValueError` for a ``config`` with the
        post-quantum KEM in virtual time.
        """
        opened = open_duplex_agent(path, **self.options(config), **options)
        agent: DuplexAgent = await self._place.nursery.start(partial(hold_open, opened))
        return agent

    def smp_options(self, config: AgentConfig | None = None) -> dict[str, Any]:
        """Arguments of `open_smp_agent` for programs that open their agents themselves."""
        random = self._random()
        config = self._place.agent_config(config or AgentConfig(), random)
        routers = self._place.routers
        connector = simulated_connector(routers, random, config.client_config)
        return {"config": config, "connector": connector}

    def options(self, config: DuplexConfig = IN_MEMORY) -> dict[str, Any]:
        """Arguments of `open_duplex_agent` and `open_bot` for programs that open them themselves.

        They are then on the routers of the simulation, and have its time and its seed.  Raises
        `ValueError` for a ``config`` with the post-quantum KEM in virtual time.
        """
        check_kem(config)
        random = self._random()
        config = self._place.config(config, random, Crash(None))
        connector = simulated_connector(self._place.routers, random, config.agent.client)
        return {"config": config, "connector": connector}

    def _random(self) -> Random:
        self._names += 1
        return Random(f"{self._place.seed!r} opened {self._names}")  # noqa: S311 - no secrets

    # --- the network ----------------------------------------------------------------------------

    @property
    def servers(self) -> tuple[ServerAddress, ...]:
        """The routers."""
        return tuple(router.address for router in self._place.routers)

    @property
    def trouble(self) -> Trouble:
        """The faults of new connections; may be set at any time."""
        return self._place.network.trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        self._place.network.trouble = trouble

    def stop_routers(self) -> None:
        """Take the routers down; what is in their queues stays."""
        for router in self._place.routers:
            router.stop()

    async def start_routers(self) -> None:
        """Bring the routers up again after `stop_routers`."""
        for router in self._place.routers:
            await router.start(self._place.nursery)

    # --- the time -------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The time in seconds since 1970, which begins in January 2027."""
        return self._place.clock()

    async def advance(self, seconds: float) -> None:
        """Let time go by, with all that happens in it; takes no real time.

        Raises `RuntimeError` without a `trio.testing.MockClock`.
        """
        clock = trio.lowlevel.current_clock()
        if not isinstance(clock, MockClock):
            raise RuntimeError(
                "time goes by only with a trio.testing.MockClock: run the test with the fixture "
                "simplex_simulation or simplex_world, or "
                "trio.run(..., clock=MockClock(autojump_threshold=0))"
            )
        await self.settle()
        if clock.autojump_threshold == 0:
            await trio.sleep(seconds)
        else:
            clock.jump(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Wait until everything has happened that needs no time, only work."""
        while True:
            await trio.testing.wait_all_tasks_blocked()
            if not active_thread_count():
                return
            await wait_all_threads_completed()


@asynccontextmanager
async def open_simulation(*, seed: object = 0, routers: int = 1) -> AsyncIterator[Simulation]:
    """Run a number of routers in memory; leaving the block ends all that is in it.

    Times, keys, ids and the order of tasks follow from ``seed``, so the same test is the same each
    time; another seed makes another order.  Only what works in threads, such as files, has an order
    of its own.  With a clock that jumps, no time goes by while a thread works.
    """
    async with open_place(seed=seed, routers=routers) as place:
        yield Simulation(place)
