"""`OwnerWork`: what is done with the queues that this side receives from."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.client.smp.queues import ReceivingQueue as MadeQueue
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.config import Server
from simplex_trio.duplex.events import InvitationReady, Problem
from simplex_trio.duplex.machine.acknowledging import acknowledged
from simplex_trio.duplex.machine.connection import ReceivingQueue, ReceivingStatus
from simplex_trio.duplex.machine.creating import (
    is_offered,
    link_changed,
    queue_created,
    queue_not_created,
)
from simplex_trio.duplex.machine.deleting import (
    queue_deleted,
    queue_suspended,
)
from simplex_trio.duplex.machine.handshake import receiver_secured
from simplex_trio.duplex.machine.ordering import is_early
from simplex_trio.duplex.machine.push_records import MadeNotifier
from simplex_trio.duplex.machine.queues import (
    CreatedQueue,
    PlannedQueue,
    link_update,
    plan_queue,
)
from simplex_trio.duplex.machine.receiving import (
    old_queue_drained,
    wait_for_turn,
)
from simplex_trio.duplex.machine.rotating import new_queue_failed
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    DrainQueue,
    SecureAsReceiver,
    SuspendQueue,
    UpdateLink,
    WaitForOther,
)
from simplex_trio.duplex.statistics import AgentCount
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.fetched import Fetched
from simplex_trio.duplex.work.lanes import DONE, Done
from simplex_trio.duplex.work.routers import NETWORK_ERRORS, Routers, failure_of, is_temporary
from simplex_trio.duplex.work.settling import Settling, permanent
from simplex_trio.duplex.work.subscriptions import Subscriptions
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE
from simplex_trio.errors import TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.versions import SMPVersion

__all__ = ["OwnerWork"]


_LAST_MESSAGES = 3
"""So many seconds after an old queue was empty it may still get what the peer has sent to it just
before it went on to the new one, if something is missing."""


def _access(queue: ReceivingQueue) -> QueueAccess:
    return QueueAccess(queue.recipient_id, queue.auth_key, queue.delivery_key)


class OwnerWork(Settling):
    """Work on queues of this side.

    Each method tries once.  It raises what may pass by itself, and stores what is the outcome.
    """

    def __init__(
        self, core: Core, routers: Routers, subscriptions: Subscriptions, fetched: Fetched
    ) -> None:
        super().__init__(core, routers)
        self._subscriptions = subscriptions
        self._fetched = fetched

    async def _owner(self, c: OpenConnection, queue: ReceivingQueue) -> SMPClient:
        return await self._routers.owner(*self._place(c, queue))

    def _place(self, c: OpenConnection, queue: ReceivingQueue) -> tuple[ServerAddress, str]:
        """Where a queue is, and what separates it from others."""
        assert queue.server is not None
        label = self._routers.label(c.row.user, queue.server, queue.e2e_key.public.raw)
        return queue.server, label

    # --- creating -------------------------------------------------------------------------------

    async def create(self, work: CreateQueue) -> float | None:
        """Create a queue on the first server that makes one; returns how long to wait if none is.

        An agent without servers leaves this to one with some, which may be opened next.
        """
        c, queue = work.connection, work.receiving
        failures: list[Exception] = []
        servers = self._routers.servers_for_queue(_servers_in_use(c), queue.server, c.row.user)
        if queue.replaces:
            left = c.receiving[queue.replaces].server
            servers.sort(key=lambda server: server.address == left)
        if not servers:
            return math.inf
        for server in servers:
            try:
                planned = plan_queue(c, queue, server.address, self._core.moment())
                client, made, notifier = await self._make(work, server, planned)
            except NETWORK_ERRORS as exc:
                failures.append(exc)
                self._core.tally.failed(server.address, exc)
                continue
            self._core.tally.add(server.address, AgentCount.QUEUES_CREATED)
            await self._keep(work, planned, client, made, notifier)
            return None
        is_watched = self._core.watches.is_watched(c.connection_id)
        if is_offered(c) and is_watched and not queue.replaces:
            # The call raises, and the link was not given out: nothing is to be left.
            await self._settle(work, lambda step, c: queue_not_created(step, c))
            self._core.watches.failed(c.connection_id, failures[-1])
        elif any(map(is_temporary, failures)):
            raise next(filter(is_temporary, failures))
        elif queue.replaces:
            await self._rotation_fails(work, failures[-1])
        else:
            # A link has no room for many hosts of a router beside much client data.
            is_too_large = isinstance(failures[-1], TooLarge)
            await self._fail(work, failures[-1], Problem.TOO_LARGE if is_too_large else None)
        return None

    async def _rotation_fails(self, work: CreateQueue | SecureAsReceiver, error: Exception) -> None:
        """The new queue of a connection cannot be used; the connection goes on with the old one."""
        problem = failure_of(error).problem
        await self._settle(work, lambda step, c: new_queue_failed(step, c, work.number, problem))

    async def _make(
        self, work: CreateQueue, server: Server, planned: PlannedQueue
    ) -> tuple[SMPClient, MadeQueue, MadeNotifier | None]:
        c, queue = work.connection, work.receiving
        label = self._routers.label(c.row.user, server.address, queue.e2e_key.public.raw)
        is_watched = self._core.watches.is_watched(c.connection_id)
        client = await self._routers.owner(server.address, label)
        has_modes = client.version >= SMPVersion.SENDER_SECURES
        notifier_key = None
        can_notify = client.version >= SMPVersion.NEW_WITH_NOTIFIER
        # Otherwise it gets a notifier as a queue does that there is already.
        if can_notify and self._core.notifications.adds_notifiers and c.row.notify:
            notifier_key = self._core.moment().ed25519_key()
        made = await client.create_queue(
            planned.request if has_modes else None,
            key=queue.auth_key,
            dh_key=self._core.moment().x25519_key(),
            notifier_key=None if notifier_key is None else notifier_key.public,
            basic_auth=server.basic_auth,
            subscribe=False,
            correlation_id=planned.correlation_id,
            patience=INTERACTIVE if is_watched else BACKGROUND,
        )
        return client, made, _notifier(notifier_key, made)

    async def _keep(
        self,
        work: CreateQueue,
        planned: PlannedQueue,
        client: SMPClient,
        made: MadeQueue,
        notifier: MadeNotifier | None,
    ) -> None:
        c = work.connection
        created = CreatedQueue(
            made.recipient_id, made.sender_id, made.delivery_key, made.mode, made.link_id, notifier
        )
        try:
            kept = await self._settle(work, partial(self._created, work, planned, created))
        except TooLarge as exc:
            await self._fail(work, exc, Problem.TOO_LARGE)
            return
        if kept is None:
            # The connection was deleted meanwhile.
            with suppress(*NETWORK_ERRORS):
                await client.delete(QueueAccess(made.recipient_id, made.key, made.delivery_key))
            return
        queue, link = kept
        self._subscriptions.add(c.row.user, [queue])
        if link is not None and not self._core.watches.finished(link):
            # The call was cancelled meanwhile.
            await self._settle(work, lambda step, _: step.tell(link))

    def _created(
        self,
        work: CreateQueue,
        planned: PlannedQueue,
        created: CreatedQueue,
        step: Step,
        c: OpenConnection,
    ) -> tuple[ReceivingQueue, InvitationReady | None] | None:
        queue = c.receiving.get(work.number)
        if queue is None or queue.status is not ReceivingStatus.PLANNED:
            return None
        tell = not self._core.watches.is_watched(c.connection_id)
        link = queue_created(step, c, work.number, planned, created, tell=tell)
        return c.receiving[work.number], None if tell else link

    # --- everything else ------------------------------------------------------------------------

    async def secure(self, work: SecureAsReceiver) -> None:
        """Make a queue the peer's alone."""
        queue = work.receiving
        assert queue.sender_key is not None
        client = await self._owner(work.connection, queue)
        try:
            await client.secure(_access(queue), queue.sender_key, patience=BACKGROUND)
        except NETWORK_ERRORS as exc:
            error = permanent(exc)
            if queue.replaces:
                await self._rotation_fails(work, error)
            else:
                await self._fail(work, error)
            return
        await self._settle(work, lambda step, c: receiver_secured(step, c, queue.number))

    async def acknowledge(self, work: AcknowledgeMessage) -> Done:
        """Let the router delete a message and deliver the next one."""
        queue = work.receiving
        server, label = self._place(work.connection, queue)
        connection_id = work.connection.connection_id
        label = self._fetched.label(connection_id, queue.number, label)
        client = await self._routers.owner(server, label)
        self._subscriptions.acknowledges(queue)
        try:
            await client.acknowledge(_access(queue), queue.broker_id)
        except NETWORK_ERRORS as exc:
            permanent(exc)  # a message that the router does not have is acknowledged
        else:
            self._core.tally.add(queue.server, AgentCount.ACKNOWLEDGED)
        self._fetched.acknowledged(connection_id, queue.number)
        self._settle_later(
            work, lambda step, c: acknowledged(step, c, queue.number, queue.broker_id)
        )
        return DONE

    async def update_link(self, work: UpdateLink) -> None:
        """Replace what a link shows, or delete it."""
        queue = work.receiving
        client = await self._owner(work.connection, queue)
        problem = None
        try:
            if queue.wants_link:
                link_id, data = link_update(work.connection, queue, self._core.moment())
                await client.set_link(_access(queue), link_id, data, patience=BACKGROUND)
            else:
                await client.delete_link(_access(queue), patience=BACKGROUND)
        except NETWORK_ERRORS as exc:
            problem = failure_of(permanent(exc)).problem
        await self._settle(work, lambda step, c: link_changed(step, c, queue, problem))

    async def suspend(self, work: SuspendQueue) -> None:
        """Let a queue accept nothing more."""
        queue = work.receiving
        client = await self._owner(work.connection, queue)
        try:
            await client.suspend(_access(queue), patience=BACKGROUND)
        except NETWORK_ERRORS as exc:
            permanent(exc)  # a queue that is gone accepts nothing either
        await self._settle(work, lambda step, c: queue_suspended(step, c, queue.number))

    async def drain(self, work: DrainQueue, attempt: int) -> float | None:
        """See whether a queue that the peer has left is empty, and wait for what is in it."""
        queue = work.receiving
        try:
            client = await self._owner(work.connection, queue)
            size = (await client.queue_info(_access(queue), patience=BACKGROUND)).size
        except NETWORK_ERRORS as exc:
            permanent(exc)
            size = 0  # the queue is gone, or its router cannot tell
        if size:
            return self.wait(attempt)  # it is being delivered
        something_is_missing = any(map(is_early, work.connection.receiving.values()))
        if something_is_missing and attempt == 0:
            return _LAST_MESSAGES  # the peer may just have sent it
        await self._settle(work, lambda step, c: old_queue_drained(step, c, queue.number))
        return None

    async def wait_for_other(self, work: WaitForOther) -> float | None:
        """Process a message whose turn has not come for too long."""
        return await self._settle(work, lambda step, c: wait_for_turn(step, c, work.number))

    async def delete(self, work: DeleteQueue) -> None:
        """Delete a queue."""
        queue = work.receiving
        self._subscriptions.remove(work.connection.row.user, queue)
        try:
            client = await self._owner(work.connection, queue)
            await client.delete(_access(queue), patience=BACKGROUND)
        except NETWORK_ERRORS as exc:
            permanent(exc)  # a queue that the router does not know is deleted
            self._core.tally.failed(queue.server, exc)
        else:
            self._core.tally.add(queue.server, AgentCount.QUEUES_DELETED)
        await self._settle(work, lambda step, c: queue_deleted(step, c, queue.number))
        self._routers.leave(*self._place(work.connection, queue))


def _servers_in_use(c: OpenConnection) -> list[ServerAddress]:
    """The servers that a connection uses, which another queue had better not be on."""
    used = [sending.server for sending in c.sending.values()]
    used += [queue.server for queue in c.receiving.values() if queue.server is not None]
    if c.row.address is not None:
        used.append(ContactURI.parse(c.row.address).queues[0].queue.server)
    return used


def _notifier(key: Ed25519PrivateKey | None, made: MadeQueue) -> MadeNotifier | None:
    """The notifier that a router has made together with a queue, if it was asked to."""
    if key is None or made.notifier is None:
        return None
    return MadeNotifier(key, made.notifier.notifier_id, made.notifier.key)
