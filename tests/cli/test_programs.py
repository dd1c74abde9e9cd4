"""The command line as people start it: as a process, with pipes and Ctrl-C."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

from simplex_trio.router.server import open_router
from tests.cli.support import Program, Result, in_background

Cli = Callable[..., Result]


def test_the_demo_into_a_file(tmp_path: Path) -> None:
    with Program("demo", folder=tmp_path) as program:
        result = program.result()
    assert result.code == 0
    assert result.err == ""
    assert result.out.endswith("Everything held.\n")
    assert "\x1b" not in result.out


def test_the_demo_interrupted(tmp_path: Path) -> None:
    with Program("demo", "--json", folder=tmp_path) as program:
        program.next_line()
        result = program.stop()
    assert result.code == 130
    assert result.err == ""
    assert list(tmp_path.iterdir()) == []


def test_the_demo_interrupted_leaves_nothing_on_real_routers(tmp_path: Path) -> None:
    with in_background(open_router) as one, in_background(open_router) as two:
        arguments = ("demo", "--json", "--router", one.address, "--router", two.address)
        with Program(*arguments, folder=tmp_path) as program:
            while json.loads(program.next_line())["event"] != "MessageChanged":
                pass
            assert one.statistics().queues + two.statistics().queues == 5
            assert program.stop().code == 130
        assert one.statistics().queues + two.statistics().queues == 0


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    with Program("demo", "--json", folder=tmp_path) as program:
        program.next_line()
        assert program.process.stdout is not None
        program.process.stdout.close()
        program.process.stdout = None
        result = program.result()
    assert result.code == 141
    assert not result.err


def test_watching_interrupted(cli: Cli, router: str, state_file: Path, tmp_path: Path) -> None:
    cli("queue", "create", "inbox", router)
    cli("queue", "send", "inbox", "hello")
    before = state_file.read_bytes()
    arguments = ("queue", "watch", "--keep", "--json", "--state", state_file)
    with Program(*arguments, folder=tmp_path) as program:
        assert json.loads(program.next_line())["text"] == "hello"
        result = program.stop(signal.SIGTERM)
    assert result.code == 143
    assert "Traceback" not in result.err
    assert state_file.read_bytes() == before
    cli("queue", "delete", "inbox")
