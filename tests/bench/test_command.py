from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.bench.command import GROUPS, main
from tests.bench.rows import Row
from tests.postgres_server import NO_POSTGRES, programs

ROWS = [row for group in GROUPS for row in group]


def test_the_names_of_rows_are_unique_and_described() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert all(row.about for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_baselines_are_rows(row: Row) -> None:
    assert row.baseline is None or row.baseline in {each.name for each in ROWS}


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert "seal-x25519" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rows", "no-such-row"],
        ["--router", "not an address"],
        ["--repeat", "0"],
        ["--scale", "-1"],
        ["--scale", "fast"],
        ["--compare", "no such file"],
        ["--chat", "no such program"],
        ["--router-process", "1"],
    ],
)
def test_arguments_that_make_no_sense(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_rows_without_a_router(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    arguments = ["--rows", "wire", "ratchet", "echo", "--scale", "0.002", "--repeat", "1"]
    assert main([*arguments, "--json", str(figures), "--svg", str(plot)]) == 0
    found = json.loads(figures.read_text())["rows"]
    assert set(found) == {row.name for group in GROUPS[:3] for row in group}
    assert all(row["rate"] > 0 for row in found.values())
    assert plot.read_text().startswith("<svg")
    assert "bare cryptography" in capsys.readouterr().out


def test_rows_with_routers_of_our_own(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--rows", "client", "memory", "prepared", "--scale", "0.005", "--repeat", "1"]
    assert main([*arguments, "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())["rows"]
    chosen = {"echo", "client", "memory", "prepared"}
    assert set(found) == {row.name for group in GROUPS if group.name in chosen for row in group}
    assert found["memory-per-client"]["python_kib"] > 0
    assert found["send-pipelined"]["cpu_us"] > 0
    if sys.platform == "linux":
        assert found["drain"]["router_cpu_us"] > 0


def test_rows_about_files(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ["--rows", "xftp", "--scale", "0.001", "--repeat", "1"]
    assert main([*arguments, "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())["rows"]
    assert all(row["rate"] > 0 for row in found.values())
    assert len(found) == 6


@pytest.mark.skipif(programs() is None, reason=NO_POSTGRES)
def test_rows_about_stores(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    rows = ["messages-in-postgresql", "load-from-sqlite", "packets-postgresql"]
    assert main(["--rows", *rows, "--scale", "0.01", "--repeat", "1", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())["rows"]
    assert set(found) == {*rows, "messages-in-sqlite", "load-from-memory", "packets-sqlite"}
    assert all(row["rate"] > 0 for row in found.values())


def test_rows_about_connections(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    rows = ["duplex-one-way", "duplex-both-ways"]
    assert main(["--rows", *rows, "--scale", "0.001", "--repeat", "1", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())["rows"]
    assert set(found) == set(rows)
    assert all(row["rate"] > 0 for row in found.values())


def test_rows_about_a_bot(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    rows = ["chat-messages", "chat-restart", "chat-start"]
    assert main(["--rows", *rows, "--scale", "0.001", "--repeat", "1", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())["rows"]
    assert set(found) == set(rows)
    assert all(row["rate"] > 0 for row in found.values())


def test_rows_about_what_holds_up_the_loop(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    rows = ["load-1m", "resubscribe-1m"]
    arguments = ["--rows", *rows, "--scale", "0.0002", "--repeat", "1", "--json", str(figures)]
    assert main(arguments) == 0
    found = json.loads(figures.read_text())["rows"]
    assert set(found) == set(rows)
    assert all(row["rate"] > 0 and row["longest_ms"] > 0 for row in found.values())


def test_rows_of_one_router_named_and_no_relay(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = "smp://" + "A" * 43 + "=@127.0.0.1:1"
    rows = ["connect", "proxied-send-sequential"]
    arguments = ["--rows", *rows, "--router", nobody, "--scale", "0.001", "--repeat", "1"]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "left out: connect: DialFailed" in printed
    assert "left out: proxied-send-sequential" in printed
    assert "echo-connect" in printed
