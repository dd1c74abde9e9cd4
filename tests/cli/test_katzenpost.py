"""``simplex-trio katzenpost simulate``."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from simplex_trio.cli.katzenpost_simulate import obey
from simplex_trio.katzenpost import load_dial, open_thin_client
from simplex_trio.testing.kpclientd import open_simulated_daemon
from tests.cli.support import ROOT, Program, Result

Cli = Callable[..., Result]


def test_a_client_can_use_it(tmp_path: Path) -> None:
    config = tmp_path / "thinclient.toml"
    arguments = ("katzenpost", "simulate", "localhost:0", "--config", config, "--fast", "--json")

    async def use() -> None:
        async with open_thin_client(load_dial(config)):
            pass

    with Program(*arguments, folder=tmp_path) as program:
        started = json.loads(program.next_line())
        assert started["simulated"] is True
        assert started["config"] == str(config)
        trio.run(use)
        stopped = program.stop(signal.SIGTERM)
    assert stopped.code == 0
    assert "protects nothing" in stopped.err


async def test_what_it_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    async with open_simulated_daemon() as daemon:
        token = daemon.instance_token
        await obey(daemon, "offline")
        assert not daemon.mixnet.is_online
        await obey(daemon, "online")
        assert daemon.mixnet.is_online
        await obey(daemon, "restart same")
        assert daemon.instance_token == token
        await obey(daemon, "restart")
        assert daemon.instance_token != token
        await obey(daemon, "drop")
        await obey(daemon, "")
        assert "Known" not in capsys.readouterr().err
        await obey(daemon, "dance")
        assert "Known: drop" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["localhost", "localhost:", ":64331", "localhost:99999", "a:b"])
def test_no_place(cli: Cli, place: str) -> None:
    assert cli("katzenpost", "simulate", place).code == 2


def test_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "cbor2.py").write_text("raise ModuleNotFoundError(name='cbor2')")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    arguments = ("katzenpost", "simulate", "localhost:0")
    with Program(*arguments, folder=tmp_path, PYTHONPATH=paths) as program:
        missing = program.result()
    assert missing.code == 1
    assert missing.err.count("\n") == 1
    assert "simplex-trio[katzenpost]" in missing.err
