"""``simplex-trio router copy``, ``export`` and ``import``: stopped, running, refused."""

from __future__ import annotations

import json
import os
import secrets
import signal
import stat
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import trio
from rich.console import Console

from simplex_trio.cli.routers import moving_progress
from simplex_trio.cli.routers.moving_progress import showing_progress
from simplex_trio.router.moving.copying import Progress
from simplex_trio.router.store.sqlite import open_sqlite_store
from tests.cli.support import Program, Result
from tests.cli.test_router import a_router
from tests.router.moving.support import EVERYTHING, contents_after
from tests.router.moving.test_server_folder import RECORDED, write
from tests.router.store.support import Contents, contents

Cli = Callable[..., Result]


def fill(path: Path) -> None:
    async def work() -> None:
        async with open_sqlite_store(path) as store:
            await store.commit(EVERYTHING)

    trio.run(work)


def found(path: Path) -> Contents:
    async def work() -> Contents:
        async with open_sqlite_store(path) as store:
            return await contents(store)

    return trio.run(work)


def test_a_stopped_router(cli: Cli, tmp_path: Path) -> None:
    folder, new = tmp_path / "router", tmp_path / "new"
    for each in (folder, new):
        a_router(cli, each)
    fill(folder / "router.sqlite")
    export = tmp_path / "router.export"
    first = cli("router", "export", folder, export, "--json").json()
    assert first["complete"] is True
    assert first["left_out"] == {}
    assert first["counts"]["queues"] == 5
    assert stat.S_IMODE(export.stat().st_mode) == 0o600
    assert cli("router", "import", export, new, "--json").json() == first
    copied = cli("router", "copy", new / "router.toml", tmp_path / "other.sqlite")
    assert copied.code == 0
    assert "messages                   4" in copied.out
    assert "is the same" in copied.out
    assert found(tmp_path / "other.sqlite") == trio.run(contents_after, EVERYTHING)


def test_a_running_router(cli: Cli, tmp_path: Path) -> None:
    folder, new = tmp_path / "router", tmp_path / "new"
    for each in (folder, new):
        a_router(cli, each)
    export, copy = tmp_path / "router.export", tmp_path / "copy.sqlite"
    with Program("router", "start", folder, "--show-password", folder=tmp_path) as program:
        (tmp_path / "address").write_text(program.next_line())
        assert cli("queue", "create", "inbox", f"@{tmp_path / 'address'}").code == 0
        assert cli("queue", "send", "inbox", "hello").code == 0
        made = cli("router", "export", folder, export)
        assert made.code == 0
        assert "what came since is not in it" in made.out
        refused = cli("router", "copy", folder, copy)
        assert refused.code == 1
        assert "Stop it first, or say --accept-loss" in refused.err
        assert not copy.exists()
        taken = cli("router", "copy", folder, copy, "--accept-loss", "--json").json()
        assert taken["complete"] is False
        assert cli("queue", "send", "inbox", "hello again").code == 0
        assert program.stop(signal.SIGTERM).code == 0
    assert not [name for name in os.listdir(folder) if name.startswith(".")]
    assert cli("router", "import", export, new).code == 1
    assert not (new / "router.sqlite").exists()
    assert cli("router", "import", export, new, "--accept-loss").code == 0
    for path in (copy, new / "router.sqlite"):
        held = found(path)
        assert (len(held.queues), len(held.bodies)) == (1, 1)
    assert len(found(folder / "router.sqlite").bodies) == 2


def test_to_a_database_and_back(cli: Cli, tmp_path: Path, postgres: str) -> None:
    store, again = tmp_path / "router.sqlite", tmp_path / "again.sqlite"
    fill(store)
    schema = f"schema=cli_{secrets.token_hex(8)}"
    url = f"{postgres}{'&' if '?' in postgres else '?'}{schema}"
    there = cli("router", "copy", store, url, "--json").json()
    assert cli("router", "copy", url, again, "--json").json() == there
    assert found(again) == trio.run(contents_after, EVERYTHING)
    taken = cli("router", "copy", store, url)
    assert taken.code == 2
    assert "there is a store in the database already" in taken.err
    folder = tmp_path / "router"
    a_router(cli, folder)
    config = folder / "router.toml"
    config.write_text(config.read_text().replace('"router.sqlite"', json.dumps(url)))
    exported = cli("router", "export", folder, tmp_path / "export", "--json").json()
    assert exported == there


def test_a_router_that_cannot_be_asked(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder)
    with Program("router", "start", folder, "--no-control", folder=tmp_path) as program:
        program.next_line()
        refused = cli("router", "export", folder, tmp_path / "export")
        assert refused.code == 1
        assert "stop it first" in refused.err
        assert program.stop(signal.SIGTERM).code == 0
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_coming_from_smp_server(cli: Cli, tmp_path: Path) -> None:
    (case, *_) = RECORDED[0].values
    assert isinstance(case, dict)
    log = write(tmp_path / "server", case["files"])
    folder = tmp_path / "router"
    a_router(cli, folder)
    made = cli("router", "import", log.parent, folder, "--json").json()
    assert made["counts"]["queues"] == 12
    assert made["complete"] is True
    messages = log.with_name("smp-server-messages.log")
    if not messages.exists():
        messages = log
    messages.write_text(messages.read_text() + "nonsense\n")
    other = tmp_path / "other.sqlite"
    refused = cli("router", "import", log, other)
    assert refused.code == 1
    assert f"{messages.name}, line" in refused.err
    taken = cli("router", "import", log, other, "--accept-loss")
    assert taken.code == 0
    assert "Left out: 1 lines or files that cannot be read." in taken.out


def test_what_is_refused(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    a_router(cli, folder)
    store, export = tmp_path / "router.sqlite", tmp_path / "export"
    fill(store)
    nothing = cli("router", "export", folder, export)
    assert nothing.code == 2
    assert "There is no store at" in nothing.err
    assert cli("router", "copy", tmp_path / "nothing.sqlite", folder).code == 2
    assert not (tmp_path / "nothing.sqlite").exists()
    for url, problem in (
        ("postgresql://u:secret@h/d?schema=Big", "the schema in the URL"),
        ("postgresql://u:secret%zz@h/d", "is not one of libpq"),
    ):
        refused = cli("router", "copy", store, url)
        assert refused.code in (1, 2)
        assert problem in refused.err
        assert "secret" not in refused.err
        assert "Traceback" not in refused.err
    strange = cli("router", "import", store, folder)
    assert strange.code == 2
    assert "neither an export" in strange.err
    assert cli("router", "import", tmp_path, folder).code == 2
    assert cli("router", "export", store, export).code == 0
    for arguments in (("export", store, export), ("copy", store, store), ("import", export, store)):
        taken = cli("router", *arguments)
        assert taken.code == 2
        assert "is there already" in taken.err
    config = folder / "router.toml"
    config.write_text(config.read_text().replace("store =", "# store ="))
    without = cli("router", "copy", store, folder)
    assert without.code == 2
    assert "no store" in without.err
    export.write_bytes(export.read_bytes()[:-20])
    assert "damaged" in cli("router", "import", export, tmp_path / "new.sqlite").err
    assert not (tmp_path / "new.sqlite").exists()


# --- progress -----------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test moves on."""
    now = [0.0]
    monkeypatch.setattr(moving_progress, "monotonic", lambda: now[0])
    return now


def test_lines(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with showing_progress(json=False) as tell:
        tell(Progress("copying", 1000, 20_000))
        clock[0] = 6.0
        tell(Progress("copying", 2000, 20_000))
        tell(Progress("copying", 3000, 20_000))
        clock[0] = 12.0
        tell(Progress("checking", 4000, None))
    assert capsys.readouterr().err.splitlines() == [
        "copying: 2,000 of 20,000 records",
        "checking: 4,000 records",
    ]


def test_lines_for_programs(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with showing_progress(json=True) as tell:
        clock[0] = 6.0
        tell(Progress("copying", 2000, None))
    value = {"progress": {"stage": "copying", "done": 2000, "of": None}}
    assert json.loads(capsys.readouterr().err) == value


def test_bars(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(moving_progress, "ERR", console)
    with showing_progress(json=False) as tell:
        for stage in ("copying", "checking"):
            for done in (500, 1000):
                clock[0] += 1
                tell(Progress(stage, done, 1000))
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert "copying" in shown
    assert "checking" in shown
    assert "1000/1000" in shown
