"""Rows measured in turn, by this copy of the source and by another one or another program.

What else a machine does changes from minute to minute, so two runs, one after the other, cannot be
compared.  Here each row is measured by one side and at once by the other, both in fresh processes,
for several rounds; who begins changes from round to round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import trio
from attrs import field, frozen

from simplex_trio.errors import DecodeError
from tests.bench.figures import Figures, typical
from tests.bench.report import Report, load_report, number

__all__ = ["Comparison", "Side", "compare"]

_ROOT = Path(__file__).parents[2]

_MEASURES: Mapping[str, tuple[str, bool]] = {
    "rate": ("per second", True),
    "p50_ms": ("p50 ms", False),
    "cpu_us": ("µs CPU", False),
    "router_cpu_us": ("of router", False),
    "resident_kib": ("KiB", False),
    "python_kib": ("of it Python", False),
}
"""What is shown of figures, by their names in JSON, and whether more is better."""


@frozen
class Side:
    """One of the two: what measures a row, and where it is run."""

    label: str
    command: tuple[str, ...]
    folder: Path
    starts_routers: bool = True
    """Whether it has routers of its own if none are named."""

    @classmethod
    def here(cls) -> Side:
        """This copy of the source."""
        return cls.of_source(_ROOT)

    @classmethod
    def of_source(cls, folder: Path) -> Side:
        """A copy of the source; rows that are not in it as well are taken from this copy."""
        folder = folder.resolve()
        return cls(folder.name, (sys.executable, "-m", "tests.bench"), folder)

    @classmethod
    def of_program(cls, path: Path) -> Side:
        """A program that takes options of this one, and writes figures as this one does."""
        path = path.resolve()
        return cls(path.name, (str(path),), path.parent, starts_routers=False)

    async def measure(self, row: str, options: Sequence[str]) -> Figures:
        """Run a row once; raises `ChildProcessError` if that comes to nothing."""
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, "figures.json")
            done = await trio.run_process(
                [*self.command, "--rows", row, "--repeat", "1", "--json", str(path), *options],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join((str(self.folder), str(_ROOT)))},
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
            )
            try:
                return load_report(path).figures[row]
            except (OSError, DecodeError, KeyError):
                said = done.stdout.decode(errors="replace").strip()
                last = said.rpartition("\n")[2] or f"exit status {done.returncode}"
                raise ChildProcessError(f"{self.label}: {last}") from None


@frozen
class Comparison:
    """What came of it: for each row, the figures of each round, ours and theirs."""

    ours: str
    theirs: str
    machine: str
    rounds: Mapping[str, Sequence[tuple[Figures, Figures]]]
    left_out: Mapping[str, str] = field(factory=dict)
    """Rows that one of them could not measure, and why."""

    def to_json(self) -> str:
        """Every run, and the usual report of ours, as ``--compare`` reads it."""
        ours, theirs = (
            {
                row: typical([pair[side] for pair in pairs]).to_json()
                for row, pairs in self.rounds.items()
            }
            for side in (0, 1)
        )
        found: dict[str, Any] = {
            "label": self.ours,
            "machine": self.machine,
            "rows": ours,
            "beside": {"label": self.theirs, "rows": theirs},
            "rounds": {
                row: [[each.to_json() for each in pair] for pair in pairs]
                for row, pairs in self.rounds.items()
            },
        }
        return json.dumps(found, indent=2)

    def to_text(self) -> str:
        """A table with a line for each figure of each row."""
        head = ("", "", self.ours, "best", self.theirs, "best", "better")
        lines = [head, *(line for row in self.rounds for line in self._lines(row))]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        text = [f"{self.ours} beside {self.theirs}", self.machine, ""]
        for first, *others in lines:
            cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            text.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
        text += [f"left out: {row}: {why}" for row, why in self.left_out.items()]
        return "\n".join(text)

    def _lines(self, row: str) -> Iterator[tuple[str, ...]]:
        pairs = [(ours.to_json(), theirs.to_json()) for ours, theirs in self.rounds[row]]
        name = row
        for measure, (title, more_is_better) in _MEASURES.items():
            ours = [pair[0][measure] for pair in pairs if measure in pair[0]]
            theirs = [pair[1][measure] for pair in pairs if measure in pair[1]]
            if ours or theirs:
                best = max if more_is_better else min
                cells = [
                    number(statistic(values)) if values else ""
                    for values in (ours, theirs)
                    for statistic in (median, best)
                ]
                ratio = _ratio(ours, theirs, more_is_better=more_is_better)
                yield (name, title, *cells, ratio)
                name = ""


def _ratio(ours: Sequence[float], theirs: Sequence[float], *, more_is_better: bool) -> str:
    """How many times better ours are, in the round in the middle."""
    if len(ours) != len(theirs) or not (all(ours) and all(theirs)):
        return ""
    pairs = zip(ours, theirs, strict=True)
    return f"{number(median(a / b if more_is_better else b / a for a, b in pairs))} x"


async def compare(
    ours: Side, theirs: Side, rows: Sequence[str], rounds: int, options: Sequence[str]
) -> Comparison:
    """Measure rows by both, in turn; ``options`` are given to both."""
    found: dict[str, list[tuple[Figures, Figures]]] = {}
    left_out: dict[str, str] = {}
    for row in rows:
        pairs: list[tuple[Figures, Figures]] = []
        try:
            for turn in range(rounds):
                if turn % 2:
                    last = await theirs.measure(row, options)
                    pairs.append((await ours.measure(row, options), last))
                else:
                    first = await ours.measure(row, options)
                    pairs.append((first, await theirs.measure(row, options)))
        except ChildProcessError as exc:
            left_out[row] = str(exc)
        else:
            found[row] = pairs
    return Comparison(ours.label, theirs.label, Report.here({}, {}).machine, found, left_out)
