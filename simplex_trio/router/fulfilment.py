"""From what is due to what is said: reading bodies and link data just before they are written."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from simplex_trio.errors import StoreError
from simplex_trio.router.core.delivery import delivery_failed
from simplex_trio.router.core.replies import ForwardedDue, LinkDue, MessageDue, Said
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.outbox import Outgoing
from simplex_trio.router.store.interface import Store
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.bodies import QuotaNotice, ReceivedBody, seal_delivered
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import ERR, LNK, MSG, OK, Message

__all__ = ["Fulfilment"]

_log = logging.getLogger(__name__)


class Fulfilment:
    """Makes messages of what is due on one router."""

    def __init__(self, state: RouterState, store: Store) -> None:
        self._state = state
        self._store = store

    async def messages(self, outgoing: Sequence[Outgoing]) -> list[Message | None]:
        """What each entry says; `None` for events that have no sense any more.

        Checkpoints only if something has to be read.
        """
        bodies = await self._bodies([each.said for each in outgoing])
        return [await self._message(each.said, each.is_answer, bodies) for each in outgoing]

    async def _bodies(self, said: Sequence[Said]) -> dict[int, bytes] | None:
        """The bodies of what is due and still there; `None` if they cannot be read."""
        found: dict[int, bytes] = {}
        missing: list[int] = []
        for due in map(_innermost, said):
            if isinstance(due, MessageDue) and not due.head.is_quota_notice:
                sequence = due.head.sequence
                body = self._state.recent_bodies.get(sequence)
                if body is None:
                    missing.append(sequence)
                else:
                    found[sequence] = body
        if not missing:
            return found
        try:
            return found | await self._store.bodies(missing)
        except StoreError as exc:
            _log.error("bodies of %d messages cannot be read: %s", len(missing), exc)
            return None

    async def _message(
        self, said: Said, is_answer: bool, bodies: dict[int, bytes] | None
    ) -> Message | None:
        match said:
            case Message():
                return said
            case MessageDue():
                return self._delivery(said, is_answer, bodies)
            case LinkDue():
                return await self._link(said)
            case ForwardedDue(inner, seal):
                answer = await self._message(inner, is_answer, bodies)
                return None if answer is None else seal(answer)

    def _delivery(
        self, due: MessageDue, is_answer: bool, bodies: dict[int, bytes] | None
    ) -> Message | None:
        head = due.head
        if head.is_quota_notice:
            return MSG(head.message_id, self._sealed(due, QuotaNotice(head.received_at)))
        body = None if bodies is None else bodies.get(head.sequence)
        if body is not None:
            flags = MessageFlags(notification=head.notification)
            received = ReceivedBody(head.received_at, flags, body)
            return MSG(head.message_id, self._sealed(due, received))
        delivery_failed(self._state, due)
        if not is_answer:
            return None
        return STORE_REFUSED if bodies is None else OK()

    @staticmethod
    def _sealed(due: MessageDue, delivered: QuotaNotice | ReceivedBody) -> bytes:
        return seal_delivered(due.queue.box_key, due.head.message_id, delivered)

    async def _link(self, due: LinkDue) -> Message:
        try:
            data = await self._store.link_data(due.queue.record.recipient_id)
        except StoreError as exc:
            _log.error("the data of a link cannot be read: %s", exc)
            return STORE_REFUSED
        if data is None:
            return ERR(Code.AUTH)
        return LNK(due.queue.record.sender_id, data)


def _innermost(said: Said) -> Said:
    return _innermost(said.inner) if isinstance(said, ForwardedDue) else said
