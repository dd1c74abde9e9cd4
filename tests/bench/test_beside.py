from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.bench.beside import Comparison, Side
from tests.bench.command import main
from tests.bench.figures import Figures

PROGRAM = """#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --rows) row=$2 ;; --json) file=$2 ;; esac
  shift
done
[ "$row" = connect ] && echo "I can not" && exit 1
echo '{"label": "x", "rows": {"'"$row"'": {"rate": 2, "cpu_us": 500000}}}' > "$file"
"""
"""Measures everything at two a second, except connections."""

COMPARISON = Comparison(
    "mine",
    "others",
    "a machine",
    {
        "thing": [
            (Figures(rate=10.0, cpu_us=20.0), Figures(rate=5.0, cpu_us=10.0)),
            (Figures(rate=30.0, cpu_us=40.0), Figures(rate=10.0, cpu_us=10.0)),
            (Figures(rate=20.0, cpu_us=30.0), Figures(rate=20.0, cpu_us=10.0)),
        ],
        "size": [(Figures(resident_kib=4.0), Figures())],
    },
    {"other-thing": "it did not work"},
)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_text(PROGRAM)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_table_has_a_line_for_each_figure() -> None:
    lines = [line.split() for line in COMPARISON.to_text().splitlines()]
    assert ["thing", "per", "second", "20.0", "30.0", "10.0", "20.0", "2.00", "x"] in lines
    assert ["µs", "CPU", "30.0", "20.0", "10.0", "10.0", "0.33", "x"] in lines
    assert ["size", "KiB", "4.00", "4.00"] in lines
    assert "left out: other-thing: it did not work" in COMPARISON.to_text()


def test_json_has_every_run() -> None:
    found = json.loads(COMPARISON.to_json())
    assert found["rows"]["thing"]["rate"] == 20
    assert found["beside"]["label"] == "others"
    assert found["rounds"]["thing"][1] == [
        {"rate": 30, "cpu_us": 40},
        {"rate": 10, "cpu_us": 10},
    ]


def test_in_turn_with_a_program(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "comparison.json"
    arguments = ["--rows", "seal-x25519", "connect", "--scale", "0.001", "--repeat", "2"]
    router = ["--router", "smp://" + "A" * 43 + "=@127.0.0.1:1"]
    status = main([*arguments, *router, "--beside", str(program), "--json", str(path)])
    assert status == 1
    rounds = json.loads(path.read_text())["rounds"]
    assert set(rounds) == {"seal-x25519"}
    assert [theirs["rate"] for _, theirs in rounds["seal-x25519"]] == [2, 2]
    assert all(ours["rate"] > 2 for ours, _ in rounds["seal-x25519"])
    assert "left out: connect" in capsys.readouterr().out


def test_a_copy_of_the_source_is_what_it_measures(tmp_path: Path) -> None:
    package = tmp_path / "simplex_trio"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('this is the copy')")
    path = tmp_path / "comparison.json"
    assert main(["--rows", "seal-x25519", "--beside", str(tmp_path), "--json", str(path)]) == 1
    assert json.loads(path.read_text())["rounds"] == {}


async def test_a_side_says_why_it_failed(program: Path) -> None:
    with pytest.raises(ChildProcessError, match="program: I can not"):
        await Side.of_program(program).measure("connect", [])


@pytest.mark.parametrize("more", [["--compare", "figures.json"], ["--svg", "plot.svg"]])
def test_what_does_not_go_together(program: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--beside", str(program), *more])
    assert caught.value.code == 2


def test_a_folder_without_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--beside", str(tmp_path)])
    assert caught.value.code == 2
    assert "neither a program nor a folder" in capsys.readouterr().err
