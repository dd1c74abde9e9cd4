"""Routers for files in virtual time, for bots that have no threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, evolve

from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.engine.backoff import Backoff
from simplex_trio.testing.in_memory.crashes import Crash
from simplex_trio.testing.in_memory.file_routers import Routers, SimulatedRouter
from tests.duplex.files.simulation import without_threads
from tests.duplex.quiet import Quiet, open_quiet

from .people import Person, open_person

__all__ = ["World", "open_world"]


@define(eq=False)
class World:
    """Routers for queues and for files."""

    quiet: Quiet
    place: Path
    xftp: list[SimulatedRouter]

    def files(self, crash: Crash | None = None, **changes: Any) -> FileConfig:
        """How an agent sends and receives files here."""
        crash = Crash(None) if crash is None else crash
        config = FileConfig(
            servers=[router.address for router in self.xftp],
            attempts=2,
            backoff=Backoff(initial=0.5, maximum=20),
            connect=Routers(self.xftp, crash).connect,  # type: ignore[arg-type]
            folder=self.place / f"packets-{id(crash)}",
        )
        return evolve(config, **changes)

    def options(self, **changes: Any) -> dict[str, Any]:
        """Options of a bot that has these routers."""
        return {"changes": {"files": self.files(**changes)}}

    @asynccontextmanager
    async def person(self, name: str, **options: Any) -> AsyncIterator[Person]:
        """A person whose app has these routers."""
        options = self.options() | options
        async with open_person(self.quiet, name, **options) as person:
            yield person


@asynccontextmanager
async def open_world(place: Path, routers: int = 1) -> AsyncIterator[World]:
    random = Random(7)
    xftp = [SimulatedRouter(number, random) for number in range(routers)]
    with without_threads():
        async with open_quiet() as quiet:
            yield World(quiet, place, xftp)
