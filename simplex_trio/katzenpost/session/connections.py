"""`DaemonConnections`: one connection to the daemon after another."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable

import trio

from simplex_trio.errors import SimplexError
from simplex_trio.katzenpost.config import ClientConfig
from simplex_trio.katzenpost.errors import ClientClosed, DaemonAway
from simplex_trio.katzenpost.messages.events import (
    DaemonConnected,
    DaemonDisconnected,
    ShuttingDown,
)
from simplex_trio.katzenpost.messages.requests import thin_close
from simplex_trio.katzenpost.session.codec import Outgoing
from simplex_trio.katzenpost.session.dial import Dialler
from simplex_trio.katzenpost.session.link import Link, open_link
from simplex_trio.nursery import open_inner_nursery

__all__ = ["DaemonConnections"]

_log = logging.getLogger(__name__)


class DaemonConnections:
    """Opens a new connection whenever one has ended, until it is closed.

    ``note`` is given everything unasked that comes out of connections, in order, and their
    beginnings and ends; ``attend`` runs beside each connection and is cancelled at its end.
    """

    def __init__(
        self,
        dial: Dialler,
        config: ClientConfig,
        token: bytes,
        *,
        note: Callable[[object], None],
        attend: Callable[[Link], Awaitable[None]],
    ) -> None:
        self._dial = dial
        self._config = config
        self._token = token
        self._note = note
        self._attend = attend
        self._link: Link | None = None
        self._instance_token: bytes | None = None
        self._shutting_down = False
        self._waiting = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope(shield=True)
        self._closed = False
        self._over = trio.Event()
        self._wait: float | None = None  # before the latest try to reconnect
        self._failing_since = 0.0

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self.is_connected else "away"
        return f"<DaemonConnections: {state}>"

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link is not None and self._link.client.connected

    @property
    def closed(self) -> bool:
        """Whether there will never be one again."""
        return self._closed

    async def now(self) -> Link:
        """The connection that there is now; otherwise `DaemonAway`, or `ClientClosed`."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise ClientClosed("the client was closed")
        if self._link is None or not self._link.client.connected:
            await trio.lowlevel.checkpoint()
            raise DaemonAway("there is no connection to the daemon now")
        return self._link

    async def next(self) -> Link:
        """The connection that there is now, or else the next one; raises `ClientClosed`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._closed:
            if self._link is not None and self._link.client.connected:
                return self._link
            await self._waiting.park()
        raise ClientClosed("the client was closed")

    # --- their life -----------------------------------------------------------------------------

    async def open(self) -> Link:
        """A connection for `begin`.

        Cancelled, or failed, it leaves nothing open.  Raises a `ConnectError`.
        """
        return await open_link(self._dial, self._token, timeout=self._config.connect_timeout)

    def begin(self, link: Link) -> None:
        """Make this the connection; `run` has to drive it."""
        greeting = link.greeting
        before, self._instance_token = self._instance_token, greeting.status.instance_token
        self._link = link
        self._shutting_down = False
        for event in greeting.events:
            self._note(event)
        same_daemon = before == self._instance_token
        self._note(DaemonConnected(same_daemon=same_daemon, resumed=greeting.resumed))
        self._waiting.unpark_all()

    async def run(self) -> None:
        """Keep a connection until `close`; raises only for a bug.

        Only `close` ends it, which says farewell first, and not the cancellation of the program.
        """
        try:
            with self._scope:
                while True:
                    steady = await self._drive()
                    self.begin(await self._reconnect(steady=steady))
        finally:
            self._closed = True
            self._link = None
            self._waiting.unpark_all()
            self._over.set()

    async def close(self, *, forget: bool) -> None:
        """End the connection for good; calls that wait for one raise `ClientClosed`.

        With ``forget`` the daemon is told, even if this is cancelled, within
        `ClientConfig.close_timeout`; otherwise it keeps the session for a while.
        """
        link, self._closed = self._link, True
        try:
            if forget and link is not None and link.client.connected:
                with trio.CancelScope(shield=True), contextlib.suppress(SimplexError):
                    farewell = Outgoing("thin_close", thin_close())
                    await link.client.tell(farewell, timeout=self._config.close_timeout)
        finally:
            self._scope.cancel()
            self._waiting.unpark_all()
        await self._over.wait()

    async def _drive(self) -> bool:
        """Until the connection ends; whether it had lasted."""
        link = self._link
        assert link is not None
        async with open_inner_nursery() as nursery:
            nursery.start_soon(link.client.run)
            nursery.start_soon(self._attend, link)
            events = link.client.events
            async for event in events:
                self._heed(event)
                # And what else has come by now: one at a time would be too slow for a daemon that
                # has much to say, and end the connection.
                with contextlib.suppress(trio.WouldBlock, trio.EndOfChannel):
                    while True:
                        self._heed(events.receive_nowait())
            nursery.cancel_scope.cancel()
        self._link = None
        _log.info("the connection to the daemon ended")
        self._note(DaemonDisconnected(self._shutting_down, link.client.reason))
        return link.has_lasted(self._config.steady_after)

    def _heed(self, event: object) -> None:
        if isinstance(event, ShuttingDown):
            self._shutting_down = True
        self._note(event)

    async def _reconnect(self, *, steady: bool) -> Link:
        config = self._config
        if steady or self._wait is None:
            self._wait, self._failing_since = None, trio.current_time()
        while True:
            failing_for = trio.current_time() - self._failing_since
            self._wait = config.reconnect.next_wait(self._wait, failing_for)
            await trio.sleep(config.reconnect.shortened(self._wait, config.random_fraction()))
            try:
                return await self.open()
            except (SimplexError, OSError) as exc:
                _log.info("the daemon cannot be reached: %s", type(exc).__name__)
