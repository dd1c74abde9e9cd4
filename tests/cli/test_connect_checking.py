"""``simplex-trio connect test-router``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from attrs import evolve

from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.server import EMBEDDED, open_router
from simplex_trio.xftp.router.server import open_xftp_router
from tests.cli.support import Result, in_background

Cli = Callable[..., Result]


def test_for_people_and_programs(cli: Cli, router: str) -> None:
    result = cli("connect", "test-router", router)
    assert result.code == 0
    for said in ("connected (", "made a queue (", "secured it (", "deleted it ("):
        assert said in result.out
    assert "The router does all that is needed." in result.out
    report = cli("connect", "test-router", router, "--json").json()
    assert report["ok"] is True
    steps = ["connect", "create queue", "secure queue", "delete queue"]
    assert [each["step"] for each in report["steps"]] == steps
    assert all(each["ok"] for each in report["steps"])


def test_a_router_for_files(cli: Cli) -> None:
    with in_background(open_xftp_router) as router:
        report = cli("connect", "test-router", router.address, "--json").json()
        assert report["ok"] is True
        assert len(report["steps"]) == 5


def test_a_step_that_fails(cli: Cli, tmp_path: Path) -> None:
    config = evolve(EMBEDDED, queues=QueuePolicy(password="let-me-in"))
    with in_background(partial(open_router, config)) as router:
        result = cli("connect", "test-router", router.address)
        assert result.code == 4
        assert "connected (" in result.out
        assert "failed to create queue" in result.out
        assert "password" in result.err
        result = cli("connect", "test-router", router.address, "--json")
        assert result.code == 4
        assert '"ok": false' in result.out
        fingerprint, _, place = str(router.address).partition("@")
        file = tmp_path / "router.txt"
        file.write_text(f"{fingerprint}:let-me-in@{place}")
        assert cli("connect", "test-router", f"@{file}").code == 0


def test_an_impostor(cli: Cli, router: str) -> None:
    false = f"smp://{'A' * 43}=@{router.partition('@')[2]}"
    result = cli("connect", "test-router", false)
    assert result.code == 3
    assert "failed to connect" in result.out
