"""Groups in which anything happens: every seed must end well.

``SIMPLEX_TRIO_GROUP_SEEDS`` says how many seeds there are, or which: ``100``, or ``37-37``.  A seed
that fails does exactly the same again.
"""

from __future__ import annotations

import os

import pytest

from .simulation import simulate


def seeds(usual: int = 2) -> range:
    first, _, last = os.environ.get("SIMPLEX_TRIO_GROUP_SEEDS", str(usual)).rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


@pytest.mark.parametrize("seed", seeds())
def test_all_agree_and_hear_everything_once(seed: int) -> None:
    try:
        simulate(seed)
    except BaseException as exc:
        exc.add_note(f"nox -s crowds -- {seed}-{seed} does the same again")
        raise


def test_the_same_seed_does_exactly_the_same() -> None:
    first = simulate(1, size=3, rounds=1)
    assert first.messages
    assert simulate(1, size=3, rounds=1) == first
