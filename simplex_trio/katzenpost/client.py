"""`ThinClient`: everything that the daemon does for a program, as typed methods."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TypeVar

import trio

from simplex_trio.errors import SimplexError, TooLarge
from simplex_trio.katzenpost.config import ClientConfig
from simplex_trio.katzenpost.errors import (
    AnswerTooLate,
    MixnetOffline,
    NoDocument,
    NoSuchService,
)
from simplex_trio.katzenpost.messages import copy_requests, requests
from simplex_trio.katzenpost.messages.capabilities import (
    BoxIndex,
    Keypair,
    ReadCap,
    ReadEnvelope,
    WriteCap,
    WriteEnvelope,
    check_bytes,
)
from simplex_trio.katzenpost.messages.copy_requests import CopyPayload, Elements
from simplex_trio.katzenpost.messages.documents import Destination, Document, Service
from simplex_trio.katzenpost.messages.events import ConnectionStatus
from simplex_trio.katzenpost.messages.operations import (
    OperationKey,
    OperationKind,
    Resent,
    box_operation,
    copy_operation,
)
from simplex_trio.katzenpost.messages.requests import ID_SIZE, Authority, Request, SignedDocument
from simplex_trio.katzenpost.messages.tombstones import TombstoneRange, TombstonesIncomplete
from simplex_trio.katzenpost.session.hub import EventSubscription
from simplex_trio.katzenpost.session.session import DaemonSession

__all__ = ["ThinClient"]

ValueT = TypeVar("ValueT")


class ThinClient:
    """One client of the local daemon; see `open_thin_client` for how to get one.

    All methods belong to the thread of the Trio program; any number of tasks may use them at once.

    Requests that the daemon answers by itself raise, beside the errors that each method names:
    `DaemonAway` at once if there is no connection, `ConnectionLost` if the connection ends before
    the answer, `RequestTimeout`, a `CodedError` that the daemon answered, and `MalformedResponse`
    or `UnexpectedResponseError` for an invalid answer.  Cancelling such a call has no side effects.
    """

    def __init__(self, session: DaemonSession, config: ClientConfig, token: bytes) -> None:
        self._session = session
        self._config = config
        self._token = token

    def __repr__(self) -> str:
        return f"<ThinClient: {self._session!r}>"

    # --- what is known --------------------------------------------------------------------------

    @property
    def token(self) -> bytes:
        """Identifies this client to the daemon when it reconnects."""
        return self._token

    @property
    def daemon_is_connected(self) -> bool:
        """Whether there is a connection to the daemon now."""
        return self._session.is_connected

    @property
    def is_connected(self) -> bool:
        """Whether the daemon in turn is connected to the mixnet."""
        return self._session.is_connected and self.status.is_connected

    @property
    def status(self) -> ConnectionStatus:
        """The latest status that the daemon reported, with the sizes of messages."""
        return self._session.knowledge.status

    @property
    def operations(self) -> int:
        """How many operations are in flight."""
        return self._session.in_flight

    def subscribe(self) -> EventSubscription:
        """All events from now on; the first ones tell what is known already.

        The first subscriber of a client that goes on for another one also gets the replies that the
        daemon has kept meanwhile.  Use it as ``async with client.subscribe() as events``.
        """
        return self._session.subscribe()

    async def wait_daemon_connected(self) -> None:
        """Wait until there is a connection to the daemon; raises `ClientClosed`."""
        await self._session.wait_connected()

    # --- its end --------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Tell the daemon to forget this client, and close the connection.

        Calls in flight raise `ClientClosed`.  If cancelled, it does the same.
        """
        await self._session.close(forget=True)

    async def detach(self) -> None:
        """Close the connection, but let the daemon continue the operations of this client.

        The daemon keeps them for ten minutes, in which another client with the same `token` can
        take over.  Calls in flight raise `ClientClosed`.  If cancelled, it does the same.
        """
        await self._session.close(forget=False)

    # --- the mixnet and its services ------------------------------------------------------------

    @property
    def document(self) -> Document:
        """The latest consensus document; raises `NoDocument` while there is none."""
        document = self._session.knowledge.document
        if document is None:
            raise NoDocument("the daemon has no consensus document yet")
        return document

    def document_of(self, epoch: int) -> Document:
        """The consensus document of one of the latest epochs; raises `NoDocument` for others."""
        document = self._session.knowledge.document_of(epoch)
        if document is None:
            raise NoDocument("there is no consensus document of this epoch here")
        return document

    def services(self, name: str) -> tuple[Service, ...]:
        """All instances of a service; raises `NoSuchService` if there is none, or `NoDocument`."""
        found = self.document.services(name)
        if not found:
            raise NoSuchService("no node has a service of this name")
        return found

    def service(self, name: str) -> Service:
        """One instance of a service, chosen at random; raises as `services` does."""
        found = self.services(name)
        return found[min(int(self._config.random_fraction() * len(found)), len(found) - 1)]

    async def signed_document(self, epoch: int = 0) -> SignedDocument:
        """The document of an epoch with all signatures; the current one if the epoch is 0.

        The daemon raises `DaemonError` if it has none of that epoch.
        """
        return await self._ask(requests.get_document(epoch))

    async def directory_authorities(self) -> tuple[Authority, ...]:
        """The authorities that the daemon is configured with."""
        return await self._ask(requests.get_authorities())

    # --- messages to services -------------------------------------------------------------------

    async def send(self, to: Destination | Service, payload: bytes) -> None:
        """Send a message without a reply block; its delivery is not confirmed.

        Raises `TooLarge`, `MixnetOffline`, `DaemonAway`, `ConnectionLost`, or `RequestTimeout` if
        the daemon, which sends at the rate of the mixnet, did not send it in time.
        """
        await self._send(to, payload, None)

    async def send_for_reply(
        self, to: Destination | Service, payload: bytes, *, surb_id: bytes | None = None
    ) -> bytes:
        """Send a message with a reply block, and return the block's id.

        The reply, if any comes, is a `MessageReply` event with this id.  Raises as `send` does.
        """
        surb_id = surb_id or secrets.token_bytes(ID_SIZE)
        await self._send(to, payload, surb_id)
        return surb_id

    async def ask(
        self, to: Destination | Service, payload: bytes, *, timeout: float | None = None
    ) -> bytes:
        """Send a message and return the payload of the reply to it.

        Replies are often padded with zeros to the size of all messages.

        Raises what `send` does; `AnswerTooLate` if no reply comes within ``timeout`` seconds, or
        those of the configuration; `MessageNotSent`; and `ReplyLost` if the daemon was restarted
        meanwhile.  It keeps waiting across lost connections to the daemon.
        """
        surb_id = secrets.token_bytes(ID_SIZE)
        reply = self._session.expect_reply(surb_id)
        try:
            await self._send(to, payload, surb_id)
            seconds = self._config.reply_timeout if timeout is None else timeout
            with trio.move_on_after(seconds):
                return await reply.wait()
            raise AnswerTooLate("no reply came in time")
        finally:
            self._session.forget_reply(surb_id)

    async def _send(self, to: Destination | Service, payload: bytes, surb_id: bytes | None) -> None:
        destination = _destination(to)
        most = self.status.sphinx.max_payload
        if len(payload) > most:
            raise TooLarge(f"{len(payload)} bytes, where a message has at most {most}")
        message = requests.send_message(
            payload, destination.node_hash, destination.queue_id, surb_id
        )
        if self._session.is_connected and not self.status.is_connected:
            await trio.lowlevel.checkpoint()
            raise MixnetOffline("the daemon is not connected to the mixnet")
        await self._session.send(message)

    # --- channels, box by box -------------------------------------------------------------------

    async def new_keypair(self, seed: bytes) -> Keypair:
        """The capabilities of the channel that is made from these 32 bytes, which are its secret.

        The same seed gives the same channel.  Raises `EncodeError` for another number of bytes.
        """
        return await self._ask(requests.new_keypair(seed))

    async def next_index(self, index: BoxIndex) -> BoxIndex:
        """The index of the box after this one."""
        return await self._ask(requests.next_box_index(index))

    async def index_counter(self, index: BoxIndex) -> int:
        """The number of a box; numbers of consecutive boxes are consecutive."""
        return await self._ask(requests.box_index_counter(index))

    async def encrypt_read(self, read_cap: ReadCap, index: BoxIndex) -> ReadEnvelope:
        """An envelope that reads one box, for `start_resending`."""
        return await self._ask(requests.encrypt_read(read_cap, index))

    async def encrypt_write(
        self, plaintext: bytes, write_cap: WriteCap, index: BoxIndex
    ) -> WriteEnvelope:
        """An envelope that writes one box, for `start_resending`.

        An empty plaintext deletes what is in the box.  Raises `TooLarge`.
        """
        self.check_plaintext(plaintext)
        return await self._ask(requests.encrypt_write(plaintext, write_cap, index))

    def check_plaintext(self, plaintext: bytes) -> None:
        """Raise `TooLarge` for what does not fit into a box, and `TypeError` for no bytes."""
        check_bytes("a plaintext", plaintext)
        most = self.status.pigeonhole.max_plaintext
        if len(plaintext) > most:
            raise TooLarge(f"{len(plaintext)} bytes, where a box has at most {most}")

    async def start_resending(
        self,
        envelope: ReadEnvelope | WriteEnvelope,
        *,
        no_retry_on_box_id_not_found: bool = False,
        no_idempotent_box_already_exists: bool = False,
    ) -> Resent:
        """Have the daemon send an envelope until it is answered, and return what was read.

        A read waits, for ever if need be, until something is in the box; with
        ``no_retry_on_box_id_not_found`` it raises `BoxNotFound` instead.  A write ends well as soon
        as a courier has it, even if the box has another content; with
        ``no_idempotent_box_already_exists`` it takes twice the time and raises `BoxAlreadyExists`.
        Reading what was deleted raises `BoxTombstoned`.

        Lost connections, and restarts of the daemon, only make it take longer.  Raises
        `OperationCancelled` after `cancel_resending`, `OperationInProgress` if this envelope is
        being sent already, `DaemonHangsUp`, `ClientClosed`, or another `CodedError`.  Cancelled, it
        leaves at once, and the daemon is told to stop.
        """
        return await self._session.resend(
            box_operation(
                envelope,
                no_retry_on_box_id_not_found=no_retry_on_box_id_not_found,
                no_idempotent_box_already_exists=no_idempotent_box_already_exists,
            )
        )

    async def cancel_resending(self, envelope: ReadEnvelope | WriteEnvelope | bytes) -> None:
        """Stop sending an envelope, given itself or its hash.

        The call that waits for it raises `OperationCancelled`, even while the daemon is away.
        """
        envelope_hash = envelope if isinstance(envelope, bytes) else envelope.hash
        await self._session.cancel(OperationKey(OperationKind.BOX, envelope_hash))

    async def tombstone_range(
        self, write_cap: WriteCap, start_index: BoxIndex, count: int
    ) -> TombstoneRange:
        """Envelopes that delete so many boxes in a row, for `start_resending` one by one.

        Raises `TombstonesIncomplete`, which has those that were made, when one cannot be made.
        """
        envelopes: list[WriteEnvelope] = []
        index = start_index
        for _ in range(count):
            try:
                envelope = await self.encrypt_write(b"", write_cap, index)
            except SimplexError as exc:
                raise TombstonesIncomplete(TombstoneRange(tuple(envelopes), index)) from exc
            envelopes.append(envelope)
            index = envelope.next_index
        return TombstoneRange(tuple(envelopes), index)

    # --- copy commands, piece by piece ----------------------------------------------------------

    async def elements_of_payload(
        self, destination: CopyPayload, *, is_start: bool, is_last: bool
    ) -> Elements:
        """Elements of a copy stream that write to one channel; raises `TooLarge` over 10 MiB."""
        return await self._ask(
            copy_requests.elements_of_payload(destination, is_start=is_start, is_last=is_last)
        )

    async def elements_of_payloads(
        self,
        destinations: Sequence[CopyPayload],
        *,
        is_start: bool,
        is_last: bool,
        buffer: bytes = b"",
    ) -> Elements:
        """Elements of a copy stream that write to several channels.

        ``buffer`` is what was left over of the elements before.  ``is_start`` holds until an
        element has come out, ``is_last`` for the last call.  Raises `TooLarge` for a destination
        over 10 MiB.
        """
        return await self._ask(
            copy_requests.elements_of_payloads(
                destinations, is_start=is_start, is_last=is_last, buffer=buffer
            )
        )

    async def elements_of_tombstones(
        self,
        write_cap: WriteCap,
        start_index: BoxIndex,
        count: int,
        *,
        is_start: bool,
        is_last: bool,
        buffer: bytes = b"",
    ) -> Elements:
        """Elements of a copy stream that delete boxes; see `elements_of_payloads`."""
        return await self._ask(
            copy_requests.elements_of_tombstones(
                write_cap, start_index, count, is_start=is_start, is_last=is_last, buffer=buffer
            )
        )

    async def start_copy(
        self, write_cap: WriteCap, *, courier: Destination | Service | None = None
    ) -> None:
        """Have a courier write what is in the temporary stream of this capability.

        Not all or nothing: what was written before a failure stays.  Raises `CopyFailed`, what
        `start_resending` does, and `EncodeError` for a courier that cannot be one.
        """
        to = None if courier is None else _destination(courier)
        await self._session.resend(copy_operation(write_cap, to))

    async def cancel_copy(self, write_cap: WriteCap) -> None:
        """Stop waiting for a copy command; see `cancel_resending`."""
        await self._session.cancel(OperationKey(OperationKind.COPY, write_cap.hash))

    async def cancel_all(self) -> None:
        """Stop all operations that are in flight."""
        await self._session.cancel_all()

    # --- for higher layers --------------------------------------------------------------------

    async def ask_again(self, request: Request[ValueT]) -> ValueT:
        """Have the daemon answer a request, on the next connection if need be.

        Raises `DaemonHangsUp`, or what any request raises that the daemon answers by itself, except
        for lost connections.
        """
        return await self._session.ask_again(request)

    async def _ask(self, request: Request[ValueT]) -> ValueT:
        return await self._session.ask(request)


def _destination(to: Destination | Service) -> Destination:
    return to.destination if isinstance(to, Service) else to
