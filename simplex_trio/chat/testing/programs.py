"""`BotProgram`: a program with a bot that a test stops, kills and starts again."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeAlias, final

import trio
from attrs import define, field

from simplex_trio.chat.bot import Bot
from simplex_trio.chat.handlers import Handlers
from simplex_trio.chat.opening import open_bot
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.testing.in_memory.access import Access, RouterThrough
from simplex_trio.testing.in_memory.connector import simulated_connector
from simplex_trio.testing.in_memory.crashes import Crash, Crashed, CrashingFile, RouterInSight
from simplex_trio.testing.in_memory.place import Place

__all__ = ["BotProgram", "Main", "Table"]

Table: TypeAlias = Handlers | Callable[[], Handlers]
"""Handlers, or what makes them anew for each life of the program."""

Main: TypeAlias = Callable[[Bot], Awaitable[object]]
"""What a program does beside its bot."""


@define(eq=False)
class _Life:
    """The time from a start of the program to its end."""

    crash: Crash
    bot: Bot | None = None
    stopping: trio.Event = field(factory=trio.Event)
    ended: trio.Event = field(factory=trio.Event)


@final
class BotProgram:
    """A program with a bot; `World.bot` makes one.

    What it has stored outlives it, in a file in memory.  While it runs, ``bot`` is its `Bot`.
    """

    def __init__(
        self,
        place: Place,
        name: str,
        handlers: Table,
        config: DuplexConfig,
        main: Main | None,
        options: dict[str, Any],
    ) -> None:
        self._place = place
        self._name = name
        self._handlers = handlers
        self._config = config
        self._main = main
        self._options = options
        self._file = CrashingFile(place.folder / name)
        self._access = Access(place.network)
        self._lives = 0
        self._life: _Life | None = None
        self.address: str = ""
        """The link of the bot, as `Bot.address`; empty until it is open for the first time."""
        self.errors: list[Exception] = []
        """What handlers have raised, unless the bot has error handlers of its own.

        The world raises them at its end, if no other failure of the test has shown them.  A test
        that expects one takes it out of the list.
        """
        self._shown: list[Exception] = []

    def __repr__(self) -> str:
        return f"<BotProgram, {'running' if self.is_running else 'not running'}>"

    @property
    def bot(self) -> Bot:
        """The bot; raises `RuntimeError` while the program does not run."""
        if self._life is None or self._life.bot is None or self._life.ended.is_set():
            raise RuntimeError("the program does not run")
        return self._life.bot

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._life is not None and not self._life.ended.is_set()

    # --- beginning and end ----------------------------------------------------------------------

    async def start(self, *, crash_after: int | None = None, loses_power: bool = False) -> None:
        """Start it; returns when the bot is open, or has crashed.

        With ``crash_after`` it crashes as the method of this name says, perhaps before it is open.
        Raises what `open_bot` raises, and `RuntimeError` if it runs already.
        """
        if self.is_running:
            raise RuntimeError("the program is running already")
        self._lives += 1
        self._life = _Life(Crash(crash_after, loses_power=loses_power))
        await self._place.nursery.start(self._live, self._life)

    async def stop(self) -> None:
        """End it as a signal would; returns when it has ended."""
        if self._life is not None:
            self._life.stopping.set()
            await self._life.ended.wait()

    async def restart(self) -> None:
        """Stop it, and start it again."""
        await self.stop()
        await self.start()

    async def crash(self, *, loses_power: bool = False) -> None:
        """Kill it: it does nothing any more from here on; returns when it is gone.

        What it has stored stays.  If its machine ``loses_power``, what was not stored durably is
        lost, as it is on a disk.
        """
        if self._life is not None:
            self._life.crash.loses_power = loses_power
            self._life.crash.now()
            await self._life.ended.wait()

    def crash_after(self, steps: int, *, loses_power: bool = False) -> None:
        """Kill it at one of the next things that it does, such as storing or sending.

        A test that does this with 1, 2, 3 and so on crashes the program everywhere.  It may happen
        before something is done, in the middle or after it.
        """
        if self._life is not None:
            crash = self._life.crash
            crash.at, crash.loses_power = crash.points + steps, loses_power

    async def wait_ended(self) -> None:
        """Wait until it does not run any more."""
        if self._life is not None:
            await self._life.ended.wait()

    def interrupt_network(self) -> None:
        """Break its connections and let it make no new ones, until `restore_network`."""
        self._access.interrupt()

    def restore_network(self) -> None:
        """Let it connect again, and tell it so."""
        self._access.restore()
        if self.is_running:
            self.bot.agent.network_came_back()

    async def _live(self, life: _Life, *, task_status: trio.TaskStatus[None]) -> None:
        crash, place = life.crash, self._place
        random = Random(f"{place.seed!r} {self._name} {self._lives}")  # noqa: S311 - no secrets
        config = place.config(self._config, random, crash)
        routers = [
            RouterInSight(RouterThrough(router, self._access), crash, random)
            for router in place.routers
        ]
        self._file.crash = crash
        is_started = False
        try:
            with crash.scope:
                async with open_bot(
                    self._file,
                    handlers=self._table(),
                    config=config,
                    connector=simulated_connector(routers, random, config.agent.client),
                    **self._options,
                ) as life.bot:
                    if self._options.get("address", True):
                        self.address = life.bot.address
                    is_started = True
                    task_status.started()
                    await self._work(life, life.bot)
        except (Exception, BaseExceptionGroup, Crashed):
            if not crash.has_happened:
                raise
        finally:
            life.ended.set()
            self._file.end()
        if not is_started:
            task_status.started()

    async def _work(self, life: _Life, bot: Bot) -> None:
        # The errors of its error handlers; those of other handlers go through `_table`.
        bot._core.error_unhandled = lambda _, error: self.errors.append(error)
        async with open_inner_nursery() as nursery:
            if self._main is not None:
                nursery.start_soon(self._main, bot)
            await life.stopping.wait()
            nursery.cancel_scope.cancel()

    def _table(self) -> Handlers:
        """The program's handlers, and one for their errors if it has none."""
        given = self._handlers
        inner = given if isinstance(given, Handlers) else given()
        if inner.error_handlers:
            return inner
        outer = Handlers()
        outer.include(inner)

        @outer.on_error
        async def note(_: object, error: Exception) -> None:
            self.errors.append(error)
            await trio.lowlevel.checkpoint()

        return outer

    def show_errors(self) -> str:
        """The errors of handlers with their tracebacks, for a failure that they may explain."""
        self._shown = list(self.errors)
        return "".join("".join(traceback.format_exception(each)) for each in self.errors)

    def errors_to_raise(self) -> list[Exception]:
        """The errors that no failure has shown."""
        return [each for each in self.errors if each not in self._shown]

    def forget(self) -> None:
        """Forget what it has stored; it does not run, and will not again."""
        self._file.close()
