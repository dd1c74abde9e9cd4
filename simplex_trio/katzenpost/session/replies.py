"""Replies of services that callers wait for, by the id of the reply block."""

from __future__ import annotations

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.katzenpost.errors import MessageNotSent
from simplex_trio.katzenpost.messages.events import MessageReply, MessageSent

__all__ = ["PendingReply", "ReplyTable"]


class PendingReply:
    """A reply with a waiting caller."""

    def __init__(self) -> None:
        self._done = trio.Event()
        self._outcome: bytes | SimplexError = b""

    def resolve(self, outcome: bytes | SimplexError) -> None:
        """The reply, or why there is none; only the first counts."""
        if not self._done.is_set():
            self._outcome = outcome
            self._done.set()

    async def wait(self) -> bytes:
        """The reply's payload; raises the error that stands in its place."""
        await self._done.wait()
        if isinstance(self._outcome, SimplexError):
            raise self._outcome
        return self._outcome


class ReplyTable:
    """The replies of one client.

    They outlive connections: the daemon keeps replies while we are away.
    """

    def __init__(self) -> None:
        self._pending: dict[bytes, PendingReply] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, surb_id: bytes) -> PendingReply:
        """Wait for the reply to this block, until `forget`."""
        pending = self._pending[surb_id] = PendingReply()
        return pending

    def forget(self, surb_id: bytes) -> None:
        """Drop the reply; its caller has gone."""
        self._pending.pop(surb_id, None)

    def note(self, event: MessageReply | MessageSent) -> None:
        """Something happened to a message."""
        pending = self._pending.get(event.surb_id)
        if pending is None:
            return
        if isinstance(event, MessageReply):
            pending.resolve(event.error or event.payload)
        elif event.failure is not None:
            pending.resolve(MessageNotSent("the daemon could not send the message"))

    def fail_all(self, error: type[SimplexError], text: str) -> None:
        """No reply will come any more; each waiting call raises an error of its own."""
        for pending in self._pending.values():
            pending.resolve(error(text))
