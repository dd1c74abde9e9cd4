"""`Hub`: what all connections of one router share."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Protocol

import trio
from attrs import Factory, define

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import StoreError, StoreFull
from simplex_trio.router.commits import Commits
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.core.verification import MAX_OWNERS
from simplex_trio.router.fulfilment import Fulfilment
from simplex_trio.router.names import NameResolver, resolve_name
from simplex_trio.router.postponed import Postponed
from simplex_trio.router.proxying import Asker, Proxying, Relays
from simplex_trio.router.store.interface import Store
from simplex_trio.transport.places import Places
from simplex_trio.transport.turns import Turns
from simplex_trio.wire.errors.values import Proxy, ProxyErrorKind
from simplex_trio.wire.smp.commands import PFWD, PRXY, RSLV, Command
from simplex_trio.wire.smp.messages import ERR, RNAME, Message
from simplex_trio.wire.smp.reading import ReceivedCommand

__all__ = ["Guest", "Hub", "assemble_hub"]

_log = logging.getLogger(__name__)


class Guest(Protocol):
    """A connection, as housekeeping sees it."""

    def close_if_idle(self, now: float) -> None:
        """End it if it is idle and has no subscription; ``now`` is Trio's time."""
        ...


@define(eq=False, kw_only=True)
class Hub:
    """A router without its tasks and sockets.

    ``clock`` tells the seconds since 1970.  Without ``proxying`` the router is no proxy, without a
    ``resolver`` it knows no names.
    """

    config: RouterConfig
    credentials: RouterCredentials
    state: RouterState
    commits: Commits
    fulfilment: Fulfilment
    ends: Postponed
    notifications: Postponed
    proxying: Proxying | None = None
    resolver: NameResolver | None = None
    clock: Callable[[], float] = time.time
    turns: Turns = Factory(Turns)
    guests: set[Guest] = Factory(set)
    places: Places = Factory(lambda hub: hub.config.limits.places(), takes_self=True)

    def now(self) -> int:
        """The time that messages are stamped with."""
        return int(self.clock())

    async def run_errand(self, received: ReceivedCommand[Command], asker: Asker) -> Message:
        """Do for a client what takes the time of others; the answer."""
        command, transmission = received.command, received.transmission
        match command:
            case PRXY() if self.proxying is not None:
                return await self.proxying.open_session(command, asker)
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
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Hub:
    """A hub that knows what is in the store; raises `StoreError` if that cannot be read."""
    snapshot = await store.load()

    def refused(failure: StoreError) -> None:
        if isinstance(failure, StoreFull):
            state.shortage.begin(trio.current_time())

    def submit(transaction: Transaction, finish: Callable[[], None] | None) -> None:
        def settled(failure: StoreError | None) -> None:
            if failure is None and finish is not None:
                finish()

        commits.submit(transaction, settled)

    crowded = sum(len(queue.recipient_keys) > MAX_OWNERS for queue in snapshot.queues)
    if crowded:
        _log.warning(
            "%d queues have more than %d keys of owners; the others are ignored",
            crowded,
            MAX_OWNERS,
        )
    commits = Commits(store, refused)
    state = RouterState(
        config.queues,
        snapshot,
        random=random,
        submit=submit,
        resolves_names=resolver is not None,
    )
    proxying = None
    if relays is not None:
        proxying = Proxying(relays, config.proxy, config.queues, state.counters)
    return Hub(
        config=config,
        credentials=credentials,
        state=state,
        commits=commits,
        fulfilment=Fulfilment(state, store),
        ends=Postponed(config.intervals.end_events),
        notifications=Postponed(config.intervals.notifications),
        proxying=proxying,
        resolver=resolver,
        clock=clock,
    )
