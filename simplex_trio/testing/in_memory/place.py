"""`Place`: routers in memory, and what all programs beside them share."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import trio
from attrs import define, evolve
from trio.testing import MockClock

from simplex_trio.agent.config import AgentConfig
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.testing.in_memory.crashes import Crash
from simplex_trio.testing.in_memory.file_routers import Routers, SimulatedRouter
from simplex_trio.testing.in_memory.order import clock_waits_for_threads, seeded_scheduling
from simplex_trio.testing.in_memory.router import START, MemoryRouter
from simplex_trio.testing.network import MemoryNetwork

__all__ = ["IN_MEMORY", "Place", "check_kem", "open_place"]

IN_MEMORY = DuplexConfig(pq=False, proxy=ProxyUse.NEVER)
"""Keys of the KEM are made by another process, for which virtual time does not wait.  Proxies work;
but programs do not notice them, and tests take longer."""


@define(eq=False)
class Place:
    """What all programs in one simulation share."""

    nursery: trio.Nursery
    network: MemoryNetwork
    routers: Sequence[MemoryRouter]
    file_routers: Sequence[SimulatedRouter]
    folder: Path
    """Where programs have what is not in their files in memory, each in a folder of its own."""
    seed: object
    clock: Callable[[], float]

    def config(self, config: DuplexConfig, random: Random, crash: Crash) -> DuplexConfig:
        """A configuration whose servers, time and randomness are those of this place."""
        files = config.files
        connect: Any = Routers(self.file_routers, crash).connect
        return evolve(
            config,
            servers=config.servers or tuple(router.address for router in self.routers),
            files=evolve(
                files,
                servers=files.servers or tuple(router.address for router in self.file_routers),
                connect=connect,
            ),
            agent=self.agent_config(config.agent, random),
            clock=self.clock,
            random_bytes=random.randbytes,
        )

    def agent_config(self, config: AgentConfig, random: Random) -> AgentConfig:
        """A configuration whose randomness is that of this place."""
        engine = evolve(config.client.engine, random=random.randbytes)
        client = evolve(config.client, engine=engine)
        return evolve(config, client=client, random_fraction=random.random)


def check_kem(config: DuplexConfig) -> None:
    """Raise `ValueError` for a configuration with the post-quantum KEM in virtual time."""
    clock = trio.lowlevel.current_clock()
    if config.pq and isinstance(clock, MockClock) and clock.autojump_threshold < math.inf:
        raise ValueError(
            "keys of the KEM are made by another process, for which virtual time does not wait: "
            "use a configuration with pq=False"
        )


@asynccontextmanager
async def open_place(*, seed: object, routers: int) -> AsyncIterator[Place]:
    """Run a number of routers for the duration of the block, and whatever is in its nursery.

    Times, keys, ids and the order of tasks follow from ``seed``.  With a clock that jumps, no time
    goes by while a thread works.
    """
    clock = trio.lowlevel.current_clock()
    began = clock.current_time()

    def now() -> float:  # in any thread
        return START + clock.current_time() - began

    network = MemoryNetwork(Random(f"{seed!r} network"))  # noqa: S311 - no secrets
    made: list[MemoryRouter] = []
    for_files = [SimulatedRouter(0, Random(f"{seed!r} files"))]  # noqa: S311 - no secrets
    folder = TemporaryDirectory(prefix="simplex-trio-world-")
    try:
        with seeded_scheduling(seed), clock_waits_for_threads(clock):
            async with open_inner_nursery() as nursery:
                for number in range(routers):
                    random = Random(f"{seed!r} router {number}")  # noqa: S311 - no secrets
                    router = MemoryRouter(
                        network,
                        f"smp{number}.test",
                        random,
                        number=number,
                        relays=made,
                        clock=now,
                    )
                    made.append(router)
                    await router.start(nursery)
                yield Place(nursery, network, made, for_files, Path(folder.name), seed, now)
                nursery.cancel_scope.cancel()
    finally:
        folder.cleanup()
