"""`Echoes`: queues of which a router may still report what this agent did itself.  Pure.

Routers collect notices about moved subscriptions for a while, and commands of two connections may
overtake each other.  A notice about a queue that another connection of this agent has subscribed
to, or may have, may therefore be the echo of our own command.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ECHO", "Echoes"]

ECHO = 60.0
"""Seconds for which a router may still report what another connection of this agent did: the
reference collects such reports for 15, and a command may be in flight for 30."""

_SPAN = 10.0
"""Seconds whose queues are forgotten together, so that there is no need to look for the old ones
among a million."""


class Echoes:
    """Until when an echo may come about which queue."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: list[tuple[float, dict[bytes, float]]] = []  # with their starts, in order

    def __len__(self) -> int:
        return sum(len(span) for _, span in self._spans)

    def expect(self, queue_ids: Iterable[bytes], now: float) -> None:
        """Record that notices about these queues may be echoes from now on."""
        self._spans = [(start, span) for start, span in self._spans if now < start + _SPAN + ECHO]
        if not self._spans or now >= self._spans[-1][0] + _SPAN:
            self._spans.append((now, {}))
        self._spans[-1][1].update(dict.fromkeys(queue_ids, now + ECHO))

    def may_come(self, queue_id: bytes, now: float) -> bool:
        """Whether a notice about this queue may be an echo."""
        return any(now < span.get(queue_id, now) for _, span in self._spans)
