"""`Watches`: calls that wait for the outcome of work."""

from __future__ import annotations

import trio
from attrs import define, field

from simplex_trio.duplex.events import ConnectionFailed, InvitationReady, JoinSent
from simplex_trio.errors import copy_of

__all__ = ["Outcome", "Watch", "Watches"]

Outcome = InvitationReady | JoinSent | ConnectionFailed


@define(eq=False, repr=False)
class Watch:
    """One call that waits for a connection."""

    connection_id: str
    outcome: Outcome | None = None
    error: BaseException | None = None
    decided: trio.Event = field(factory=trio.Event)

    async def wait(self) -> Outcome:
        """The outcome; raises the error of the attempt if that has failed.

        Once there is an outcome this can no longer be cancelled, since the outcome would be lost.
        """
        try:
            await self.decided.wait()
        except trio.Cancelled:
            if self.outcome is None:
                raise
        if self.outcome is None:
            assert self.error is not None
            raise copy_of(self.error)
        return self.outcome


class Watches:
    """All such calls of an agent, by connection."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Watch]] = {}
        self._ended = False

    def __contains__(self, connection_id: object) -> bool:
        return connection_id in self._waiting

    def is_watched(self, connection_id: str) -> bool:
        """Whether a call waits for this connection."""
        return connection_id in self._waiting

    def add(self, connection_id: str) -> Watch:
        """Begin to wait for a connection."""
        watch = Watch(connection_id)
        if self._ended:
            _fail(watch, _closed())
        self._waiting.setdefault(connection_id, []).append(watch)
        return watch

    def remove(self, watch: Watch) -> None:
        """Wait no more."""
        waiting = self._waiting[watch.connection_id]
        waiting.remove(watch)
        if not waiting:
            del self._waiting[watch.connection_id]

    def finished(self, outcome: Outcome) -> bool:
        """What is waited for has happened; returns whether a call gets it."""
        waiting = self._waiting.get(outcome.connection_id, ())
        for watch in waiting:
            if not watch.decided.is_set():
                watch.outcome = outcome
                watch.decided.set()
        return any(watch.outcome is not None for watch in waiting)

    def failed(self, connection_id: str, error: BaseException) -> None:
        """An attempt has failed; the work goes on unless it says that it is given up."""
        for watch in self._waiting.get(connection_id, ()):
            _fail(watch, error)

    def end(self) -> None:
        """No work is done any more: what waits is told that the agent is closed."""
        self._ended = True
        for connection_id in self._waiting:
            self.failed(connection_id, _closed())


def _fail(watch: Watch, error: BaseException) -> None:
    if not watch.decided.is_set():
        watch.error = error
        watch.decided.set()


def _closed() -> trio.ClosedResourceError:
    return trio.ClosedResourceError("the agent is closed")
