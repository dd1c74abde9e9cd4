"""`ProtocolClient`: one connection, driven by four tasks in one cancel scope.

* **send** takes what callers have queued, as soon as the stream is free, and writes it (`Writer`);
* **receive** reads frames, and notes when the last bytes came;
* **process** opens frames, and wakes callers or hands out events; it also wakes callers at their
  deadlines;
* **monitor** pings a quiet connection, and gives up on a silent one.

The first of them to end, for any reason, cancels the other three.  Then, in one place, the reason
is recorded, every waiting caller fails, and the disconnect callback runs, once.  A lost connection
cancels none of the program's own tasks: they get `ConnectionLost` where they wait, or at their next
call.  Only a bug inside a task leaves the nursery as the exception that it is.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

import trio

from simplex_trio.engine.answers import only
from simplex_trio.engine.calls import CORRELATION_ID_SIZE, Call, ClientStatistics, EngineConfig
from simplex_trio.engine.codec import Codec, Incoming
from simplex_trio.engine.deadlines import Deadlines
from simplex_trio.engine.event_buffer import EventBuffer, EventStream
from simplex_trio.engine.events import ErrorEvent, ExpiredResponse, UnexpectedResponse
from simplex_trio.engine.pending import (
    MAX_EXPIRED,
    Answered,
    Late,
    Misdirected,
    PendingRequest,
    PendingTable,
    RequestState,
    Unknown,
)
from simplex_trio.engine.timeouts import (
    BACKGROUND,
    Patience,
)
from simplex_trio.engine.waiter import Waiter
from simplex_trio.engine.writing import Writer
from simplex_trio.errors import (
    ConnectionLost,
    CryptoError,
    DecodeError,
    RequestTimeout,
    RouterSilent,
    SimplexError,
    SlowConsumer,
    UnexpectedResponseError,
    safe_text,
    without_traceback,
)
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.transport.frames import FrameStream

__all__ = ["ProtocolClient", "drive", "driven"]

_log = logging.getLogger(__name__)

CommandT = TypeVar("CommandT")
MessageT = TypeVar("MessageT")
EventT = TypeVar("EventT")
ClientT = TypeVar("ClientT", bound="ProtocolClient[Any, Any, Any]")

_RECEIVED_FRAMES = 4
"""Frames between receive and process before receive lets process have its turn, and frames that
process takes before it lets other tasks have theirs."""

_ENCODED_TOGETHER = 255
"""Commands of a batch that are encoded before other tasks get a turn.  That is as many as a block
can have; to sign them takes some milliseconds, and they can be sent meanwhile."""

_LIVELY = 1.0  # seconds: a ping that is due sooner than this is sent now

_ORDINARY_ENDS = (
    trio.EndOfChannel,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    DecodeError,
    CryptoError,
    RouterSilent,
    SlowConsumer,
)
"""The ordinary ways for a connection to end; anything else that a task raises is a bug."""


_Pending = PendingRequest[CommandT, object, Waiter]


class ProtocolClient(Generic[CommandT, MessageT, EventT]):
    """A connection that is ready for use; functions such as `open_smp_client` make one.

    The type parameters are the protocol's commands, its messages, and all events in `events`.

    All methods belong to the thread of the Trio program; any number of tasks may use them at once.
    """

    def __init__(
        self,
        stream: FrameStream,
        codec: Codec[CommandT, MessageT],
        config: EngineConfig | None = None,
        *,
        disconnected: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._stream = stream
        self._codec = codec
        self._config = config or EngineConfig()
        self._disconnected = disconnected
        self._table: PendingTable[CommandT, object, Waiter] = PendingTable()
        self._writer: Writer[CommandT] = Writer(stream, codec)
        self._outbox = self._writer.outbox
        self._deadlines: Deadlines[Waiter] = Deadlines()
        self._alarm: trio.CancelScope | None = None  # wakes process when a deadline comes
        self._received: deque[bytes] = deque()
        self._processor = trio.lowlevel.ParkingLot()
        self._taken = trio.lowlevel.ParkingLot()
        self._buffer: EventBuffer[EventT] = EventBuffer(limit=self._config.event_limit)
        self._events = EventStream(self._buffer)
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._reason: BaseException | None = None
        self._last_received = trio.current_time()
        self._timeouts_in_a_row = 0
        self._pings_enabled = False
        self._requests = self._timeouts = self._frames_received = 0

    def __repr__(self) -> str:
        state = "connected" if self._reason is None else "disconnected"
        return f"<{type(self).__name__} {state}, {self._table.pending_count} requests pending>"

    # --- using it -----------------------------------------------------------------------------

    @property
    def session_id(self) -> bytes:
        """Identifies this connection among all others."""
        return self._codec.session_id

    @property
    def connected(self) -> bool:
        """Whether requests can still be answered."""
        return self._reason is None

    @property
    def reason(self) -> BaseException | None:
        """Why the connection ended, once it has."""
        return self._reason

    @property
    def events(self) -> EventStream[EventT]:
        """What the router says unasked; ends once the connection has ended and all was read."""
        return self._events

    def statistics(self) -> ClientStatistics:
        """Numbers for people and graphs."""
        return ClientStatistics(
            requests=self._requests,
            timeouts=self._timeouts,
            frames_sent=self._writer.frames_sent,
            frames_received=self._frames_received,
            queued=len(self._outbox),
            pending=self._table.pending_count,
            expired=self._table.expired_count,
            unread_events=len(self._buffer),
            unread_bytes=self._buffer.weight,
            folded_events=self._buffer.folded,
        )

    def new_correlation_id(self) -> bytes:
        """A random id for a command that needs to know its own, as a nonce."""
        return self._config.random(CORRELATION_ID_SIZE)

    def enable_pings(self) -> None:
        """From now on keep the connection alive when it is quiet, as a subscriber needs it."""
        self._pings_enabled = True

    def inject_event(self, entity_id: bytes, message: MessageT) -> None:
        """Put a message into the event stream directly, without the command pipeline.

        Does nothing once the connection has ended, which the caller may not have noticed yet.
        """
        self._put_event(self._codec.event(entity_id, message))

    async def request(
        self,
        command: CommandT,
        entity_id: bytes = b"",
        key: Any = None,
        *,
        correlation_id: bytes | None = None,
        patience: Patience = BACKGROUND,
        timeout: float | None = None,
    ) -> MessageT:
        """Send one command and wait for its answer.

        Waits up to ``timeout`` seconds, or by default as long as the configuration sets for
        ``patience``: first for room in the outbox, then again for the answer.

        Raises an `EncodeError` for a command that this session cannot carry (nothing is sent),
        `RequestTimeout`, `ConnectionLost`, `MalformedResponse`, `UnexpectedResponseError`, or the
        protocol's error for what the router refuses.

        On cancellation or time-out, a command that is still queued is not written; the answer to
        one that was written becomes an `ExpiredResponse` event.
        """
        call = Call(command, entity_id, key, correlation_id)
        return await self._ask(call, self._seconds(patience, timeout))

    async def request_many(
        self,
        calls: Iterable[Call[CommandT]],
        *,
        patience: Patience = BACKGROUND,
        timeout: float | None = None,
    ) -> list[MessageT | SimplexError]:
        """Send commands together and wait for all answers: one result or error each, in order.

        While a long batch is encoded, other tasks get their turns.
        One failure never fails the others.  The batch times out as a whole once no command was
        answered for the time-out of a single one: a slow router can finish a large batch, and a
        silent one does not hold it up.  Raises `ConnectionLost` only if the connection had already
        ended; see `request` for the rest.
        """
        return await self._exchange(tuple(calls), self._seconds(patience, timeout))

    async def tell(
        self,
        command: CommandT,
        entity_id: bytes = b"",
        key: Any = None,
        *,
        patience: Patience = BACKGROUND,
        timeout: float | None = None,
    ) -> None:
        """Send a command that has no answer, and wait until it is written.

        Raises the errors of `request` that do not depend on an answer.  On cancellation or
        time-out, a command that is still queued is not written.
        """
        call = Call(command, entity_id, key, answered=False)
        await self._ask(call, self._seconds(patience, timeout))

    async def aclose(self) -> None:
        """End the connection and wait until its tasks have ended.

        If cancelled, it stops waiting; the connection ends all the same.
        """
        self.close()
        await self._over.wait()

    def close(self) -> None:
        """End the connection without waiting; its tasks end at their next checkpoint."""
        self._end(trio.ClosedResourceError("this side closed the connection"))

    async def wait_disconnected(self) -> BaseException:
        """Wait until the connection has ended, and return the reason."""
        await self._over.wait()
        assert self._reason is not None
        return self._reason

    # --- requests -----------------------------------------------------------------------------

    def _seconds(self, patience: Patience, timeout: float | None) -> float:
        return self._config.request_timeouts.seconds(patience) if timeout is None else timeout

    async def _ask(self, call: Call[CommandT], seconds: float) -> MessageT:
        """One command; as `_exchange`, without the lists that a batch needs."""
        await trio.lowlevel.checkpoint_if_cancelled()  # then nothing is written
        await self._check_connected()
        if self._outbox.is_full and not await self._wait_for_room(seconds):
            raise RequestTimeout("no room in the queue in time")
        waiter = Waiter(seconds)
        self._writer.count_alone(is_only_one=self._table.pending_count == 0)
        request = self._enter(call, waiter)
        if isinstance(request, SimplexError):
            await trio.lowlevel.checkpoint()
            refused: list[MessageT | SimplexError] = [request]
            del request
            return only(refused)
        self._writer.write_alone(self._complete)
        try:
            await self._wait(waiter)
        except BaseException:
            self._share_unclaimed((request,))
            self._table.expire(request, trio.current_time())
            raise
        if self._table.expire(request, trio.current_time()):
            self._count_timeouts(1)
        results = [self._result(request)]
        del request  # it has the error that may be raised, and this frame is in the traceback
        return only(results)

    async def _exchange(
        self, calls: Sequence[Call[CommandT]], seconds: float
    ) -> list[MessageT | SimplexError]:
        await trio.lowlevel.checkpoint_if_cancelled()  # then nothing is written
        await self._check_connected()
        waiter = Waiter(seconds)
        waiter.add()  # for this loop, so that answers do not wake the caller before it ends
        entered: list[_Pending[CommandT] | SimplexError] = []
        try:
            for number, call in enumerate(calls):
                if number and not number % _ENCODED_TOGETHER:
                    await trio.lowlevel.checkpoint()
                if self._outbox.is_full and not await self._wait_for_room(seconds):
                    break
                entered.append(self._enter(call, waiter))
            waiter.one_done()
            await self._wait(waiter)
        except BaseException:
            self._share_unclaimed(entered)
            raise
        finally:
            now = trio.current_time()
            expired = [
                self._table.expire(request, now)
                for request in entered
                if isinstance(request, PendingRequest)
            ]
        self._count_timeouts(sum(expired))
        results = [self._result(request) for request in entered]
        missing = len(calls) - len(entered)
        return results + [RequestTimeout("no room in the queue in time") for _ in range(missing)]

    async def _check_connected(self) -> None:
        """Raise `ConnectionLost` if the connection has ended.  A checkpoint only then."""
        if self._reason is not None:
            await trio.lowlevel.checkpoint()
            raise self._lost() from self._reason

    async def _wait(self, waiter: Waiter) -> None:
        """Wait for all answers; give up when none has come for the seconds of the waiter."""
        if waiter.waits:
            deadline = self._deadlines.start(waiter, waiter.seconds, trio.current_time())
            alarm = self._alarm
            if alarm is not None and deadline < alarm.deadline:
                alarm.deadline = deadline
        try:
            await waiter.wait()
        finally:
            self._deadlines.stop(waiter, waiter.seconds)

    async def _wait_for_room(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await self._outbox.wait_for_room()
        return not self._outbox.is_full

    def _enter(self, call: Call[CommandT], waiter: Waiter) -> _Pending[CommandT] | SimplexError:
        if self._reason is not None:
            return self._lost()
        correlation_id = call.correlation_id or self.new_correlation_id()
        try:
            part = self._codec.encode(call.command, call.entity_id, call.key, correlation_id)
            request = self._table.register(correlation_id, call.entity_id, call.command, waiter)
        except SimplexError as exc:
            self._outbox.let_callers_in()  # to the room that this caller waited for
            return exc
        waiter.add()
        self._requests += 1
        self._writer.put(request, part, answered=call.answered)
        return request

    def _share_unclaimed(self, entered: Iterable[_Pending[CommandT] | SimplexError]) -> None:
        """Turn the answers of a cancelled call into events.

        They are bounded like expired requests: of a longer batch the first answers are dropped.
        """
        unclaimed = [
            request
            for request in entered
            if isinstance(request, PendingRequest) and request.result is not None
        ]
        for request in unclaimed[-MAX_EXPIRED:]:
            self._put_event(ExpiredResponse(request.entity_id, request.command, request.result))

    def _result(self, entered: _Pending[CommandT] | SimplexError) -> MessageT | SimplexError:
        if isinstance(entered, SimplexError):
            return entered
        match entered.state:
            case RequestState.EXPIRED:
                return RequestTimeout("the router did not answer in time")
            case RequestState.FAILED if entered.result is None:
                return self._lost()
            case _:
                result: MessageT | SimplexError = entered.result  # type: ignore[assignment]
                return result

    def _count_timeouts(self, count: int) -> None:
        if count:
            self._timeouts += count
            self._timeouts_in_a_row += count

    def _lost(self) -> ConnectionLost:
        lost = ConnectionLost(f"the connection is gone: {self._in_words}")
        lost.__cause__ = self._reason
        return lost

    @property
    def _in_words(self) -> str:
        """The reason, which is known once the connection has ended."""
        assert self._reason is not None
        return safe_text(self._reason)

    # --- the four tasks -----------------------------------------------------------------------

    async def run(self) -> None:
        """Drive the connection until it ends; `drive` and `driven` start this.

        Returns when the connection was lost or closed; raises only for a bug, or when cancelled.
        """
        try:
            with self._scope:
                async with open_inner_nursery() as nursery:
                    nursery.start_soon(self._race, partial(self._writer.run, self._complete))
                    nursery.start_soon(self._race, self._receive)
                    nursery.start_soon(self._race, self._process)
                    if self._config.ping_interval > 0:
                        nursery.start_soon(self._race, self._monitor)
        finally:
            self._end(trio.ClosedResourceError("the program left the connection's nursery"))
            self._fail_everything()
            try:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(self._stream)
            finally:
                self._over.set()
                _log.debug("a connection has ended: %s", self._in_words)
                if self._disconnected is not None:
                    assert self._reason is not None
                    self._disconnected(self._reason)

    async def _race(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except _ORDINARY_ENDS as exc:
            self._end(without_traceback(exc))
        except Exception as exc:
            # Waiting callers get it as the reason, and it propagates, like any bug.  It cancels the
            # other tasks by itself; after `_end` it would be grouped with their cancellations.
            self._keep_reason(exc)
            raise

    async def _receive(self) -> None:
        received = self._received
        while True:
            frames = await self._stream.receive_frames()
            self._last_received = trio.current_time()
            self._timeouts_in_a_row = 0
            self._frames_received += len(frames)
            received.extend(frames)
            self._processor.unpark()
            while len(received) > _RECEIVED_FRAMES:
                await self._taken.park()

    async def _process(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._deadlines.earliest) as self._alarm:
                await self._process_frames()
            self._give_up_overdue()

    def _give_up_overdue(self) -> None:
        for waiter in self._deadlines.take_due(trio.current_time()):
            waiter.give_up()

    async def _process_frames(self) -> NoReturn:
        received = self._received
        while True:
            processed = 0
            while received:
                for incoming in self._codec.open(received.popleft()):
                    self._dispatch(incoming)
                processed += 1
                if received and not processed % _RECEIVED_FRAMES:
                    self._taken.unpark()
                    # What came before the end of the connection is processed all the same.
                    await trio.lowlevel.cancel_shielded_checkpoint()
                    self._give_up_overdue()
            self._taken.unpark()
            await self._processor.park()

    async def _monitor(self) -> None:
        interval = self._config.ping_interval
        delay = interval
        while True:
            await trio.sleep(delay)
            self._table.sweep(trio.current_time())
            quiet_left = interval - (trio.current_time() - self._last_received)
            if quiet_left > _LIVELY:
                delay = quiet_left
                continue
            delay = interval
            if self._pings_enabled:
                await self._exchange((Call(self._codec.ping()),), self._seconds(BACKGROUND, None))
            self._check_silence()

    def _check_silence(self) -> None:
        most = self._config.max_timeouts
        silence = trio.current_time() - self._last_received
        if 0 < most <= self._timeouts_in_a_row and silence >= self._config.silence:
            raise RouterSilent("requests timed out, and nothing else was received")

    # --- what comes in ------------------------------------------------------------------------

    def _dispatch(self, incoming: Incoming) -> None:
        entity_id, result = incoming.entity_id, incoming.result
        if not incoming.correlation_id:
            self._put_event(self._event(entity_id, result))
            return
        match self._table.resolve(incoming.correlation_id, entity_id, result):
            case Answered(request):
                self._share(entity_id, result)
                self._one_done(request.waiter)
            case Misdirected(request):
                request.result = UnexpectedResponseError("the answer is about another entity")
                self._one_done(request.waiter)
            case Late(request):
                self._share(entity_id, result)
                self._put_event(ExpiredResponse(entity_id, request.command, result))
            case Unknown():
                self._put_event(UnexpectedResponse(entity_id, result))

    def _complete(self, request: _Pending[CommandT]) -> None:
        """A command without an answer is written."""
        self._table.resolve(request.correlation_id, request.entity_id, None)
        self._one_done(request.waiter)

    def _one_done(self, waiter: Waiter) -> None:
        waiter.one_done()
        if waiter.waits:
            self._deadlines.extend(waiter, waiter.seconds, trio.current_time())

    def _event(self, entity_id: bytes, result: object) -> object:
        if isinstance(result, SimplexError):
            return ErrorEvent(entity_id, result)
        return self._codec.event(entity_id, result)

    def _share(self, entity_id: bytes, result: object) -> None:
        if self._codec.is_event_too(result):
            self._put_event(self._codec.event(entity_id, result))

    def _put_event(self, event: Any) -> None:
        codec = self._codec
        if self._reason is None and not self._events.put(
            event, codec.weight(event), codec.folds_by(event)
        ):
            self._end(SlowConsumer("too many bytes of events were left unread"))

    # --- the end ------------------------------------------------------------------------------

    def _end(self, reason: BaseException) -> None:
        self._keep_reason(reason)
        self._scope.cancel()

    def _keep_reason(self, reason: BaseException) -> None:
        if self._reason is None:
            self._reason = reason

    def _fail_everything(self) -> None:
        for request in self._table.fail_all():
            request.waiter.one_done()
        self._outbox.close()
        self._events.end()


async def drive(nursery: trio.Nursery, client: ClientT) -> ClientT:
    """Run a connected client in ``nursery`` until it ends; closes the client if that fails."""
    try:
        nursery.start_soon(client.run, name=repr(client))
    except BaseException:
        await trio.aclose_forcefully(client._stream)
        raise
    return client


@asynccontextmanager
async def driven(client: ClientT) -> AsyncIterator[ClientT]:
    """Run a connected client for the duration of the block; its tasks end with it."""
    async with open_inner_nursery() as nursery:
        nursery.start_soon(client.run, name=repr(client))
        try:
            yield client
        except ConnectionLost as lost:
            # A bug leaves the nursery by itself; raising the lost connection too would only wrap
            # it in a group.
            if lost.__cause__ is not client.reason or isinstance(client.reason, _ORDINARY_ENDS):
                raise
        finally:
            client.close()
