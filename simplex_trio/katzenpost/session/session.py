"""`DaemonSession`: requests and operations of a client, across reconnects.

Operations, which the daemon resends, survive a lost connection: after every reconnect each of them
sends the same bytes again, with the same query id.  That is needed even if the daemon still knows
the client, because it drops answers to operations while the client is away.  Requests that the
daemon answers by itself fail at once when the connection is lost, and can be retried.
"""

from __future__ import annotations

import math
import secrets
from contextlib import nullcontext, suppress
from typing import Any, TypeVar

import trio

from simplex_trio.engine.events import ExpiredResponse, UnexpectedResponse
from simplex_trio.errors import ConnectionLost, DecodeError, RequestTimeout, SimplexError
from simplex_trio.katzenpost.config import ClientConfig
from simplex_trio.katzenpost.errors import (
    ClientClosed,
    DaemonHangsUp,
    OperationCancelled,
    ReplyLost,
)
from simplex_trio.katzenpost.messages.events import (
    ConnectionStatus,
    DaemonConnected,
    DaemonDisconnected,
    DaemonEvent,
    Event,
    MessageReply,
    MessageSent,
    NewDocument,
)
from simplex_trio.katzenpost.messages.operations import Operation, OperationKey
from simplex_trio.katzenpost.messages.requests import ID_SIZE, Answer, Request
from simplex_trio.katzenpost.session.codec import Outgoing
from simplex_trio.katzenpost.session.connections import DaemonConnections
from simplex_trio.katzenpost.session.dial import Dialler
from simplex_trio.katzenpost.session.doubt import Doubt
from simplex_trio.katzenpost.session.hub import EventHub, EventSubscription
from simplex_trio.katzenpost.session.knowledge import Knowledge
from simplex_trio.katzenpost.session.link import MAX_UNREAD, Link
from simplex_trio.katzenpost.session.replies import PendingReply, ReplyTable
from simplex_trio.katzenpost.session.requests import Requests
from simplex_trio.katzenpost.session.resending import Debts, InFlight, OperationTable
from simplex_trio.nursery import open_inner_nursery

__all__ = ["DaemonSession"]

ValueT = TypeVar("ValueT")


class DaemonSession:
    """One client of the daemon, across all of its connections.

    All methods belong to the thread of the Trio program; any number of tasks may use them at once.
    """

    def __init__(self, dial: Dialler, config: ClientConfig, token: bytes) -> None:
        self._config = config
        self._connections = DaemonConnections(
            dial, config, token, note=self._note, attend=self._pay_debts
        )
        self._requests = Requests(self._connections, config)
        self.knowledge: Knowledge = Knowledge()
        self._hub = EventHub(config.max_unread_events, config.max_unread_bytes)
        self._kept: list[MessageReply] = []
        self._disconnected: DaemonDisconnected | None = None
        self._operations = OperationTable()
        self._debts = Debts()
        self._new_debt = trio.Event()
        self._replies = ReplyTable()

    def __repr__(self) -> str:
        return (
            f"<DaemonSession: {self._connections!r}, {len(self._operations)} operations in flight>"
        )

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the daemon now."""
        return self._connections.is_connected

    @property
    def in_flight(self) -> int:
        """How many operations are being resent."""
        return len(self._operations)

    # --- its life -------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Find the daemon; `run` has to be called at once.

        Cancelled, or failed, it leaves nothing open.  Raises a `ConnectError`.
        """
        link = await self._connections.open()
        self._kept = [event for event in link.greeting.events if isinstance(event, MessageReply)]
        self._connections.begin(link)

    async def run(self) -> None:
        """Keep a connection to the daemon until `close`; raises only for a bug."""
        try:
            await self._connections.run()
        finally:
            self._replies.fail_all(ClientClosed, "the client was closed")
            self._hub.end()

    async def close(self, *, forget: bool) -> None:
        """As `DaemonConnections.close`; calls in flight raise `ClientClosed`.

        If the daemon is to remember this client, cancels that are still due are sent first.
        """
        if not forget:
            with (
                trio.move_on_after(self._config.close_timeout, shield=True),
                suppress(ConnectionLost),
            ):
                await self._pay_due_debts(await self._connections.now())
        await self._connections.close(forget=forget)

    async def wait_connected(self) -> None:
        """Wait until there is a connection to the daemon; raises `ClientClosed`."""
        await self._connections.next()

    def subscribe(self) -> EventSubscription:
        """All events from now on, after what is known already.

        The first subscriber also gets the replies that the daemon had kept for this client.
        """
        known: list[Event] = [*self.knowledge.as_events(), *self._kept]
        self._kept = []
        if self._disconnected is not None:
            known.append(self._disconnected)
        return self._hub.subscribe(known)

    def _note(self, event: object) -> None:
        match event:
            case ConnectionStatus() | NewDocument():
                self.knowledge.note(event)
            case MessageReply() | MessageSent():
                self._replies.note(event)
            case DaemonConnected(resumed=resumed):
                self._disconnected = None
                if not resumed:
                    self._debts.forget_all()
                    self._operations.forgotten()
                    self._replies.fail_all(ReplyLost, "the daemon has forgotten the reply block")
            case DaemonDisconnected():
                self._disconnected = event
            case ExpiredResponse(command=Outgoing(operation=OperationKey() as key)):
                self._debts.one_ended(key)
                if (wanted_again := self._operations.get(key)) is not None:
                    wanted_again.one_ended()
            case UnexpectedResponse(result=Answer(fields=fields)):
                # To what was asked on an earlier connection.
                self._operations.note_unasked(fields.binary("query_id"))
        if isinstance(event, DaemonEvent | DaemonConnected | DaemonDisconnected):
            self._hub.put(event)  # answers without a caller, and second answers, are dropped

    # --- what the daemon answers by itself ------------------------------------------------------

    async def ask(self, request: Request[ValueT]) -> ValueT:
        """Have the daemon answer something now.

        Raises `DaemonAway` if there is no connection, `ConnectionLost` if it ends meanwhile,
        `RequestTimeout`, or what `Request.read` raises.
        """
        return await self._requests.ask_on(await self._connections.now(), request)

    async def ask_again(self, request: Request[ValueT]) -> ValueT:
        """As `ask`, but wait for a connection, and ask again when one was lost.

        Raises `DaemonHangsUp` when it keeps being lost.
        """
        return request.read(await self._until_answered(request, None))

    async def _until_answered(self, request: Request[Any], in_flight: InFlight | None) -> Answer:
        query_id = secrets.token_bytes(ID_SIZE)
        if in_flight is not None:
            in_flight.query_id = query_id
        encoded = request.encode(query_id)
        timeout = self._config.request_timeout if in_flight is None else math.inf
        doubt = Doubt()
        before: Link | None = None
        while True:
            link = await self._connections.next()
            outgoing = Outgoing(request.name, encoded)
            try:
                if doubt.suspected and before is not None:
                    await self._find_reason(before, link, doubt, in_flight)
                if in_flight is not None:
                    await self._until_it_reads(link)
                    await self._end_left_over(link, in_flight)
                async with self._requests.between_others(link) if doubt.exists else nullcontext():
                    if in_flight is not None:
                        outgoing.operation = in_flight.key
                        in_flight.copies += 1
                    return await self._requests.exchange(link, outgoing, query_id, timeout)
            except (ClientClosed, DaemonHangsUp):
                raise
            except ConnectionLost as exc:
                if outgoing.number is not None:
                    before = link
                    self._note_end(link, outgoing.number, doubt, exc)

    def _note_end(self, link: Link, number: int, doubt: Doubt, lost: ConnectionLost) -> None:
        """Note what the end of a connection says about a request; may raise `DaemonHangsUp`."""
        lasted = link.has_lasted(self._config.steady_after)
        nonsense = isinstance(link.client.reason, DecodeError) and not lasted
        doubt.connection_ended(read=link.has_read(number), nonsense=nonsense)
        if doubt.unreadable >= self._config.hang_ups:
            raise DaemonHangsUp("the daemon keeps sending malformed messages") from lost

    async def _find_reason(
        self, before: Link, now: Link, doubt: Doubt, in_flight: InFlight | None
    ) -> None:
        """Find out whether the previous connection ended because of a request.

        Raises `DaemonHangsUp` if that has happened too often, and `ConnectionLost`.
        """
        if not now.continues(before):
            doubt.daemon_ended()
            return
        if in_flight is not None and await self._daemon_has(now, in_flight):
            doubt.has_been_read()
            return
        doubt.was_refused()
        if doubt.refusals >= self._config.hang_ups:
            raise DaemonHangsUp(
                "the daemon hangs up whenever it is asked this"
            ) from before.client.reason

    async def _daemon_has(self, link: Link, in_flight: InFlight) -> bool:
        """Cancel an operation at the daemon, and return whether it had it."""
        in_flight.heard_of = False
        await self._requests.tell_cancel(link, in_flight.key)
        # It says that the operation has ended before it answers the cancel; by the time it has
        # answered something else, too, that has certainly been noted.
        await self._requests.tell_nothing(link)
        return in_flight.heard_of

    # --- what the daemon resends ----------------------------------------------------------------

    async def resend(self, operation: Operation[ValueT]) -> ValueT:
        """Have an operation done, however many connections it takes.

        Raises `OperationInProgress`, `OperationCancelled`, `DaemonHangsUp`, `ClientClosed`, or what
        `Request.read` raises.  Cancelled, it has the daemon told to end the operation.
        """
        in_flight = self._operations.start(operation.key)
        in_flight.copies = self._debts.settle(operation.key)
        in_flight.left_over = in_flight.copies > 0
        try:
            with in_flight.scope:
                answer = await self._until_answered(operation.request, in_flight)
                others, in_flight.copies = in_flight.copies - 1, 0
                try:
                    return operation.request.read(answer)
                except OperationCancelled:
                    in_flight.copies = others  # after any other answer the daemon has ended it
                    raise
        finally:
            self._operations.end(in_flight)
            if in_flight.copies > 0:
                self._owe(operation.key, in_flight.copies)
        raise OperationCancelled

    async def _until_it_reads(self, link: Link) -> None:
        """Wait until one more operation or message may be in flight; see `MAX_UNREAD`."""
        async with link.starting:
            while link.unread >= MAX_UNREAD:
                if await self._requests.tell_nothing(link):
                    link.unread = 0
            link.unread += 1

    async def _end_left_over(self, link: Link, in_flight: InFlight) -> None:
        """Cancel copies from an earlier call first, or the daemon would do both.

        On one connection the daemon handles a cancel before later requests.
        """
        if in_flight.left_over:
            await self._requests.tell_cancel(link, in_flight.key)
            in_flight.left_over = False

    async def cancel(self, key: OperationKey) -> None:
        """Cancel an operation of any task, and wake its caller.

        If the daemon is away, or does not answer soon, the cancel is repeated later.  Raises a
        `CodedError`, or another error for an invalid answer.
        """
        operation = self._operations.get(key)
        try:
            link = await self._connections.now()
            await self._requests.ask_on(link, key.cancel(), timeout=self._config.cancel_timeout)
        except (ConnectionLost, RequestTimeout):
            if operation is None:  # its caller will leave it to the debts
                self._owe(key)
        finally:
            # As a rule it has been answered by now, unless the daemon did not know it yet.
            if operation is not None and self._operations.get(key) is operation:
                operation.cancel()

    async def cancel_all(self) -> None:
        """Cancel all operations in flight; raises the first error, as `cancel` does."""
        failures: list[SimplexError] = []

        async def cancel(key: OperationKey) -> None:
            try:
                await self.cancel(key)
            except SimplexError as exc:
                failures.append(exc)

        async with open_inner_nursery() as nursery:
            for key in self._operations:
                nursery.start_soon(cancel, key)
        if failures:
            raise failures[0]

    def _owe(self, key: OperationKey, copies: int = 1) -> None:
        self._debts.owe(key, trio.current_time(), copies=copies)
        self._new_debt.set()

    async def _pay_due_debts(self, link: Link) -> None:
        """Send the cancels that are due; raises `ConnectionLost`."""
        # One by one: any of them may be wanted again before its turn comes, or the connection end.
        while (key := self._debts.take_due(trio.current_time())) is not None:
            await self._requests.tell_cancel(link, key)

    async def _pay_debts(self, link: Link) -> None:
        while True:
            try:
                await self._pay_due_debts(link)
            except ConnectionLost:
                return  # the next connection goes on with it
            self._new_debt = trio.Event()
            due = self._debts.due_at()
            with trio.move_on_at(math.inf if due is None else due):
                await self._new_debt.wait()

    # --- services ---------------------------------------------------------------------------------

    async def send(self, message: bytes) -> None:
        """Hand an encoded message to the daemon; raises as `ask` does."""
        link = await self._connections.now()
        outgoing = Outgoing("send_message", message)
        timeout = self._config.request_timeout
        try:
            with trio.fail_after(timeout):
                await self._until_it_reads(link)
            await link.client.tell(outgoing, timeout=timeout)
        except (RequestTimeout, trio.TooSlowError) as exc:
            raise RequestTimeout("the daemon does not read") from exc
        except ConnectionLost as exc:
            raise self._requests.lost(exc) from exc.__cause__
        finally:
            outgoing.let_go()

    def expect_reply(self, surb_id: bytes) -> PendingReply:
        """Keep the reply to a message when it comes, until `forget_reply`."""
        return self._replies.expect(surb_id)

    def forget_reply(self, surb_id: bytes) -> None:
        """Stop keeping the reply; its caller has gone."""
        self._replies.forget(surb_id)
