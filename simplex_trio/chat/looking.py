"""`LinkInfo`: what a link is, and who is behind it, before it is opened."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar, final

from attrs import evolve, field

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.channels.joining import subscribed_to
from simplex_trio.chat.machine.channels.links import is_channel
from simplex_trio.chat.machine.connecting import is_own, leads_to_group
from simplex_trio.chat.machine.groups.links import hosted_by, joined_by, may_be_business
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import AddressData, GroupLinkData
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.people import Contact
from simplex_trio.duplex.errors import NeedsNewerAgent
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link, LinkProblem, NotALink, parse_link
from simplex_trio.wire.duplex.requests import ContactURI, InvitationURI
from simplex_trio.wire.duplex.short_links import (
    ContactKind,
    ShortContactLink,
    ShortInvitationLink,
)

__all__ = ["LinkInfo", "LinkKind", "look_at_link"]

DataT = TypeVar("DataT", AddressData, GroupLinkData)


class LinkKind(StrEnum):
    """What a link leads to."""

    INVITATION = "invitation"
    """A person or a bot; one program can use it once."""
    ADDRESS = "address"
    """A person or a bot, who may be asked by any number."""
    GROUP = "group"
    """A group, which `Bot.join` joins."""
    CHANNEL = "channel"
    """A channel, which `Bot.join` joins too."""
    UNKNOWN = "unknown"
    """Something of a later version."""


@final
@frozen(repr=False)
class LinkInfo(Redacted):
    """What a link is, as `Bot.look` finds it."""

    kind: LinkKind
    can_connect: bool = False
    """Whether `Bot.connect` can use it."""
    can_join: bool = False
    """Whether `Bot.join` can use it."""
    needs_newer: bool = False
    """Whether it is for later versions: update this program to use it."""
    is_own: bool = False
    """Whether it is the bot's own address, an invitation that it has made, or the link of a group
    that it hosts."""
    contact: Contact | None = field(default=None, repr=False)
    """The contact that came about by this link, or is to."""
    profile: Profile | None = None
    """Who is behind it.  `None` if the link does not say so, as long links never do; of a one-time
    link that was opened before, it is what the contact has said since."""
    welcome: Content | None = None
    """The welcome message of an address."""
    is_business: bool = False
    """Whether the conversation is a group, which others of the business can join: `Bot.join`."""
    group: GroupProfile | None = None
    """The profile of a group, or of a channel; long links do not have it."""
    joined: Group | None = field(default=None, repr=False)
    """The group that the bot hosts with this link, or has come into by it, or is to."""
    subscriber_count: int | None = None
    """How many subscribers a channel has."""


async def look_at_link(
    core: ChatCore, link: Link | str, presets: Iterable[ServerAddress]
) -> LinkInfo:
    """Find out what a link is; see `Bot.look`."""
    try:
        parsed = parse_link(link, presets) if isinstance(link, str) else link
    except NotALink as exc:
        if exc.problem in (LinkProblem.FUTURE_KIND, LinkProblem.FUTURE_VERSION):
            return LinkInfo(LinkKind.UNKNOWN, needs_newer=True)
        raise
    kind = _kind(parsed)
    if kind is LinkKind.GROUP:
        return await _look_at_group(core, parsed, presets)
    # Reading a one-time link of our own would make it unusable for the person whom it is for.
    if await core.step(lambda store: is_own(store, parsed, presets), durable=False):
        settings = core.settings
        welcome = settings.welcome if kind is LinkKind.ADDRESS else None
        return LinkInfo(kind, is_own=True, profile=settings.profile, welcome=welcome)
    try:
        preview = await core.agent.look(parsed)
    except NeedsNewerAgent:
        return LinkInfo(kind, needs_newer=True)
    needs_newer = preview.needs_newer_agent
    data = _read(AddressData, preview.data)
    found = LinkInfo(kind, can_connect=preview.can_join, needs_newer=needs_newer)
    if data is not None:
        found = evolve(
            found,
            profile=data.profile,
            welcome=data.message,
            is_business=data.business,
            can_join=data.business and found.can_connect and may_be_business(parsed),
        )
    if preview.connection_id is not None:
        found = await _known(core, found, preview.connection_id)
    return found


async def _look_at_group(core: ChatCore, link: Link, presets: Iterable[ServerAddress]) -> LinkInfo:
    own = await core.step(lambda store: hosted_by(GroupStore(store), link, presets), durable=False)
    if own is not None:
        group = Group(core, own)
        return LinkInfo(LinkKind.GROUP, is_own=True, group=own.profile, joined=group)
    try:
        preview = await core.agent.look(link)
    except NeedsNewerAgent:
        return LinkInfo(LinkKind.GROUP, needs_newer=True)
    shown = _read(GroupLinkData, preview.data)
    profile = None if shown is None else shown.group_profile
    is_groups = isinstance(link, ContactURI) or preview.kind is ContactKind.GROUP
    connection_id, public_id = preview.connection_id, preview.entity_id

    def find(store: Store) -> Group | None:
        groups = GroupStore(store)
        found = None if connection_id is None else joined_by(groups, connection_id)
        if found is None and public_id is not None:
            found = subscribed_to(groups, public_id)
        return None if found is None else Group(core, found)

    found = LinkInfo(
        LinkKind.GROUP,
        can_join=preview.can_join and is_groups,
        needs_newer=preview.needs_newer_agent,
        group=profile,
        joined=await core.step(find, durable=False),
    )
    if not is_channel(preview):
        return found
    count = None if shown is None else shown.public_group_data
    return evolve(
        found,
        kind=LinkKind.CHANNEL,
        can_join=bool(preview.relays) and not found.needs_newer,
        subscriber_count=None if count is None else count.public_member_count,
    )


async def _known(core: ChatCore, info: LinkInfo, connection_id: str) -> LinkInfo:
    def find(store: Store) -> tuple[Contact | None, Group | None]:
        found = store.contact_of(connection_id)
        contact = None if found is None else Contact(core, found)
        joined = joined_by(GroupStore(store), connection_id)
        return contact, None if joined is None else Group(core, joined)

    contact, joined = await core.step(find, durable=False)
    if contact is None:
        return evolve(info, joined=joined)
    return evolve(info, contact=contact, profile=info.profile or contact.profile)


def _kind(link: Link) -> LinkKind:
    if isinstance(link, InvitationURI | ShortInvitationLink):
        return LinkKind.INVITATION
    if leads_to_group(link):
        return LinkKind.GROUP
    if isinstance(link, ShortContactLink) and link.kind is not ContactKind.CONTACT:
        return LinkKind.UNKNOWN
    return LinkKind.ADDRESS


def _read(kind: type[DataT], data: bytes | None) -> DataT | None:
    """What a link shows; `None` if that is nothing, or makes no sense, as in the apps."""
    try:
        return None if data is None else kind.decode(data)
    except DecodeError:
        return None
