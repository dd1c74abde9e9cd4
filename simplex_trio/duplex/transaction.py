"""`Transaction`: calls of an agent, and records of its program, that are stored all at once.

The calls of `DuplexAgent` that need no waiting are made here, so that each of them is the same
alone and together with others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVar, final

from simplex_trio.duplex.agent_terms import AgentTerms
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    CannotSend,
    Limit,
    LimitReached,
    NotSynchronised,
    UnknownConnection,
    UnknownFile,
)
from simplex_trio.duplex.events import ConfirmationReceived, PeerMessage, RequestReceived
from simplex_trio.duplex.file_plans import FileToReceive, FileToSend
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.duplex.machine.accepting import (
    accept_confirmation,
    accept_request,
    reject_request,
)
from simplex_trio.duplex.machine.acknowledging import acknowledge
from simplex_trio.duplex.machine.connection import Deletion
from simplex_trio.duplex.machine.creating import (
    change_link,
    plan_address,
    plan_invitation,
    prepare_address,
)
from simplex_trio.duplex.machine.deleting import delete, delete_user, suspend
from simplex_trio.duplex.machine.files.deleting import delete_file
from simplex_trio.duplex.machine.files.keeping import forget_files_of
from simplex_trio.duplex.machine.files.receiving import approve, start_receiving
from simplex_trio.duplex.machine.files.sending import start_sending
from simplex_trio.duplex.machine.handshake import can_send
from simplex_trio.duplex.machine.joining import start_joining
from simplex_trio.duplex.machine.limiting import Room, is_full
from simplex_trio.duplex.machine.resynchronising import resynchronise
from simplex_trio.duplex.machine.rotating import abort, rotate
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.duplex.machine.sending import enqueue_message
from simplex_trio.duplex.machine.step import KEMPairNeeded, OpenConnection, Step
from simplex_trio.duplex.status import ConnectionStatus, status_of
from simplex_trio.errors import SimplexError, StoreError, TooLarge
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link
from simplex_trio.wire.duplex.short_links import ContactKind

__all__ = ["Invitation", "SendOutcome", "Transaction", "accept", "known", "run_transaction"]

T = TypeVar("T")

SendOutcome: TypeAlias = int | CannotSend | LimitReached | TooLarge | UnknownConnection
"""The id of a message that was queued, or why it was not."""


@final
@frozen(repr=False)
class Invitation(Redacted):
    """A connection that was made, and the links to it."""

    connection_id: str
    link: str
    """The long link."""
    short_link: str | None = None


@final
class Transaction:
    """One transaction of an agent, in the hands of a function: see `DuplexAgent.transact`.

    Its methods are those of `DuplexAgent` with the same names, and raise the same errors.  None of
    them waits: what has to be done on the network begins once the transaction is stored, and
    events tell of it.

    A method that raises has changed nothing, so the function may catch its error and go on.  Only
    after an error of the store, or one that no method promises, every further call raises it again.
    """

    def __init__(self, step: Step, terms: AgentTerms) -> None:
        self._held: Step | None = step
        self._terms = terms
        self._fatal: BaseException | None = None
        self.deleted: list[str] = []
        """Connections that this transaction deletes."""
        self.kept: KeptRecords = KeptRecords(self._rows)
        """The program's own records."""

    # --- connecting -----------------------------------------------------------------------------

    def create(
        self,
        *,
        info: bytes = b"",
        short: bool = False,
        data: bytes = b"",
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
    ) -> str:
        """Make an invitation; `InvitationReady` tells its links."""
        with self._call() as step:
            self._terms.check_servers(user)
            c = plan_invitation(
                step,
                user=user,
                info=info,
                pq=self._terms.wants_pq(pq),
                offers_kem=short,
                wants_link=short,
                link_data=data,
                notify=notify,
            )
            return self._terms.checked(step, c)

    def create_address(
        self,
        *,
        short: bool = True,
        data: bytes = b"",
        client_data: str | None = None,
        kind: ContactKind = ContactKind.CONTACT,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
    ) -> str:
        """Make a contact address; `InvitationReady` tells its links."""
        with self._call() as step:
            self._terms.check_servers(user)
            c = plan_address(
                step,
                user=user,
                pq=self._terms.wants_pq(pq),
                wants_link=short,
                link_data=data,
                client_data=client_data,
                kind=kind,
                notify=notify,
            )
            return self._terms.checked(step, c)

    def prepare_address(
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
        """Make a contact address whose links are known at once."""
        with self._call() as step:
            self._terms.check_servers(user)
            ready = prepare_address(
                step,
                self._terms.server_for_address(server, user),
                user=user,
                pq=self._terms.wants_pq(pq),
                link_data=data,
                client_data=client_data,
                kind=kind,
                notify=notify,
            )
            self._terms.checked(step, step.connection(ready.connection_id))
            return Invitation(ready.connection_id, ready.link, ready.short_link)

    def join(
        self,
        link: Link | str,
        info: bytes = b"",
        *,
        decides: bool = False,
        pq: bool | None = None,
        notify: bool = True,
        user: str = "",
    ) -> str:
        """Join an invitation, or ask a contact address for a connection; returns its id."""
        with self._call() as step:
            self._terms.check_servers(user)
            c = start_joining(
                step,
                self._terms.parsed(link),
                user=user,
                info=info,
                pq=self._terms.wants_pq(pq),
                decides=decides,
                notify=notify,
            )
            return self._terms.checked(step, c)

    def accept(
        self,
        event: ConfirmationReceived | RequestReceived,
        info: bytes | None = None,
        *,
        pq: bool | None = None,
        notify: bool = True,
    ) -> str:
        """Accept a peer, and return the id of the connection."""
        with self._call() as step:
            try:
                return accept(step, self._terms, event, info, pq=pq, notify=notify)
            except AlreadyJoined as exc:
                return exc.connection_id

    def reject(self, event: ConfirmationReceived | RequestReceived) -> None:
        """Refuse a peer, which is not told."""
        if isinstance(event, ConfirmationReceived):
            self.delete(event.connection_id)
            return
        with self._call() as step:
            reject_request(step, event.request_id)

    def change_link(self, connection_id: str, data: bytes | None) -> None:
        """Let a short link show ``data`` from now on, or delete the link if that is `None`."""
        with self._call() as step:
            change_link(step, known(step, connection_id), data)

    # --- messages -------------------------------------------------------------------------------

    def send(
        self, connection_id: str, body: bytes, *, notify: bool = True, pq: bool | None = None
    ) -> int:
        """Queue a message for the peer, and return its id."""
        (message_id,) = self.broadcast([connection_id], body, notify=notify, pq=pq)
        if isinstance(message_id, Exception):
            raise message_id
        return message_id

    def broadcast(
        self,
        connection_ids: Sequence[str],
        body: bytes,
        *,
        notify: bool = True,
        pq: bool | None = None,
        most_queued: int | None = None,
    ) -> list[SendOutcome]:
        """Queue one message for many peers, whose body is stored once.

        Peers for whom ``most_queued`` messages wait already are left out: `LimitReached`.
        """
        with self._call() as step:
            if pq:
                self._terms.wants_pq(pq)
            rooms: dict[str, Room] = {}
            for connection_id in connection_ids:  # before the body is stored, and counted
                found = step.find(connection_id)
                if found is not None and found.row.user not in rooms:
                    rooms[found.row.user] = self._terms.room(step, found.row.user)
            shared = step.rows.add_body(body) if len(connection_ids) > 1 else None
            outcomes: list[SendOutcome] = []
            for connection_id in connection_ids:
                c = step.find(connection_id)
                if c is None or c.row.deletion is not Deletion.NO:
                    outcomes.append(UnknownConnection())
                elif not c.row.is_synchronised:
                    outcomes.append(NotSynchronised("the two sides have no ratchet in common"))
                elif not can_send(c):
                    outcomes.append(CannotSend("the connection is not far enough to send"))
                elif most_queued is not None and is_full(step, connection_id, most_queued):
                    outcomes.append(LimitReached(Limit.QUEUED_MESSAGES))
                elif full := rooms[c.row.user].check(len(body)):
                    outcomes.append(full)
                else:
                    try:
                        outcome = enqueue_message(step, c, body, shared, notify=notify, pq=pq)
                    except TooLarge as exc:  # nothing has changed then
                        outcomes.append(exc.with_traceback(None))
                    else:
                        outcomes.append(outcome)
                        rooms[c.row.user].take(len(body))
            if shared is not None:
                step.rows.drop_unused_body(shared)
            return outcomes

    def acknowledge(self, message: PeerMessage, *, receipt: bytes | bool = False) -> None:
        """Say that a message is taken care of; it never comes again, and the next one can."""
        if receipt is False:
            stated = None
        else:
            stated = b"" if receipt is True else receipt
        with self._call() as step:
            acknowledge(step, known(step, message.connection_id), message.message_id, stated)

    # --- files ----------------------------------------------------------------------------------

    def send_file(self, planned: FileToSend) -> str:
        """Put a file that `DuplexAgent.plan_sending` has looked at on routers; returns its id."""
        with self._call() as step:
            return start_sending(step, planned)

    def receive_file(self, planned: FileToReceive) -> str:
        """Receive a file whose description `DuplexAgent.plan_receiving` has read."""
        with self._call() as step:
            return start_receiving(step, planned)

    def approve_file(self, file_id: str) -> None:
        """Use the routers that `FileNeedsApproval` has named."""
        with self._call() as step:
            if not approve(step, file_id):
                raise UnknownFile

    def delete_file(self, file_id: str) -> None:
        """Cancel a transfer, or delete a file that was sent from its routers."""
        with self._call() as step:
            if not delete_file(step, file_id):
                raise UnknownFile

    # --- looking --------------------------------------------------------------------------------

    def connections(self, *, user: str | None = None) -> list[str]:
        """The ids of all connections, or of those of one user, as of before the transaction."""
        with self._call() as step:
            return step.rows.connection_ids(user)

    def status(self, connection_id: str) -> ConnectionStatus:
        """How far a connection has come."""
        with self._call() as step:
            return status_of(step, connection_id)

    # --- moving ---------------------------------------------------------------------------------

    def rotate(self, connection_id: str) -> None:
        """Move this side's queue of a connection to another router, if the agent has another."""
        with self._call() as step:
            c = known(step, connection_id)
            self._terms.check_servers(c.row.user)
            rotate(step, c)

    def abort_rotation(self, connection_id: str) -> None:
        """Stay with the queue that was to be left."""
        with self._call() as step:
            abort(step, known(step, connection_id))

    # --- repairing ------------------------------------------------------------------------------

    def resynchronise(self, connection_id: str, *, force: bool = False) -> None:
        """Make a new ratchet with the peer, or answer the peer that makes one."""
        with self._call() as step:
            resynchronise(step, known(step, connection_id), force=force)

    # --- ending ---------------------------------------------------------------------------------

    def suspend(self, connection_id: str) -> None:
        """Accept no more messages of a connection."""
        with self._call() as step:
            suspend(step, known(step, connection_id))

    def delete(self, connection_id: str, *, after_delivery: bool = False) -> None:
        """Delete a connection; `ConnectionDeleted` tells when its queues are gone."""
        with self._call() as step:
            delete(step, step.connection(connection_id), after_delivery=after_delivery)
            self.deleted.append(connection_id)

    def delete_user(self, user: str, *, after_delivery: bool = False) -> None:
        """Delete all connections of a user; `UserDeleted` tells of the end."""
        with self._call() as step:
            forget_files_of(step, user)
            self.deleted += delete_user(step, user, after_delivery=after_delivery)

    # --- for the agent --------------------------------------------------------------------------

    def end(self) -> None:
        """The function has returned: nothing more can be done.

        Raises what has made the transaction unusable, whatever the function made of that.
        """
        self._held = None
        if self._fatal is not None:
            raise self._fatal

    @contextmanager
    def _call(self) -> Iterator[Step]:
        step = self._step()
        try:
            with step.all_or_nothing():
                yield step
        except BaseException as exc:
            if not _is_promised(exc):
                self._fatal = exc
            raise

    def _step(self) -> Step:
        if self._fatal is not None:
            raise self._fatal
        if self._held is None:
            raise RuntimeError("the transaction is over: its function has returned")
        return self._held

    def _rows(self) -> Rows:
        return self._step().rows


def _is_promised(exc: BaseException) -> bool:
    """Whether a call may raise this, and others can go on all the same."""
    is_of_store = isinstance(exc, KEMPairNeeded | StoreError)
    return isinstance(exc, SimplexError | ValueError | TypeError) and not is_of_store


def run_transaction(
    step: Step, terms: AgentTerms, decide: Callable[[Transaction], T]
) -> tuple[T, list[str]]:
    """What ``decide`` returns, and the connections that it has deleted."""
    transaction = Transaction(step, terms)
    try:
        value = decide(transaction)
        if inspect.iscoroutine(value):
            value.close()
            raise TypeError("a transaction needs a plain function, which cannot wait")
    except KEMPairNeeded:
        raise
    except Exception:
        transaction.end()
        raise
    transaction.end()
    return value, transaction.deleted


def accept(
    step: Step,
    terms: AgentTerms,
    event: ConfirmationReceived | RequestReceived,
    info: bytes | None,
    *,
    pq: bool | None,
    notify: bool,
) -> str:
    """Accept a peer; `AlreadyJoined` once the router of a request's peer was told."""
    if isinstance(event, ConfirmationReceived):
        c = known(step, event.connection_id)
        accept_confirmation(step, c, event.confirmation_id, info)
        return c.connection_id
    wants_pq = None if pq is None else terms.wants_pq(pq)
    c = accept_request(step, event.request_id, info or b"", pq=wants_pq, notify=notify)
    terms.check_servers(c.row.user)
    return terms.checked(step, c)


def known(step: Step, connection_id: str) -> OpenConnection:
    """The connection with this id; `UnknownConnection` if there is none, or it is being deleted."""
    c = step.connection(connection_id)
    if c.row.deletion is not Deletion.NO:
        raise UnknownConnection
    return c
