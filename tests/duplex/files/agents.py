"""Agents of the tests that send and receive files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio
from attrs import evolve

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.events import DuplexEvent
from simplex_trio.duplex.file_config import FileConfig
from simplex_trio.duplex.file_events import FileDelayed, FileFailed, FileProgress
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.engine.backoff import Backoff
from simplex_trio.xftp.router.server import XFTPRouter

EventT = TypeVar("EventT", bound=DuplexEvent)

QUICK = Backoff(initial=0.001, maximum=0.002)

CONFIG = DuplexConfig(
    pq=False, command_backoff=QUICK, files=FileConfig(backoff=QUICK, attempts=2, keep_open=0.01)
)


def with_files(*routers: XFTPRouter, **settings: Any) -> DuplexConfig:
    """A configuration with these routers and other settings for files."""
    servers = [router.address for router in routers]
    return evolve(CONFIG, files=evolve(CONFIG.files, servers=servers, **settings))


@asynccontextmanager
async def agent_at(path: Path | None, config: DuplexConfig = CONFIG) -> AsyncIterator[DuplexAgent]:
    async with open_duplex_agent(path, config=config) as agent:
        yield agent


async def next_of(agent: DuplexAgent, kind: type[EventT]) -> EventT:
    """The next event of a kind; others are left out, unless they tell of failure."""
    with trio.fail_after(30):
        while True:
            event = await agent.events.receive()
            if isinstance(event, kind):
                agent.events.take()
                return event
            assert not isinstance(event, FileFailed), event


async def events_until(agent: DuplexAgent, kind: type[EventT]) -> list[DuplexEvent]:
    """All events up to one of a kind, apart from progress."""
    found: list[DuplexEvent] = []
    with trio.fail_after(30):
        while not (found and isinstance(found[-1], kind)):
            event = await agent.events.receive()
            if not isinstance(event, FileProgress):
                found.append(event)
    agent.events.take()
    return found


__all__ = [
    "CONFIG",
    "FileDelayed",
    "agent_at",
    "events_until",
    "next_of",
    "with_files",
]
