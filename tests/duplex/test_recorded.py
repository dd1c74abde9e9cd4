"""Recorded conversations of two agents, with our machine in the place of each of them."""

from __future__ import annotations

import pytest

from tests.duplex.replaying import replay
from tests.vectors import Case, load

CASES = [
    pytest.param(case, id=case["name"])
    for file in ("agent_live.json", "agent_live_more.json")
    for case in load(file)
    if case["kind"] == "agent_live"
]


@pytest.mark.parametrize("case", CASES)
def test_whole_conversation(case: Case) -> None:
    replay(case)
