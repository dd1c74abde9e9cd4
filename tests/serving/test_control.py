"""The control socket: what is said on it, who may, and what happens to those who do it wrong."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.serving import control
from simplex_trio.serving.blocking import blocked_in, blocking_reason
from simplex_trio.serving.control import ask_router, serve_control
from simplex_trio.serving.control_messages import (
    MAX_ANSWER,
    MAX_REQUEST,
    ControlError,
    ControlRequest,
    encode_answer,
    encode_failure,
    encode_request,
    parse_answer,
    parse_request,
)
from simplex_trio.wire.errors.codes import BlockingReason
from simplex_trio.wire.errors.values import Blocked, BlockingNotice

# --- what is said ---------------------------------------------------------------------------------


def test_requests() -> None:
    line = encode_request("queue", {"id": "AAEC", "addresses": True, "limit": 5})
    assert line == b'{"command":"queue","id":"AAEC","addresses":true,"limit":5}\n'
    request = parse_request(line)
    assert request.command == "queue"
    assert request.entity_id() == b"\0\1\2"
    assert request.flag("addresses") is True
    assert request.flag("other") is False
    assert request.number("limit") == 5
    assert request.number("other") is None
    assert "AAEC" not in repr(request)


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"command": 1}', b"\xff", b"[" * 100_000, b"status"]
)
def test_lines_that_are_no_requests(line: bytes) -> None:
    with pytest.raises(ControlError, match="not a JSON object with a command") as caught:
        parse_request(line)
    assert caught.value.code == "bad_request"


@given(st.binary(max_size=200))
def test_any_line_is_a_request_or_refused(line: bytes) -> None:
    with suppress(ControlError):
        assert isinstance(parse_request(line), ControlRequest)


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ({}, "entity_id"),
        ({"id": 5}, "entity_id"),
        ({"id": "not base64!"}, "entity_id"),
        ({"x": 1}, "flag"),
        ({"x": True}, "number"),
        ({"x": -1}, "number"),
        ({"x": 1.5}, "number"),
        ({"x": 2**63}, "number"),
        ({"x": None}, "text"),
    ],
)
def test_arguments_of_the_wrong_kind(arguments: dict[str, Any], read: str) -> None:
    method = getattr(ControlRequest("c", arguments), read)
    with pytest.raises(ControlError) as caught:
        method() if read == "entity_id" else method("x")
    assert caught.value.code == "bad_request"


def test_answers() -> None:
    assert parse_answer(encode_answer({"a": [1, "é"]})) == {"a": [1, "é"]}
    with pytest.raises(ControlError, match="no such queue") as caught:
        parse_answer(encode_failure(ControlError("not_found", "no such queue")))
    assert caught.value.code == "not_found"
    for line in (b"HTTP/1.1 400 Bad Request", b"{}", b'{"ok":1}', b""):
        with pytest.raises(ControlError, match="not a router"):
            parse_answer(line)
    with pytest.raises(ControlError, match="too long"):
        encode_answer({"a": "x" * MAX_ANSWER})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"reason": "spam"}, Blocked(BlockingReason.SPAM)),
        ({"reason": "content", "notice": True}, Blocked(BlockingReason.CONTENT, BlockingNotice())),
        (
            {"reason": "content", "notice": True, "notice_seconds": 60},
            Blocked(BlockingReason.CONTENT, BlockingNotice(60)),
        ),
    ],
)
def test_reasons(arguments: dict[str, Any], reason: Blocked) -> None:
    assert blocking_reason(ControlRequest("block", arguments)) == reason
    shown = blocked_in(reason)
    assert shown is not None
    assert shown["reason"] == arguments["reason"]
    assert shown["notice"] is arguments.get("notice", False)
    assert shown["notice_seconds"] == arguments.get("notice_seconds")


def test_seconds_without_a_notice() -> None:
    with pytest.raises(ControlError, match="for a notice"):
        blocking_reason(ControlRequest("block", {"reason": "spam", "notice_seconds": 60}))


def test_a_reason_that_does_not_exist() -> None:
    with pytest.raises(ControlError, match="must be spam or content"):
        blocking_reason(ControlRequest("block", {"reason": "dislike"}))


# --- on a socket ----------------------------------------------------------------------------------


@asynccontextmanager
async def a_socket(path: Path) -> AsyncIterator[Path]:
    async def echo(request: ControlRequest) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"said": request.text("text")}

    async def fail(_request: ControlRequest) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, {"echo": echo, "fail": fail})
        yield path
        nursery.cancel_scope.cancel()


async def test_asking(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "control"
    async with a_socket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ask_router(path, "echo", text="hello\n") == {"said": "hello\n"}
        with pytest.raises(ControlError, match="the commands are: echo, fail"):
            await ask_router(path, "dance")
        with pytest.raises(ControlError, match="a defect"):
            await ask_router(path, "fail")
        assert "ZeroDivisionError" in caplog.text
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        await ask_router(path, "echo", text="")


async def test_several_requests_on_one_connection(tmp_path: Path) -> None:
    lines = b"nonsense\n" + encode_request("echo", {"text": "1"}) * 2
    async with (
        a_socket(tmp_path / "control") as path,
        await trio.open_unix_socket(path) as stream,
    ):
        await stream.send_all(lines[:20])
        await stream.send_all(lines[20:])
        await stream.send_eof()
        answers = b"".join([part async for part in stream]).splitlines()
    assert [set(json.loads(each)) for each in answers] == [{"error", "message"}, {"ok"}, {"ok"}]


async def test_a_line_that_never_ends(tmp_path: Path) -> None:
    async with (
        a_socket(tmp_path / "control") as path,
        await trio.open_unix_socket(path) as stream,
    ):
        await stream.send_all(b" " * MAX_REQUEST)
        assert await stream.receive_some() == b""


async def test_one_that_says_nothing_gives_way(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with a_socket(tmp_path / "control") as path, AsyncExitStack() as stack:
        silent = [
            await stack.enter_async_context(await trio.open_unix_socket(path))
            for _ in range(control.CONNECTIONS)
        ]
        assert await ask_router(path, "echo", text="at last") == {"said": "at last"}
        assert trio.current_time() >= 30
        for stream in silent:
            assert await stream.receive_some() == b""


async def test_a_shortage_of_descriptors_passes(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = trio.SocketListener.accept
    failures = [OSError(errno.EMFILE, "too many open files")]

    async def accept_later(self: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise failures.pop()
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", accept_later)
    async with a_socket(tmp_path / "control") as path:
        assert await ask_router(path, "echo", text="now") == {"said": "now"}
    assert not failures


async def test_a_router_that_does_not_answer(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(ControlError, match="does not answer"):
            await ask_router(path, "echo", text="")


async def test_cancelled_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "control"
    async with a_socket(path):
        stream = await trio.open_unix_socket(path)
        await stream.send_all(b'{"command"')
        await wait_all_tasks_blocked()
    assert not path.exists()
    await stream.aclose()


async def test_what_a_crash_has_left(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with a_socket(path):
        assert await ask_router(path, "echo", text="new") == {"said": "new"}
        with pytest.raises(ExceptionGroup) as caught:
            async with a_socket(path):
                pass
        assert caught.group_contains(OSError, match="another router has this")
        assert await ask_router(path, "echo", text="still") == {"said": "still"}


async def test_the_socket_of_a_router_that_cannot_be_asked_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_path: Path) -> trio.SocketStream:
        await trio.lowlevel.checkpoint()
        raise PermissionError(errno.EACCES, "Permission denied")

    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as of_another_user:
        of_another_user.bind(str(path))
    monkeypatch.setattr(trio, "open_unix_socket", refused)
    with pytest.raises(ExceptionGroup) as caught:
        async with a_socket(path):
            pass
    assert caught.group_contains(PermissionError, match="control")
    assert path.is_socket()


async def test_what_is_none_of_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "control"
    path.write_text("precious")
    with pytest.raises(ExceptionGroup) as caught:
        async with a_socket(path):
            pass
    assert caught.group_contains(FileExistsError)
    assert path.read_text() == "precious"
    other = tmp_path / "other"
    async with a_socket(other):
        os.unlink(other)
        other.write_text("precious")
    assert other.read_text() == "precious"


async def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with pytest.raises(ExceptionGroup) as caught:
            async with a_socket(tmp_path / "missing" / "control"):
                pass
        assert caught.group_contains(FileNotFoundError, match="missing/control")
    finally:
        assert os.umask(before) == 0o022


async def test_paths_that_are_too_long(tmp_path: Path) -> None:
    path = tmp_path / ("x" * control.LONGEST_PATH)
    with pytest.raises(ExceptionGroup) as caught:
        async with a_socket(path):
            pass
    assert caught.group_contains(OSError, match="too long")
