"""`ConnectingCalls`: the calls of a `DuplexAgent` by which connections and links come about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, overload

from simplex_trio.client.router_errors import RouterError
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import AlreadyJoined, LinkNotUsable
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionFailed,
    InvitationReady,
    RequestReceived,
)
from simplex_trio.duplex.links import LinkPreview, preview
from simplex_trio.duplex.machine.joining import known_connection, link_problem, look_at
from simplex_trio.duplex.machine.notifying import NotificationWork
from simplex_trio.duplex.machine.step import Step
from simplex_trio.duplex.machine.work import Work
from simplex_trio.duplex.transacting import Transacting
from simplex_trio.duplex.transaction import (
    Invitation,
    Transaction,
    accept,
    run_transaction,
)
from simplex_trio.duplex.work.lanes import Lanes
from simplex_trio.duplex.work.routers import Routers
from simplex_trio.duplex.work.watches import Outcome, Watch
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkContent
from simplex_trio.wire.duplex.links import Link
from simplex_trio.wire.duplex.owners import LinkDataInvalid
from simplex_trio.wire.duplex.short_links import (
    ContactKind,
    ShortContactLink,
    ShortInvitationLink,
)

__all__ = ["ConnectingCalls"]


class ConnectingCalls(Transacting):
    """Invitations and addresses that are made, looked at, joined and accepted."""

    _config: DuplexConfig
    _lanes: Lanes[Work | NotificationWork]
    _routers: Routers

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
