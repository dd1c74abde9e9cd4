"""`ClientSession`: one client's connection, from its first block to its end.

One task reads blocks and decides about the commands in them, another one writes.  In between lies
the store: a block of commands is answered when everything that the answers stand for is stored.
Answers keep the order of the commands, except for commands that wait on another server (PRXY, PFWD,
RSLV).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import trio
from attrs import Factory, define

from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.errors import CryptoError, DecodeError, HandshakeFailed, StoreError
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.router.commits import Receiver
from simplex_trio.router.core import verification
from simplex_trio.router.core.decide import decide
from simplex_trio.router.core.decisions import CatchUp, Decision, Refusal, RemoteCommand, Work
from simplex_trio.router.core.interpreter import undo
from simplex_trio.router.core.replies import NO_OUTLET, Event, Replies
from simplex_trio.router.core.requests import Client, Context
from simplex_trio.router.handshake import shake_hands
from simplex_trio.router.hub import Hub
from simplex_trio.router.incoming import GONE, IncomingBlocks
from simplex_trio.router.outbox import Answer, Outbox, Outgoing
from simplex_trio.router.proxying import Requester
from simplex_trio.router.session_info import SessionInfo
from simplex_trio.router.turn import Turn
from simplex_trio.serving.limits import TokenBucket
from simplex_trio.transport.frames import FrameStream
from simplex_trio.transport.networks import Origin
from simplex_trio.transport.tls import TlsSession
from simplex_trio.wire.authorization import is_signed_by_key
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.handshake import RouterAgreement
from simplex_trio.wire.reading import ReceivedCommand, RefusedTransmission
from simplex_trio.wire.signature_checks import SignatureChecks
from simplex_trio.wire.smp.commands import NEW, RSLV, Command
from simplex_trio.wire.smp.handshake import SMP_BLOCK_SIZE
from simplex_trio.wire.smp.messages import DELD, END, ENDS, ERR, NMSG, Message
from simplex_trio.wire.smp.reading import read_smp_commands
from simplex_trio.wire.transmissions import (
    batches,
    headed_transmission,
    transmission_heading,
)

__all__ = ["serve_client"]

_log = logging.getLogger(__name__)

_INLINE = nullcontext()

# A block holds its length, a count, the transmission's length, and what encryption adds.
_MAX_TRANSMISSION = SMP_BLOCK_SIZE - 2 - 1 - 2 - 16


async def serve_client(
    hub: Hub,
    frames: FrameStream,
    tls: TlsSession,
    origin: Origin | None = None,
    credentials: RouterCredentials | None = None,
) -> None:
    """Serve a client until either side ends the connection; leaves no task or subscription.

    ``frames`` stays open, and belongs to the caller.  ``origin`` is the client's address as limits
    for addresses count it, and ``credentials`` are those that it has seen in TLS, by default the
    hub's.  Cancelling ends it at once.
    """
    try:
        with hub.places.handshake(hub.config.limits.first_seconds):
            agreement = await shake_hands(hub, frames, tls, credentials)
    except (HandshakeFailed, trio.TooSlowError, *GONE) as exc:
        _log.debug("a handshake failed: %s", type(exc).__name__)
        return
    await ClientSession(hub, frames, agreement, origin).run()


@define(eq=False)
class _Block:
    """The answers to the commands of one block, as far as they are there."""

    refusals: list[Answer] = Factory(list)
    answers: list[Answer] = Factory(list)
    following: list[Event] = Factory(list)


@define(eq=False)
class _Commands(Receiver):
    """Commands of one block that are decided one after the other, and stored together.

    ``work`` has a decision for each of the commands with these ``headings``.
    """

    session: ClientSession
    context: Context
    work: Work
    block: _Block
    headings: list[bytes] = Factory(list)
    is_last: bool = True
    """Whether the answers of the block are complete with theirs."""

    def completed(self, replies: Replies | None, _failure: StoreError | None) -> None:
        """Put the replies into the block; see `Receiver`."""
        if replies is not None:
            self.block.answers += zip(self.headings, replies.answers, strict=True)
            self.block.following += replies.following
        self.session.commands_completed(
            self.block if self.is_last else None, has_failed=replies is None
        )


class ClientSession:
    """A connection after its handshake."""

    def __init__(
        self,
        hub: Hub,
        frames: FrameStream,
        agreement: RouterAgreement,
        origin: Origin | None = None,
    ) -> None:
        limits = hub.config.limits
        self._hub = hub
        self._frames = frames
        self._blocks = agreement.block_codec()
        self._outbox = Outbox(limits.commands_in_flight)
        self._client = Client.of(agreement, self)
        self._scope = trio.CancelScope()
        self._active_at = self._began_at = trio.current_time()
        self._origin = origin
        self._new_queues = TokenBucket(limits.queues_at_once, limits.queues_per_second)
        self._proxied = trio.Semaphore(limits.proxied_at_once)
        self._names = trio.Semaphore(limits.names_at_once)
        self._requester = Requester(trio.Semaphore(hub.config.proxy.connecting_per_client), origin)
        self._incoming = IncomingBlocks(frames, self._scope.cancel)
        self._uncompleted = 0
        self._all_completed = trio.lowlevel.ParkingLot()
        self._over = False

    # --- events -------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Send an event; see `Outlet`."""
        payload = event.payload
        if isinstance(payload, NMSG):
            self._hub.notifications.put(self._outbox, event)
        elif isinstance(payload, END | ENDS | DELD):
            self._hub.ends.put(self._outbox, event)
        else:
            self._outbox.put_event(event)

    @property
    def has_room(self) -> bool:
        """See `Outlet`."""
        return self._outbox.has_room

    def close_if_idle(self, now: float) -> None:
        """See `OpenSession`."""
        state, client = self._hub.state, self._client
        if now - self._active_at < self._hub.config.limits.idle_seconds:
            return
        if state.recipients.is_subscribed(client.recipient):
            return
        if not state.notifiers.is_subscribed(client.notifier):
            self._scope.cancel()

    def look(self, now: float) -> SessionInfo:
        """See `OpenSession`."""
        client = self._client
        return SessionInfo(
            connected_seconds=now - self._began_at,
            idle_seconds=now - self._active_at,
            version=client.session.version,
            is_service=client.service is not None,
            queues=len(client.recipient.subscribed),
            notifiers=len(client.notifier.subscribed),
            waiting=len(self._outbox),
            origin=self._origin,
        )

    # --- from beginning to end ----------------------------------------------------------------

    async def run(self) -> None:
        """Read and write until the end."""
        self._hub.sessions.add(self)
        try:
            with self._scope:
                async with open_inner_nursery() as nursery:
                    nursery.start_soon(self._write)
                    async with open_inner_nursery() as remote:
                        await self._read(remote)
                        remote.cancel_scope.cancel()
                    await self._write_last_answers()
                    nursery.cancel_scope.cancel()
        finally:
            self._end()
            for _ in self._forget():
                await trio.lowlevel.cancel_shielded_checkpoint()

    async def _write_last_answers(self) -> None:
        """Write the answers to commands that were decided before the client's end of file.

        The client may have closed its sending side alone, and still read.
        """
        self._over = True
        for _ in self._forget():
            await trio.lowlevel.checkpoint()
        with trio.move_on_after(self._hub.config.limits.farewell_seconds):
            while self._uncompleted:
                await self._all_completed.park()
            await self._outbox.wait_until_written()

    def _end(self) -> None:
        self._over = True
        self._hub.sessions.discard(self)
        self._outbox.close()
        self._hub.ends.forget(self._outbox)
        self._hub.notifications.forget(self._outbox)
        # The client refers to the session, and the session to the client: a reference cycle.
        self._client.recipient.outlet = self._client.notifier.outlet = NO_OUTLET

    def _forget(self) -> Iterator[None]:
        """End all subscriptions, of which there may be a million; yields after each part.

        What is delivered meanwhile on the others is not acknowledged, so it stays in the queue.
        """
        while self._forget_part():
            yield

    def _forget_part(self) -> bool:
        """End some thousands of the subscriptions; whether any are left."""
        state, client = self._hub.state, self._client
        recipient_left = state.recipients.forget(client.recipient)
        notifier_left = state.notifiers.forget(client.notifier)
        return recipient_left or notifier_left

    # --- reading ------------------------------------------------------------------------------

    async def _read(self, remote: trio.Nursery) -> None:
        """Read and decide until the client's end of file, which cancels ``remote``."""
        session, newest = self._client.session, self._hub.config.highest_version
        turn = Turn(self._hub.turns)
        while True:
            if self._outbox.is_full:
                await self._wait_while_receiving(remote, self._outbox.wait_for_room)
                turn.forget()
            if not self._incoming.has_next:
                turn.forget()
            try:
                block = await self._incoming.receive()
            except trio.EndOfChannel:
                return
            except GONE:
                self._scope.cancel()
                return
            self._active_at = trio.current_time()
            try:
                content = self._blocks.open(block)
            except (DecodeError, CryptoError):
                content = b""  # which is no list of commands, and is answered so
            received = read_smp_commands(content, session, newest)
            self._outbox.take_in(len(received))
            with self._verified_ahead(received):
                await self._decide_all(remote, received, turn)

    async def _wait_while_receiving(
        self, remote: trio.Nursery, wait: Callable[[], Awaitable[object]]
    ) -> None:
        """Wait for something, and notice meanwhile if the connection ends.

        Then ``remote`` is cancelled, and with it this task; no further command is decided.
        """
        await self._incoming.wait_for(wait, remote.cancel_scope.cancel)

    def _verified_ahead(
        self, received: Sequence[ReceivedCommand[Command] | RefusedTransmission]
    ) -> AbstractContextManager[None]:
        """Have threads help with the signatures in a block, if it has enough of them."""
        threads, verifier = self._hub.signature_threads, self._client.verifier
        if not threads.are_worth(len(received)):
            return _INLINE
        signed = [
            each
            for each in received
            if isinstance(each, ReceivedCommand) and is_signed_by_key(each.transmission)
        ]
        if not threads.are_worth(len(signed)):
            return _INLINE
        checks = SignatureChecks(
            check
            for each in signed
            for check in verification.signature_checks(self._hub.state, verifier, each)
        )
        return threads.verify_ahead(verifier, checks)

    async def _decide_all(
        self,
        remote: trio.Nursery,
        received: Sequence[ReceivedCommand[Command] | RefusedTransmission],
        turn: Turn,
    ) -> None:
        state, verifier, proxied = self._hub.state, self._client.verifier, self._client.proxied
        is_accepted_ahead = partial(verification.is_accepted_ahead, state, verifier)
        commands, spent = self._begin(), verifier.spent + proxied.spent
        for number, each in enumerate(received):
            if isinstance(each, RefusedTransmission):
                commands.block.refusals.append(self._refusal(each))
                turn.spend_on_refusal()
                if turn.is_over:
                    commands = await self._end_turn(turn, commands)
                continue
            if isinstance(each.command, NEW):
                delay = self._new_queues.take(trio.current_time())
                if delay:
                    self._submit(commands)
                    await self._wait_while_receiving(remote, partial(trio.sleep, delay))
                    turn.forget()
                    commands = self._begin()
            if not turn.allows(each, is_accepted_ahead):
                self._submit(commands, more=True)
                await turn.begin(received[number:])
                commands = self._begin(commands.block)
            try:
                decided = decide(state, commands.context, each)
            except BaseException:  # a bug; later decisions must not build on half of one
                undo(state, commands.work.transaction)
                raise
            before, spent = spent, verifier.spent + proxied.spent
            turn.spend(each.command, spent - before)
            if isinstance(decided, Decision):
                commands.headings.append(each.transmission.heading)
                commands.work.decisions.append(decided)
            elif isinstance(decided, Refusal):
                commands.block.refusals.append((each.transmission.heading, ERR(decided.error)))
            else:
                self._submit(commands)
                await self._start(remote, each, decided)
                turn.forget()
                commands = self._begin()
                continue
            if turn.is_over:
                commands = await self._end_turn(turn, commands)
        self._submit(commands)

    def _begin(self, block: _Block | None = None) -> _Commands:
        """What is decided from now on without waiting; the answers go on with ``block``."""
        work = Work()
        version, instant = self._client.session.version, trio.current_time()
        context = Context(self._client, version, self._hub.now(), instant, work.transaction)
        return _Commands(self, context, work, block or _Block())

    def _submit(self, commands: _Commands, *, more: bool = False) -> None:
        """Have decisions stored; ``more`` of the same block of answers may follow."""
        commands.is_last = not more
        self._uncompleted += 1
        self._hub.commits.submit(commands.work, commands)

    async def _end_turn(self, turn: Turn, commands: _Commands) -> _Commands:
        """Let others have their turn, and begin anew."""
        self._submit(commands, more=True)
        await turn.end()
        return self._begin(commands.block)

    def _refusal(self, refused: RefusedTransmission) -> Answer:
        ids = refused.correlation_id, refused.entity_id
        return transmission_heading(self._client.session, *ids), ERR(refused.error)

    def commands_completed(self, block: _Block | None, *, has_failed: bool) -> None:
        """Write the answers of a block, if it is complete; end the connection after a bug."""
        self._uncompleted -= 1
        if not self._uncompleted:
            self._all_completed.unpark_all()
        if has_failed:
            self._scope.cancel()
        if block is not None:
            self._outbox.put_answers(block.refusals, block.answers, block.following)
        if self._over:  # what was decided before the end may have subscribed since
            self._forget_part()

    # --- commands that wait on another server -------------------------------------------------

    async def _start(
        self, remote: trio.Nursery, received: ReceivedCommand[Command], command: RemoteCommand
    ) -> None:
        resolves_name = isinstance(command.received.command, RSLV)
        places = self._names if resolves_name else self._proxied
        try:
            places.acquire_nowait()
        except trio.WouldBlock:
            await self._wait_while_receiving(remote, places.acquire)
        remote.start_soon(self._run_remote, received, command, places)

    async def _run_remote(
        self, received: ReceivedCommand[Command], command: RemoteCommand, places: trio.Semaphore
    ) -> None:
        try:
            answer = await self._hub.run_remote(command.received, self._requester)
        finally:
            places.release()
        if command.envelope is not None:
            answer = command.envelope.seal(answer)
        self._outbox.put_answers((), ((received.transmission.heading, answer),))

    # --- writing ------------------------------------------------------------------------------

    async def _write(self) -> None:
        limits = self._hub.config.limits
        while True:
            groups = await self._outbox.take()
            frames = [frame for group in groups for frame in await self._sealed(group)]
            try:
                with trio.fail_after(limits.write_seconds):
                    await self._frames.send_frames(frames)
            except (trio.TooSlowError, *GONE):
                self._scope.cancel()
                return
            self._active_at = trio.current_time()
            self._outbox.written()
            if self._client.notifier.missed and self.has_room:
                self._hub.commits.apply(CatchUp(self._client.notifier))

    async def _sealed(self, group: Sequence[Outgoing]) -> list[bytes]:
        messages = await self._hub.body_loader.messages(group)
        transmissions = [
            self._transmission(outgoing, message)
            for outgoing, message in zip(group, messages, strict=True)
            if message is not None
        ]
        filled = batches(transmissions, self._client.session)
        return [self._blocks.seal(batch.content()) for batch in filled]

    def _transmission(self, outgoing: Outgoing, message: Message) -> bytes:
        session = self._client.session
        if isinstance(outgoing, Event):
            heading = transmission_heading(session, b"", outgoing.entity_id)
        else:
            heading = outgoing[0]
        transmission = headed_transmission(heading, message.encode(session.version))
        if len(transmission) > _MAX_TRANSMISSION:
            return headed_transmission(heading, ERR(Code.LARGE_MSG).encode(session.version))
        return transmission
