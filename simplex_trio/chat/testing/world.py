"""`World`: routers, bots and people in one process, and one time for all of them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, final

import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock, active_thread_count, wait_all_threads_completed

from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.testing.people import NothingHappened, Person, listening
from simplex_trio.chat.testing.programs import BotProgram, Main, Place, Table
from simplex_trio.duplex.config import DuplexConfig, ProxyUse
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.in_memory.crashes import Crash
from simplex_trio.testing.in_memory.file_routers import SimulatedRouter
from simplex_trio.testing.in_memory.order import clock_waits_for_threads, seeded_scheduling
from simplex_trio.testing.in_memory.router import START, MemoryRouter
from simplex_trio.testing.network import MemoryNetwork, Trouble
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["World", "open_world"]

_CONFIG = DuplexConfig(pq=False, proxy=ProxyUse.NEVER)
"""Keys of the KEM are made by another process, for which virtual time does not wait.  Proxies work;
but programs do not notice them, and tests take longer."""


@final
class World:
    """Routers, bots and people; `open_world` opens one."""

    def __init__(self, place: Place, routers: list[MemoryRouter]) -> None:
        self._place = place
        self._routers = routers
        self._programs: list[BotProgram] = []
        self._bots: list[BotProgram] = []
        self._names = 0

    def __repr__(self) -> str:
        return f"<World: {len(self._bots)} bots, {len(self._programs) - len(self._bots)} people>"

    # --- who is in it ---------------------------------------------------------------------------

    async def bot(
        self,
        handlers: Table | None = None,
        *,
        profile: Profile | str = "Bot",
        main: Main | None = None,
        config: DuplexConfig = _CONFIG,
        start: bool = True,
        **options: Any,
    ) -> BotProgram:
        """Start a program with a bot; it runs until it is stopped, or the world ends.

        Without ``start`` the test starts it later.

        ``handlers`` is a table, or a function that makes one each time when the program is started.
        ``main`` is called with the bot, runs beside it, and is cancelled when the program ends.  It
        may return; if it raises, so does the world.  All other arguments are those of `open_bot`.

        Raises what `open_bot` raises, and `ValueError` for a ``config`` with the post-quantum KEM
        in virtual time.
        """
        table = Handlers() if handlers is None else handlers
        program = self._program(table, config, main, {"profile": profile, **options})
        self._bots.append(program)
        if start:
            await program.start()
        return program

    async def person(
        self,
        name: str = "Alice",
        *,
        profile: Profile | None = None,
        config: DuplexConfig = _CONFIG,
    ) -> Person:
        """A person with an app, who allows what the apps allow.

        ``profile`` says more than the name, for example what the person allows.
        """
        handlers, told = listening()
        if profile is None:
            profile = Profile(name, preferences=Preferences())
        if profile.peer_type is None:
            profile = evolve(profile, peer_type=PeerType.HUMAN)
        program = self._program(handlers, config, None, {"profile": profile, "address": False})
        await program.start()
        return Person(name, program, told, self.why)

    def _program(
        self, handlers: Table, config: DuplexConfig, main: Main | None, options: dict[str, Any]
    ) -> BotProgram:
        _check(config)
        number = str(len(self._programs))
        program = BotProgram(self._place, number, handlers, config, main, options)
        self._programs.append(program)
        return program

    # --- the network ----------------------------------------------------------------------------

    @property
    def servers(self) -> tuple[ServerAddress, ...]:
        """The routers."""
        return tuple(router.address for router in self._routers)

    def options(self, config: DuplexConfig = _CONFIG) -> dict[str, Any]:
        """Arguments of `open_bot` for programs that open bots themselves.

        These bots are on the routers of the world, and have its time and its seed.
        """
        _check(config)
        self._names += 1
        random = Random(f"{self._place.seed!r} opened {self._names}")  # noqa: S311 - no secrets
        config = self._place.config(config, random, Crash(None))
        connector = simulated_connector(self._routers, random, config.agent.client)
        return {"config": config, "connector": connector}

    @property
    def trouble(self) -> Trouble:
        """The faults of new connections; may be set at any time."""
        return self._place.network.trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        self._place.network.trouble = trouble

    def stop_routers(self) -> None:
        """Take the routers down; what is in their queues stays."""
        for router in self._routers:
            router.stop()

    async def start_routers(self) -> None:
        """Bring the routers up again after `stop_routers`."""
        for router in self._routers:
            await router.start(self._place.nursery)

    # --- the time -------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The time in seconds since 1970; the world begins in January 2027."""
        return self._place.clock()

    async def advance(self, seconds: float) -> None:
        """Let time go by, with all that happens in it; takes no real time.

        Raises `RuntimeError` without a `trio.testing.MockClock`.
        """
        clock = trio.lowlevel.current_clock()
        if not isinstance(clock, MockClock):
            raise RuntimeError(
                "time goes by only with a trio.testing.MockClock: run the test with the fixture "
                "simplex_world, or trio.run(..., clock=MockClock(autojump_threshold=0))"
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

    # --- the end --------------------------------------------------------------------------------

    def why(self) -> str:
        """What may explain why something has not happened."""
        errors = "".join(each.show_errors() for each in self._programs)
        return f"\nhandlers have raised:\n{errors}" if errors else ""

    def check(self) -> None:
        """Raise what handlers have raised and nothing has shown: see `BotProgram.errors`."""
        errors = [error for program in self._programs for error in program.errors_to_raise()]
        if errors:
            raise ExceptionGroup("handlers have raised", errors)

    async def stop(self) -> None:
        """Called by `open_world`, to end all programs in order."""
        for program in reversed(self._programs):
            await program.stop()

    def forget(self) -> None:
        """Called by `open_world`, when nothing runs any more."""
        for program in self._programs:
            program.forget()


def _check(config: DuplexConfig) -> None:
    clock = trio.lowlevel.current_clock()
    if config.pq and isinstance(clock, MockClock) and clock.autojump_threshold < math.inf:
        raise ValueError(
            "keys of the KEM are made by another process, for which virtual time does not wait: "
            "use a configuration with pq=False"
        )


@asynccontextmanager
async def open_world(*, seed: object = 0, routers: int = 1) -> AsyncIterator[World]:
    """Open a world with a number of routers; leaving the block ends all that is in it.

    Times, keys, ids and the order of tasks follow from ``seed``, so the same test is the same each
    time; another seed makes another order.  Only what works in threads, such as files, has an order
    of its own.  With a clock that jumps, no time goes by while a thread works.

    At the end it raises what handlers have raised, as an `ExceptionGroup`, unless the bot has error
    handlers of its own: see `BotProgram.errors`.
    """
    clock = trio.lowlevel.current_clock()
    began = clock.current_time()

    def now() -> float:  # in any thread
        return START + clock.current_time() - began

    network = MemoryNetwork(Random(f"{seed!r} network"))  # noqa: S311 - no secrets
    made: list[MemoryRouter] = []
    for_files = [SimulatedRouter(0, Random(f"{seed!r} files"))]  # noqa: S311 - no secrets
    folder = TemporaryDirectory(prefix="simplex-trio-world-")
    world: World | None = None
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
                place = Place(nursery, network, made, for_files, Path(folder.name), seed, now)
                world = World(place, made)
                yield world
                await world.stop()
                nursery.cancel_scope.cancel()
    except Exception as exc:
        if world is not None and not isinstance(exc, NothingHappened):
            exc.add_note(world.why())
        raise
    finally:
        if world is not None:
            world.forget()
        folder.cleanup()
    world.check()
