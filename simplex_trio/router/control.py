"""What a router for messages does at commands on its control socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio

from simplex_trio.errors import StoreError
from simplex_trio.router.core import administration
from simplex_trio.router.core.administration import QueueStatus
from simplex_trio.router.core.decisions import Work
from simplex_trio.router.core.model import Queue
from simplex_trio.router.hub import Hub
from simplex_trio.router.session_info import SessionInfo, origin_text
from simplex_trio.router.store.interface import Store
from simplex_trio.router.store.sqlite import SQLiteStore
from simplex_trio.serving.blocking import blocked_in, blocking_reason
from simplex_trio.serving.control_messages import ControlError, ControlRequest, Controls
from simplex_trio.wire.errors.values import Blocked

__all__ = ["QueueAdministration", "queue_controls", "store_controls"]

_MOST_CLIENTS: Final = 10_000
"""Clients in one answer, those that are connected longest first."""


class QueueAdministration:
    """What the operator of a router does with its queues.

    It takes the same way as the commands of clients: memory first, then the store, together with
    what else is decided, and then its effects.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def status(self, queue_id: bytes) -> QueueStatus | None:
        """See `Router.queue_status`."""
        state = self._hub.state
        queue = administration.find(state, queue_id)
        return None if queue is None else administration.describe(state, queue)

    async def block(self, queue_id: bytes, reason: Blocked) -> bool:
        """See `Router.block_queue`."""
        state = self._hub.state
        return await self._carry_out(
            queue_id, lambda queue: administration.block(state, queue, reason)
        )

    async def suspend(self, queue_id: bytes) -> bool:
        """See `Router.suspend_queue`."""
        state, now = self._hub.state, self._hub.now()
        return await self._carry_out(
            queue_id, lambda queue: administration.suspend(state, queue, now)
        )

    async def resume(self, queue_id: bytes) -> bool:
        """See `Router.resume_queue`."""
        state = self._hub.state
        return await self._carry_out(queue_id, lambda queue: administration.resume(state, queue))

    async def delete(self, queue_id: bytes) -> bool:
        """See `Router.delete_queue`."""
        state = self._hub.state
        return await self._carry_out(queue_id, lambda queue: administration.delete(state, queue))

    async def _carry_out(self, queue_id: bytes, decide: Callable[[Queue], Work]) -> bool:
        queue = administration.find(self._hub.state, queue_id)
        if queue is None:
            await trio.lowlevel.checkpoint()
            return False
        await self._hub.commits.carry_out(decide(queue))
        return True


def queue_controls(hub: Hub, queues: QueueAdministration) -> Controls:
    """The commands about clients and queues."""

    async def clients(request: ControlRequest) -> dict[str, Any]:
        with_addresses, now = request.flag("addresses"), trio.current_time()
        limit = min(request.number("limit") or _MOST_CLIENTS, _MOST_CLIENTS)
        found = sorted(
            (session.look(now) for session in hub.sessions),
            key=lambda info: info.connected_seconds,
            reverse=True,
        )
        await trio.lowlevel.checkpoint()
        return {
            "clients": [_session(info, with_address=with_addresses) for info in found[:limit]],
            "more": max(0, len(found) - limit),
        }

    async def queue(request: ControlRequest) -> dict[str, Any]:
        status = queues.status(request.entity_id())
        await trio.lowlevel.checkpoint()
        if status is None:
            raise _not_found()
        return _queue(status)

    async def block(request: ControlRequest) -> dict[str, Any]:
        reason = blocking_reason(request)
        return await changed(request, lambda queue_id: queues.block(queue_id, reason))

    async def suspend(request: ControlRequest) -> dict[str, Any]:
        return await changed(request, queues.suspend)

    async def resume(request: ControlRequest) -> dict[str, Any]:
        return await changed(request, queues.resume)

    async def changed(request: ControlRequest, change: Any) -> dict[str, Any]:
        queue_id = request.entity_id()
        await tried(queue_id, change)
        status = queues.status(queue_id)
        if status is None:
            raise _not_found()
        return _queue(status)

    async def delete(request: ControlRequest) -> dict[str, Any]:
        status = queues.status(request.entity_id())
        await tried(request.entity_id(), queues.delete)
        return {"deleted_messages": 0 if status is None else status.messages}

    async def tried(queue_id: bytes, change: Any) -> None:
        try:
            found = await change(queue_id)
        except StoreError as exc:
            raise ControlError(ControlError.FAILED, f"the store has refused it: {exc}") from exc
        if not found:
            raise _not_found()

    return {
        "clients": clients,
        "queue": queue,
        "block": block,
        "suspend": suspend,
        "resume": resume,
        "delete": delete,
    }


def store_controls(store: Store) -> Controls:
    """The command that copies a store that is a file, while the router uses it."""

    async def back_up(request: ControlRequest) -> dict[str, Any]:
        name = request.text("folder")
        if not isinstance(store, SQLiteStore):
            raise ControlError(ControlError.BAD_REQUEST, "the router's store is not a file")
        if Path(name).name != name or name == "..":
            raise ControlError(ControlError.BAD_REQUEST, "the folder must be beside the store")
        try:
            await store.back_up(store.path.parent / name / store.path.name)
        except StoreError as exc:
            raise ControlError(ControlError.FAILED, f"there is no copy: {exc}") from exc
        return {}

    return {"back_up": back_up}


def _not_found() -> ControlError:
    return ControlError(ControlError.NOT_FOUND, "there is no queue with this id")


def _session(info: SessionInfo, *, with_address: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "connected_seconds": round(info.connected_seconds),
        "idle_seconds": round(info.idle_seconds),
        "version": info.version,
        "is_service": info.is_service,
        "queues": info.queues,
        "notifiers": info.notifiers,
        "waiting": info.waiting,
    }
    if with_address:
        shown["address"] = origin_text(info.origin)
    return shown


def _queue(status: QueueStatus) -> dict[str, Any]:
    return {
        "state": status.state.value,
        "blocked": blocked_in(status.blocked),
        "suspended_at": status.suspended_at,
        "created_day": status.created_day,
        "used_day": status.used_day,
        "messages": status.messages,
        "oldest_message_at": status.oldest_message_at,
        "is_for_contact": status.is_for_contact,
        "is_secured": status.is_secured,
        "has_link": status.has_link,
        "has_notifier": status.has_notifier,
        "is_subscribed": status.is_subscribed,
    }
