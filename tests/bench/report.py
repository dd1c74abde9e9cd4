"""Reports: the outcome of all rows as a table, and as JSON for other programs and later runs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from attrs import field, frozen

from simplex_trio.errors import DecodeError
from tests.bench.figures import Figures
from tests.bench.rows import Row, Rows

__all__ = ["Report", "load_report", "number", "table"]

_PACKAGES = ("trio", "cryptography", "pynacl", "pyopenssl")


@frozen
class Report:
    """The figures of one client in one run, by the names of the rows."""

    label: str
    figures: Mapping[str, Figures]
    machine: str = ""
    left_out: Mapping[str, str] = field(factory=dict)
    """Rows that were asked for and have no figures, and why."""

    @classmethod
    def here(cls, figures: Mapping[str, Figures], left_out: Mapping[str, str]) -> Report:
        """A report of this package on this machine."""
        return cls(_versioned("simplex-trio"), figures, _machine(), left_out)

    def to_json(self) -> str:
        """The report as `load_report` reads it."""
        rows = {name: figures.to_json() for name, figures in self.figures.items()}
        return json.dumps({"label": self.label, "machine": self.machine, "rows": rows}, indent=2)


def load_report(path: Path) -> Report:
    """A report of an earlier run, or of another program about another client.

    ``{"label": ..., "rows": {<name of a row>: {"rate": ..., "p50_ms": ...}}}`` is enough.  Raises
    `OSError`, or `DecodeError` for a file that is no report.
    """
    try:
        found: Any = json.loads(path.read_text())
        rows = {str(name): Figures.from_json(row) for name, row in found["rows"].items()}
        return Report(str(found["label"]), rows, str(found.get("machine", "")))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise DecodeError("the file to compare with is not a report of measurements") from exc


def _machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = ", ".join(_versioned(name) for name in _PACKAGES)
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return f"{python}, {packages}, {system}"


def _versioned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:  # used from its source tree, without having been installed
        return package


# --- the table ----------------------------------------------------------------------------------


@frozen
class _Column:
    title: str
    text: Callable[[Row, Figures], str]


def number(value: float | None, *, digits: int = 3) -> str:
    """A number with about so many digits that mean something."""
    if value is None:
        return ""
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    whole = len(f"{value:.0f}") if value >= 1 else 0
    return f"{value:.{digits - max(whole, 1)}f}"


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else number(seconds * 1000)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{number(ratio)} x"


def _beside(row: Row, figures: Figures, all_figures: Mapping[str, Figures]) -> str:
    """How many times the baseline it takes."""
    if figures.bare is not None:
        return f"{_times(figures.bare)} bare cryptography"
    baseline = all_figures.get(row.baseline or "")
    if baseline is None:
        return ""
    return f"{_times(baseline.times_better_than(figures))} {row.baseline}"


def _columns(report: Report, other: Report | None) -> list[_Column]:
    columns = [
        _Column("per second", lambda _, figures: number(figures.rate)),
        _Column("p50 ms", lambda _, figures: _milliseconds(figures.p50)),
        _Column("p95 ms", lambda _, figures: _milliseconds(figures.p95)),
        _Column("µs CPU", lambda _, figures: number(figures.cpu_us)),
        _Column("of router", lambda _, figures: number(figures.router_cpu_us)),
        _Column("KiB", lambda _, figures: number(figures.resident_kib)),
        _Column("of it Python", lambda _, figures: number(figures.python_kib)),
        _Column("longest ms", lambda _, figures: _milliseconds(figures.longest)),
        _Column("collector ms", lambda _, figures: _milliseconds(figures.collector)),
        _Column("takes", lambda row, figures: _beside(row, figures, report.figures)),
    ]
    if other is not None:
        theirs = other.figures

        def main_figure(row: Row, _: Figures) -> str:
            found = theirs.get(row.name, Figures())
            return number(found.rate) or _milliseconds(found.p50) or number(found.resident_kib)

        def ratio(row: Row, figures: Figures) -> str:
            found = theirs.get(row.name)
            return "" if found is None else _times(figures.times_better_than(found))

        columns += [_Column(other.label, main_figure), _Column("better", ratio)]
    return columns


def table(report: Report, groups: Iterable[Rows], other: Report | None = None) -> str:
    """The report as text, group by group; ``other`` is another client's, to be seen beside it."""
    chosen = _columns(report, other)
    lines: list[tuple[str, list[str]] | str] = []
    for group in groups:
        found = [row for row in group if row.name in report.figures]
        if found:
            lines.append(group.title)
        for row in found:
            figures = report.figures[row.name]
            lines.append((f"  {row.name}", [each.text(row, figures) for each in chosen]))
    cells = [line[1] for line in lines if not isinstance(line, str)]
    used = [any(row[number] for row in cells) for number in range(len(chosen))]
    widths = [
        max(len(column.title), *(len(row[number]) for row in cells), 0)
        for number, column in enumerate(chosen)
    ]
    names = max((len(line[0]) for line in lines if not isinstance(line, str)), default=0)

    def laid_out(name: str, texts: Iterable[str]) -> str:
        shown = zip(texts, widths, used, strict=True)
        return "  ".join([name.ljust(names), *(text.rjust(w) for text, w, use in shown if use)])

    text = [report.label, report.machine, "", laid_out("", (each.title for each in chosen))]
    text += [line if isinstance(line, str) else laid_out(*line) for line in lines]
    if report.left_out:
        text += ["", *(f"left out: {name}: {why}" for name, why in report.left_out.items())]
    return "\n".join(line.rstrip() for line in text)
