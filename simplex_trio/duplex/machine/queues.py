"""Queues of both directions: planned, created, and found in what a peer says."""

from __future__ import annotations

from typing import final

from attrs import evolve

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.machine.connection import (
    ConnectionKind,
    ReceivingQueue,
    ReceivingStatus,
    SendingQueue,
    SendingStatus,
)
from simplex_trio.duplex.machine.push_records import MadeNotifier
from simplex_trio.duplex.machine.step import Moment, OpenConnection
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkKeys, SealedLink, replace_user_data, seal_link
from simplex_trio.wire.duplex.link_data import (
    ContactLinkData,
    FixedLinkData,
    InvitationLinkData,
    UserLinkData,
)
from simplex_trio.wire.duplex.requests import ConnectionRequest, ContactURI, InvitationURI
from simplex_trio.wire.duplex.short_links import (
    ShortContactLink,
    ShortInvitationLink,
    ShortLink,
)
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import QueueAddress, QueueURI, VersionedQueue
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
    QueueRequest,
)

__all__ = [
    "CreatedQueue",
    "PlannedQueue",
    "add_link",
    "add_sending_queue",
    "created_queue",
    "link_update",
    "long_link",
    "new_sending_queue",
    "plan_queue",
    "plan_receiving",
    "planned_request",
    "prepared_queue",
    "queue_address",
    "reply_queue",
    "short_link",
]

_CORRELATION_ID_SIZE = 24
_NONCE_SIZE = 24


@final
@frozen(repr=False)
class PlannedQueue(Redacted):
    """What NEW asks of one server."""

    server: ServerAddress
    request: QueueRequest
    correlation_id: bytes | None = None
    root_key: Ed25519PrivateKey | None = None
    sealed: SealedLink | None = None


@final
@frozen(repr=False)
class CreatedQueue(Redacted):
    """What a router has answered to NEW."""

    recipient_id: bytes
    sender_id: bytes
    delivery_key: BoxKey
    mode: QueueMode | None
    link_id: bytes | None = None
    notifier: MadeNotifier | None = None
    """If the queue was made with one."""


def plan_receiving(
    c: OpenConnection,
    moment: Moment,
    *,
    mode: QueueMode = QueueMode.MESSAGING,
    client_version: int | None = None,
    wants_link: bool = False,
    link_data: bytes = b"",
) -> ReceivingQueue:
    """A queue whose keys are made, and which is still to be created on a router."""
    highest = moment.spoken.client.highest
    return c.add_receiving(
        ReceivingQueue(
            connection_id=c.connection_id,
            number=max(c.receiving, default=0) + 1,
            mode=mode,
            auth_key=moment.ed25519_key(),
            e2e_key=moment.x25519_key(),
            client_version=highest if client_version is None else client_version,
            wants_link=wants_link,
            link_data=link_data,
        )
    )


def plan_queue(
    c: OpenConnection, queue: ReceivingQueue, server: ServerAddress, moment: Moment
) -> PlannedQueue:
    """What NEW is to ask of a server, which is everything that is in the link if there is one."""
    is_address = c.row.kind is ConnectionKind.ADDRESS
    if not queue.wants_link:
        return PlannedQueue(server, ContactRequest() if is_address else MessagingRequest())
    correlation_id = queue.correlation_id or moment.random(_CORRELATION_ID_SIZE)
    root_key = queue.root_key or moment.ed25519_key()
    planned = evolve(queue, server=server, sender_id=sender_id(correlation_id))
    request = planned_request(c, planned, moment)
    fixed = FixedLinkData(moment.spoken.agent, root_key.public, request)
    sealed = seal_link(
        fixed,
        _user_data(c, queue, moment),
        root_key,
        fixed_nonce=moment.random(_NONCE_SIZE),
        user_nonce=moment.random(_NONCE_SIZE),
    )
    asked: QueueRequest
    if sealed.keys.link_id is None:
        asked = MessagingRequest(MessagingLink(planned.sender_id, sealed.data))
    else:
        asked = ContactRequest(ContactLink(sealed.keys.link_id, planned.sender_id, sealed.data))
    return PlannedQueue(server, asked, correlation_id, root_key, sealed)


def prepared_queue(
    c: OpenConnection, queue: ReceivingQueue, server: ServerAddress, moment: Moment
) -> ReceivingQueue:
    """A contact address' queue, planned so that everything that a link names is known."""
    correlation_id = moment.random(_CORRELATION_ID_SIZE)
    queue = c.change_receiving(
        queue.number,
        server=server,
        correlation_id=correlation_id,
        sender_id=sender_id(correlation_id),
        root_key=moment.ed25519_key(),
    )
    sealed = plan_queue(c, queue, server, moment).sealed
    assert sealed is not None
    return c.change_receiving(
        queue.number, link_id=sealed.keys.link_id, link_secret=sealed.keys.link_key
    )


def add_link(c: OpenConnection, queue: ReceivingQueue, moment: Moment) -> None:
    """Make a short link for a contact address that has none; LSET is still to store its data."""
    root_key = moment.ed25519_key()
    request = planned_request(c, queue, moment)
    sealed = seal_link(
        FixedLinkData(moment.spoken.agent, root_key.public, request),
        _user_data(c, queue, moment),
        root_key,
        fixed_nonce=moment.random(_NONCE_SIZE),
        user_nonce=moment.random(_NONCE_SIZE),
    )
    c.change_receiving(
        queue.number,
        root_key=root_key,
        link_id=sealed.keys.link_id,
        link_secret=sealed.keys.link_key,
        sealed_fixed=sealed.data.fixed,
    )


def _user_data(c: OpenConnection, queue: ReceivingQueue, moment: Moment) -> UserLinkData:
    if c.row.kind is ConnectionKind.ADDRESS:
        return ContactLinkData(moment.spoken.agent, program_data=queue.link_data)
    return InvitationLinkData(moment.spoken.agent, queue.link_data)


def created_queue(
    c: OpenConnection, number: int, planned: PlannedQueue, created: CreatedQueue
) -> ReceivingQueue:
    """The queue, now that the router has answered NEW."""
    sealed = planned.sealed
    queue = c.change_receiving(
        number,
        status=ReceivingStatus.NEW,
        mode=created.mode,
        server=planned.server,
        recipient_id=created.recipient_id,
        sender_id=created.sender_id,
        delivery_key=created.delivery_key,
    )
    notifier = created.notifier
    if notifier is not None:
        queue = c.change_receiving(
            number,
            notifier_key=notifier.key,
            notifier_id=notifier.notifier_id,
            notifier_secret=notifier.secret,
        )
    if sealed is None:
        return queue
    link_id = sealed.keys.link_id
    return c.change_receiving(
        number,
        root_key=planned.root_key,
        link_id=created.link_id if link_id is None else link_id,
        link_secret=sealed.keys.link_key,
        sealed_fixed=sealed.data.fixed,
    )


def link_update(
    c: OpenConnection, queue: ReceivingQueue, moment: Moment
) -> tuple[bytes, QueueLinkData]:
    """What LSET is to store: the id of the link, and its data with what the program wants there."""
    assert queue.root_key is not None
    assert queue.link_id is not None
    assert queue.link_secret is not None
    assert queue.sealed_fixed is not None
    is_address = c.row.kind is ConnectionKind.ADDRESS
    keys = (
        LinkKeys.for_contact(queue.link_secret)
        if is_address
        else LinkKeys.for_invitation(queue.link_secret)
    )
    data = replace_user_data(
        keys,
        queue.sealed_fixed,
        _user_data(c, queue, moment),
        queue.root_key.public,
        queue.root_key,
        nonce=moment.random(_NONCE_SIZE),
    )
    return queue.link_id, data


# --- links --------------------------------------------------------------------------------------


def queue_address(queue: ReceivingQueue) -> QueueAddress:
    """Where this side's queue is, as the peer has to know it."""
    assert queue.server is not None
    return QueueAddress(queue.server, queue.sender_id, queue.e2e_key.public, queue.mode)


def reply_queue(queue: ReceivingQueue) -> VersionedQueue:
    """The queue as a confirmation names it."""
    return VersionedQueue(queue.client_version, queue_address(queue))


def planned_request(
    c: OpenConnection, queue: ReceivingQueue, moment: Moment, *, with_kem: bool = True
) -> ConnectionRequest:
    """The connection request for a queue, which is what a long link holds."""
    uri = QueueURI(moment.spoken.client, queue_address(queue))
    if c.row.kind is ConnectionKind.ADDRESS:
        return ContactURI(moment.spoken.agent, (uri,), client_data=c.row.client_data)
    assert c.row.x3dh is not None
    offer = c.row.x3dh.offer(moment.spoken.ratchet)
    if not with_kem:
        offer = evolve(offer, kem=None)
    return InvitationURI(moment.spoken.agent, (uri,), offer)


def long_link(c: OpenConnection, queue: ReceivingQueue, moment: Moment) -> str:
    """The long link; beside a short one it leaves out the key of the KEM, which is long."""
    return str(planned_request(c, queue, moment, with_kem=queue.link_secret is None))


def short_link(c: OpenConnection, queue: ReceivingQueue) -> ShortLink | None:
    """The short link, if there is one."""
    if queue.link_secret is None or queue.link_id is None or queue.server is None:
        return None
    if c.row.kind is ConnectionKind.ADDRESS:
        return ShortContactLink(queue.server, c.row.contact_kind, queue.link_secret)
    return ShortInvitationLink(queue.server, queue.link_id, queue.link_secret)


# --- the peer's queue ---------------------------------------------------------------------------


def add_sending_queue(
    c: OpenConnection,
    address: QueueAddress,
    client_version: int,
    moment: Moment,
    *,
    auth_key: Ed25519PrivateKey | None = None,
) -> SendingQueue:
    """A queue of the peer; with ``auth_key`` it was secured with that already.

    Raises `CryptoError` if the peer's key is degenerate.
    """
    return c.add_sending(new_sending_queue(c, address, client_version, moment, auth_key=auth_key))


def new_sending_queue(
    c: OpenConnection,
    address: QueueAddress,
    client_version: int,
    moment: Moment,
    *,
    auth_key: Ed25519PrivateKey | None = None,
) -> SendingQueue:
    """The same, before the connection has it."""
    own = moment.x25519_key()
    return SendingQueue(
        connection_id=c.connection_id,
        number=max(c.sending, default=0) + 1,
        server=address.server,
        sender_id=address.sender_id,
        mode=address.mode,
        auth_key=auth_key or moment.ed25519_key(),
        e2e_key=own.public,
        e2e_secret=BoxKey.agree(own, address.dh_key),
        client_version=client_version,
        status=SendingStatus.NEW if auth_key is None else SendingStatus.SECURED,
    )
