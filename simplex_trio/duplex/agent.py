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

from collections.abc import Callable, Collection, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, TypeVar, overload

import trio
from attrs import evolve

from simplex_trio.agent.agent import SMPClientAgent
from simplex_trio.client.router_errors import RouterError
from simplex_trio.duplex.agent_terms import AgentTerms
from simplex_trio.duplex.config import DuplexConfig, Network, Server
from simplex_trio.duplex.errors import AlreadyJoined, LinkNotUsable, UnknownConnection
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionFailed,
    InvitationReady,
    PeerMessage,
    RequestReceived,
)
from simplex_trio.duplex.file_calls import FileCalls
from simplex_trio.duplex.kem_stock import KEMStock
from simplex_trio.duplex.links import LinkPreview, preview
from simplex_trio.duplex.machine.connection import SubscribedQueue
from simplex_trio.duplex.machine.joining import known_connection, link_problem, look_at
from simplex_trio.duplex.machine.notifying import NO_CONNECTION
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.notifications import Notifications
from simplex_trio.duplex.server_checks import ServerCheck, check_server
from simplex_trio.duplex.statistics import DuplexStatistics
from simplex_trio.duplex.status import ConnectionStatus, status_of
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import DuplexStore
from simplex_trio.duplex.transaction import (
    Invitation,
    SendOutcome,
    Transaction,
    accept,
    known,
    run_transaction,
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
from simplex_trio.duplex.work.watches import Outcome, Watch, Watches
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.metrics import serve_metrics
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkContent
from simplex_trio.wire.duplex.links import Link
from simplex_trio.wire.duplex.owners import LinkDataInvalid
from simplex_trio.wire.duplex.short_links import (
    ContactKind,
    ShortContactLink,
    ShortInvitationLink,
)
from simplex_trio.xftp.client_config import XFTPClientConfig

__all__ = ["DuplexAgent"]

T = TypeVar("T")


class DuplexAgent(FileCalls):
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

    # --- connecting -----------------------------------------------------------------------------

    @overload
    async def create(
        self,
        *,
        info: bytes = b"",
        short: bool = False,
        data: bytes = b"",
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: Literal[True] = True,
    ) -> Invitation: ...

    @overload
    async def create(
        self,
        *,
        info: bytes = b"",
        short: bool = False,
        data: bytes = b"",
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: Literal[False],
    ) -> str: ...

    @overload
    async def create(
        self,
        *,
        info: bytes = b"",
        short: bool = False,
        data: bytes = b"",
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: bool,
    ) -> Invitation | str: ...

    async def create(
        self,
        *,
        info: bytes = b"",
        short: bool = False,
        data: bytes = b"",
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: bool = True,
    ) -> Invitation | str:
        """Make an invitation, which one peer can join; returns its links.

        Without ``wait`` it returns the connection's id, and `InvitationReady` tells the links.

        With ``short`` there is a short link too, which shows ``data`` to all who have it.  ``info``
        is what the peer is told when it is accepted, unless `accept` says otherwise.  ``pq`` is
        whether to use the post-quantum KEM, if not as configured; ``notify`` whether
        `notifications` tell of its messages.

        With ``wait`` it raises the error of the last server if no server makes a queue, and nothing
        is left of the invitation.  Raises `TooLarge` if ``info`` or ``data`` does not fit, and as
        all calls that make a connection, `LimitReached` if the user has as many as allowed.
        """
        return await self._created(
            lambda t: t.create(info=info, short=short, data=data, pq=pq, notify=notify, user=user),
            wait=wait,
        )

    @overload
    async def create_address(
        self,
        *,
        short: bool = True,
        data: bytes = b"",
        client_data: str | None = None,
        kind: ContactKind = ContactKind.CONTACT,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: Literal[True] = True,
    ) -> Invitation: ...

    @overload
    async def create_address(
        self,
        *,
        short: bool = True,
        data: bytes = b"",
        client_data: str | None = None,
        kind: ContactKind = ContactKind.CONTACT,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: Literal[False],
    ) -> str: ...

    @overload
    async def create_address(
        self,
        *,
        short: bool = True,
        data: bytes = b"",
        client_data: str | None = None,
        kind: ContactKind = ContactKind.CONTACT,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: bool,
    ) -> Invitation | str: ...

    async def create_address(
        self,
        *,
        short: bool = True,
        data: bytes = b"",
        client_data: str | None = None,
        kind: ContactKind = ContactKind.CONTACT,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: bool = True,
    ) -> Invitation | str:
        """Make a contact address, through which any number of peers can ask for a connection.

        ``data`` is what its short link shows, and can be changed.  ``client_data`` is in both links
        for good, also if the short one is made anew: apps mark groups so.  ``kind`` is what the
        short link says that it leads to.  See `create` for the rest.

        Raises `TooLarge` if ``data`` does not fit, or for more than 1,024 bytes of ``client_data``,
        and `ValueError` for the address of a service.
        """
        return await self._created(
            lambda t: t.create_address(
                short=short,
                data=data,
                client_data=client_data,
                kind=kind,
                pq=pq,
                notify=notify,
                user=user,
            ),
            wait=wait,
        )

    async def create_with(self, decide: Callable[[Transaction], str]) -> Invitation:
        """Make an invitation or an address in a transaction, and wait for its links.

        ``decide`` is as for `transact`, and returns the id of the connection that it has made by
        `Transaction.create` or `Transaction.create_address`.  So a program can note whose it is
        before anything happens on the network.  Raises as these and `create` do; what ``decide``
        has stored beside the connection stays then, and is for the program to remove.
        """
        deleted: list[str] = []

        def take(step: Step) -> str:
            connection_id, deleted[:] = run_transaction(step, self._terms, decide)
            return connection_id

        outcome = await self._outcome(take, stored=lambda: self._transacted((None, deleted)))
        assert isinstance(outcome, InvitationReady)
        return Invitation(outcome.connection_id, outcome.link, outcome.short_link)

    async def _created(
        self, decide: Callable[[Transaction], str], *, wait: bool
    ) -> Invitation | str:
        if not wait:
            return await self.transact(decide)
        outcome = await self._outcome(self._step_of(decide))
        assert isinstance(outcome, InvitationReady)
        return Invitation(outcome.connection_id, outcome.link, outcome.short_link)

    async def join(
        self,
        link: Link | str,
        info: bytes = b"",
        *,
        decides: bool = False,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
        wait: bool = True,
    ) -> str:
        """Join an invitation, or ask a contact address for a connection; returns its id.

        ``info`` is what the peer's program is told.  When the owner of a contact address accepts,
        the agent answers with the same ``info``, and `PeerInfo` tells what the owner says.  With
        ``decides`` that is `ConfirmationReceived`, and the program answers with `accept` or
        `reject`.  For an invitation ``decides`` means nothing.

        With ``wait`` it returns when the peer's
        router has the confirmation or the request.  If it raises, the agent keeps trying as long as
        that can help: the same call again waits for the same connection.  If nothing can help, the
        connection is deleted, and nothing is left of it but events.  Without ``wait`` it is left to
        the program to delete it when `ConnectionFailed` comes.

        Raises `NotALink`, `LinkNotUsable`, `NeedsNewerAgent` or `NoCommonDuplexVersion` for what
        cannot be joined, and `AlreadyJoined` for what was.
        """
        decide = self._step_of(
            lambda t: t.join(link, info, decides=decides, pq=pq, notify=notify, user=user)
        )
        return await self._joined(decide, wait=wait)

    async def _joined(self, decide: Callable[[Step], str], *, wait: bool) -> str:
        if not wait:
            return await self._core.step(decide)
        try:
            outcome = await self._outcome(decide)
        except RouterError as exc:
            if exc.retryable:
                raise
            raise LinkNotUsable("a router does not know the link, or refuses it") from exc
        if isinstance(outcome, ConnectionFailed):
            raise LinkNotUsable(f"the connection cannot be made: {outcome.problem.value}")
        return outcome.connection_id

    async def accept(
        self,
        event: ConfirmationReceived | RequestReceived,
        info: bytes | None = None,
        *,
        pq: bool | None = None,
        notify: bool = True,
        wait: bool = False,
    ) -> str:
        """Accept a peer, and return the id of the connection, which `ConnectionReady` tells of.

        Accepting a confirmation never waits: ``wait`` is for requests, which are joined.

        Accepting a request makes a new connection.  Accepting again what was accepted does nothing,
        and returns the same id; raises `CannotAccept` for anything else that does not wait to be
        accepted.
        """

        def decide(step: Step) -> str:
            return accept(step, self._terms, event, info, pq=pq, notify=notify)

        if isinstance(event, ConfirmationReceived):
            return await self._core.step(decide)
        try:
            return await self._joined(decide, wait=wait)
        except AlreadyJoined as exc:
            return exc.connection_id

    async def reject(self, event: ConfirmationReceived | RequestReceived) -> None:
        """Refuse a peer, which is not told: a request is forgotten, a connection deleted."""
        await self.transact(lambda t: t.reject(event))

    async def _outcome(
        self, decide: Callable[[Step], str], *, stored: Callable[[], None] = lambda: None
    ) -> Outcome:
        """What comes of a step that begins something, or the error of the first attempt at it."""
        watches: list[Watch] = []

        def begun(connection_id: str) -> None:
            watches.append(self._watches.add(connection_id))
            stored()

        try:
            # The call waits from before the work begins, so nothing can be missed.
            connection_id = await self._core.step(decide, stored=begun)
            self._lanes.try_now(connection_id)
            return await watches[0].wait()
        finally:
            for watch in watches:
                self._watches.remove(watch)

    async def prepare_address(
        self,
        *,
        data: bytes = b"",
        client_data: str | None = None,
        kind: ContactKind = ContactKind.CONTACT,
        server: ServerAddress | str | None = None,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
    ) -> Invitation:
        """Make a contact address whose links are known at once; its queue is created afterwards.

        ``server`` is one of the agent's own by default; see `create_address` for the rest.  Nothing
        can be sent to the address before `InvitationReady` tells that the queue is there.  If the
        program crashes in the moment in which the router answers, or the answer gets lost, that
        queue is out of reach and cannot be made again: `ConnectionFailed`.  So pass the links on
        after `InvitationReady`, or be ready to replace them.
        """
        return await self.transact(
            lambda t: t.prepare_address(
                data=data,
                client_data=client_data,
                kind=kind,
                server=server,
                pq=pq,
                notify=notify,
                user=user,
            )
        )

    async def look(self, link: Link | str, *, user: str = "") -> LinkPreview:
        """Find out what a link is, and whether it was joined already, without joining it.

        Reading a one-time short link reserves it: from then on only this user can join it.  One
        that was joined is not read again, as it is gone once the peer knows.

        Raises `NotALink`, `LinkNotUsable` if the link's data is not what the link promises,
        `NeedsNewerAgent` if it cannot be read here, and the errors of reaching its router.
        """
        parsed = self._terms.parsed(link)
        joined = await self._core.read(lambda rows: known_connection(rows, parsed, user))
        content = None
        is_used = isinstance(parsed, ShortInvitationLink) and joined is not None
        if isinstance(parsed, ShortInvitationLink | ShortContactLink) and not is_used:
            content = await self._read_data(parsed, user)
        return preview(self._config, parsed, content, joined)

    async def _read_data(
        self, link: ShortInvitationLink | ShortContactLink, user: str
    ) -> LinkContent:
        key = None
        if isinstance(link, ShortInvitationLink):
            one_time = link
            key = await self._core.step(lambda step: look_at(step, one_time, user=user))
        try:
            return await self._routers.read_link(link, key, user)
        except LinkDataInvalid as exc:
            raise link_problem(exc) from exc

    async def change_link(self, connection_id: str, data: bytes | None) -> None:
        """Let a short link show ``data`` from now on, or delete the link if that is `None`.

        A contact address without a short link gets one.  `LinkUpdated` tells when the router has
        it.  Raises `TooLarge`, or `NotAnAddress` if the connection has no link.
        """
        await self.transact(lambda t: t.change_link(connection_id, data))

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

    # --- several things at once -----------------------------------------------------------------

    async def transact(
        self,
        decide: Callable[[Transaction], T],
        *,
        takes_event: bool = False,
        durable: bool = True,
    ) -> T:
        """Make several calls, and change records of the program's own, in one transaction.

        ``decide`` is called with a `Transaction`, which has the calls of the agent that need no
        network, and `Transaction.kept`, the program's records.  When this returns what ``decide``
        does, all of that is stored; if ``decide`` raises, nothing is, and its error is raised here.
        So a message can be acknowledged together with what was learned from it and the answer to
        it, and no crash comes between.

        ``decide`` is a plain function, and runs in the thread of the store, which everything else
        waits for: it should take milliseconds.  **It may be called again after it has failed or
        even returned**, so it must change nothing but the transaction.  With ``takes_event`` the
        event that this task has received last from `events` is taken in the same transaction, if it
        is no `PeerMessage`.  Without ``durable`` a loss of power may undo a transaction from which
        no work follows; then a `StoreError` may also mean that all is stored and may be undone.

        If it is cancelled before it is its turn, nothing happens; later, it is too late.
        """
        number = self._events.in_hand if takes_event else None

        def take(step: Step) -> tuple[T, list[str]]:
            if number is not None:
                step.rows.delete_events([number])
            return run_transaction(step, self._terms, decide)

        value, _ = await self._core.step(
            take, durable=True if durable else None, stored=self._transacted
        )
        if number is not None:
            self._events.taken(number)
        return value

    def _transacted(self, outcome: tuple[object, list[str]]) -> None:
        for connection_id in outcome[1]:
            self._watches.failed(connection_id, UnknownConnection())

    def _step_of(self, decide: Callable[[Transaction], T]) -> Callable[[Step], T]:
        return lambda step: run_transaction(step, self._terms, decide)[0]

    # --- looking --------------------------------------------------------------------------------

    async def connections(self, *, user: str | None = None) -> list[str]:
        """The ids of all connections, or of those of one user."""
        return await self._core.read(lambda rows: rows.connection_ids(user))

    async def status(self, connection_id: str) -> ConnectionStatus:
        """How far a connection has come."""
        return await self._core.read(
            lambda rows: status_of(Step(rows, self._core.moment()), connection_id)
        )

    def statistics(self) -> DuplexStatistics:
        """What is done with each router, in numbers, since the store was made.

        Counters are stored every five minutes and at the end, so a crash loses some of them.
        """
        return self._core.tally.read(self._agent.router_numbers())

    async def serve_metrics(
        self,
        port: int,
        *,
        prefix: str = "simplex_agent_",
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Answer Prometheus at ``/metrics`` on ``port`` of 127.0.0.1 until cancelled.

        There is a metric for each sum in `statistics`.  The status is the actual port.  Raises
        `MetricsSupportMissing` without the extra ``metrics``, or `OSError`.
        """
        await serve_metrics(self.statistics, port, prefix, task_status=task_status)

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

    async def drain(self, connection_ids: Collection[str] | None = None) -> None:
        """Wait until nothing is left to do on the network for these connections, or for all.

        For all includes files, apart from those that wait to be approved.

        Then routers have taken all messages, receipts and acknowledgements, and what remains is up
        to the peers.  For programs that are about to end; one that does not wait goes on with the
        rest when it is started again.  It waits for as long as a router cannot be reached.
        """
        await self._lanes.wait_until_idle(connection_ids)
        if connection_ids is None:
            await self._file_works.lanes.wait_until_idle()

    # --- servers --------------------------------------------------------------------------------

    def servers(self, *, user: str = "") -> tuple[Server, ...]:
        """The servers on which queues of a user are made."""
        return self._routers.servers_of(user)

    def set_servers(
        self,
        servers: Iterable[Server | ServerAddress | str] | None,
        *,
        user: str | None = None,
    ) -> None:
        """Replace the servers of one user, or of all users who have no list of their own.

        `None` takes a user's own list away.  They count for whatever is done next, what waits for
        another attempt included; queues that are there stay where they are.  They are not stored:
        an agent that is opened again has those of its configuration.
        """
        self._routers.change_servers(servers, user)
        self._lanes.try_now()

    async def test_server(
        self, server: Server | ServerAddress | str, *, xftp: XFTPClientConfig | None = None
    ) -> ServerCheck:
        """Do once what is needed of a router, over a connection of its own.

        With a router for messages it connects, and makes, secures and deletes a queue; with one for
        files it registers, uploads, downloads and deletes a small one.  A password in the address
        is used.  The steps until the first that fails are told, with its error; what was made is
        deleted then too, if that is possible.

        ``xftp`` is how routers for files are connected to, if not as for the agent's files.  Raises
        `ValueError` for the address of a router of another kind, and `XFTPSupportMissing` without
        the extra ``xftp``.
        """
        if xftp is None:
            config = self._config
            xftp = evolve(config.files.client, connect=config.agent.client.transport)
        label = f"test|{self._config.random_bytes(16).hex()}"
        return await check_server(server, self._agent, xftp=xftp, label=label)

    # --- the network, and pauses ----------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The network as it was described last; `Network.ORDINARY` at first."""
        return self._connectivity.network

    def set_network(self, network: Network, *, changed: bool = False) -> None:
        """Say what the network of this machine is, whenever the system reports that it changes.

        While it is `Network.LOST` nothing is tried, no timer runs, and work waits; connections stay
        in case they turn out to work.  `create`, `join` and other calls that wait for the network
        raise `NetworkLost` at once, as if the attempt had failed; without ``wait`` they are done
        later.  `drain` goes on waiting.  A loss that is reported less than two seconds after the
        network was there counts after these two seconds, unless it is back by then.

        When it is there again everything is tried at once.  If it is another one, either of another
        kind than before the loss or because ``changed`` says so, all connections are closed first,
        and made anew; their time-outs are longer on one that is `Network.SLOW`.
        """
        self._connectivity.set_network(network, changed=changed)

    def network_came_back(self) -> None:
        """Retry everything that waits for its next attempt at once.

        It ends `Network.LOST`: the network is what it was before that.
        """
        self._connectivity.came_back()

    @property
    def is_paused(self) -> bool:
        """Whether the agent is paused, or about to be."""
        return self._connectivity.is_paused

    async def pause(self, *, within: float = 10) -> bool:
        """Let the agent come to rest, for a program or a machine that is about to be suspended.

        At first nothing more is received; then the messages that are being sent end, then all other
        work on the network, and at last everything is in the store, which is not used any more.
        All connections are closed then, and until `resume` nothing is tried and no timer runs.
        Returns whether all of that came to its end by itself.  What is not at its end ``within`` so
        many seconds, or when the call is cancelled, is cut off: nothing is lost by that, as it is
        done again after `resume`, or after a restart.

        Calls and events go on: messages are stored and sent later.  Calls that wait for the network
        raise `NetworkLost`.
        """
        return await self._connectivity.pause(within)

    def resume(self) -> None:
        """End a pause: connect again, and go on with everything at once."""
        self._connectivity.resume()

    # --- the store ------------------------------------------------------------------------------

    async def back_up(self, path: str | PathLike[str]) -> None:
        """Copy the agent's file to ``path``, where nothing may be, while everything goes on.

        The copy has all that was stored before this call, and some of what is stored meanwhile.  It
        is encrypted if the file is, with the same key.

        **A backup is for the loss of the file, and only the latest one is of any use.**  The keys
        of a connection change with each message on both sides.  An agent that goes on from an older
        state would encrypt new messages with keys that it has used already, so that those who have
        both messages could read them; messages that came meanwhile do not come again.  So all
        connections need new ratchets then: `RatchetBroken` tells that of each.

        A backup that takes the place of the file is therefore refused with `StoreIncomplete`, by
        the mark that is beside the file, or because there is none; except for ``accept_loss``, with
        which it opens.  Never copy a mark with a backup: the agent could not notice.

        If cancelled, or if it raises, there is nothing at ``path``.  Raises `StoreUnavailable` if
        there is something already, or it cannot be written, and `ValueError` if the agent keeps
        everything in memory.
        """
        await self._store.back_up(Path(path))

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
