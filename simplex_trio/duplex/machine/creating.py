"""Making invitations and contact addresses, and changing what their links show."""

from __future__ import annotations

from simplex_trio.duplex.errors import NotAnAddress
from simplex_trio.duplex.events import InvitationReady, LinkUpdated, Problem
from simplex_trio.duplex.machine.connection import (
    Connection,
    ConnectionKind,
    ReceivingQueue,
    ReceivingStatus,
)
from simplex_trio.duplex.machine.handshake import queue_is_there
from simplex_trio.duplex.machine.queues import (
    CreatedQueue,
    PlannedQueue,
    add_link,
    created_queue,
    long_link,
    plan_receiving,
    prepared_queue,
    short_link,
)
from simplex_trio.duplex.machine.rotating import new_queue_created
from simplex_trio.duplex.machine.step import Moment, OpenConnection, Step
from simplex_trio.errors import TooLarge
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import max_program_data
from simplex_trio.wire.duplex.messages import ConnectionInfo
from simplex_trio.wire.duplex.requests import client_data_size
from simplex_trio.wire.duplex.short_links import ContactKind
from simplex_trio.wire.duplex.sizes import check_fits
from simplex_trio.wire.queue_mode import QueueMode

__all__ = [
    "MAX_CLIENT_DATA",
    "change_link",
    "invitation",
    "is_offered",
    "link_changed",
    "new_x3dh_keys",
    "plan_address",
    "plan_invitation",
    "prepare_address",
    "queue_created",
    "queue_not_created",
]

MAX_CLIENT_DATA = 1_024
"""Bytes of client data of a contact address; more is `TooLarge`.

The fixed part of a short link's data has 1,941 bytes.  Keys and versions take some 130, and the
address of the router the rest, which is room for ten onion hosts.
"""


def new_x3dh_keys(moment: Moment, *, with_kem: bool) -> X3DHPrivateKeys:
    """Fresh keys for a ratchet; `KEMPairNeeded` if there is no pair of the KEM at the moment."""
    kem = moment.fresh_kem_pair() if with_kem else None
    return X3DHPrivateKeys(moment.dh_pair(), moment.dh_pair(), kem)


def check_link_data(data: bytes) -> None:
    """Raise `TooLarge` if this does not fit into the data of a link."""
    room = max_program_data()
    if len(data) > room:
        raise TooLarge(f"{len(data)} bytes in a link, where {room} fit")


def _check_client_data(text: str | None) -> None:
    """Raise `TooLarge` if the data of a short link may not have room for this."""
    size = 0 if text is None else client_data_size(text)
    if size > MAX_CLIENT_DATA:
        raise TooLarge(f"{size} bytes of client data, where {MAX_CLIENT_DATA} fit")


def plan_invitation(
    step: Step,
    *,
    user: str,
    info: bytes,
    pq: bool,
    offers_kem: bool,
    wants_link: bool,
    link_data: bytes = b"",
    notify: bool = True,
) -> OpenConnection:
    """A connection for one peer, whose queue is still to be created.

    ``pq`` is whether this side wants the KEM, ``offers_kem`` whether the invitation has its key.
    """
    check_link_data(link_data)
    moment = step.moment
    # With the KEM there is less room, which the peer may not have.
    check_fits(ConnectionInfo(info), moment.spoken.agent.highest, pq_support=False)
    c = step.add(
        Connection(
            connection_id=moment.new_id(),
            user=user,
            kind=ConnectionKind.DUPLEX,
            created_at=moment.seconds,
            pq=pq,
            info=info,
            x3dh=new_x3dh_keys(moment, with_kem=pq and offers_kem),
            notify=notify,
        )
    )
    plan_receiving(c, moment, wants_link=wants_link, link_data=link_data)
    return c


def plan_address(
    step: Step,
    *,
    user: str,
    pq: bool,
    wants_link: bool,
    link_data: bytes = b"",
    client_data: str | None = None,
    kind: ContactKind = ContactKind.CONTACT,
    notify: bool = True,
) -> OpenConnection:
    """A contact address, whose queue is still to be created."""
    check_link_data(link_data)
    _check_client_data(client_data)
    if kind is ContactKind.SERVICE:
        raise ValueError("requests to the address of a service cannot be read here")
    moment = step.moment
    c = step.add(
        Connection(
            connection_id=moment.new_id(),
            user=user,
            kind=ConnectionKind.ADDRESS,
            created_at=moment.seconds,
            pq=pq,
            client_data=client_data,
            contact_kind=kind,
            notify=notify,
        )
    )
    plan_receiving(c, moment, mode=QueueMode.CONTACT, wants_link=wants_link, link_data=link_data)
    return c


def prepare_address(
    step: Step,
    server: ServerAddress,
    *,
    user: str,
    pq: bool,
    link_data: bytes,
    client_data: str | None = None,
    kind: ContactKind = ContactKind.CONTACT,
    notify: bool = True,
) -> InvitationReady:
    """A contact address whose links are known before its queue is created, on this server."""
    c = plan_address(
        step,
        user=user,
        pq=pq,
        wants_link=True,
        link_data=link_data,
        client_data=client_data,
        kind=kind,
        notify=notify,
    )
    queue = c.main_receiving
    assert queue is not None
    queue = prepared_queue(c, queue, server, step.moment)
    return invitation(c, queue, step.moment)


def queue_created(
    step: Step,
    c: OpenConnection,
    number: int,
    planned: PlannedQueue,
    created: CreatedQueue,
    *,
    tell: bool,
) -> InvitationReady | None:
    """A router has created a queue.

    Returns the link to pass on, if there is one for others; the program is told if ``tell``.
    """
    queue = created_queue(c, number, planned, created)
    if queue.replaces:
        new_queue_created(step, c, number)
        return None
    if not is_offered(c):
        queue_is_there(step, c)
        return None
    ready = invitation(c, queue, step.moment)
    if tell:
        step.tell(ready)
    return ready


def invitation(c: OpenConnection, queue: ReceivingQueue, moment: Moment) -> InvitationReady:
    """The links to a connection that was offered."""
    short = short_link(c, queue)
    text = None if short is None else str(short)
    return InvitationReady(c.connection_id, long_link(c, queue, moment), text)


def is_offered(c: OpenConnection) -> bool:
    """Whether a link to the connection is for others: it was made here, and not to answer."""
    row = c.row
    return not (row.is_joiner or row.is_requester or row.link is not None)


def queue_not_created(step: Step, c: OpenConnection) -> None:
    """Give up a connection whose queue no router creates, and whose link was not given out."""
    step.remove(c)


# --- links --------------------------------------------------------------------------------------


def change_link(step: Step, c: OpenConnection, data: bytes | None) -> None:
    """Let the link show ``data``, or delete it; a contact address without a link gets one."""
    queue = c.main_receiving
    if queue is None or not is_offered(c) or queue.status is not ReceivingStatus.NEW:
        raise NotAnAddress("the connection has no link to change")
    if queue.link_secret is None and c.row.kind is not ConnectionKind.ADDRESS:
        raise NotAnAddress("an invitation without a short link cannot get one")
    if data is None and queue.link_secret is None:
        raise NotAnAddress("there is no short link to delete")
    if data is None:
        c.change_receiving(queue.number, wants_link=False, link_data=b"", link_due=True)
        return
    check_link_data(data)
    queue = c.change_receiving(queue.number, wants_link=True, link_data=data, link_due=True)
    if queue.link_secret is None:
        add_link(c, queue, step.moment)


def link_changed(
    step: Step, c: OpenConnection, queue: ReceivingQueue, problem: Problem | None
) -> None:
    """The router has changed the data of a link as ``queue`` wanted it, or has refused."""
    current = c.receiving[queue.number]
    if (current.wants_link, current.link_data) != (queue.wants_link, queue.link_data):
        return  # it was changed again meanwhile, which is still due
    if current.wants_link:
        c.change_receiving(queue.number, link_due=False)
    else:
        c.change_receiving(
            queue.number, link_due=False, link_id=None, link_secret=None, sealed_fixed=None
        )
    step.tell(LinkUpdated(c.connection_id, problem))
