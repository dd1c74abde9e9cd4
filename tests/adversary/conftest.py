"""The routers that are attacked, and the table of a long run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.adversary.figures import LONG, TABLE
from tests.adversary.victim import Victim, running


@pytest.fixture(scope="session")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    if sys.platform != "linux":
        pytest.skip("what a process holds is read from /proc")
    with running(tmp_path_factory.mktemp("victim")) as started:
        yield started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LONG and TABLE:
        terminalreporter.section("what attackers were tried")
        terminalreporter.write_line("| subject | attack | bound | figure |")
        terminalreporter.write_line("|---|---|---|---|")
        for row in sorted(TABLE):
            terminalreporter.write_line(f"| {' | '.join(row)} |")
