"""What README claims with figures, and how each of them is checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.newcomer.readme import ROOT, TEXT, figures, prose

__all__ = ["CLAIMS", "Walk", "check_claims", "lists_that_are_not_whole", "unexplained_figures"]


@define
class Walk:
    """What a newcomer has seen, by what was done."""

    printed: dict[str, str] = field(factory=dict)
    """What commands and programs have printed."""
    processor_seconds: dict[str, float] = field(factory=dict)
    """How much time of a processor they took."""

    @property
    def demo(self) -> str:
        return self.printed["demo"]


def _project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", each.lower())[0] for each in requirements}


def _messages_and_claims(walk: Walk) -> bool:
    held = re.findall(r"^held  ", walk.demo, re.MULTILINE)
    return "10 of 10 messages arrived" in walk.demo and len(held) == 11


def _two_routers(walk: Walk) -> bool:
    found = re.findall(r"router (\d) is what its address says \(embedded", walk.demo)
    return found == ["1", "2"]


def _two_people(walk: Walk) -> bool:
    return set(re.findall(r" s   (Alice|Bob): ", walk.demo)) == {"Alice", "Bob"}


def _two_commands(_: Walk) -> bool:
    after = TEXT.partition("Two commands, each complete with its set-up:")[2]
    found = re.findall(r"^```sh\n(.*?)^```$", after.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    return len(found) == 2 and all(each.startswith("python3 -m venv .venv && ") for each in found)


def _recorded_versions(_: Walk) -> bool:
    files = sorted(path.name for path in Path(ROOT, "tests", "vectors").glob("chat_live_*_*"))
    return files[0].startswith("chat_live_6_4") and files[-1].startswith("chat_live_7_0")


def _dependencies(_: Walk) -> bool:
    said = TEXT.partition("The package depends on ")[2].partition(".")[0]
    return _names(re.split(r", | and ", said)) == _names(_project()["dependencies"])


def _extras(_: Walk) -> bool:
    table = TEXT.partition("| extra | |\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(
        _project()["optional-dependencies"]
    )


def lists_that_are_not_whole() -> list[str]:
    """Which of the lists of README lack something, or have more than there is."""
    nothing = Walk()
    lists = {"dependencies": _dependencies, "extras": _extras}
    return [name for name, holds in lists.items() if not holds(nothing)]


def _five_minutes(walk: Walk) -> bool:
    """The part of the machine in it: the rest is reading and typing, and the network."""
    return walk.processor_seconds["install"] + walk.processor_seconds["weather bot"] < 2 * 60


def _post_quantum(walk: Walk) -> bool:
    return "post-quantum" in walk.demo and "post-quantum: True" in walk.printed["weather bot"]


CLAIMS: Mapping[str, Callable[[Walk], bool]] = {
    "encryption from end to end, which between two contacts is post-quantum": _post_quantum,
    ", in five minutes": _five_minutes,
    "**connect two programs**, end to end": lambda walk: (
        walk.printed["program 3"] == "For your eyes only\n"
    ),
    "people run (6.4 to 7.0 of the apps)": _recorded_versions,
    "Python 3.11 or later": lambda _: _project()["requires-python"] == ">=3.11",
    "Two commands, each complete with its set-up": _two_commands,
    "the demo starts two routers on this machine": _two_routers,
    "Two people talk over them": _two_people,
    "a connection is cut half-way": lambda walk: "connection to router 1: cut" in walk.demo,
    "Two people talk, the routers have seen messages of one size and no word": lambda walk: (
        re.search(r"the routers saw \d+ messages of [\d,]+ bytes, and no word", walk.demo)
        is not None
    ),
    "what became of ten messages, and eleven claims that held": _messages_and_claims,
    "Two agents with a *connection* encrypt it for each other": lambda walk: (
        walk.printed["program 3"] == "For your eyes only\n"
    ),
    "two agents that connect, a sensor and a collector": lambda _: all(
        Path(ROOT, "examples", name).exists()
        for name in ("connect.py", "sensor.py", "collector.py", "proxying_router.py")
    ),
    "Connections of two agents and files are encrypted end to end": lambda walk: (
        "encrypted end to end" in walk.demo
    ),
    "Apache-2.0": lambda _: _project()["license"] == "Apache-2.0",
    # No figures, but lists that have to be whole.
    "The package depends on": _dependencies,
    "Extras add the rest": _extras,
}
"""Parts of sentences, each with its check."""


def unexplained_figures() -> list[str]:
    """Figures of README that no claim contains, each with its surroundings."""
    text = prose()
    known = []
    for claim in CLAIMS:
        start = text.find(claim)
        while start >= 0:
            known.append(range(start, start + len(claim)))
            start = text.find(claim, start + 1)
    return [
        text[max(0, found.start() - 40) : found.end() + 30]
        for found in figures()
        if not any(found.start() in each for each in known)
    ]


def check_claims(walk: Walk) -> list[str]:
    """What does not hold."""
    text = prose()
    wrong = [f"README does not say it any more: {claim}" for claim in CLAIMS if claim not in text]
    wrong += [f"no check for this figure: ...{each}..." for each in unexplained_figures()]
    wrong += [
        f"does not hold: {claim}"
        for claim, holds in CLAIMS.items()
        if claim in text and not holds(walk)
    ]
    return wrong
