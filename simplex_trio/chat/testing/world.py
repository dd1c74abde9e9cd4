"""`World`: routers, bots and people in one process, and one time for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, final

from attrs import evolve

from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.chat.testing.people import NothingHappened, Person, listening
from simplex_trio.chat.testing.programs import BotProgram, Main, Table
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.testing.in_memory.place import IN_MEMORY, Place, check_kem, open_place
from simplex_trio.testing.simulation import Simulation

__all__ = ["World", "open_world"]


@final
class World(Simulation):
    """Routers, bots and people; `open_world` opens one."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._programs: list[BotProgram] = []
        self._bots: list[BotProgram] = []

    def __repr__(self) -> str:
        return f"<World: {len(self._bots)} bots, {len(self._programs) - len(self._bots)} people>"

    # --- who is in it ---------------------------------------------------------------------------

    async def bot(
        self,
        handlers: Table | None = None,
        *,
        profile: Profile | str = "Bot",
        main: Main | None = None,
        config: DuplexConfig = IN_MEMORY,
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
        config: DuplexConfig = IN_MEMORY,
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
        check_kem(config)
        number = str(len(self._programs))
        program = BotProgram(self._place, number, handlers, config, main, options)
        self._programs.append(program)
        return program

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


@asynccontextmanager
async def open_world(*, seed: object = 0, routers: int = 1) -> AsyncIterator[World]:
    """Open a world with a number of routers; leaving the block ends all that is in it.

    Times, keys, ids and the order of tasks follow from ``seed``, so the same test is the same each
    time; another seed makes another order.  Only what works in threads, such as files, has an order
    of its own.  With a clock that jumps, no time goes by while a thread works.

    At the end it raises what handlers have raised, as an `ExceptionGroup`, unless the bot has error
    handlers of its own: see `BotProgram.errors`.
    """
    world: World | None = None
    try:
        async with open_place(seed=seed, routers=routers) as place:
            world = World(place)
            yield world
            await world.stop()
    except Exception as exc:
        if world is not None and not isinstance(exc, NothingHappened):
            exc.add_note(world.why())
        raise
    finally:
        if world is not None:
            world.forget()
    world.check()
