"""The control socket of a router: a Unix socket that only its owner may connect to.

Who may read the router's store and keys may use it as well, and no one else: the permissions of the
socket say so, and there is no password.  `control_messages` has what is said on it.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import trio

from simplex_trio.serving.control_messages import (
    MAX_ANSWER,
    MAX_REQUEST,
    ControlError,
    Controls,
    encode_answer,
    encode_failure,
    encode_request,
    parse_answer,
    parse_request,
)
from simplex_trio.transport.listen import accept

__all__ = ["CONNECTIONS", "LONGEST_PATH", "ask_router", "serve_control"]

_log = logging.getLogger(__name__)

CONNECTIONS: Final = 8
"""How many there may be at a time; a further one waits until one of them has ended."""

LONGEST_PATH: Final = 100
"""Bytes of the path of a socket, for which systems have some 104."""

_SECONDS: Final = 30
"""For the next request on a connection, and for taking the answer."""

_PATIENCE: Final = 90
"""Seconds that one who asks waits: longer than others may hold a place by saying nothing."""


async def serve_control(
    path: Path,
    controls: Controls,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests on a socket at ``path`` until cancelled.

    A socket that a router has left there after a crash is replaced.  Raises `OSError` if another
    one answers, or the socket cannot be made.
    """
    places = trio.Semaphore(CONNECTIONS)
    async with _opened(path) as listener, trio.open_nursery() as nursery:
        task_status.started()
        while True:
            await places.acquire()
            stream = await accept(listener)
            nursery.start_soon(_serve, stream, controls, places)


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[trio.SocketListener]:
    await _remove_stale(path)
    sock = trio.socket.from_stdlib_socket(_bound(path))
    try:
        ours = os.stat(path).st_ino
        try:
            sock.listen(CONNECTIONS)
            yield trio.SocketListener(sock)
        finally:
            with suppress(OSError):
                if os.stat(path).st_ino == ours:
                    os.unlink(path)
    finally:
        sock.close()


def _bound(path: Path) -> socket.socket:
    """A socket at this path, to which there is no moment in which others can connect."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(None, "the path of the control socket is too long", str(path))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # It is the whole process's, so no other task may run until it is as before.
    before = os.umask(0o177)
    try:
        sock.bind(os.fspath(path))
    except BaseException as exc:
        sock.close()
        if isinstance(exc, OSError):
            exc.filename = str(path)
        raise
    finally:
        os.umask(before)
    return sock


async def _remove_stale(path: Path) -> None:
    """Remove a socket on which no router answers any more."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(
                None, "there is a file where the control socket would be", str(path)
            )
    except FileNotFoundError:
        return
    try:
        stream = await trio.open_unix_socket(path)
    except (ConnectionRefusedError, FileNotFoundError):
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    except OSError as exc:  # it may be that of another user's router, for example
        exc.filename = str(path)
        raise
    await stream.aclose()
    raise OSError(None, "another router has this control socket", str(path))


async def _serve(stream: trio.SocketStream, controls: Controls, places: trio.Semaphore) -> None:
    try:
        async with stream:
            with suppress(trio.BrokenResourceError, trio.TooSlowError):
                await _answer_all(stream, controls)
    finally:
        places.release()


async def _answer_all(stream: trio.SocketStream, controls: Controls) -> None:
    received = bytearray()
    while True:
        with trio.fail_after(_SECONDS):
            line = await _read_line(stream, received, MAX_REQUEST)
        if line is None:
            return
        answer = await _answer(line, controls)
        with trio.fail_after(_SECONDS):
            await stream.send_all(answer)


async def _answer(line: bytes, controls: Controls) -> bytes:
    try:
        request = parse_request(line)
        control = controls.get(request.command)
        if control is None:
            known = ", ".join(sorted(controls))
            raise ControlError(ControlError.UNKNOWN_COMMAND, f"the commands are: {known}")
        return encode_answer(await control(request))
    except ControlError as exc:
        return encode_failure(exc)
    except Exception:
        _log.exception("a request on the control socket failed")
        return encode_failure(ControlError(ControlError.FAILED, "a defect; see the router's log"))


async def _read_line(
    stream: trio.abc.ReceiveStream, received: bytearray, most: int
) -> bytes | None:
    """The next line, `None` at the end; what was received behind it stays in ``received``."""
    while (end := received.find(b"\n")) < 0:
        if len(received) >= most:
            raise trio.BrokenResourceError("a line is too long")
        data = await stream.receive_some()
        if not data:
            return None
        received += data
    line = bytes(received[:end])
    del received[: end + 1]
    return line


async def ask_router(
    path: Path, command: str, patience: float = _PATIENCE, /, **arguments: Any
) -> dict[str, Any]:
    """Ask the router whose control socket is at ``path``, and return its answer.

    It waits for ``patience`` seconds.  Raises `OSError` if no router answers there, and
    `ControlError`.
    """
    try:
        with trio.fail_after(patience):
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(encode_request(command, arguments))
                line = await _read_line(stream, bytearray(), MAX_ANSWER)
    except (trio.BrokenResourceError, trio.TooSlowError) as exc:
        raise ControlError(ControlError.FAILED, "the router does not answer") from exc
    if line is None:
        raise ControlError(ControlError.FAILED, "the router has ended the connection")
    return parse_answer(line)
