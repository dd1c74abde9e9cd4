"""A program that crashes while it sends, receives and deletes files, and is started again."""

from __future__ import annotations

import math
import os
from pathlib import Path
from random import Random

import pytest
import trio

from simplex_trio.testing.in_memory.crashes import Crash
from tests.duplex.test_simulation import seeds

from .simulation import PARALLEL, World, run

PACKETS = 3

EVERY = 1 if int(os.environ.get("SIMPLEX_TRIO_CRASH_ROUNDS", "3")) >= 50 else 9
"""How many of the points are tried: all of them in the long session."""


def undisturbed(place: Path, *, redirect: bool) -> World:
    world = World(place, redirect=redirect)

    async def live() -> None:
        assert await world.live(Crash(None))

    run(world, live)
    world.check()
    return world


def points(count: int, offset: int) -> range:
    return range(1 + 2 * offset % EVERY, count + 1, EVERY)


@pytest.mark.parametrize("redirect", [False, True])
@pytest.mark.parametrize("loses_power", [False, True])
def test_a_crash_at_every_point(tmp_path: Path, redirect: bool, loses_power: bool) -> None:
    """At each commit, and each use of the network; what was transferred is not done again."""
    (tmp_path / "undisturbed").mkdir()
    first = undisturbed(tmp_path / "undisturbed", redirect=redirect)
    descriptions = 2 if redirect else 0
    assert first.uploads == PACKETS + descriptions
    assert first.downloads == 2 * PACKETS + descriptions
    for at in points(first.points, offset=2 * redirect + loses_power):
        place = tmp_path / str(at)
        place.mkdir()
        world = World(place, redirect=redirect)

        async def live(world: World = world, at: int = at) -> None:
            is_done = await world.live(Crash(at, loses_power=loses_power))
            while not is_done:
                is_done = await world.live(Crash(None))

        try:
            run(world, live)
            world.check()
            assert world.lives <= 2
            # At most what was under way is transferred once more.
            assert world.uploads <= first.uploads + PARALLEL
            assert world.downloads <= first.downloads + PARALLEL
        except BaseException as exc:
            exc.add_note(f"the crash was at point {at}")
            raise


@pytest.mark.parametrize("seed", seeds(20))
def test_crashes_and_trouble(tmp_path: Path, seed: int) -> None:
    """Many crashes, routers that cannot be reached, and answers that get lost."""
    random = Random(seed)
    world = World(
        tmp_path,
        seed,
        routers=random.choice([1, 2, 3]),
        recipients=random.choice([1, 2, 3]),
        redirect=random.random() < 0.5,
    )

    async def lives() -> None:
        for router in world.routers:
            router.loses = random.choice([0, 0.05, 0.2])
        for _ in range(random.randrange(6)):
            for router in world.routers:
                router.is_up = random.random() < 0.8
            at = int(math.exp(random.uniform(0, math.log(150))))
            with trio.move_on_after(600):
                if await world.live(Crash(at, loses_power=random.random() < 0.3)):
                    return
        for router in world.routers:
            router.is_up, router.loses = True, 0
        while not await world.live(Crash(None)):
            pass

    try:
        run(world, lives)
        world.check()
    except BaseException as exc:
        exc.add_note(f"the seed is {seed}")
        raise
