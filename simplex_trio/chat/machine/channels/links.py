"""What the links of channels and of their relays say, and whether that holds together."""

from __future__ import annotations

import hashlib
from typing import TypeVar

from simplex_trio.chat.errors import CannotJoin, GroupsNotSupported
from simplex_trio.chat.machine.channels.records import MAX_OWNERS, MAX_RELAYS
from simplex_trio.chat.machine.groups.records import MAX_MEMBER_ID
from simplex_trio.chat.messages.addresses import GroupLinkData, RelayLinkData
from simplex_trio.chat.messages.group_profiles import GroupProfile, GroupType
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.crypto.keys import Ed25519PublicKey
from simplex_trio.duplex.links import LinkPreview
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink, parse_short_link

__all__ = ["FoundChannel", "FoundRelay", "is_channel", "is_relay", "read_channel", "read_relay"]

DataT = TypeVar("DataT", GroupLinkData, RelayLinkData)


@frozen(repr=False)
class FoundChannel(Redacted):
    """What the link of a channel says."""

    public_id: bytes
    root_key: Ed25519PublicKey
    profile: GroupProfile
    owners: dict[bytes, Ed25519PublicKey]
    """Their keys, by their member ids."""
    relays: tuple[ShortContactLink, ...]
    subscribers: int | None


@frozen(repr=False)
class FoundRelay(Redacted):
    """What the link of a relay says."""

    member_id: bytes
    key: Ed25519PublicKey
    profile: Profile


def _data(kind: type[DataT], preview: LinkPreview) -> DataT | None:
    try:
        return None if preview.data is None else kind.decode(preview.data)
    except DecodeError:  # as in the apps, which then know nothing of it either
        return None


def is_channel(preview: LinkPreview) -> bool:
    """Whether a link leads to a channel, or another group with relays."""
    data = _data(GroupLinkData, preview)
    is_public = data is not None and data.group_profile.public_group is not None
    return is_public or not preview.direct or preview.kind is ContactKind.CHANNEL


def is_relay(preview: LinkPreview) -> bool:
    """Whether a link is that of a relay, which only those use who join its channel."""
    is_of_relay = preview.kind is ContactKind.RELAY or preview.entity_id is not None
    return is_of_relay and _data(RelayLinkData, preview) is not None


def read_channel(link: ShortContactLink, preview: LinkPreview) -> FoundChannel:
    """What the link of a channel says.

    Raises `GroupsNotSupported` for something of a later version, and `CannotJoin` for a link that
    does not hold together: the id of a channel has to be that of its root key, so that no other
    channel can be shown under it.
    """
    data = _data(GroupLinkData, preview)
    public = None if data is None else data.group_profile.public_group
    root_key, entity_id = preview.root_key, preview.entity_id
    if data is None or public is None or root_key is None or entity_id is None:
        raise CannotJoin("the link does not say which channel it leads to")
    if public.group_type != GroupType.CHANNEL:
        raise GroupsNotSupported("the link leads to a kind of group of a later version")
    is_consistent = entity_id == public.public_group_id == hashlib.sha256(
        root_key.raw
    ).digest() and _is_link(public.group_link, link)
    if not is_consistent:
        raise CannotJoin("the link is not that of the channel that it shows")
    owners = {
        each.owner_id: each.key
        for each in preview.owners[:MAX_OWNERS]
        if 1 <= len(each.owner_id) <= MAX_MEMBER_ID
    }
    count = data.public_group_data
    return FoundChannel(
        *(entity_id, root_key, data.group_profile, owners, preview.relays[:MAX_RELAYS]),
        None if count is None else max(0, count.public_member_count),
    )


def _is_link(said: str, link: ShortContactLink) -> bool:
    try:
        found = parse_short_link(said)
    except DecodeError:
        return False
    return isinstance(found, ShortContactLink) and found.link_key == link.link_key


def read_relay(preview: LinkPreview) -> FoundRelay:
    """What the link of a relay says; raises `CannotJoin` if it is none."""
    data = _data(RelayLinkData, preview)
    member_id, key = preview.entity_id, preview.root_key
    if data is None or member_id is None or key is None or not preview.can_join:
        raise CannotJoin("the link is not that of a relay of a channel")
    if not 1 <= len(member_id) <= MAX_MEMBER_ID:
        raise CannotJoin("the relay has an id that no member has")
    return FoundRelay(member_id, key, data.relay_profile)
