"""What a link is, before it is joined."""

from __future__ import annotations

from typing import final

from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.link_boxes import LinkContent
from simplex_trio.wire.duplex.link_data import ContactLinkData
from simplex_trio.wire.duplex.links import Link
from simplex_trio.wire.duplex.owners import Owner
from simplex_trio.wire.duplex.requests import ConnectionRequest, ContactURI, InvitationURI
from simplex_trio.wire.duplex.short_links import (
    ContactKind,
    ShortContactLink,
    ShortInvitationLink,
)
from simplex_trio.wire.versions import VersionRange

__all__ = ["LinkPreview", "preview"]


@final
@frozen(repr=False)
class LinkPreview(Redacted):
    """What is known of a link."""

    is_invitation: bool
    """Whether one peer can use it once; otherwise it is an address that any number can ask."""
    kind: ContactKind | None
    """What an address leads to, if its link says so."""
    can_join: bool
    """Whether `DuplexAgent.join` can use it: it is for programs of a version spoken here."""
    server: ServerAddress
    """Where the peer receives."""
    data: bytes | None
    """What the peer's program shows in it.  `None` for a long link, which has no room for that, and
    for a one-time link that was joined, which cannot be read again once the peer knows."""
    connection_id: str | None
    """The connection that this link was joined with already."""
    needs_newer_agent: bool = False
    """Whether it is for agents of later versions than this one: update this program to join it."""
    client_data: str | None = None
    """What the peer's program has added to its connection request: apps mark groups so."""

    # What the data of a short link says beside ``data``; all of it is verified.
    root_key: Ed25519PublicKey | None = None
    """The key that has signed what never changes in the data; `None` if there is no data."""
    entity_id: bytes | None = None
    """What the link is about, by the peer's program's own id: apps have that of a channel here."""
    direct: bool = True
    """Whether an address takes requests itself; otherwise only its ``relays`` do."""
    owners: tuple[Owner, ...] = ()
    """Who may change what an address shows, beside the one with the root key."""
    relays: tuple[ShortContactLink, ...] = ()
    """The addresses of an address' relays, which `DuplexAgent.look` and `DuplexAgent.join` take."""


def preview(
    config: DuplexConfig, link: Link, content: LinkContent | None, connection_id: str | None
) -> LinkPreview:
    """What a link is, with what its data holds if it is a short one that can be read."""
    request: ConnectionRequest | None
    if isinstance(link, InvitationURI | ContactURI):
        request, server = link, link.queues[0].queue.server
    elif content is not None:
        request = content.fixed.request
        server = request.queues[0].queue.server
    else:
        request, server = None, link.server
    shown = None if content is None else content.user
    address = shown if isinstance(shown, ContactLinkData) else None
    direct = address is None or address.direct
    later = isinstance(link, ShortContactLink) and link.kind is ContactKind.SERVICE
    later = later or (request is not None and _is_of_the_future(config, request))
    return LinkPreview(
        is_invitation=isinstance(link, InvitationURI | ShortInvitationLink),
        kind=link.kind if isinstance(link, ShortContactLink) else None,
        can_join=direct and not later and (request is None or _is_spoken(config, request)),
        server=server,
        data=None if shown is None else shown.program_data,
        connection_id=connection_id,
        needs_newer_agent=later,
        client_data=None if request is None else request.client_data,
        root_key=None if content is None else content.fixed.root_key,
        entity_id=None if content is None else content.fixed.entity_id,
        direct=direct,
        owners=() if address is None else address.owners,
        relays=()
        if address is None
        else tuple(relay.restored(config.presets) for relay in address.relays),
    )


def _versions(
    config: DuplexConfig, request: ConnectionRequest
) -> list[tuple[VersionRange, VersionRange]]:
    """Each range in a request, and the one that is spoken here."""
    spoken = config.spoken
    found = [
        (request.agent_versions, spoken.agent),
        (request.queues[0].client_versions, spoken.client),
    ]
    if isinstance(request, InvitationURI):
        found.append((request.x3dh_offer.versions, spoken.ratchet))
    return found


def _is_spoken(config: DuplexConfig, request: ConnectionRequest) -> bool:
    return all(offered.intersection(ours) for offered, ours in _versions(config, request))


def _is_of_the_future(config: DuplexConfig, request: ConnectionRequest) -> bool:
    return any(offered.lowest > ours.highest for offered, ours in _versions(config, request))
