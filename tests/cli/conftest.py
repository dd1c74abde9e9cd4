from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simplex_trio.router.server import Router, open_router
from tests.cli.support import Result, call, in_background


@pytest.fixture(autouse=True)
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands keep their queues."""
    path = tmp_path / "state" / "queues.json"
    monkeypatch.setenv("SIMPLEX_TRIO_STATE", str(path))
    return path


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs a command in this process."""
    return lambda *arguments: call(capsys, *arguments)


@pytest.fixture(scope="session")
def running_router() -> Iterator[Router]:
    """A router for all tests that do not count what it has."""
    with in_background(open_router) as router:
        yield router


@pytest.fixture
def router(running_router: Router) -> str:
    """The address of a router."""
    return str(running_router.address)
