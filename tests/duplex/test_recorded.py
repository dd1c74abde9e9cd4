"""Recorded conversations of two agents, with our machine in the place of each of them.

Rotation of queues comes later; the cases about it are replayed up to there, which is until both
sides are connected and have exchanged messages.
"""

from __future__ import annotations

import pytest

from tests.duplex.replaying import replay
from tests.vectors import Case, load

CASES = [
    case
    for file in ("agent_live.json", "agent_live_more.json")
    for case in load(file)
    if case["kind"] == "agent_live"
]

IN_PART = {"rotation", "rotation-both"}


def names(*, whole: bool) -> list[object]:
    return [
        pytest.param(case, id=case["name"])
        for case in CASES
        if (case["name"] not in IN_PART) is whole
    ]


@pytest.mark.parametrize("case", names(whole=True))
def test_whole_conversation(case: Case) -> None:
    assert replay(case)


@pytest.mark.parametrize("case", names(whole=False))
def test_up_to_rotation(case: Case) -> None:
    assert not replay(case)
