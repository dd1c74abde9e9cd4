"""`Settling`: what all kinds of work have in common: how an outcome becomes a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import Problem
from simplex_trio.duplex.machine.deleting import delete, go_on_deleting
from simplex_trio.duplex.machine.handshake import fail
from simplex_trio.duplex.machine.postponing import postpone, work_done
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    Deliver,
    SecureAsReceiver,
    SuspendQueue,
    UpdateLink,
    Work,
    is_about,
)
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.routers import Routers, failure_of, is_temporary
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["Settling", "permanent", "server_of", "wait_after"]

T = TypeVar("T")

OWNERS_WORK = (
    AcknowledgeMessage,
    DeleteQueue,
    SecureAsReceiver,
    SuspendQueue,
    UpdateLink,
)
"""What is done with this side's own queues."""

_ENOUGH = 64
"""Failures in a row after which the wait grows no more."""


def permanent(error: Exception) -> Exception:
    """The error, if no attempt will succeed; raises it otherwise."""
    if is_temporary(error):
        raise error
    return error


def server_of(work: Work) -> ServerAddress | None:
    """The router that a work is about, if it is known."""
    c, number = work.connection, work.number
    if number in c.receiving and isinstance(work, OWNERS_WORK):
        return c.receiving[number].server
    if number in c.sending:
        return c.sending[number].server
    return None


class Settling:
    """Base of the classes that do work on the network."""

    def __init__(self, core: Core, routers: Routers) -> None:
        self._core = core
        self._routers = routers

    async def _settle(
        self, work: Work, decide: Callable[[Step, OpenConnection], T], *, durable: bool = True
    ) -> T | None:
        """Store the outcome of a work, if the connection still has the queue that it was about."""

        def settle(step: Step, c: OpenConnection) -> T:
            if not isinstance(work, Deliver):
                work_done(step, work)
            return decide(step, c)

        return await self._core.step_persistently(
            lambda step: _about(work, settle, step), durable=durable
        )

    def _settle_later(self, work: Work, decide: Callable[[Step, OpenConnection], object]) -> None:
        """Store an outcome together with another step; for what may get lost without harm."""
        self._core.step_later(lambda step: _about(work, decide, step))

    async def _fail(self, work: Work, error: Exception, problem: Problem | None = None) -> None:
        """The handshake cannot go on.

        A call that waits for it raises, and its program need not know the id: nothing is left.
        """
        told = failure_of(error).problem if problem is None else problem
        if not isinstance(work, CreateQueue):  # which counts the errors of each server
            self._core.tally.failed(server_of(work), error)
        is_watched = self._core.watches.is_watched(work.connection.connection_id)
        self._core.watches.failed(work.connection.connection_id, error)

        def decide(step: Step, c: OpenConnection) -> None:
            fail(step, c, told)
            if is_watched:
                delete(step, c, after_delivery=False)
            go_on_deleting(step, c)

        await self._settle(work, decide)

    async def postpone(self, work: Work, error: Exception, attempt: int) -> float | None:
        """An attempt has failed for a reason that may pass; returns how long to wait, if at all."""
        connection_id, config = work.connection.connection_id, self._core.config
        is_watched = self._core.watches.is_watched(connection_id)
        self._core.watches.failed(connection_id, error)
        if isinstance(work, AcknowledgeMessage):
            # After a restart the router delivers the message again, whatever was tried before.
            return self.wait(attempt)
        failure, backoff = failure_of(error), config.command_backoff

        def decide(step: Step, c: OpenConnection) -> float | None:
            return postpone(step, c, work, failure, backoff, is_watched=is_watched)

        wait = await self._core.step_persistently(
            lambda step: _about(work, decide, step), durable=False
        )
        return None if wait is None else backoff.shortened(wait, config.agent.random_fraction())

    def wait(self, attempt: int) -> float:
        """How long to wait after so many failures in a row."""
        return wait_after(self._core.config, attempt)


def wait_after(config: DuplexConfig, attempt: int) -> float:
    """How long work waits after so many failures in a row."""
    backoff = config.command_backoff
    wait, elapsed = backoff.next_wait(None, 0), 0.0
    for _ in range(min(attempt, _ENOUGH)):
        elapsed += wait
        wait = backoff.next_wait(wait, elapsed)
    return backoff.shortened(wait, config.agent.random_fraction())


def _about(work: Work, decide: Callable[[Step, OpenConnection], T], step: Step) -> T | None:
    c = step.find(work.connection.connection_id)
    if c is None:
        return None
    if not is_about(work, c):
        return None
    return decide(step, c)
