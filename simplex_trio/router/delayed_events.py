"""`DelayedEvents`: events that are collected for a while and then sent together."""

from __future__ import annotations

import trio

from simplex_trio.router.core.replies import Event
from simplex_trio.router.outbox import Outbox

__all__ = ["DelayedEvents"]


class DelayedEvents:
    """Events of many connections that go out every ``interval`` seconds, or at once if that is 0.

    Those of a connection that ends are dropped.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._waiting: dict[Outbox, list[Event]] = {}

    def put(self, outbox: Outbox, event: Event) -> None:
        """Send an event, with the others."""
        if self._interval:
            self._waiting.setdefault(outbox, []).append(event)
        else:
            outbox.put_event(event)

    def forget(self, outbox: Outbox) -> None:
        """Drop the events of a connection that has ended."""
        self._waiting.pop(outbox, None)

    async def run(self) -> None:
        """Send what was collected, regularly, until cancelled; without interval, return."""
        while self._interval:
            await trio.sleep(self._interval)
            waiting, self._waiting = self._waiting, {}
            for outbox, events in waiting.items():
                for event in events:
                    outbox.put_event(event)
