"""`BodyLoader`: reads bodies and link data from the store just before they are written."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from simplex_trio.errors import StoreError
from simplex_trio.router.core.delivery import delivery_failed
from simplex_trio.router.core.replies import (
    Deferred,
    DeferredForwarded,
    DeferredLink,
    DeferredMessage,
    Event,
    Payload,
)
from simplex_trio.router.core.shortage import STORE_REFUSED
from simplex_trio.router.core.state import RouterState
from simplex_trio.router.outbox import Outgoing
from simplex_trio.router.store.interface import Store
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.bodies import QuotaNotice, ReceivedBody, seal_delivered
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import ERR, LNK, MSG, OK, Message

__all__ = ["BodyLoader"]

_log = logging.getLogger(__name__)


class BodyLoader:
    """Makes messages of the deferred payloads of one router."""

    def __init__(self, state: RouterState, store: Store) -> None:
        self._state = state
        self._store = store

    async def messages(self, outgoing: Sequence[Outgoing]) -> list[Message | None]:
        """The message of each entry; `None` for an event whose message is gone.

        Checkpoints only if something has to be read.
        """
        messages: list[Message | None] = []
        deferred: list[tuple[int, Deferred, bool]] = []
        for each in outgoing:
            payload = each.payload if isinstance(each, Event) else each[1]
            if isinstance(payload, Message):
                messages.append(payload)
            else:
                deferred.append((len(messages), payload, not isinstance(each, Event)))
                messages.append(None)
        if deferred:
            bodies = await self._bodies([payload for _, payload, _ in deferred])
            for place, payload, is_answer in deferred:
                messages[place] = await self._message(payload, is_answer, bodies)
        return messages

    async def _bodies(self, payloads: Sequence[Deferred]) -> dict[int, bytes] | None:
        """The bodies that are still there; `None` if they cannot be read."""
        found: dict[int, bytes] = {}
        missing: list[int] = []
        for each in payloads:
            payload = _innermost(each)
            if isinstance(payload, DeferredMessage) and not payload.head.is_quota_notice:
                sequence = payload.head.sequence
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
        self, payload: Payload, is_answer: bool, bodies: dict[int, bytes] | None
    ) -> Message | None:
        match payload:
            case Message():
                return payload
            case DeferredMessage():
                return self._delivery(payload, is_answer, bodies)
            case DeferredLink():
                return await self._link(payload)
            case DeferredForwarded(inner, envelope):
                answer = await self._message(inner, is_answer, bodies)
                return None if answer is None else envelope.seal(answer)

    def _delivery(
        self, message: DeferredMessage, is_answer: bool, bodies: dict[int, bytes] | None
    ) -> Message | None:
        head = message.head
        if head.is_quota_notice:
            return MSG(head.message_id, self._sealed(message, QuotaNotice(head.received_at)))
        body = None if bodies is None else bodies.get(head.sequence)
        if body is not None:
            flags = MessageFlags(notification=head.notification)
            received = ReceivedBody(head.received_at, flags, body)
            return MSG(head.message_id, self._sealed(message, received))
        delivery_failed(self._state, message)
        if not is_answer:
            return None
        return STORE_REFUSED if bodies is None else OK()

    @staticmethod
    def _sealed(message: DeferredMessage, delivered: QuotaNotice | ReceivedBody) -> bytes:
        return seal_delivered(message.queue.box_key, message.head.message_id, delivered)

    async def _link(self, link: DeferredLink) -> Message:
        try:
            data = await self._store.link_data(link.queue.record.recipient_id)
        except StoreError as exc:
            _log.error("the data of a link cannot be read: %s", exc)
            return STORE_REFUSED
        if data is None:
            return ERR(Code.AUTH)
        return LNK(link.queue.record.sender_id, data)


def _innermost(payload: Payload) -> Payload:
    return _innermost(payload.inner) if isinstance(payload, DeferredForwarded) else payload
