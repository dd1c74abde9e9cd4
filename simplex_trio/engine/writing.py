"""`Writer`: writes the commands of a connection, in the order in which they were queued.

Its task takes what callers have queued as soon as the stream is free, so that commands that were
queued meanwhile share frames.  A request that is alone has nothing to share one with, and would
only wait for the task's turn.  So a program that makes its requests one by one writes them itself,
in place of the task, if that takes no waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

from simplex_trio.engine.codec import Codec
from simplex_trio.engine.outbox import Outbox
from simplex_trio.engine.pending import PendingRequest, RequestState
from simplex_trio.engine.waiter import Waiter
from simplex_trio.transport.frames import FrameStream

__all__ = ["ALONE_BEFORE", "Writer"]

ALONE_BEFORE = 2
"""Requests in a row that were alone on the connection, before the next one is taken for one, too,
and is written without waiting for others that could share its block."""

CommandT = TypeVar("CommandT")
_Pending = PendingRequest[CommandT, object, Waiter]
_Completed = Callable[[_Pending[CommandT]], object]


class Writer(Generic[CommandT]):
    """Fills frames from `outbox`, and writes them to ``stream``; `run` is its task.

    ``completed`` is called for each command without an answer that is still awaited when it has
    been written.
    """

    def __init__(self, stream: FrameStream, codec: Codec[CommandT, Any]) -> None:
        self.outbox: Outbox = Outbox()
        self.frames_sent: int = 0
        self._stream = stream
        self._codec = codec
        self._unanswered: deque[_Pending[CommandT]] = deque()  # in the order of the outbox
        self._alone_in_a_row = 0
        self._is_half_sent = False  # what `write_alone` has written
        self._failure_alone: Exception | None = None  # for the task to raise

    def put(self, request: _Pending[CommandT], part: bytes, *, answered: bool = True) -> None:
        """Queue a command, which has an answer or none."""
        self.outbox.put(request, part)
        if not answered:
            self._unanswered.append(request)

    def count_alone(self, *, is_only_one: bool) -> None:
        """Note that a request is about to be queued, and whether no other one is in flight."""
        is_alone = is_only_one and self.outbox.is_idle
        self._alone_in_a_row = self._alone_in_a_row + 1 if is_alone else 0

    def write_alone(self, completed: _Completed[CommandT]) -> None:
        """Do for the task, which is idle, what it would do at its next turn.

        Nothing happens if the request was not alone, or too few before it were.  What cannot be
        written without waiting, and what goes wrong, is left to the task.
        """
        if self._alone_in_a_row <= ALONE_BEFORE or not self._stream.sends_nowait:
            return
        try:
            frames = self._next_frames()
            if frames:
                self._is_half_sent = not self._stream.send_frames_nowait(frames)
        except Exception as exc:
            self._failure_alone = exc
        if self._is_half_sent or self._failure_alone is not None:
            self.outbox.wake_writer()
        else:
            self._complete_unanswered(completed)

    async def run(self, completed: _Completed[CommandT]) -> NoReturn:
        """Write until the stream fails."""
        while True:
            await self.outbox.wait_for_work()
            if self._failure_alone is not None:
                raise self._failure_alone
            frames = self._next_frames()
            if frames or self._is_half_sent:
                self._is_half_sent = False
                await self._stream.send_frames(frames)
            self._complete_unanswered(completed)

    def _next_frames(self) -> list[bytes]:
        codec, outbox = self._codec, self.outbox
        frames = [codec.seal(frame) for frame in outbox.take_frames(codec.new_frame)]
        outbox.let_callers_in()
        self.frames_sent += len(frames)
        return frames

    def _complete_unanswered(self, completed: _Completed[CommandT]) -> None:
        """Complete commands without an answer: those that are written, or no longer awaited."""
        waiting = self._unanswered
        while waiting and (waiting[0].written or waiting[0].state is not RequestState.PENDING):
            request = waiting.popleft()
            if request.state is RequestState.PENDING:
                completed(request)
