"""`Notifications`: a device that is woken up by pushes, without a connection to any router.

A *notification router* is told of the queues of an agent, and subscribes to their notifiers.  When
a message comes to one, it sends a push through the device's push provider.  The push is encrypted
for the agent; it says in which queue there is something, and nothing of the content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import final

from simplex_trio.duplex.errors import NoNotificationToken, UnknownConnection
from simplex_trio.duplex.machine.connection import Deletion, ReceivingStatus
from simplex_trio.duplex.machine.push_records import NotificationMode, PushToken, current_token
from simplex_trio.duplex.machine.push_tokens import check_token, delete_token, register_device
from simplex_trio.duplex.machine.pushes import Notification, open_push, verify_push
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.work.core import Core
from simplex_trio.duplex.work.fetching import Fetching
from simplex_trio.duplex.work.notifying import NotificationsWork
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.ntf.statuses import InvalidReason, TokenState
from simplex_trio.wire.ntf.tokens import DeviceToken

__all__ = ["SHORTEST_PERIOD", "NotificationToken", "Notifications"]

SHORTEST_PERIOD = 20
"""Minutes between two periodic pushes, at least: routers refuse less."""

_LONGEST_PERIOD = 0xFFFF


@final
@frozen(repr=False)
class NotificationToken(Redacted):
    """The registration of a device, as it is stored at this moment."""

    device: DeviceToken
    server: ServerAddress
    mode: NotificationMode
    minutes: int
    state: TokenState
    reason: InvalidReason | None
    """Why it is invalid, as far as the router says so."""


class Notifications:
    """Notifications of one agent, `DuplexAgent.notifications`, for all its users together.

    Methods return when what they change is stored.  The rest is done in the background, survives
    restarts, and is told by `NotificationTokenChanged`.
    """

    def __init__(
        self,
        core: Core,
        work: NotificationsWork,
        fetching: Fetching,
        try_now: Callable[[], object],
    ) -> None:
        self._core = core
        self._try_now = try_now
        self._work = work
        self._fetching = fetching

    def __repr__(self) -> str:
        return "<Notifications>"

    # --- the device -----------------------------------------------------------------------------

    async def register(
        self,
        device: DeviceToken | str,
        server: ServerAddress | str,
        *,
        mode: NotificationMode = NotificationMode.INSTANT,
        minutes: int | None = None,
    ) -> NotificationToken:
        """Register a device at a notification router; also to change what was registered.

        ``device`` is what its push provider calls it; call this at each start, since a provider may
        change that.  The router then sends a push with a code, for `verify`.  An agent has one
        registration: another device takes the place of the first one, at the same router with all
        its subscriptions.

        ``minutes`` is how often the device is woken up even if there is nothing: at least 20, or 0
        for never, which is the default of the instant mode; that of the periodic mode is 20.

        Raises `DecodeError` for text that is no device or no address of a notification router.
        """
        parsed = DeviceToken.parse(device) if isinstance(device, str) else device
        address = ServerAddress.parse(server) if isinstance(server, str) else server
        if address.protocol is not ServerProtocol.NTF:
            raise DecodeError("this is not the address of a notification router")
        period = _period(mode, minutes)
        token = await self._core.step(
            lambda step: register_device(step, parsed, address, mode=mode, minutes=period)
        )
        self._try_now()
        return _view(token)

    async def verify(self, nonce: bytes, sealed: bytes) -> None:
        """Take the code from a push, and return it to the router: so the token becomes active.

        ``nonce`` and ``sealed`` are the push's ``nonce`` and ``verification``.  Raises
        `PushNotReadable` or `NoNotificationToken`.
        """
        await self._core.step(lambda step: verify_push(step, nonce, sealed))

    async def token(self) -> NotificationToken | None:
        """The registration, if there is one."""
        token = await self._core.read(current_token)
        return None if token is None else _view(token)

    async def check(self) -> NotificationToken:
        """Ask the router for the state of the registration, and wait for the answer.

        Raises `NoNotificationToken`, and the errors of reaching the router; then it is asked again
        in the background.
        """

        def decide(step: Step) -> PushToken:
            token = current_token(step.rows)
            if token is None:
                raise NoNotificationToken
            if token.token_id:
                check_token(step, token)
            return token

        token = await self._core.step(decide)
        if token.token_id:
            await self._work.check_token(token)
        now = await self.token()
        if now is None:
            raise NoNotificationToken
        return now

    async def delete(self) -> None:
        """Have no notifications any more: the router forgets the device, and all queues.

        Raises `NoNotificationToken` if there is nothing to delete.
        """
        if not await self._core.step(delete_token):
            raise NoNotificationToken

    # --- connections ----------------------------------------------------------------------------

    async def set_enabled(self, connection_id: str, enabled: bool) -> None:
        """Be notified of a connection's messages from now on, or no more.

        A connection that the device is not notified of is not known to the notification router.
        """

        def decide(step: Step) -> None:
            c = step.connection(connection_id)
            if c.row.deletion is not Deletion.NO:
                raise UnknownConnection
            c.change(notify=enabled)

        await self._core.step(decide)

    async def is_active(self, connection_id: str) -> bool:
        """Whether the notification router has been told of all queues of a connection."""

        def decide(step: Step) -> bool:
            queues = step.connection(connection_id).receiving.values()
            there = [queue for queue in queues if queue.status is not ReceivingStatus.PLANNED]
            return bool(there) and all(queue.subscription_id for queue in there)

        return await self._core.step(decide, durable=False)

    # --- pushes ---------------------------------------------------------------------------------

    async def open(self, nonce: bytes, sealed: bytes) -> list[Notification]:
        """What a push tells, the oldest first, without what has been received already.

        ``nonce`` and ``sealed`` are the push's ``nonce`` and ``message``.  There may be several, as
        routers tell again what came shortly before; and none, if everything was received meanwhile,
        or belongs to connections that were deleted.

        Raises `PushNotReadable` or `NoNotificationToken`.
        """
        return await self._core.read(lambda rows: open_push(rows, nonce, sealed))

    async def fetch(self, about: Iterable[Notification | str]) -> bool:
        """Get what is in the queues of connections, given by notifications or ids.

        For an agent that is not subscribed to them: messages are processed and acknowledged as
        those that a router delivers, and told by `DuplexAgent.events`.

        Returns whether the program has to acknowledge a `PeerMessage` before there can be more:
        then call this again afterwards.  So a program has everything when this returns false.

        Raises `UnknownConnection`, and the errors of reaching routers; what could be read was.
        """
        connection_ids = [
            each.connection_id if isinstance(each, Notification) else each for each in about
        ]
        return await self._fetching.fetch(connection_ids)


def _period(mode: NotificationMode, minutes: int | None) -> int:
    if minutes is None:
        return SHORTEST_PERIOD if mode is NotificationMode.PERIODIC else 0
    if minutes and not SHORTEST_PERIOD <= minutes <= _LONGEST_PERIOD:
        raise ValueError(f"the period is 0, or {SHORTEST_PERIOD} to {_LONGEST_PERIOD} minutes")
    if not minutes and mode is NotificationMode.PERIODIC:
        raise ValueError("the periodic mode needs a period")
    return minutes


def _view(token: PushToken) -> NotificationToken:
    return NotificationToken(
        device=token.device_token,
        server=token.server,
        mode=token.mode,
        minutes=token.minutes,
        state=token.state,
        reason=token.reason,
    )
