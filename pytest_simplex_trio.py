"""Fixtures of pytest: see docs/how-to/test-your-program.md and docs/how-to/test-your-bot.md.

pytest loads this module wherever the package is installed, so it imports neither the package nor
Trio before a test asks for a fixture.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from trio.testing import MockClock

    from simplex_trio import Router, SMPClientAgent
    from simplex_trio.chat.testing import BotProgram, Person, World
    from simplex_trio.duplex import DuplexAgent
    from simplex_trio.testing import Cable, Simulation
    from simplex_trio.xftp import XFTPRouter

_IN_MEMORY = ("simplex_clock", "simplex_simulation", "simplex_world")
"""Fixtures with which a test runs in virtual time."""

_ON_SOCKETS = (
    "simplex_agent",
    "simplex_cable",
    "simplex_duplex_agent",
    "simplex_router",
    "simplex_xftp_router",
)
"""Fixtures for which it does not, since no clock tells when bytes arrive through a socket."""


def _asked_for(item: pytest.Item, fixtures: tuple[str, ...]) -> str | None:
    """The first of these fixtures that a test uses, directly or through another one."""
    return next((name for name in getattr(item, "fixturenames", ()) if name in fixtures), None)


def _runs_trio(config: pytest.Config) -> bool:
    return any(config.pluginmanager.hasplugin(name) for name in ("trio", "pytest_trio.plugin"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run async tests with our fixtures under Trio, marked or not, and in the time they need."""
    if not _runs_trio(config):
        return
    for item in items:
        if not inspect.iscoroutinefunction(getattr(item, "obj", None)):
            continue
        has_runner = any("run" in marker.kwargs for marker in item.iter_markers("trio"))
        if _asked_for(item, _IN_MEMORY) and not has_runner:
            item.add_marker(pytest.mark.trio(run=_run_in_virtual_time), append=False)
        elif _asked_for(item, _ON_SOCKETS) and item.get_closest_marker("trio") is None:
            item.add_marker(pytest.mark.trio)


def _run_in_virtual_time(
    function: Callable[..., Awaitable[Any]], *args: Any, clock: Any = None, **options: Any
) -> Any:
    import trio
    from trio.testing import MockClock

    if clock is None:
        clock = MockClock(autojump_threshold=0)
    return trio.run(function, *args, clock=clock, **options)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say what is missing, before pytest says something that is harder to understand."""
    name = _asked_for(item, (*_IN_MEMORY, *_ON_SOCKETS))
    if name is None:
        return
    if not _runs_trio(item.config):
        pytest.fail(f"the fixture {name} needs pytest-trio: pip install pytest-trio", pytrace=False)
    if item.get_closest_marker("trio") is None:
        pytest.fail(f"the fixture {name} is for async tests", pytrace=False)
    on_sockets = _asked_for(item, _ON_SOCKETS)
    jumps = _asked_for(item, (*_IN_MEMORY, "autojump_clock"))
    if on_sockets is not None and jumps is not None:
        pytest.fail(
            f"{on_sockets} uses sockets, and the clock of {jumps} jumps while bytes are on their"
            " way: use simplex_simulation, whose routers are in memory",
            pytrace=False,
        )


# --- in memory, in virtual time -----------------------------------------------------------------


@pytest.fixture
async def simplex_clock() -> AsyncIterator[MockClock]:
    """The clock of the test, which jumps ahead when all tasks and threads wait."""
    import trio
    from trio.testing import MockClock

    from simplex_trio.testing.in_memory.order import clock_waits_for_threads

    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock), "the test is run with another clock"
    with clock_waits_for_threads(clock):
        yield clock


@pytest.fixture
def simplex_seed() -> object:
    """What the order of everything in memory follows from; to be overridden."""
    return 0


@pytest.fixture
async def simplex_simulation(simplex_seed: object) -> AsyncIterator[Simulation]:
    """A router in memory and agents on it, in virtual time."""
    from simplex_trio.testing import open_simulation

    async with open_simulation(seed=simplex_seed) as simulation:
        yield simulation


@pytest.fixture
async def simplex_world(simplex_seed: object) -> AsyncIterator[World]:
    """A world for a bot and the people who talk with it, with one router, in virtual time."""
    from simplex_trio.chat.testing import open_world

    async with open_world(seed=simplex_seed) as world:
        yield world


@pytest.fixture
def simplex_bot(simplex_world: World) -> Callable[..., Awaitable[BotProgram]]:
    """`World.bot` of `simplex_world`."""
    return simplex_world.bot


@pytest.fixture
def simplex_person(simplex_world: World) -> Callable[..., Awaitable[Person]]:
    """`World.person` of `simplex_world`."""
    return simplex_world.person


# --- on sockets of this machine -----------------------------------------------------------------


@pytest.fixture
async def simplex_router() -> AsyncIterator[Router]:
    """A router for messages, with its queues in memory."""
    from simplex_trio import open_router

    async with open_router() as router:
        yield router


@pytest.fixture
async def simplex_xftp_router() -> AsyncIterator[XFTPRouter]:
    """A router for files, with its packets in a temporary folder."""
    from simplex_trio.xftp import open_xftp_router

    async with open_xftp_router() as router:
        yield router


@pytest.fixture
async def simplex_cable(simplex_router: Router) -> AsyncIterator[Cable]:
    """A connection to `simplex_router` that the test can cut and mend."""
    from simplex_trio.testing import open_cable

    async with open_cable(simplex_router.address) as cable:
        yield cable


@pytest.fixture
async def simplex_agent() -> AsyncIterator[SMPClientAgent]:
    """An agent without a file, for any routers."""
    from simplex_trio import open_smp_agent

    async with open_smp_agent() as agent:
        yield agent


@pytest.fixture
async def simplex_duplex_agent(
    simplex_router: Router,
) -> AsyncIterator[Callable[..., Awaitable[DuplexAgent]]]:
    """`open_duplex_agent` with queues on `simplex_router`; what it opens runs until the test ends.

    The path may be left out: then the agent keeps everything in memory.
    """
    from simplex_trio.duplex import open_duplex_agent
    from simplex_trio.nursery import hold_open, open_inner_nursery

    async with open_inner_nursery() as nursery:

        async def open_one(path: Any = None, **options: Any) -> DuplexAgent:
            options.setdefault("servers", [simplex_router.address])
            opened = open_duplex_agent(path, **options)
            agent: DuplexAgent = await nursery.start(partial(hold_open, opened))
            return agent

        yield open_one
        nursery.cancel_scope.cancel()
