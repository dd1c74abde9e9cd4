"""The port with metrics, whatever connections it gets."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import trio
from trio.testing import MockClock

from simplex_trio.frozen import frozen
from simplex_trio.serving.metrics import CONNECTIONS, serve_metrics


@frozen
class _Numbers:
    queues: int
    counters: Mapping[str, int]


@asynccontextmanager
async def a_port() -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(serve_metrics, lambda: _Numbers(5, {}), 0, "x_")
        yield port
        nursery.cancel_scope.cancel()


async def asked(port: int) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET /health/live HTTP/1.1\r\n\r\n")
        answer = b""
        with suppress(trio.BrokenResourceError):
            async for part in stream:
                answer += part
        return answer


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ECONNABORTED])
async def test_what_cannot_be_accepted_ends_nothing(
    number: int,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    accept = trio.SocketListener.accept
    failures = [OSError(number, "no more"), OSError(number, "no more")]

    async def accept_later(self: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise failures.pop()
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", accept_later)
    caplog.set_level(logging.WARNING)
    autojump_clock.autojump_threshold = 0.02
    async with a_port() as port:
        assert (await asked(port)).endswith(b"live\n")
    assert not failures
    assert len(caplog.records) == (number == errno.EMFILE)
    assert all(each.name.startswith("simplex_trio.") for each in caplog.records)


async def test_those_that_say_nothing_give_way(autojump_clock: MockClock) -> None:
    autojump_clock.autojump_threshold = 0.02
    async with a_port() as port, AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
        assert (await asked(port)).endswith(b"live\n")
        assert trio.current_time() >= 20


async def test_a_port_in_use_is_named() -> None:
    async with a_port() as port:
        with pytest.raises(OSError, match="in use") as caught:
            await serve_metrics(lambda: _Numbers(5, {}), port, "x_")
    assert caught.value.__notes__ == [f"port {port}"]
