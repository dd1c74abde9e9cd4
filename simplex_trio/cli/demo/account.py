"""The account at the end of the demonstration: what was to be shown, and whether it held.  Pure."""

from __future__ import annotations

from attrs import define, field

from simplex_trio.cli.demo.events import Finding, RouterSaw, Way
from simplex_trio.cli.demo.ledger import Ledger
from simplex_trio.cli.demo.talk import Talk

__all__ = ["Observations", "account"]

_QUEUES = 5
_CUT_QUEUES = 3
_MESSAGES = 10
_REPEATED = 5


@define
class Observations:
    """What was seen besides subscriptions and messages."""

    impostor_found_out: bool = False
    talk: Talk = field(factory=Talk)
    saw: list[RouterSaw] = field(factory=list)
    """Of the conversation, in embedded routers."""
    waited: int = 0
    """Messages that had been accepted, and not received, when the cable was mended."""
    seconds_to_return: float = 0.0
    empty: int = 0
    """Queues that had nothing left in them."""
    deleted: int = 0
    counted_as_proxied: int | None = None
    """By router one itself, if it is embedded."""


def account(ledger: Ledger, seen: Observations, at: float) -> list[Finding]:
    """Line by line; all of it is taken from what was observed."""
    queues, messages = list(ledger.queues.values()), list(ledger.messages.values())
    cut, spared = ledger.at_router(1), ledger.at_router(2)
    arrived = [each for each in messages if each.receptions and each.acknowledged]
    active = sum(queue.activations > 0 for queue in queues)
    lost = sum(queue.losses for queue in cut)
    returned = sum(queue.activations == 2 for queue in cut)
    proxied = [each for each in arrived if each.way is Way.PROXY]
    expected_proxied = sum(each.way is Way.PROXY for each in messages)
    twice = {each.number for each in messages if each.receptions > 1}
    lines = [
        (
            "An impostor in router one's place was found out, and told nothing.",
            seen.impostor_found_out,
        ),
        (
            f"Alice and Bob read each other, encrypted end to end{_kind(seen.talk)}.",
            seen.talk.went_well,
        ),
        *_seen_by_routers(seen.saw),
        (f"{active} of {_QUEUES} subscriptions became active.", active == _QUEUES),
        (
            f"The cut took {lost} of them; those on router two never noticed.",
            lost == _CUT_QUEUES and not any(queue.losses for queue in spared),
        ),
        (
            f"{returned} of {_CUT_QUEUES} came back by themselves, "
            f"{seen.seconds_to_return:.2f} s after the cable was mended.",
            returned == _CUT_QUEUES,
        ),
        (
            f"{len(arrived)} of {_MESSAGES} messages arrived, in the order of sending.",
            len(arrived) == _MESSAGES and ledger.in_order,
        ),
        (
            f"{seen.waited} of them had waited on router one for the agent.",
            seen.waited == _CUT_QUEUES,
        ),
        (
            f"Message {_REPEATED}, not acknowledged at the cut, came again; no other came twice.",
            twice == {_REPEATED},
        ),
        (
            f"{len(proxied)} of {expected_proxied} came by the proxy; their sender never "
            "connected to router one.",
            len(proxied) == expected_proxied
            and seen.counted_as_proxied in (None, expected_proxied),
        ),
        (
            f"{seen.empty} of {_QUEUES} queues were empty at last, and {seen.deleted} are deleted.",
            seen.empty == seen.deleted == _QUEUES,
        ),
    ]
    return [Finding(at, claim, holds) for claim, holds in lines]


def _kind(talk: Talk) -> str:
    return ", post-quantum" if talk.post_quantum else ""


def _seen_by_routers(saw: list[RouterSaw]) -> list[tuple[str, bool]]:
    """Nothing is claimed of routers into which the demonstration cannot look."""
    if not saw:
        return []
    sizes = sorted({size for each in saw for size in each.sizes})
    seen = sum(each.messages for each in saw)
    shown = " or ".join(f"{size:,}" for size in sizes)
    return [
        (
            f"Of that the routers saw {seen} messages of {shown} bytes, and no word.",
            seen > 0 and len(sizes) == 1 and not any(each.with_words for each in saw),
        )
    ]
