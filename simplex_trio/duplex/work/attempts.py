"""`Attempts`: tries each kind of work once."""

from __future__ import annotations

from simplex_trio.duplex.machine.notifying import NotificationWork
from simplex_trio.duplex.machine.work import (
    AcknowledgeMessage,
    CreateQueue,
    DeleteQueue,
    Deliver,
    DrainQueue,
    ReadLink,
    SecureAsReceiver,
    SecureAsSender,
    SendRequest,
    SuspendQueue,
    UpdateLink,
    WaitForOther,
    Work,
)
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.fetched import Fetched
from simplex_trio.duplex.work.lanes import Done
from simplex_trio.duplex.work.notifying import NotificationsWork
from simplex_trio.duplex.work.owning import OwnerWork
from simplex_trio.duplex.work.routers import NETWORK_ERRORS, Routers, is_temporary
from simplex_trio.duplex.work.sending import SenderWork
from simplex_trio.duplex.work.settling import server_of
from simplex_trio.duplex.work.subscriptions import Subscriptions

__all__ = ["Attempts"]


class Attempts:
    """What `simplex_trio.duplex.work.lanes.Lanes` calls."""

    def __init__(
        self,
        core: Core,
        routers: Routers,
        subscriptions: Subscriptions,
        fetched: Fetched,
        notifications: NotificationsWork,
    ) -> None:
        self._core = core
        self._fetched = fetched
        self._notifications = notifications
        self._owner = OwnerWork(core, routers, subscriptions, fetched)
        self._sender = SenderWork(core, routers)

    async def __call__(self, work: Work | NotificationWork, attempt: int) -> float | Done | None:
        """Try a work once; see `simplex_trio.duplex.work.lanes.Attempt`."""
        try:
            return await self._try(work, attempt)
        except NETWORK_ERRORS as exc:
            if not is_temporary(exc):
                raise
            if isinstance(work, NotificationWork):
                return self._owner.wait(attempt)
            if not isinstance(work, CreateQueue):  # which counts the errors of each server
                self._core.tally.failed(server_of(work), exc)
            if isinstance(work, AcknowledgeMessage):
                self._fetched.failed(work.connection.connection_id, work.number, exc)
            return await self._owner.postpone(work, exc, attempt)

    async def _try(self, work: Work | NotificationWork, attempt: int) -> float | Done | None:
        match work:
            case CreateQueue():
                return await self._owner.create(work)
            case SecureAsReceiver():
                await self._owner.secure(work)
            case AcknowledgeMessage():
                return await self._owner.acknowledge(work)
            case UpdateLink():
                await self._owner.update_link(work)
            case SuspendQueue():
                await self._owner.suspend(work)
            case DrainQueue():
                return await self._owner.drain(work, attempt)
            case WaitForOther():
                return await self._owner.wait_for_other(work)
            case DeleteQueue():
                await self._owner.delete(work)
            case ReadLink():
                await self._sender.read_link(work)
            case SecureAsSender():
                await self._sender.secure(work)
            case SendRequest():
                await self._sender.send_request(work)
            case Deliver():
                return await self._sender.deliver(work)
            case _:
                await self._notifications.try_once(work)
        return None
