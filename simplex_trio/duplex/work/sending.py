"""`SenderWork`: what is done with the queues of the peer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.sending import SenderCommands
from simplex_trio.duplex.errors import (
    LinkNotUsable,
    NeedsNewerAgent,
    NoCommonDuplexVersion,
)
from simplex_trio.duplex.events import Problem
from simplex_trio.duplex.machine.connection import SendingQueue
from simplex_trio.duplex.machine.deleting import delete, go_on_deleting
from simplex_trio.duplex.machine.delivering import (
    Outgoing,
    SendFailure,
    delivered,
    not_delivered,
    outgoing,
)
from simplex_trio.duplex.machine.handshake import has_failed, request_sent, sender_secured
from simplex_trio.duplex.machine.joining import link_problem, link_read
from simplex_trio.duplex.machine.messages import Delivery
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.duplex.machine.work import Deliver, ReadLink, SecureAsSender, SendRequest
from simplex_trio.duplex.statistics import AgentCount
from simplex_trio.duplex.work.routers import NETWORK_ERRORS, failure_of
from simplex_trio.duplex.work.settling import Settling, permanent
from simplex_trio.engine.timeouts import BACKGROUND
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.owners import LinkDataInvalid
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import parse_short_link
from simplex_trio.wire.errors.values import Code

__all__ = ["SenderWork"]


class SenderWork(Settling):
    """Work on queues of peers; its methods are as those of `OwnerWork`."""

    async def _send(
        self,
        work: SecureAsSender | Deliver,
        call: Callable[[SenderCommands], Awaitable[None]],
    ) -> bool:
        """Do something with a queue; returns whether it went through a proxy."""
        queue = work.sending
        label = self._routers.label(work.connection.row.user, queue.server, queue.e2e_key.raw)
        user = work.connection.row.user
        _, proxied = await self._routers.send(queue.server, label, call, user=user)
        return proxied

    async def read_link(self, work: ReadLink) -> None:
        """Read the data of a short link, and go on with what is in it."""
        row = work.connection.row
        assert row.link is not None
        link = parse_short_link(row.link).restored(self._core.config.presets)
        try:
            content = await self._routers.read_link(link, row.link_key, row.user)
            await self._settle(work, lambda step, c: link_read(step, c, content))
        except LinkDataInvalid as exc:
            unusable = link_problem(exc)
            unusable.__cause__ = exc
            needs_newer = isinstance(unusable, NeedsNewerAgent)
            await self._fail(work, unusable, Problem.NEWER_AGENT if needs_newer else Problem.LINK)
        except LinkNotUsable as exc:
            await self._fail(work, exc, Problem.LINK)
        except NoCommonDuplexVersion as exc:
            needs_newer = isinstance(exc, NeedsNewerAgent)
            problem = Problem.NEWER_AGENT if needs_newer else Problem.VERSION
            await self._fail(work, exc, problem)
        except TooLarge as exc:
            await self._fail(work, exc, Problem.TOO_LARGE)
        except NETWORK_ERRORS as exc:
            await self._fail(work, permanent(exc))

    async def secure(self, work: SecureAsSender) -> None:
        """Make a queue this side's alone."""
        queue = work.sending
        try:
            await self._send(
                work,
                lambda sender: sender.secure_as_sender(
                    queue.sender_id, queue.auth_key, patience=BACKGROUND
                ),
            )
        except NETWORK_ERRORS as exc:
            await self._fail(work, permanent(exc))
            return
        try:
            await self._settle(work, lambda step, c: sender_secured(step, c, queue.number))
        except TooLarge as exc:
            await self._fail(work, exc, Problem.TOO_LARGE)

    async def send_request(self, work: SendRequest) -> None:
        """Ask a contact address for a connection."""
        row = work.connection.row
        assert row.address is not None
        assert row.request is not None
        queue, body = ContactURI.parse(row.address).queues[0].queue, row.request
        try:
            await self._routers.send(
                queue.server,
                self._routers.label(row.user, queue.server, queue.dh_key.raw),
                lambda sender: sender.send(queue.sender_id, body, notify=True, patience=BACKGROUND),
                user=row.user,
            )
        except NETWORK_ERRORS as exc:
            # A full queue has room again once the address' program has read it.
            await self._fail(work, permanent(exc))
            return
        await self._settle(work, request_sent)

    async def deliver(self, work: Deliver) -> float | None:
        """Send a message; returns how long to wait before it is tried again, if it is."""
        queue, delivery = work.sending, work.delivery
        message = outgoing(queue, delivery, work.body, self._core.config.spoken)
        failure: SendFailure | None = None
        proxied = is_watched = False
        try:
            proxied = await self._send(work, partial(_send_message, queue, message))
        except NETWORK_ERRORS as exc:
            failure = failure_of(exc)
            self._core.tally.add(queue.server, AgentCount.SENDING_FAILED)
            self._core.tally.failed(queue.server, exc)
            is_watched = self._core.watches.is_watched(work.connection.connection_id)
            self._core.watches.failed(work.connection.connection_id, exc)

        if failure is None:
            way = AgentCount.SENT_PROXIED if proxied else AgentCount.SENT_DIRECTLY
            self._core.tally.add(queue.server, way)

        def decide(step: Step, c: OpenConnection) -> float | None:
            key = (delivery.connection_id, delivery.queue, delivery.message_id)
            known, wait = step.rows.get(Delivery, *key), None
            if known is not None and failure is None:
                delivered(step, c, known, proxied=proxied)
            elif known is not None and failure is not None:
                wait = not_delivered(step, c, known, failure)
                if is_watched and has_failed(c):
                    delete(step, c, after_delivery=False)
            go_on_deleting(step, c)
            return wait

        # If this is lost with the power, the message is sent again, which the peer notices.
        return await self._settle(work, decide, durable=False)


async def _send_message(queue: SendingQueue, message: Outgoing, sender: SenderCommands) -> None:
    send = partial(
        sender.send, queue.sender_id, message.body, notify=message.notify, patience=BACKGROUND
    )
    try:
        await send(message.key)
    except RouterError as exc:
        if exc.error is not Code.AUTH or message.key_if_secured is None:
            raise
        await send(message.key_if_secured)
