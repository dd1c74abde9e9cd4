"""Fixtures of pytest for tests of bots: see docs/how-to/test-your-bot.md.

pytest loads this module wherever the package is installed, so it imports neither the package nor
Trio before a test asks for a fixture.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simplex_trio.chat.testing import BotProgram, Person, World

_WORLD = "simplex_world"


def _runs_trio(config: pytest.Config) -> bool:
    return any(config.pluginmanager.hasplugin(name) for name in ("trio", "pytest_trio.plugin"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run tests with a world in virtual time, whether or not they are marked for Trio."""
    if not _runs_trio(config):
        return
    for item in items:
        if _WORLD not in getattr(item, "fixturenames", ()):
            continue
        is_async = inspect.iscoroutinefunction(getattr(item, "obj", None))
        has_runner = any("run" in marker.kwargs for marker in item.iter_markers("trio"))
        if is_async and not has_runner:
            item.add_marker(pytest.mark.trio(run=_run_in_virtual_time), append=False)


def _run_in_virtual_time(
    function: Callable[..., Awaitable[Any]], *args: Any, clock: Any = None, **options: Any
) -> Any:
    import trio
    from trio.testing import MockClock

    if clock is None:
        clock = MockClock(autojump_threshold=0)
    return trio.run(function, *args, clock=clock, **options)


@pytest.fixture
def _simplex_needs(request: pytest.FixtureRequest) -> None:
    """Say what is missing, before pytest says something that is harder to understand."""
    if not _runs_trio(request.config):
        pytest.fail(
            f"the fixture {_WORLD} needs pytest-trio: pip install pytest-trio", pytrace=False
        )
    if request.node.get_closest_marker("trio") is None:
        pytest.fail(f"the fixture {_WORLD} is for async tests", pytrace=False)


@pytest.fixture
def simplex_seed() -> object:
    """What the order of everything in `simplex_world` follows from; to be overridden."""
    return 0


@pytest.fixture
async def simplex_world(_simplex_needs: None, simplex_seed: object) -> AsyncIterator[World]:
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
