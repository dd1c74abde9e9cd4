"""Programs with agents, on virtual time, that crash at any moment: every seed must end well.

``SIMPLEX_TRIO_SEEDS`` says how many seeds there are, or which: ``10000``, or ``137-137``.  A seed
that fails does exactly the same again.
"""

from __future__ import annotations

import os

import pytest

from .simulation.world import simulate


def seeds(usual: int = 200) -> range:
    first, _, last = os.environ.get("SIMPLEX_TRIO_SEEDS", str(usual)).rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


@pytest.mark.parametrize("seed", seeds())
def test_everything_is_connected_and_delivered_in_the_end(seed: int) -> None:
    try:
        simulate(seed)
    except BaseException as exc:
        exc.add_note(f"nox -s seeds -- {seed}-{seed} does the same again")
        raise


def test_the_same_seed_does_exactly_the_same() -> None:
    first = simulate(1)
    assert first.crashes > 0
    assert first.messages > 0
    assert simulate(1) == first
    assert simulate(2) != first
