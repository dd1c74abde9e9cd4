"""``simplex-trio connect send-file`` and ``receive-file``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from simplex_trio.cli.connect import files
from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.errors import StoreFull
from simplex_trio.xftp.router.server import open_xftp_router
from tests.cli.support import Result, in_background
from tests.scenarios.xftp import names_in

Cli = Callable[..., Result]


@pytest.fixture
def router() -> Any:
    with in_background(open_xftp_router) as router:
        yield str(router.address)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"a picture" * 20_000)
    return path


def test_a_file_from_one_store_to_another(
    cli: Cli, router: str, path: Path, tmp_path: Path
) -> None:
    alice, bob = tmp_path / "alice.db", tmp_path / "bob.db"
    sent = cli(
        *("connect", "send-file", path, "--router", router, "--recipients", 2),
        *("--to", tmp_path / "out", "--store", alice),
    )
    assert sent.code == 0, sent.err
    described = tmp_path / "out" / "photo.jpg.xftp"
    assert names_in(described) == ["rcv1.xftp", "rcv2.xftp", "snd.xftp.private"]
    assert str(described / "rcv1.xftp") in sent.out

    into = tmp_path / "in"
    refused = cli(
        *("connect", "receive-file", described / "rcv1.xftp", "--to", into, "--store", bob)
    )
    assert refused.code == 2
    assert "--yes" in refused.err
    received = cli(
        *("connect", "receive-file", described / "rcv1.xftp", "--to", into, "--store", bob),
        "--yes",
    )
    assert received.code == 0, received.err
    assert (into / "photo.jpg").read_bytes() == path.read_bytes()
    again = cli(
        *("connect", "receive-file", described / "rcv1.xftp", "--to", into, "--store", bob),
        "--yes",
    )
    assert again.code == 4
    assert "was received before" in again.err

    # The router is remembered, and is the sender's own.
    own = cli(
        *("connect", "receive-file", described / "rcv2.xftp", "--to", into, "--store", alice),
        "--json",
    )
    assert own.code == 0, own.err
    assert names_in(into) == ["photo.jpg", "photo_1.jpg"]


def test_what_an_earlier_command_has_not_told(
    cli: Cli, router: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, out = tmp_path / "alice.db", tmp_path / "out"

    async def fail(*_: Any) -> None:
        raise StoreFull("the disk is full")

    monkeypatch.setattr(files, "save_descriptions", fail)
    sent = cli(
        *("connect", "send-file", path, "--router", router, "--to", out, "--store", alice),
    )
    assert sent.code != 0
    monkeypatch.undo()
    sent = cli("connect", "send-file", "--to", out, "--store", alice)
    assert sent.code == 0, sent.err
    described = out / "photo.jpg.xftp" / "rcv1.xftp"
    assert str(described) in sent.out
    assert cli("connect", "send-file", "--store", alice).out == "No file is being sent.\n"


async def _never(_: Any) -> None:
    await trio.sleep_forever()


def test_a_router_that_is_away_keeps_no_command_waiting(
    cli: Cli, router: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DuplexAgent, "drain", _never)
    monkeypatch.setattr(files, "_LEAVING", 0.01)
    alice, out = tmp_path / "alice.db", tmp_path / "out"
    sent = cli(*("connect", "send-file", path, "--router", router, "--to", out, "--store", alice))
    assert sent.code == 0, sent.err
    assert "rcv1.xftp" in sent.out


def test_what_cannot_be_done(cli: Cli, path: Path, tmp_path: Path) -> None:
    store = ("--store", tmp_path / "alice.db")
    assert cli("connect", "send-file", tmp_path / "nothing", *store).code == 2
    assert cli("connect", "send-file", path, *store).code == 2
    nothing = cli("connect", "send-file", *store)
    assert (nothing.code, nothing.out) == (0, "No file is being sent.\n")
    nothing = cli("connect", "receive-file", *store)
    assert (nothing.code, nothing.out) == (0, "No file is being received.\n")
    assert cli("connect", "receive-file", path, *store).code == 2
