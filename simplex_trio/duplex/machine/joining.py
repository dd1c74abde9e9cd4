"""Joining invitations, and asking contact addresses for a connection."""

from __future__ import annotations

from hashlib import sha256

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    LinkNotUsable,
    NeedsNewerAgent,
    NoCommonDuplexVersion,
)
from simplex_trio.duplex.machine.connection import (
    Connection,
    ConnectionKind,
    Deletion,
    SendingStatus,
)
from simplex_trio.duplex.machine.creating import new_x3dh_keys
from simplex_trio.duplex.machine.handshake import confirm_if_possible
from simplex_trio.duplex.machine.messages import Delivery, DeliveryKind, LookedLink
from simplex_trio.duplex.machine.queues import add_sending_queue, plan_receiving
from simplex_trio.duplex.machine.rows import Rows
from simplex_trio.duplex.machine.step import OpenConnection, Step
from simplex_trio.errors import CryptoError
from simplex_trio.ratchet.errors import RatchetError
from simplex_trio.ratchet.starting import joiner_ratchet
from simplex_trio.wire.duplex.link_boxes import LinkContent
from simplex_trio.wire.duplex.link_data import ContactLinkData
from simplex_trio.wire.duplex.links import Link
from simplex_trio.wire.duplex.messages import ConnectionInfo
from simplex_trio.wire.duplex.owners import LinkDataInvalid, LinkFlaw
from simplex_trio.wire.duplex.requests import ConnectionRequest, ContactURI, InvitationURI
from simplex_trio.wire.duplex.short_links import (
    ContactKind,
    ShortContactLink,
    ShortInvitationLink,
)
from simplex_trio.wire.duplex.sizes import check_fits
from simplex_trio.wire.duplex.versions import AgentVersion
from simplex_trio.wire.duplex.x3dh_keys import RatchetVersion
from simplex_trio.wire.versions import VersionRange

__all__ = [
    "is_joining",
    "join",
    "known_connection",
    "link_hash",
    "link_problem",
    "link_read",
    "look_at",
    "no_common_version",
    "start_joining",
]


def link_hash(link: Link) -> bytes:
    """What tells that two links are the same, whichever way they are written."""
    match link:
        case ShortInvitationLink() | ShortContactLink():
            return sha256(link.encode()).digest()
        case InvitationURI() | ContactURI():
            # Long links may name the KEM's key or not; the queue is what they lead to.
            queue = link.queues[0].queue
            return sha256(b"queue" + queue.sender_id + queue.dh_key.raw).digest()


def known_connection(rows: Rows, link: Link, user: str) -> str | None:
    """The connection that a user has joined this link with."""
    for known in rows.find(Connection, link_hash=link_hash(link)):
        if known.user == user and known.deletion is Deletion.NO:
            return known.connection_id
    return None


def start_joining(
    step: Step,
    link: Link,
    *,
    user: str,
    info: bytes,
    pq: bool,
    decides: bool = False,
    notify: bool = True,
) -> OpenConnection:
    """A connection for a link; ``decides`` is whether the program accepts what an address answers.

    The same link again is the same connection while that is on its way, so that a call that failed
    or was cancelled can be made again, with the same keys.  Raises `AlreadyJoined` once it is more
    than that, and `NoCommonDuplexVersion` or `LinkNotUsable`, and stores nothing then.
    """
    if isinstance(link, ShortContactLink) and link.kind is ContactKind.SERVICE:
        raise NeedsNewerAgent("this needs a newer agent: the address of a service")
    hashed = link_hash(link)
    known = known_connection(step.rows, link, user)
    if known is not None:
        c = step.connection(known)
        if not is_joining(step, c):
            raise AlreadyJoined(known)
        return c
    moment = step.moment
    c = step.add(
        Connection(
            connection_id=moment.new_id(),
            user=user,
            kind=ConnectionKind.DUPLEX,
            created_at=moment.seconds,
            pq=pq,
            info=info,
            decides=decides,
            link_hash=hashed,
            notify=notify,
        )
    )
    if isinstance(link, InvitationURI | ContactURI):
        join(step, c, link)
    elif isinstance(link, ShortInvitationLink):
        c.change(link=str(link), link_key=_key_to_read(step, user, hashed, keep=False))
    else:
        c.change(link=str(link))
    return c


def look_at(step: Step, link: ShortInvitationLink, *, user: str) -> Ed25519PrivateKey:
    """The key with which to read a one-time link.

    Reading secures the queue with this key, so the key is kept for joining.
    """
    hashed = link_hash(link)
    for known in step.rows.find(Connection, link_hash=hashed):
        if known.user == user and known.link_key is not None:
            return known.link_key
    return _key_to_read(step, user, hashed, keep=True)


def _key_to_read(step: Step, user: str, hashed: bytes, *, keep: bool) -> Ed25519PrivateKey:
    looked = step.rows.get(LookedLink, user, hashed)
    if looked is None:
        key = step.moment.ed25519_key()
        if keep:
            step.rows.insert(LookedLink(user, hashed, key, step.moment.seconds))
        return key
    if not keep:
        step.rows.delete(looked)
    return looked.link_key


def is_joining(step: Step, c: OpenConnection) -> bool:
    """Whether the peer's router is still to be told of a connection."""
    row = c.row
    if row.link is not None or row.address is not None:
        return True
    if not row.is_joiner or row.ready or not c.sending:
        return False
    if row.info is not None:
        return True
    queued = step.rows.find(Delivery, connection_id=c.connection_id)
    return any(delivery.kind is DeliveryKind.CONFIRMATION for delivery in queued)


def link_read(step: Step, c: OpenConnection, content: LinkContent) -> None:
    """Go on with the request in the data of a short link.

    Raises as `start_joining` does.
    """
    if isinstance(content.user, ContactLinkData) and not content.user.direct:
        raise LinkNotUsable("this address takes requests through relays only")
    if c.row.link is None:
        return
    key = c.row.link_key
    c.change(link=None, link_key=None)
    join(step, c, content.fixed.request, auth_key=key)


def link_problem(error: LinkDataInvalid) -> LinkNotUsable | NeedsNewerAgent:
    """Why a link cannot be used whose data has this flaw."""
    if error.flaw is LinkFlaw.FUTURE_VERSION:
        return NeedsNewerAgent("this needs a newer agent: the data of the link is not known here")
    return LinkNotUsable("the data of the link is not what the link promises")


def no_common_version(offered: VersionRange, spoken: VersionRange) -> NoCommonDuplexVersion:
    """The error for versions of which none is spoken."""
    if offered.lowest > spoken.highest:
        return NeedsNewerAgent("this needs a newer agent: it is for programs of later versions")
    return NoCommonDuplexVersion("this is for programs of earlier versions than any spoken here")


def join(
    step: Step,
    c: OpenConnection,
    request: ConnectionRequest,
    *,
    auth_key: Ed25519PrivateKey | None = None,
) -> None:
    """Join an invitation, or ask a contact address; ``auth_key`` if that has secured the queue."""
    spoken = step.moment.spoken
    uri = request.queues[0]
    agent = request.agent_versions.intersection(spoken.agent)
    client = uri.client_versions.intersection(spoken.client)
    if agent is None:
        raise no_common_version(request.agent_versions, spoken.agent)
    if client is None:
        raise no_common_version(uri.client_versions, spoken.client)
    c.change(agent_version=agent.highest)
    if isinstance(request, InvitationURI):
        _join_invitation(step, c, request, client.highest, auth_key)
    else:
        _ask_address(step, c, request)


def _join_invitation(
    step: Step,
    c: OpenConnection,
    request: InvitationURI,
    client_version: int,
    auth_key: Ed25519PrivateKey | None,
) -> None:
    moment, row = step.moment, c.row
    versions = request.x3dh_offer.versions.intersection(moment.spoken.ratchet)
    if versions is None:
        raise no_common_version(request.x3dh_offer.versions, moment.spoken.ratchet)
    version = versions.highest
    pq = row.pq and row.agent_version >= AgentVersion.PQ_RATCHET and version >= RatchetVersion.KEM
    peer = request.x3dh_offer.at_version(version)
    keys = new_x3dh_keys(moment, with_kem=pq)
    if pq:
        assert moment.kem is not None
        keys = keys.accepting(peer, moment.kem)
    try:
        ratchet = joiner_ratchet(
            keys, peer, moment.dh_pair(), max_version=moment.spoken.ratchet.highest
        )
        sending = add_sending_queue(
            c, request.queues[0].queue, client_version, moment, auth_key=auth_key
        )
    except (RatchetError, CryptoError) as exc:
        raise LinkNotUsable("the keys in the link cannot be used") from exc
    c.change(is_joiner=True, pq=pq, x3dh=keys, ratchet=ratchet)
    assert row.info is not None
    # The reply queue, whose router is not known yet, takes some more room.
    check_fits(ConnectionInfo(row.info), row.agent_version, pq)
    plan_receiving(c, moment, client_version=client_version)
    if sending.status is SendingStatus.SECURED:
        confirm_if_possible(step, c)


def _ask_address(step: Step, c: OpenConnection, request: ContactURI) -> None:
    moment, row = step.moment, c.row
    pq = row.pq and row.agent_version >= AgentVersion.PQ_RATCHET
    # The KEM's key goes along, so that the first messages are protected by it already.
    c.change(
        address=str(request),
        is_requester=True,
        pq=pq,
        x3dh=new_x3dh_keys(moment, with_kem=pq),
    )
    plan_receiving(c, moment)
