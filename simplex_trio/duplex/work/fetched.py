"""`Fetched`: which queues are read by GET at the moment."""

from __future__ import annotations

import trio
from attrs import define, field

__all__ = ["Fetched", "FetchedQueue", "fetching_label"]


@define(eq=False, repr=False)
class FetchedQueue:
    """A queue whose last message came by GET."""

    is_acknowledged: bool = False
    error: Exception | None = None
    changed: trio.Event = field(factory=trio.Event)

    def settle(self, error: Exception | None) -> None:
        self.is_acknowledged, self.error = error is None, error
        self.changed.set()


class Fetched:
    """Queues that are read by GET.

    A router takes the acknowledgement only on the connection on which it has delivered, and
    subscribes to no queue on one on which it was asked for a message; so these have their own.
    """

    def __init__(self) -> None:
        self._queues: dict[tuple[str, int], FetchedQueue] = {}

    def begin(self, connection_id: str, number: int) -> FetchedQueue:
        """A message is asked for."""
        entry = self._queues[connection_id, number] = FetchedQueue()
        return entry

    def release(self, connection_id: str, number: int) -> None:
        """The queue is read to its end, or subscribed to from now on."""
        entry = self._queues.pop((connection_id, number), None)
        if entry is not None:
            entry.changed.set()

    def label(self, connection_id: str, number: int, label: str) -> str:
        """What separates the connection on which the queue's last message came from others."""
        return fetching_label(label) if (connection_id, number) in self._queues else label

    def acknowledged(self, connection_id: str, number: int) -> None:
        """The router was told."""
        self._settle(connection_id, number, None)

    def failed(self, connection_id: str, number: int, error: Exception) -> None:
        """The router could not be told yet."""
        self._settle(connection_id, number, error)

    def _settle(self, connection_id: str, number: int, error: Exception | None) -> None:
        entry = self._queues.get((connection_id, number))
        if entry is not None:
            entry.settle(error)


def fetching_label(label: str) -> str:
    """The label of connections on which messages are asked for."""
    return f"{label}|GET"
