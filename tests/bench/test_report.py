from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simplex_trio.errors import DecodeError
from tests.bench.figures import Figures, Point
from tests.bench.plot import svg
from tests.bench.report import Report, load_report, table
from tests.bench.rows import Conditions, Rows

GROUP = Rows("things", "various things")


@GROUP.row()
def plain_thing(conditions: Conditions) -> Figures:
    """Something plain.

    What follows the first line does not describe the row.
    """
    return Figures(rate=float(conditions.times(10)))


@GROUP.row(baseline="plain-thing")
async def slow_thing(conditions: Conditions) -> Figures:
    """Something slow."""
    return Figures(rate=1.0)


OURS = Report(
    "ours <1>",
    {
        "plain-thing": Figures(rate=12345.6, bare=2.25),
        "slow-thing": Figures(rate=100.0, p50=0.00125, points=(Point(1, 10.0), Point(100, 100.0))),
    },
    "a machine",
    {"third-thing": "there is no router"},
)
THEIRS = Report("theirs", {"plain-thing": Figures(rate=1234.56)})


def test_rows_are_named_and_described_by_their_functions() -> None:
    assert [(row.name, row.about) for row in GROUP] == [
        ("plain-thing", "Something plain"),
        ("slow-thing", "Something slow"),
    ]


def test_the_table_shows_what_there_is() -> None:
    text = table(OURS, [GROUP])
    assert "12,346" in text
    assert "2.25 x bare cryptography" in text
    assert "123 x plain-thing" in text
    assert "1.25" in text
    assert "KiB" not in text
    assert "CPU" not in text
    assert "left out: third-thing: there is no router" in text


def test_the_table_shows_the_processor_time_of_both_sides() -> None:
    figures = {"plain-thing": Figures(rate=10.0, cpu_us=123.4, router_cpu_us=56.7)}
    text = table(Report("ours", figures), [GROUP])
    assert "µs CPU" in text
    assert "123" in text
    assert "of router" in text
    assert "56.7" in text


def test_another_client_beside_ours() -> None:
    text = table(OURS, [GROUP], THEIRS)
    assert "theirs" in text
    assert "1,235" in text
    assert "10.0 x" in text


def test_a_report_without_rows_is_only_a_heading() -> None:
    assert table(Report("ours", {}), [GROUP]).startswith("ours")


def test_a_report_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(OURS.to_json())
    found = load_report(path)
    assert found.figures == OURS.figures
    assert (found.label, found.machine) == (OURS.label, OURS.machine)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"label": "x", "rows": []}', "\xff"])
def test_a_file_that_is_no_report(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DecodeError):
        load_report(path)


def test_the_least_that_another_client_must_say(tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"label": "x", "rows": {"connect": {"p50_ms": 50}}}))
    assert load_report(path).figures["connect"].p50 == pytest.approx(0.05)


def test_the_plot_is_svg_with_every_row() -> None:
    root = ElementTree.fromstring(svg(OURS, [GROUP], THEIRS))
    assert root.tag.endswith("svg")
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"ours <1>", "theirs", "plain-thing", "slow-thing", "12,346", "1,235"} <= texts
    assert len([each for each in root.iter() if each.tag.endswith("polyline")]) == 1


def test_a_plot_without_rows() -> None:
    assert ElementTree.fromstring(svg(Report("ours", {}), [GROUP])).tag.endswith("svg")
