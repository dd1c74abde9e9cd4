"""Every target takes its seeds, whole, cut short and with a changed byte, as it takes anything."""

from __future__ import annotations

import pytest

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_target_takes_its_seeds(target: Target) -> None:
    seeds = list(target.seeds())
    assert seeds
    for seed in seeds:
        middle = len(seed) // 2
        target(seed)
        target(seed[:middle])
        target(seed[:middle] + b"\xff" + seed[middle + 1 :])


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_some_seed_gets_through(target: Target) -> None:
    """A target that refuses all of its seeds would never get deep into the code behind it."""
    for seed in target.seeds():
        try:
            target.take(seed)
        except target.expected:
            continue
        return
    pytest.fail("every seed is refused")
