"""What a supervisor such as systemd is told."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.serving.supervisor import Supervisor


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def heard(sock: socket.socket) -> list[dict[str, str]]:
    """All messages so far."""
    messages: list[dict[str, str]] = []
    while True:
        try:
            text = sock.recv(4096).decode()
        except BlockingIOError:
            return messages
        messages.append(dict(line.split("=", 1) for line in text.splitlines()))


def test_a_life(told: socket.socket) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": told.getsockname()}, 1)
    assert supervisor.is_there
    supervisor.ready("0 clients")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    supervisor.reloading()
    supervisor.ready("one line\nand no more")
    supervisor.stopping()
    ready, reloading, again, stopping = heard(told)
    assert ready == {"READY": "1", "STATUS": "0 clients"}
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) >= before
    assert again == {"READY": "1", "STATUS": "one line and no more"}
    assert stopping == {"STOPPING": "1"}


def test_an_abstract_name() -> None:
    name = "simplex-trio-test-of-supervisors"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind("\0" + name)
        Supervisor({"NOTIFY_SOCKET": "@" + name}, 1).stopping()
        assert sock.recv(4096) == b"STOPPING=1\n"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1"}])
async def test_none(environment: dict[str, str]) -> None:
    supervisor = Supervisor(environment, 1)
    assert not supervisor.is_there
    supervisor.ready("")
    await supervisor.keep_informed(lambda: "")


def test_one_that_has_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 1).ready("")
    assert "the supervisor cannot be told: No such file or directory" in caplog.text


def test_one_that_does_not_listen(told: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": told.getsockname()}, 1)
    with caplog.at_level(logging.WARNING):
        for _ in range(10_000):  # more than its buffer takes
            supervisor.ready("x" * 1000)
            if caplog.records:
                break
    assert "cannot be told" in caplog.text


@pytest.mark.parametrize(
    ("watchdog", "at", "lives"),
    [
        ({}, [0, 60, 120], False),
        ({"WATCHDOG_USEC": "30000000"}, [0, 15, 30, 45, 60, 75, 90, 105, 120], True),
        ({"WATCHDOG_USEC": "300000000", "WATCHDOG_PID": "7"}, [0, 60, 120], True),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, [0, 60, 120], False),
        ({"WATCHDOG_USEC": "0"}, [0, 60, 120], False),
        ({"WATCHDOG_USEC": "soon"}, [0, 60, 120], False),
    ],
)
async def test_keeping_informed(
    told: socket.socket,
    autojump_clock: MockClock,
    watchdog: dict[str, str],
    at: list[float],
    lives: bool,
) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": told.getsockname(), **watchdog}, 7)
    supervisor.ready("standing by")
    assert heard(told) == [{"READY": "1", "STATUS": "standing by"}]
    with trio.move_on_after(121):
        await supervisor.keep_informed(lambda: f"at {trio.current_time():g}")
    messages = heard(told)
    assert [each["STATUS"] for each in messages] == [f"at {each:g}" for each in at]
    assert all(("WATCHDOG" in each) is lives for each in messages)
    assert not any("EXTEND_TIMEOUT_USEC" in each for each in messages)


async def test_a_start_that_takes_long(told: socket.socket, autojump_clock: MockClock) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": told.getsockname()}, 7)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.keep_informed, lambda: "loading")
        await trio.sleep(100)
        supervisor.ready("loaded")
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    asked = [each.get("EXTEND_TIMEOUT_USEC") for each in heard(told)]
    assert asked == ["120000000", "120000000", None, None, None]
