"""A whole agent on virtual time, over a network with trouble: every seed must end well.

``SIMPLEX_TRIO_SEEDS`` says how many seeds there are, or which: ``10000``, or ``137-137``.  A seed
that fails does exactly the same again.
"""

from __future__ import annotations

import os

import pytest

from .simulation.world import simulate


def seeds() -> range:
    first, _, last = os.environ.get("SIMPLEX_TRIO_SEEDS", "40").rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


@pytest.mark.parametrize("seed", seeds())
def test_everything_is_subscribed_and_delivered_in_the_end(seed: int) -> None:
    outcome = simulate(seed)
    assert outcome.messages > 0


def test_the_same_seed_does_exactly_the_same() -> None:
    assert simulate(1) == simulate(1)
    assert simulate(1) != simulate(2)
