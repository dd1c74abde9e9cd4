"""What the tests of clients share: one router, short names, and cancelling at every step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import SMPSessionConfig
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.testing.scripted import ScriptedPeer, ScriptedSMPRouter
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import PING, Command
from simplex_trio.wire.smp.messages import OK, PONG, Message
from simplex_trio.wire.smp.sizes import max_message_length
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

ROUTER = ScriptedSMPRouter()
"""Connections to it have nothing in common."""

NEWEST = SMP_VERSIONS.highest

QUEUE = b"a queue's id of 24 bytes"
OTHER_QUEUE = b"another id with 24 bytes"

Peer = ScriptedPeer[Command]
Received = ReceivedCommand[Command]


def config(*, version: int | None = None, **engine: Any) -> SMPClientConfig:
    """A configuration with some settings of the engine, and one version of SMP only."""
    versions = SMP_VERSIONS if version is None else VersionRange(version, version)
    return SMPClientConfig(
        session=SMPSessionConfig(versions=versions), engine=EngineConfig(**engine)
    )


@asynccontextmanager
async def connected(
    disconnected: Callable[[BaseException], object] | None = None, **engine: Any
) -> AsyncIterator[tuple[SMPClient, Peer]]:
    """A client with these settings of the engine, and the peer that it talks to."""
    async with ROUTER.open_client(config(**engine), disconnected=disconnected) as both:
        yield both


def agreeable(received: Received) -> Message:
    """The answer of a router that says yes to everything."""
    return PONG() if isinstance(received.command, PING) else OK()


def largest_body(client: SMPClient) -> bytes:
    """A body after which nothing else fits into a block."""
    return bytes(max_message_length(client.version))


class Outcome:
    """What became of a call that runs in a task of its own."""

    def __init__(self) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self.finished_at: float | None = None
        self.scope = trio.CancelScope()

    @property
    def finished(self) -> bool:
        return self.finished_at is not None

    async def run(self, call: Callable[[], Awaitable[Any]]) -> None:
        with self.scope:
            try:
                self.result = await call()
            except Exception as exc:
                self.error = exc
        self.finished_at = trio.current_time()


def start(nursery: trio.Nursery, call: Callable[[], Awaitable[Any]]) -> Outcome:
    """Run a call in the background."""
    outcome = Outcome()
    nursery.start_soon(outcome.run, call)
    return outcome


class CancelAfter(trio.abc.Instrument):
    """Cancels a scope when tasks, whichever, have made so many steps."""

    def __init__(self, steps: int, scope: trio.CancelScope) -> None:
        self.steps_left = steps
        self._scope = scope

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps_left -= 1
        if self.steps_left == 0:
            self._scope.cancel()


async def cancelled_at_every_step(
    call: Callable[[], Awaitable[object]], check: Callable[[bool], Awaitable[None]]
) -> int:
    """Cancel a call after 1, 2, 3, ... steps of any task until it completes before that.

    A call sees a cancellation at whatever checkpoint it is at then, and everything else in the
    program is at every possible point meanwhile.  ``check`` is told whether this run was cut short.
    Returns how often the call was.
    """
    cut_short = 0
    steps = 0
    while True:
        steps += 1
        with trio.CancelScope() as scope:
            instrument = CancelAfter(steps, scope)
            trio.lowlevel.add_instrument(instrument)
            try:
                await call()
            finally:
                trio.lowlevel.remove_instrument(instrument)
        cut_short += scope.cancelled_caught
        await check(scope.cancelled_caught)
        if instrument.steps_left > 0:
            return cut_short
