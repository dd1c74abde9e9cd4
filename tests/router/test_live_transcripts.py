"""What the reference's router answered, ours answers too: every recorded scenario, step by step."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import evolve

from simplex_trio.router.config import RouterConfig
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.smp.messages import DELD, END, ENDS, ERR, INFO, SOKS
from simplex_trio.wire.versions import SMPVersion
from tests.router.house import open_house, predictable_random
from tests.router.replay import (
    Block,
    Heard,
    Line,
    Replay,
    Script,
    offered_versions,
    recorded_resolver,
)
from tests.vectors import Case, cases

_ENDINGS = (END, ENDS, DELD)
_PROHIBITED = ERR(Cmd(CommandErrorKind.PROHIBITED))

SCENARIOS = [*cases("live_smp.json"), *cases("live_smp_v20.json")]


@pytest.mark.parametrize("case", SCENARIOS)
async def test_recorded_scenario(case: Case) -> None:
    script = Script(predictable_random())
    config = RouterConfig(highest_version=offered_versions(case).highest)
    async with open_house(config, random=script, resolver=recorded_resolver(case)) as house:
        replay = Replay(case, house, script)
        await replay.play()
    for line in replay.lines.values():
        expected = [
            [_as_it_should_be(case, line, each) for each in block] for block in line.expected
        ]
        _check_answers(case, line, expected)
        _check_events(line, expected)
        _check_blocks(line, expected)


def _as_it_should_be(case: Case, line: Line, heard: Heard) -> Heard:
    """What the recorded router said, but for its one defect and what later ones do otherwise.

    After NSUB in the same session its SOKS had the hash of the recipient ids, not the notifiers'.
    Before version 19 a service had a subscription for each queue.
    """
    essence = heard.essence
    wrong = case.get("ids_hash_of_recipient_ids")
    if wrong and isinstance(essence, SOKS) and essence.ids_hash.hex() == wrong:
        right = bytes.fromhex(case["ids_hash_of_notifier_ids"])
        return evolve(heard, essence=evolve(essence, ids_hash=right))
    if isinstance(essence, INFO) and _is_old(case) and line.recorded["service"]:
        return evolve(heard, essence=INFO(evolve(essence.info, subscription=None)))
    return heard


def _is_old(case: Case) -> bool:
    return offered_versions(case).highest < SMPVersion.SERVICE_SUBSCRIPTIONS


def _answers(blocks: list[Block]) -> list[Heard]:
    """What answers something, in order; also an error for what could not be read."""
    return [
        each
        for block in blocks
        for each in block
        if each.correlation_id or isinstance(each.essence, ERR)
    ]


def _events(blocks: list[Block]) -> list[Heard]:
    answers = _answers(blocks)
    return [each for block in blocks for each in block if each not in answers]


def _check_answers(case: Case, line: Line, expected: list[Block]) -> None:
    ours, theirs = _answers(line.heard), _answers(expected)
    if _is_old(case) and line.recorded["service_id"]:
        # Nor did routers before version 19 let messaging services subscribe to all queues at once.
        service_id = bytes.fromhex(line.recorded["service_id"])
        refused = [each for each in theirs if each.essence == _PROHIBITED]
        refused = [each for each in refused if each.entity_id == service_id]
        theirs = [each for each in theirs if each not in refused]
        known = {each.correlation_id for each in theirs}
        ours = [each for each in ours if each.correlation_id in known]
    if recorded_resolver(case) is not None:  # what it takes its time for comes in any order
        ours, theirs = sorted(ours, key=_place), sorted(theirs, key=_place)
    assert ours == theirs, line.name


def _place(heard: Heard) -> bytes:
    return heard.correlation_id


def _check_events(line: Line, expected: list[Block]) -> None:
    """Each entity's events come in the same order; timers decide the order of entities.

    The recorded router told of ended subscriptions every 15 s, which some recordings did not wait
    for.
    """
    heard = _events(line.heard)
    for entity_id in {each.entity_id for each in _events(expected) + heard}:
        ours = [each for each in heard if each.entity_id == entity_id]
        theirs = [each for each in _events(expected) if each.entity_id == entity_id]
        assert ours[: len(theirs)] == theirs, line.name
        assert all(isinstance(each.essence, _ENDINGS) for each in ours[len(theirs) :]), line.name


def _check_blocks(line: Line, expected: list[Block]) -> None:
    """What answers commands of one block comes together, but for what could not be read."""
    ours = [Counter(map(repr, block)) for block in line.heard]
    for block in expected:
        if len(block) > 1 and any(each.correlation_id for each in block):
            wanted = Counter(map(repr, block))
            assert any(wanted <= each for each in ours), line.name
    for block in line.heard:
        if any(_is_unreadable(each.essence) for each in block):
            assert all(_is_unreadable(each.essence) for each in block), line.name


def _is_unreadable(essence: object) -> bool:
    return isinstance(essence, ERR) and essence.error is Code.BLOCK
