"""The regular work of a router: expiry, idle clients, storing its counters."""

from __future__ import annotations

from itertools import islice

import trio

from simplex_trio.router.core.expiry import expire_notifications, expire_queues, expire_services
from simplex_trio.router.core.transaction import Transaction
from simplex_trio.router.hub import Hub
from simplex_trio.router.store.interface import PutStatistics

__all__ = ["disconnect_idle", "expire", "store_counters"]

_AT_ONCE = 500
"""How many queues or services are gone through before others get a turn: a millisecond's worth."""


async def expire(hub: Hub) -> None:
    """Drop what is too old, at once and then regularly, until cancelled."""
    while True:
        for ids, expire_some in (
            (hub.state.queues.recipient_ids(), expire_queues),
            (hub.state.services.ids(), expire_services),
        ):
            remaining = iter(ids)
            while chunk := tuple(islice(remaining, _AT_ONCE)):
                hub.commits.submit_all(expire_some(hub.state, chunk, hub.now()))
                await trio.lowlevel.checkpoint()
        hub.commits.submit_all(expire_notifications(hub.state, hub.now()))
        await hub.pace.wait(lambda: hub.config.intervals.expiry)


async def disconnect_idle(hub: Hub) -> None:
    """Disconnect idle clients without subscriptions, regularly, until cancelled."""
    while True:
        await hub.pace.wait(
            lambda: min(hub.config.intervals.idle_check, hub.config.limits.idle_seconds)
        )
        now = trio.current_time()
        for session in tuple(hub.sessions):
            session.close_if_idle(now)


async def store_counters(hub: Hub) -> None:
    """Store the counters; raises `StoreError`."""
    transaction = Transaction()
    transaction.add(PutStatistics(hub.state.counters.values()))
    await hub.commits.store(transaction)
