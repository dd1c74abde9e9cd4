"""`Hub`: what all connections of one router share."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import trio
from attrs import Factory, define, evolve

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.router.body_loader import BodyLoader
from simplex_trio.router.commits import Commits
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.model import MAX_OWNERS
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.delayed_events import DelayedEvents
from simplex_trio.router.names import NameResolver, resolve_name
from simplex_trio.router.proxying import Proxying, Relays, Requester
from simplex_trio.router.session_info import SessionInfo
from simplex_trio.router.signature_threads import SignatureThreads
from simplex_trio.router.store.interface import Snapshot, Store
from simplex_trio.serving.pace import Pace
from simplex_trio.transport.places import Places
from simplex_trio.transport.turns import Turns
from simplex_trio.wire.errors.values import Proxy, ProxyErrorKind
from simplex_trio.wire.reading import ReceivedCommand
from simplex_trio.wire.smp.commands import PFWD, PRXY, RSLV, Command
from simplex_trio.wire.smp.messages import ERR, RNAME, Message

__all__ = ["Hub", "OpenSession", "assemble_hub"]

_log = logging.getLogger(__name__)

_LOADED_TOGETHER = 1000
"""Records that are taken in at start before others get a turn: some milliseconds' worth."""

T = TypeVar("T")


class OpenSession(Protocol):
    """A client's connection, as housekeeping and the operator see it."""

    def close_if_idle(self, now: float) -> None:
        """Close it if it is idle and has no subscription; ``now`` is Trio's time."""
        ...

    def look(self, now: float) -> SessionInfo:
        """The connection in numbers."""
        ...


@define(eq=False, kw_only=True)
class Hub:
    """A router without its tasks and sockets.

    ``clock`` tells the seconds since 1970.  Without ``proxying`` the router is no proxy, without a
    ``resolver`` it knows no names.  ``commits``, ``ends``, ``notifications`` and
    ``signature_threads`` have a task each, for the function that runs the router.
    """

    config: RouterConfig
    credentials: RouterCredentials
    state: RouterState
    commits: Commits
    body_loader: BodyLoader
    ends: DelayedEvents
    notifications: DelayedEvents
    proxying: Proxying | None = None
    resolver: NameResolver | None = None
    clock: Callable[[], float] = time.time
    turns: Turns = Factory(Turns)
    signature_threads: SignatureThreads = Factory(SignatureThreads)
    sessions: set[OpenSession] = Factory(set)
    places: Places = Factory(lambda hub: hub.config.limits.places(), takes_self=True)
    pace: Pace = Factory(Pace)

    def now(self) -> int:
        """The time that messages are stamped with."""
        return int(self.clock())

    def reconfigure(self, config: RouterConfig) -> None:
        """Have another configuration from now on, in which no ``RouterConfig.FIXED`` is another."""
        self.config = config
        self.state.policy = config.queues
        self.state.services.most = config.queues.max_services
        if self.proxying is not None:
            self.proxying.reconfigure(config.proxy, config.queues)

    async def run_remote(self, received: ReceivedCommand[Command], requester: Requester) -> Message:
        """Carry out a command that waits on another server; returns the answer."""
        command, transmission = received.command, received.transmission
        match command:
            case PRXY() if self.proxying is not None:
                return await self.proxying.open_session(command, requester)
            case PRXY():
                return ERR(Proxy(ProxyErrorKind.BASIC_AUTH))
            case PFWD() if self.proxying is not None:
                correlation_id = transmission.correlation_id
                return await self.proxying.forward(transmission.entity_id, correlation_id, command)
            case PFWD():
                return ERR(Proxy(ProxyErrorKind.NO_SESSION))
            case RSLV(domain) if self.resolver is not None:
                self.state.counters.add(Count.NAMES_REQUESTED)
                answer = await resolve_name(self.resolver, domain)
                if isinstance(answer, RNAME):
                    self.state.counters.add(Count.NAMES_RESOLVED)
                return answer
            case _:
                raise AssertionError("a command that is answered without waiting")


async def assemble_hub(
    config: RouterConfig,
    credentials: RouterCredentials,
    store: Store,
    *,
    relays: Relays | None = None,
    resolver: NameResolver | None = None,
    clock: Callable[[], float] = time.time,
    random: Callable[[int], bytes] = os.urandom,
    threads: int = 0,
) -> Hub:
    """A hub that knows what is in the store; raises `StoreError` if that cannot be read.

    ``threads`` is how many there may be for verifying signatures.
    """
    snapshot = await store.load()
    state = RouterState(
        config.queues,
        evolve(snapshot, queues=[], messages={}, notifications=[]),
        random=random,
        resolves_names=resolver is not None,
    )
    await _load(state, snapshot)
    commits = Commits(store, state)
    proxying = None
    if relays is not None:
        proxying = Proxying(relays, config.proxy, config.queues, state.counters)
    return Hub(
        config=config,
        credentials=credentials,
        state=state,
        commits=commits,
        body_loader=BodyLoader(state, store),
        ends=DelayedEvents(config.intervals.end_events),
        notifications=DelayedEvents(config.intervals.notifications),
        proxying=proxying,
        resolver=resolver,
        clock=clock,
        signature_threads=SignatureThreads(threads),
    )


async def _load(state: RouterState, snapshot: Snapshot) -> None:
    """Take in queues with their messages, and notifications; others get their turns meanwhile."""
    crowded = 0
    for queues in _parts(snapshot.queues):
        crowded += sum(len(queue.recipient_keys) > MAX_OWNERS for queue in queues)
        state.load_queues(queues, snapshot.messages)
        await trio.lowlevel.checkpoint()
    for notifications in _parts(snapshot.notifications):
        state.load_notifications(notifications)
        await trio.lowlevel.checkpoint()
    if crowded:
        _log.warning(
            "%d queues have more than %d keys of owners; the others are ignored",
            crowded,
            MAX_OWNERS,
        )


def _parts(records: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(records), _LOADED_TOGETHER):
        yield records[start : start + _LOADED_TOGETHER]
