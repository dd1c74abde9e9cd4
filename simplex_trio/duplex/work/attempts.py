"""`Attempts`: how each kind of work is done on the network, and what follows from its outcome."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from simplex_trio.client.smp import SMPClient
from simplex_trio.client.smp.queues import QueueAccess
from simplex_trio.duplex.errors import DuplexError
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
    go_on_deleting,
    queue_deleted,
    queue_not_deleted,
    queue_suspended,
)
from simplex_trio.duplex.machine.delivering import (
    SendFailure,
    delivered,
    not_delivered,
    outgoing,
)
from simplex_trio.duplex.machine.handshake import (
    fail,
    receiver_secured,
    request_sent,
    sender_secured,
)
from simplex_trio.duplex.machine.joining import link_read
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.queues import (
    CreatedQueue,
    PlannedQueue,
    link_update,
    plan_queue,
)
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    Deliver,
    ReadLink,
    SecureAsReceiver,
    SecureAsSender,
    SendRequest,
    SuspendQueue,
    UpdateLink,
    Work,
)
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.lanes import DONE, Done
from simplex_trio.duplex.work.routers import NETWORK_ERRORS, Routers, failure_of, is_temporary
from simplex_trio.duplex.work.subscriptions import Subscriptions
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.owners import LinkDataInvalid
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import (
    parse_short_link,
)
from simplex_trio.wire.smp.new_queue import QueueRequest
from simplex_trio.wire.versions import SMPVersion

T = TypeVar("T")

__all__ = ["Attempts", "access"]


def access(queue: ReceivingQueue) -> QueueAccess:
    """A queue as the client's commands of its owner take it."""
    return QueueAccess(queue.recipient_id, queue.auth_key, queue.delivery_key)


class Attempts:
    """The network's side of all work."""

    def __init__(self, core: Core, routers: Routers, subscriptions: Subscriptions) -> None:
        self._core = core
        self._routers = routers
        self._subscriptions = subscriptions

    async def __call__(self, work: Work, attempt: int) -> float | Done | None:
        """Try a work once; see `simplex_trio.duplex.work.lanes.Attempt`."""
        try:
            match work:
                case CreateQueue():
                    return await self._create_queue(work, attempt)
                case ReadLink():
                    await self._read_link(work)
                case SecureAsSender():
                    await self._secure_as_sender(work)
                case SecureAsReceiver():
                    await self._secure_as_receiver(work)
                case SendRequest():
                    await self._send_request(work)
                case AcknowledgeMessage():
                    return await self._acknowledge(work)
                case UpdateLink():
                    await self._update_link(work)
                case SuspendQueue():
                    await self._suspend(work)
                case DeleteQueue():
                    return await self._delete(work, attempt)
                case Deliver():
                    return await self._deliver(work)
        except NETWORK_ERRORS as exc:
            if not is_temporary(exc):
                raise
            self._core.watches.failed(work.connection.connection_id, exc)
            return self._wait(attempt)
        return None

    def _wait(self, attempt: int) -> float:
        """How long to wait after so many failures in a row."""
        backoff = self._core.config.command_backoff
        wait, elapsed = backoff.next_wait(None, 0), 0.0
        for _ in range(min(attempt, 64)):
            elapsed += wait
            wait = backoff.next_wait(wait, elapsed)
        return backoff.shortened(wait, self._core.config.agent.random())

    async def _fail(self, work: Work, error: Exception, problem: Problem) -> None:
        """The handshake cannot go on."""
        connection_id = work.connection.connection_id
        self._core.watches.failed(connection_id, error)

        def decide(step: Step) -> None:
            c = step.find(connection_id)
            if c is not None:
                fail(step, c, problem)

        await self._core.step_persistently(decide)

    # --- queues of this side --------------------------------------------------------------------

    async def _create_queue(self, work: CreateQueue, attempt: int) -> float | None:
        core, c, queue = self._core, work.connection, work.receiving
        row = c.row
        used = [sending.server for sending in c.sending.values()]
        if row.address is not None:
            used.append(ContactURI.parse(row.address).queues[0].queue.server)
        servers = self._routers.servers_for_queue(used, queue.server)
        failure: Exception | None = None
        for server in servers:
            moment = core.moment()
            planned = plan_queue(c, queue, server.address, moment)
            label = self._routers.label(row.user, server.address, queue.e2e_key.public.raw)
            is_watched = core.watches.is_watched(row.connection_id)
            try:
                client = await self._routers.owner(server.address, label)
                made = await client.create_queue(
                    _supported(planned.request, client.version),
                    key=queue.auth_key,
                    dh_key=moment.x25519_key(),
                    basic_auth=server.basic_auth,
                    subscribe=False,
                    correlation_id=planned.correlation_id,
                    patience=INTERACTIVE if is_watched else BACKGROUND,
                )
            except NETWORK_ERRORS as exc:
                failure = exc
                continue
            created = CreatedQueue(
                made.recipient_id, made.sender_id, made.delivery_key, made.mode, made.link_id
            )
            try:
                kept, link = await core.step_persistently(
                    partial(_queue_created, core, row.connection_id, queue.number, planned, created)
                )
            except TooLarge as exc:
                await self._fail(work, exc, Problem.TOO_LARGE)
                return None
            if kept is None:
                await client.delete(QueueAccess(made.recipient_id, made.key, made.delivery_key))
                return None
            self._subscriptions.add(row.user, [kept])
            if link is not None:
                core.watches.finished(link)
            return None
        if failure is None:
            failure = DuplexError("there is no server to make a queue on")
        if is_offered(c) and core.watches.is_watched(row.connection_id):
            await core.step_persistently(lambda step: _withdraw(step, row.connection_id))
            core.watches.failed(row.connection_id, failure)
            return None
        core.watches.failed(row.connection_id, failure)
        return self._wait(attempt)

    async def _secure_as_receiver(self, work: SecureAsReceiver) -> None:
        queue, connection_id = work.receiving, work.connection.connection_id
        assert queue.sender_key is not None
        client = await self._owner_of(work.connection, queue)
        try:
            await client.secure(access(queue), queue.sender_key, patience=BACKGROUND)
        except NETWORK_ERRORS as exc:
            if is_temporary(exc):
                raise
            await self._fail(work, exc, failure_of(exc).problem)
            return
        await self._core.step_persistently(
            lambda step: _on_receiving(step, connection_id, queue.number, receiver_secured)
        )

    async def _acknowledge(self, work: AcknowledgeMessage) -> Done:
        queue, connection_id = work.receiving, work.connection.connection_id
        client = await self._owner_of(work.connection, queue)
        try:
            await client.acknowledge(access(queue), queue.broker_id)
        except NETWORK_ERRORS as exc:
            # What the router does not know is acknowledged.
            if is_temporary(exc):
                raise
        self._core.step_later(
            lambda step: _on_receiving(
                step,
                connection_id,
                queue.number,
                lambda step, c, number: acknowledged(step, c, number, queue.broker_id),
            )
        )
        return DONE

    async def _update_link(self, work: UpdateLink) -> None:
        queue, connection_id = work.receiving, work.connection.connection_id
        client = await self._owner_of(work.connection, queue)
        problem = None
        try:
            if queue.wants_link:
                link_id, data = link_update(work.connection, queue, self._core.moment())
                await client.set_link(access(queue), link_id, data)
            else:
                await client.delete_link(access(queue))
        except NETWORK_ERRORS as exc:
            if is_temporary(exc):
                raise
            problem = failure_of(exc).problem
        await self._core.step_persistently(
            lambda step: _on_receiving(
                step,
                connection_id,
                queue.number,
                lambda step, c, _: link_changed(step, c, queue, problem),
            )
        )

    async def _suspend(self, work: SuspendQueue) -> None:
        queue, connection_id = work.receiving, work.connection.connection_id
        client = await self._owner_of(work.connection, queue)
        try:
            await client.suspend(access(queue), patience=BACKGROUND)
        except NETWORK_ERRORS as exc:
            if is_temporary(exc):
                raise
        await self._core.step_persistently(
            lambda step: _on_receiving(step, connection_id, queue.number, queue_suspended)
        )

    async def _delete(self, work: DeleteQueue, attempt: int) -> float | None:
        queue, connection_id = work.receiving, work.connection.connection_id
        self._subscriptions.remove(work.connection.row.user, queue)
        settle = queue_deleted
        try:
            client = await self._owner_of(work.connection, queue)
            await client.delete(access(queue), patience=BACKGROUND)
        except NETWORK_ERRORS as exc:
            if is_temporary(exc):
                settle = queue_not_deleted
        await self._core.step_persistently(
            lambda step: _on_receiving(step, connection_id, queue.number, settle)
        )
        return self._wait(attempt) if settle is queue_not_deleted else None

    async def _owner_of(self, c: OpenConnection, queue: ReceivingQueue) -> SMPClient:
        assert queue.server is not None
        label = self._routers.label(c.row.user, queue.server, queue.e2e_key.public.raw)
        return await self._routers.owner(queue.server, label)

    # --- queues of the peer ---------------------------------------------------------------------

    async def _read_link(self, work: ReadLink) -> None:
        row = work.connection.row
        assert row.link is not None
        link = parse_short_link(row.link).restored(self._core.config.presets)
        try:
            content = await self._routers.read_link(link, row.link_key, row.user)
            await self._core.step_persistently(
                lambda step: _on_connection(
                    step, row.connection_id, lambda step, c: link_read(step, c, content)
                )
            )
        except LinkDataInvalid as exc:
            await self._fail(work, exc, Problem.LINK)
        except DuplexError as exc:
            await self._fail(work, exc, Problem.VERSION)
        except TooLarge as exc:
            await self._fail(work, exc, Problem.TOO_LARGE)
        except NETWORK_ERRORS as exc:
            if is_temporary(exc):
                raise
            await self._fail(work, exc, failure_of(exc).problem)

    async def _secure_as_sender(self, work: SecureAsSender) -> None:
        queue, c = work.sending, work.connection
        label = self._routers.label(c.row.user, queue.server, queue.e2e_key.raw)
        try:
            await self._routers.send(
                queue.server,
                label,
                lambda sender: sender.secure_as_sender(queue.sender_id, queue.auth_key),
            )
        except NETWORK_ERRORS as exc:
            if is_temporary(exc):
                raise
            await self._fail(work, exc, failure_of(exc).problem)
            return

        def decide(step: Step, current: OpenConnection) -> None:
            if queue.number in current.sending:
                sender_secured(step, current, queue.number)

        try:
            await self._core.step_persistently(
                lambda step: _on_connection(step, c.connection_id, decide)
            )
        except TooLarge as exc:
            await self._fail(work, exc, Problem.TOO_LARGE)

    async def _send_request(self, work: SendRequest) -> None:
        row = work.connection.row
        assert row.address is not None
        assert row.request is not None
        queue = ContactURI.parse(row.address).queues[0].queue
        label = self._routers.label(row.user, queue.server, queue.dh_key.raw)
        body = row.request
        try:
            await self._routers.send(
                queue.server,
                label,
                lambda sender: sender.send(queue.sender_id, body, notify=True),
            )
        except NETWORK_ERRORS as exc:
            failure = failure_of(exc)
            if failure in (SendFailure.TEMPORARY, SendFailure.UNREACHABLE):
                raise
            await self._fail(work, exc, failure.problem)
            return
        await self._core.step_persistently(
            lambda step: _on_connection(step, row.connection_id, request_sent)
        )

    async def _deliver(self, work: Deliver) -> float | None:
        queue, c, delivery = work.sending, work.connection, work.delivery
        message = outgoing(queue, delivery, work.body, self._core.config.spoken)
        label = self._routers.label(c.row.user, queue.server, queue.e2e_key.raw)
        failure: SendFailure | None = None
        proxied = False
        try:
            _, proxied = await self._routers.send(
                queue.server,
                label,
                lambda sender: sender.send(
                    queue.sender_id,
                    message.body,
                    message.key,
                    notify=message.notify,
                    patience=BACKGROUND,
                ),
            )
        except NETWORK_ERRORS as exc:
            failure = failure_of(exc)
            self._core.watches.failed(c.connection_id, exc)

        def decide(step: Step, current: OpenConnection) -> float | None:
            known = step.rows.get(Delivery, c.connection_id, delivery.queue, delivery.message_id)
            if known is None:
                return None
            if failure is None:
                delivered(step, current, known, proxied=proxied)
                wait = None
            else:
                wait = not_delivered(step, current, known, failure)
            go_on_deleting(step, current)
            return wait

        return await self._core.step_persistently(
            lambda step: _on_connection(step, c.connection_id, decide), durable=False
        )


def _on_connection(
    step: Step, connection_id: str, decide: Callable[[Step, OpenConnection], T]
) -> T | None:
    """Decide about a connection, if there is still one."""
    c = step.find(connection_id)
    return None if c is None else decide(step, c)


def _on_receiving(
    step: Step,
    connection_id: str,
    number: int,
    decide: Callable[[Step, OpenConnection, int], object],
) -> None:
    """Decide about a queue, if there is still one."""
    c = step.find(connection_id)
    if c is not None and number in c.receiving:
        decide(step, c, number)


def _supported(request: QueueRequest, version: int) -> QueueRequest | None:
    """What to ask of a router of this version; `None` where queues have no modes yet."""
    return request if version >= SMPVersion.SENDER_SECURES else None


def _queue_created(
    core: Core,
    connection_id: str,
    number: int,
    planned: PlannedQueue,
    created: CreatedQueue,
    step: Step,
) -> tuple[ReceivingQueue | None, InvitationReady | None]:
    """The queue, if it is still wanted, and the link to it if it is for others."""
    c = step.find(connection_id)
    queue = None if c is None else c.receiving.get(number)
    if c is None or queue is None or queue.status is not ReceivingStatus.PLANNED:
        return None, None
    tell = not core.watches.is_watched(connection_id)
    link = queue_created(step, c, number, planned, created, tell=tell)
    return c.receiving[number], link


def _withdraw(step: Step, connection_id: str) -> None:
    """Nobody has the link of this connection, whose queue no server wants to make."""
    c = step.find(connection_id)
    queue = None if c is None else c.main_receiving
    if c is not None and queue is not None and queue.status is ReceivingStatus.PLANNED:
        queue_not_created(step, c)
