"""`DuplexAgent`: connections with other programs, encrypted end to end, that survive anything.

::

    async with open_duplex_agent("alice.db", servers=[router]) as agent:
        invitation = await agent.create(info=b"Alice")
        print(invitation.link)
        async for event in agent.events:
            match event:
                case ConfirmationReceived():
                    await agent.accept(event)
                case ConnectionReady(connection_id):
                    await agent.send(connection_id, b"hello")
                case PeerMessage():
                    print(event.body)
                    await agent.acknowledge(event)

Every call that changes something is one transaction in the agent's store, and what it promises is
kept across crashes.  What has to be done on the network follows from what is stored: it goes on in
the background, and after a restart, until it succeeds, fails for good, or the connection is
deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import trio

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.duplex.agent_terms import AgentTerms
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.connecting_calls import ConnectingCalls
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.events import (
    PeerMessage,
)
from simplex_trio.duplex.file_calls import FileCalls
from simplex_trio.duplex.kem_stock import KEMStock
from simplex_trio.duplex.machine.connection import SubscribedQueue
from simplex_trio.duplex.machine.notifying import NO_CONNECTION
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.notifications import Notifications
from simplex_trio.duplex.operating_calls import OperatingCalls
from simplex_trio.duplex.status import ConnectionStatus, status_of
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import DuplexStore
from simplex_trio.duplex.transaction import (
    SendOutcome,
    known,
)
from simplex_trio.duplex.work.activities import Activities
from simplex_trio.duplex.work.attempts import Attempts
from simplex_trio.duplex.work.connectivity import Connectivity
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.fetched import Fetched
from simplex_trio.duplex.work.fetching import Fetching
from simplex_trio.duplex.work.files.works import FileWorks
from simplex_trio.duplex.work.lanes import Lanes
from simplex_trio.duplex.work.moving import Moving
from simplex_trio.duplex.work.notifying import NotificationsWork
from simplex_trio.duplex.work.ntf_routers import NTFConnector, NTFRouters, direct_ntf_connector
from simplex_trio.duplex.work.routers import Routers
from simplex_trio.duplex.work.subscriptions import Subscriptions
from simplex_trio.duplex.work.upkeep import Upkeep
from simplex_trio.duplex.work.watches import Watches
from simplex_trio.nursery import open_inner_nursery

__all__ = ["DuplexAgent"]

T = TypeVar("T")


class DuplexAgent(ConnectingCalls, OperatingCalls, FileCalls):
    """An agent; `open_duplex_agent` opens one.

    Methods that change something return when that is stored.  Those with ``wait`` then wait until
    the network has done its part, or raise why it has not; without, an event tells.  Either way the
    work goes on in the background, and is not undone if the call is cancelled or raises.

    All methods belong to the thread of the Trio program; any number of tasks may use them at once.
    They raise `UnknownConnection` for an id that is not known or is being deleted, a `StoreError`
    if the store cannot be used, and `trio.ClosedResourceError` once the agent is closed.
    """

    def __init__(
        self,
        config: DuplexConfig,
        store: DuplexStore,
        agent: SMPClientAgent,
        kem_stock: KEMStock | None,
        *,
        subscribes: bool = True,
        ntf_connector: NTFConnector | None = None,
        folder: Path | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._agent = agent
        self._events = DuplexEvents(store)
        self._watches = Watches()
        self._core = Core(config, store, self._events, kem_stock, self._watches)
        routers = Routers(config, agent, config.agent.random_fraction)
        self._routers = routers
        self._terms = AgentTerms(config, routers, has_kem=kem_stock is not None)
        activities = Activities()
        fetched = Fetched()
        self._subscribes = subscribes
        self._subscriptions = Subscriptions(
            self._core, agent, routers, self._events, activities, fetched
        )
        ntf_routers = NTFRouters(ntf_connector or direct_ntf_connector(config.agent.client))
        notifying = NotificationsWork(self._core, routers, ntf_routers)
        attempts = Attempts(self._core, routers, self._subscriptions, fetched, notifying)
        self._lanes = Lanes(attempts, activities, self._watches)
        self._connectivity = Connectivity(
            agent,
            activities,
            store,
            ntf_routers,
            config.slowness,
            wake=self._wake,
            renew_files=lambda: self._file_works.renew(),
        )
        self._notifications = Notifications(
            self._core,
            notifying,
            Fetching(self._core, routers, self._subscriptions, activities, fetched),
            lambda: self._lanes.try_now(NO_CONNECTION),
        )
        self._file_works = FileWorks(config, self._core, self._events, activities, folder)
        self._core.set_work = self._lanes.set_work
        self._core.set_file_work = self._file_works.set_work
        self._core.leave = routers.leave_peer
        moving = Moving(config.rotation, self._core, routers, self._subscriptions, activities)
        self._upkeep = Upkeep(
            config,
            self._core,
            store,
            self._lanes,
            self._subscriptions,
            activities,
            self._connectivity,
            ntf_routers,
            moving,
        )

    def _wake(self) -> None:
        self._lanes.try_now()
        self._file_works.wake()

    def __repr__(self) -> str:
        return f"<DuplexAgent: {self._subscriptions!r}, {self._lanes!r}>"

    @property
    def events(self) -> DuplexEvents:
        """What happens, in the order in which it was stored."""
        return self._events

    @property
    def notifications(self) -> Notifications:
        """Being woken up by a push service when messages come."""
        return self._notifications

    # --- sending --------------------------------------------------------------------------------

    async def send(
        self, connection_id: str, body: bytes, *, notify: bool = True, pq: bool | None = None
    ) -> int:
        """Queue a message for the peer, and return its id once it is stored.

        `MessageSent` tells that the peer's router has it, `ReceiptReceived` that the peer's program
        has, if that sends receipts.  ``notify`` is whether the peer's device may show that
        something came; ``pq`` switches the KEM on or off from here on.

        Raises `TooLarge`, `LimitReached`, `NotSynchronised` while the two sides have no ratchet in
        common, which is the case between `RatchetBroken` or `SecurityCodeChanged` and
        `Resynchronised`, and `CannotSend` if the connection is not far enough.
        """
        return await self.transact(lambda t: t.send(connection_id, body, notify=notify, pq=pq))

    async def broadcast(
        self,
        connection_ids: Sequence[str],
        body: bytes,
        *,
        notify: bool = True,
        pq: bool | None = None,
        most_queued: int | None = None,
    ) -> list[SendOutcome]:
        """Queue one message for many peers, whose body is stored once; all of it in one step.

        Returns for each connection what `send` does, or the error that it would raise: there is
        less room where the KEM is used.  Peers for whom ``most_queued`` messages wait already are
        left out: `LimitReached`.
        """
        return await self.transact(
            lambda t: t.broadcast(
                connection_ids, body, notify=notify, pq=pq, most_queued=most_queued
            )
        )

    # --- receiving ------------------------------------------------------------------------------

    async def acknowledge(self, message: PeerMessage, *, receipt: bytes | bool = False) -> None:
        """Say that a message is taken care of; it never comes again, and the next one can.

        With a ``receipt``, which may carry some bytes, the peer's program learns of it.  Raises
        `CannotAcknowledge` if the message does not wait for this.
        """
        await self.transact(lambda t: t.acknowledge(message, receipt=receipt))

    async def subscribe(self, connection_ids: Iterable[str] | None = None) -> None:
        """Receive again from connections that another program has subscribed to; all by default.

        An agent subscribes to all its connections by itself when it is opened.  Raises
        `UnknownConnection`, and subscribes to none, if any of the ids is not known.
        """
        wanted = None if connection_ids is None else set(connection_ids)

        def look(rows: SQLiteRows) -> dict[str, list[SubscribedQueue]]:
            step = Step(rows, self._core.moment())
            for connection_id in wanted or ():
                known(step, connection_id)
            return rows.queues_by_user()

        for user, queues in (await self._core.read(look)).items():
            chosen = [each for each in queues if wanted is None or each.connection_id in wanted]
            self._subscriptions.add(user, chosen)

    # --- moving ---------------------------------------------------------------------------------

    async def rotate(self, connection_id: str) -> None:
        """Move this side's queue of a connection to another router, if the agent has another.

        It goes on in the background, as far as the peer is there to answer, and
        `RotationProgress` tells how far it has come.  No message is lost or comes twice.  While
        the new queue is not used yet, a further call has another one made in its place.

        Raises `CannotRotate` if the connection is not ready, is suspended, or the peer was just
        told that it may use the new queue; and `NoServers`.
        """
        await self.transact(lambda t: t.rotate(connection_id))

    async def abort_rotation(self, connection_id: str) -> None:
        """Stay with the queue that was to be left; raises `CannotRotate` if it is too late."""
        await self.transact(lambda t: t.abort_rotation(connection_id))

    # --- looking --------------------------------------------------------------------------------

    async def connections(self, *, user: str | None = None) -> list[str]:
        """The ids of all connections, or of those of one user."""
        return await self._core.read(lambda rows: rows.connection_ids(user))

    async def status(self, connection_id: str) -> ConnectionStatus:
        """How far a connection has come."""
        return await self._core.read(
            lambda rows: status_of(Step(rows, self._core.moment()), connection_id)
        )

    # --- repairing ------------------------------------------------------------------------------

    async def resynchronise(self, connection_id: str, *, force: bool = False) -> None:
        """Make a new ratchet with the peer, after `RatchetBroken` for example; or answer the peer.

        `SecurityCodeChanged` tells when the peer has answered, and `Resynchronised` when messages
        can be sent again.  Until then nothing is sent: `send` raises `NotSynchronised`.  What was
        queued before is sent afterwards, and `DeliveryFailed` tells of messages that the peer's
        router has taken and the peer could not decrypt.

        If a new ratchet is being made already, this changes nothing; with ``force`` this side says
        again what the peer may have lost, or begins anew after an hour.  With ``force`` a new
        ratchet is made although nothing is wrong with the old one.

        Raises `CannotResynchronise` if nothing is wrong and this is not forced, if the connection
        is not ready, or if the peer's version knows no new ratchets.
        """
        await self.transact(lambda t: t.resynchronise(connection_id, force=force))

    # --- ending ---------------------------------------------------------------------------------

    async def suspend(self, connection_id: str) -> None:
        """Accept no more messages of a connection; those that its router has still come.

        `ConnectionSuspended` tells when its router refuses further ones.  This is permanent.
        """
        await self.transact(lambda t: t.suspend(connection_id))

    async def delete(self, connection_id: str, *, after_delivery: bool = False) -> None:
        """Delete a connection; `ConnectionDeleted` tells when its queues are gone.

        With ``after_delivery`` that begins when all queued messages are delivered or have failed,
        at most two days from now.  A queue whose router cannot be reached for a week is left to the
        router.  Calls that wait for the connection raise `UnknownConnection`.
        """
        await self.transact(lambda t: t.delete(connection_id, after_delivery=after_delivery))

    async def delete_user(self, user: str, *, after_delivery: bool = False) -> None:
        """Delete all connections of a user, as `delete` does; `UserDeleted` tells of the end.

        Users are known by their connections alone, so one who has none is gone at once.  Transfers
        of their files are cancelled, and what was sent is forgotten.
        """
        await self.transact(lambda t: t.delete_user(user, after_delivery=after_delivery))

    # --- lifetime -------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the agent until it is cancelled; called by `open_duplex_agent`."""
        try:
            subscribe = self.subscribe if self._subscribes else trio.lowlevel.checkpoint
            async with open_inner_nursery() as nursery:
                await nursery.start(self._file_works.run)
                await self._upkeep.run(subscribe, task_status=task_status)
        finally:
            self._events.end()
            self._watches.end()
