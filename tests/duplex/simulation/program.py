"""A program that uses an agent, and writes down what it has done and what it was told.

What is written down outlives the program, as if each of its notes were a transaction in a database
of its own.  A note is made before a call whose outcome may remain unknown, and after it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from random import Random

import trio
from attrs import define, field

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    CannotAccept,
    CannotResynchronise,
    CannotRotate,
    CannotSend,
    DuplexError,
    NotSynchronised,
    UnknownConnection,
)
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionEvent,
    ConnectionFailed,
    ConnectionReady,
    ConnectionWarning,
    DeliveryFailed,
    DeliveryWarning,
    DuplexEvent,
    Integrity,
    InvitationReady,
    JoinSent,
    MessageSent,
    PeerInfo,
    PeerMessage,
    ReceiptReceived,
    ReceivingProblem,
    RequestReceived,
    ResynchronisationFailed,
    Resynchronised,
    RotationPhase,
    RotationProgress,
    RouterDown,
    RouterUp,
    SecurityCodeChanged,
    SendingResumed,
)
from simplex_trio.duplex.status import ConnectionState, ConnectionStatus
from simplex_trio.duplex.transaction import Invitation, Transaction
from simplex_trio.errors import SimplexError

_OFFERED = {
    ConnectionState.CREATING,
    ConnectionState.OFFERED,
    ConnectionState.ADDRESS,
    ConnectionState.CONFIRMED,
}


class Way(Enum):
    """What kind of link two programs connect by."""

    LONG = auto()
    SHORT = auto()
    LONG_ADDRESS = auto()
    SHORT_ADDRESS = auto()

    @property
    def is_short(self) -> bool:
        return self in (Way.SHORT, Way.SHORT_ADDRESS)

    @property
    def is_address(self) -> bool:
        return self in (Way.LONG_ADDRESS, Way.SHORT_ADDRESS)


@define(eq=False)
class Offer:
    """An invitation or an address that a program is to make."""

    owner: Program
    way: Way
    pairings: list[Pairing] = field(factory=list)
    connection_id: str | None = None
    link: str | None = None


@define(eq=False)
class Pairing:
    """Two programs that are to be connected."""

    number: int
    offer: Offer
    offering: Side
    joining: Side
    has_receipts: bool
    ends_early: bool = False
    """Whether one side deletes it while there is trouble, so that anything may fail."""


@define(eq=False)
class Side:
    """What one of the two programs has noted of their connection."""

    program: Program
    info: bytes
    to_send: int
    """How many messages are still to be sent."""
    delete_at: float | None = None
    after_delivery: bool = False
    pairing: Pairing = field(init=False)
    other: Side = field(init=False)
    connection_id: str | None = None
    is_ready: bool = False
    has_failed: bool = False
    is_deleted: bool = False
    """Whether the program has begun to delete it."""
    delete_returned: bool = False
    is_gone: bool = False
    """Whether the agent has told that it is deleted."""
    has_moved: bool = False
    attempted: list[bytes] = field(factory=list)
    """Bodies that may have been sent, in order."""
    stored: dict[int, bytes] = field(factory=dict)
    """Those of which the agent has said so, by their ids."""
    given_up: set[int] = field(factory=set)
    sent: set[int] = field(factory=set)
    receipts: set[int] = field(factory=set)
    received: dict[int, bytes] = field(factory=dict)
    """Bodies by the sender's numbers."""
    ids: dict[int, int] = field(factory=dict)
    """The agent's ids for the same."""
    acknowledged: set[int] = field(factory=set)
    receipted: list[bytes] = field(factory=list)
    to_resynchronise: int = 0
    """How many times it is still to ask for a new ratchet."""

    def key(self, number: int) -> bytes:
        """What is kept of the peer's message with this number is kept by this key."""
        return f"{self.connection_id} {number}".encode()

    def missing(self) -> list[str]:
        """What is not done yet, or was not told."""
        if self.pairing.ends_early or self.is_deleted or self.other.is_deleted:
            return [] if self._is_settled else [f"{self.info!r} is to be deleted"]
        found = []
        if not self.is_ready:
            found.append(f"{self.info!r} is not ready")
        if self.to_send:
            found.append(f"{self.info!r} has messages to send")
        arrived = set(self.other.received.values())
        for message_id, body in self.stored.items():
            if body not in arrived:
                found.append(f"{body!r} of {self.info!r} has not arrived")
            if message_id not in self.sent:
                found.append(f"{body!r} of {self.info!r} is not called sent")
            if body in self.other.receipted and message_id not in self.receipts:
                found.append(f"{body!r} of {self.info!r} has no receipt")
        return found

    @property
    def _is_settled(self) -> bool:
        return not self.is_deleted or self.is_gone

    def check(self) -> None:
        """Every message has come once, in order, and unless the connection was deleted, all."""
        came = list(self.received.values())
        assert len(set(came)) == len(came), "a message has come twice"
        places = [self.other.attempted.index(body) for body in came]
        assert places == sorted(places), "messages have come in another order"
        may_be_lost = self.is_deleted or (self.other.is_deleted and not self.other.after_delivery)
        if not (self.pairing.ends_early or may_be_lost):
            lost = set(self.other.stored.values()) - set(came)
            lost -= {self.other.stored[number] for number in self.other.given_up}
            assert not lost, f"{lost} were lost"


class Program:
    """One program with all its lives."""

    def __init__(self, name: str, random: Random, note: Callable[[str], None]) -> None:
        self.name = name
        self.random = random
        self.offers: list[Offer] = []
        self.sides: list[Side] = []
        self.switches_pq = False
        self.has_lost_power = False
        self.moves: Random | None = None
        """Decides which queues are moved and when, if any are."""
        self.moves_left = 4
        self.is_slow = random.random() < 0.3
        self._note = note
        self._by_id: dict[str, Side] = {}
        self._creating: Offer | None = None
        self._bodies = 0
        self._discarded: set[str] = set()

    # --- one life -------------------------------------------------------------------------------

    async def run(self, agent: DuplexAgent) -> None:
        """Go on with everything, until cancelled."""
        await self._find_what_was_made(agent)
        async with trio.open_nursery() as nursery:
            tasks = [self._read, self._offer, self._join, self._send, self._delete]
            tasks.append(self._resynchronise)
            if self.moves is not None:
                tasks.append(self._move)
            for task in tasks:
                nursery.start_soon(task, agent)

    async def _find_what_was_made(self, agent: DuplexAgent) -> None:
        """If this program died while it made an offer, see whether it is there."""
        for status in await self._unknown_offers(agent):
            self._note_offer(status.connection_id, status.short_link or status.link)
        self._creating = None

    async def _unknown_offers(self, agent: DuplexAgent) -> list[ConnectionStatus]:
        known = {offer.connection_id for offer in self.offers} | self._by_id.keys()
        unknown = [each for each in await agent.connections() if each not in known]
        found = [await agent.status(connection_id) for connection_id in unknown]
        return [status for status in found if status.state in _OFFERED]

    async def _pause(self, longest: float) -> None:
        await trio.sleep(self.random.uniform(0, longest))

    # --- connecting -----------------------------------------------------------------------------

    async def _offer(self, agent: DuplexAgent) -> None:
        for offer in self.offers:
            while offer.connection_id is None:
                await self._pause(3)
                self._creating = offer
                try:
                    made = await self._create(agent, offer.way)
                except DuplexError:
                    raise
                except SimplexError:
                    self._creating = None
                    assert not await self._unknown_offers(agent), "it was not withdrawn"
                else:
                    if isinstance(made, Invitation):
                        self._note_offer(made.connection_id, made.short_link or made.link)
                    else:
                        self._note_offer(made, None)

    async def _create(self, agent: DuplexAgent, way: Way) -> Invitation | str:
        waits = self.random.random() < 0.6
        if way.is_address and waits:
            return await agent.create_address(short=way.is_short)
        if way.is_address:
            return await agent.create_address(short=way.is_short, wait=False)
        if waits:
            return await agent.create(info=b"to be replaced", short=way.is_short)
        return await agent.create(info=b"to be replaced", short=way.is_short, wait=False)

    def _note_offer(self, connection_id: str, link: str | None) -> None:
        offer = self._offer_of(connection_id)
        if offer is None:
            offer, self._creating = self._creating, None
        assert offer is not None, "a connection that was never asked for"
        offer.connection_id = connection_id
        if link is not None:
            offer.link = link
        if not offer.way.is_address:
            (pairing,) = offer.pairings
            self._identify(pairing.offering, connection_id)

    def _offer_of(self, connection_id: str) -> Offer | None:
        found = [offer for offer in self.offers if offer.connection_id == connection_id]
        return found[0] if found else None

    def _identify(self, side: Side, connection_id: str) -> None:
        assert side.connection_id in (None, connection_id), "it was connected twice"
        side.connection_id = connection_id
        self._by_id[connection_id] = side

    async def _join(self, agent: DuplexAgent) -> None:
        while joining := self._joining():
            await self._pause(4)
            for side in joining:
                offer = side.pairing.offer
                if offer.link:
                    await self._join_one(agent, side, offer.link)

    def _joining(self) -> list[Side]:
        return [
            side
            for side in self.sides
            if side is side.pairing.joining and side.connection_id is None and not side.has_failed
        ]

    async def _join_one(self, agent: DuplexAgent, side: Side, link: str) -> None:
        wait = self.random.random() < 0.6
        try:
            connection_id = await agent.join(link, side.info, wait=wait)
        except AlreadyJoined as exc:
            connection_id = exc.connection_id
        except DuplexError:
            if not side.pairing.ends_early:
                raise
            side.has_failed = True
            return
        except SimplexError:
            return  # the agent goes on, and so does this program later
        self._identify(side, connection_id)

    # --- sending --------------------------------------------------------------------------------

    async def _send(self, agent: DuplexAgent) -> None:
        while True:
            await self._pause(6)
            willing = [
                side
                for side in self._by_id.values()
                if side.to_send and not side.is_deleted and not side.has_failed
            ]
            if not willing:
                continue
            if len(willing) > 1 and self.random.random() < 0.3:
                await self._broadcast(agent, willing)
                continue
            side = self.random.choice(willing)
            for _ in range(min(side.to_send, self.random.choice([1, 2, 5]))):
                await self._broadcast(agent, [side])

    async def _broadcast(self, agent: DuplexAgent, sides: list[Side]) -> None:
        self._bodies += 1
        body = b"message %d of %b" % (self._bodies, self.name.encode())
        for side in sides:
            side.attempted.append(body)
        pq = None
        if self.switches_pq and self.random.random() < 0.2:
            pq = self.random.random() < 0.5
        ids = [side.connection_id or "" for side in sides]
        outcomes = await agent.broadcast(ids, body, pq=pq)
        for side, outcome in zip(sides, outcomes, strict=True):
            match outcome:
                case int():
                    assert outcome not in side.stored
                    side.stored[outcome] = body
                    side.to_send = max(0, side.to_send - 1)
                case CannotSend():
                    is_repaired = isinstance(outcome, NotSynchronised)
                    # After a loss of power the peer has to say once more that it is ready.
                    was_ready = side.is_ready and not self.has_lost_power
                    assert is_repaired or not was_ready or side.has_failed
                    side.attempted.remove(body)
                case UnknownConnection():
                    assert side.is_deleted

    async def _resynchronise(self, agent: DuplexAgent) -> None:
        while any(side.to_resynchronise for side in self.sides):
            await self._pause(15)
            for side in self.sides:
                if side.to_resynchronise and side.is_ready and not side.is_deleted:
                    side.to_resynchronise -= 1
                    force = self.random.random() < 0.8
                    # It may be deleted, or need no other ratchet, unless that is forced.
                    with suppress(UnknownConnection, CannotResynchronise):
                        await agent.resynchronise(side.connection_id or "", force=force)

    # --- deleting -------------------------------------------------------------------------------

    async def _delete(self, agent: DuplexAgent) -> None:
        while True:
            await self._pause(8)
            for side in self.sides:
                is_due = side.delete_at is not None and side.delete_at <= trio.current_time()
                if is_due and side.connection_id is not None and not side.delete_returned:
                    side.is_deleted = True
                    with suppress(UnknownConnection):  # if an earlier life has come as far as that
                        await agent.delete(side.connection_id, after_delivery=side.after_delivery)
                    side.delete_returned = True

    def has_peer(self, connection_id: str) -> bool:
        """Whether the peer still has a connection, and answers."""
        side = self._by_id[connection_id]
        return not (side.pairing.ends_early or side.is_deleted or side.other.is_deleted)

    # --- moving ---------------------------------------------------------------------------------

    async def _move(self, agent: DuplexAgent) -> None:
        """Move queues to other routers, or think better of it."""
        assert self.moves is not None
        while self.moves_left:
            await trio.sleep(self.moves.uniform(0, 15))
            sides = [side for side in self._by_id.values() if side.is_ready]
            if not sides:
                continue
            side = self.moves.choice(sides)
            assert side.connection_id is not None
            self.moves_left -= 1
            side.has_moved = True
            with suppress(CannotRotate, UnknownConnection):
                await agent.rotate(side.connection_id)
                self._note(f"{self.name}: {side.info!r} moves")
                if self.moves.random() < 0.2:
                    await trio.sleep(self.moves.uniform(0, 2))
                    await agent.abort_rotation(side.connection_id)

    # --- events ---------------------------------------------------------------------------------

    async def _read(self, agent: DuplexAgent) -> None:
        async for event in agent.events:
            if self.is_slow and self.random.random() < 0.2:
                await self._pause(5)
            await self._handle(agent, event)

    async def _side(self, agent: DuplexAgent, event: ConnectionEvent) -> Side | None:
        """Whose event this is; another task may still be about to learn of the connection.

        It never does if this program crashed before it knew the id, and the connection has failed
        since: then joining again makes another one.
        """
        while event.connection_id not in self._by_id:
            try:
                status = await agent.status(event.connection_id)
            except UnknownConnection:
                return None
            if status.state is ConnectionState.FAILED:
                return None
            await trio.sleep(0.5)
        return self._by_id[event.connection_id]

    async def _handle(self, agent: DuplexAgent, event: DuplexEvent) -> None:
        self._note(f"{self.name}: {type(event).__name__}")
        match event:
            case RouterUp() | RouterDown() | SendingResumed() | JoinSent():
                pass
            case DeliveryWarning() | ConnectionWarning():
                pass
            case InvitationReady():
                self._note_offer(event.connection_id, event.short_link or event.link)
            case RequestReceived():
                await self._accept_request(agent, event)
            case ConfirmationReceived():
                await self._accept_confirmation(agent, event)
            case PeerMessage():
                if side := await self._side(agent, event):
                    await self._take(agent, side, event)
            case ConnectionFailed() if event.connection_id not in self._by_id:
                # The call has raised, or this program has crashed before it knew the id.
                self._discarded.add(event.connection_id)
                with suppress(UnknownConnection):
                    await agent.delete(event.connection_id)
            case ConnectionDeleted() if event.connection_id in self._discarded:
                pass
            case ConnectionDeleted() if self._offer_of(event.connection_id) is None:
                side = self._by_id[event.connection_id]
                # The agent deletes by itself what a call has waited for in vain.
                assert side.is_deleted or side.has_failed
                side.is_gone = True
            case ConnectionEvent():
                if side := await self._side(agent, event):
                    self._hear(side, event)

    def _hear(self, side: Side, event: ConnectionEvent) -> None:
        may_fail = side.pairing.ends_early or side.other.is_deleted
        match event:
            case PeerInfo(info=info):
                assert info == side.other.info
            case ConnectionReady():
                side.is_ready = True
            case MessageSent(message_id=message_id):
                side.sent.add(message_id)
            case ReceiptReceived(message_id=message_id, intact=intact):
                assert intact
                side.receipts.add(message_id)
            case RotationProgress():
                assert event.phase is not RotationPhase.FAILED or may_fail
            case SecurityCodeChanged() | Resynchronised():
                pass
            case ResynchronisationFailed() if may_fail:
                pass
            case DeliveryFailed(message_ids=message_ids) if may_fail:
                side.given_up.update(message_ids)
            case ConnectionFailed() if may_fail:
                side.has_failed = True
            case ReceivingProblem() if side.has_failed or may_fail:
                pass  # such as that a queue may be used which was given up
            case ConnectionDeleted():
                side.is_gone = True
            case _:
                raise AssertionError(f"{side.info!r} is told {event!r}: {_problem(event)}")

    async def _accept_request(self, agent: DuplexAgent, event: RequestReceived) -> None:
        offer = self._offer_of(event.connection_id)
        assert offer is not None
        (side,) = (
            pairing.offering for pairing in offer.pairings if pairing.joining.info == event.info
        )
        wait = self.random.random() < 0.5
        if side.is_deleted or side.has_failed:
            # The peer asks again, since it did not know that it had, or this comes again.
            with suppress(CannotAccept):
                await agent.reject(event)
            return
        while True:
            try:
                connection_id = await agent.accept(event, side.info, wait=wait)
            except SimplexError as exc:
                if isinstance(exc, DuplexError):
                    if not side.pairing.ends_early:
                        raise
                    side.has_failed = True
                    return
                wait = False
                await self._pause(3)
            else:
                self._identify(side, connection_id)
                return

    async def _accept_confirmation(self, agent: DuplexAgent, event: ConfirmationReceived) -> None:
        side = await self._side(agent, event)
        if side is None:
            return
        assert event.info == side.other.info
        if self.random.random() < 0.2:
            await self._pause(10)
        try:
            await agent.accept(event, side.info)
        except UnknownConnection:
            assert side.is_deleted
        except CannotAccept:
            assert side.pairing.ends_early  # the peer has gone in the meantime

    async def _take(self, agent: DuplexAgent, side: Side, message: PeerMessage) -> None:
        number = message.sender_message_id
        assert number not in side.acknowledged, "what was acknowledged has come again"
        if message.integrity is Integrity.SKIPPED and side.has_moved:
            # The test of a new queue has not come in the time that others wait for it.
            assert message.skipped == 1
        else:
            assert message.integrity is Integrity.OK, message.integrity
        assert message.body in side.other.attempted
        assert side.received.setdefault(number, message.body) == message.body
        # After a loss of power another message may have been given the id first.
        known = side.ids.setdefault(number, message.message_id)
        assert known == message.message_id or self.has_lost_power
        if self.is_slow and self.random.random() < 0.3:
            await self._pause(20)
        wants_receipt = side.pairing.has_receipts and self.random.random() < 0.5
        key = side.key(number)

        def take(t: Transaction) -> None:
            assert t.kept.get("received", key) is None, "it was kept without its acknowledgement"
            t.kept.put("received", key, message.body)
            t.acknowledge(message, receipt=wants_receipt)

        try:
            await agent.transact(take)
        except UnknownConnection:
            assert side.is_deleted
        else:
            side.acknowledged.add(number)
            if wants_receipt:
                side.receipted.append(message.body)


def _problem(event: ConnectionEvent) -> object:
    return getattr(event, "problem", None)
