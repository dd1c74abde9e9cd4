"""`join_group`: how a program comes into a group by its link."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import trio

from simplex_trio.chat.channels import join_channel
from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import NotAGroup
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.channels.links import is_channel, is_relay
from simplex_trio.chat.machine.groups.customer import group_of_business
from simplex_trio.chat.machine.groups.links import (
    ask_to_join,
    check_group_link,
    give_up_joining,
    may_be_business,
)
from simplex_trio.chat.machine.groups.records import GroupRecord
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import AddressData, GroupLinkData
from simplex_trio.chat.messages.group_profiles import GroupProfile
from simplex_trio.chat.people import check_alias
from simplex_trio.client.router_errors import RouterError
from simplex_trio.duplex.errors import AlreadyJoined, DuplexError, LinkNotUsable
from simplex_trio.duplex.links import LinkPreview
from simplex_trio.errors import DecodeError
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link
from simplex_trio.wire.duplex.short_links import ShortContactLink

__all__ = ["join_group"]


async def join_group(
    core: ChatCore,
    link: Link,
    presets: Iterable[ServerAddress],
    *,
    incognito: bool,
    alias: str,
    connects: bool,
) -> Group:
    """Ask for a group at its link; see `Bot.join`."""
    check_alias(alias)
    check_group_link(link)
    preview = await _look(core, link)
    if preview is not None and isinstance(link, ShortContactLink) and is_channel(preview):
        return await join_channel(core, link, preview, incognito=incognito, alias=alias)
    shown = _business(preview) if may_be_business(link) else _shown(preview)
    settings = core.settings
    ask = partial(
        ask_to_join,
        incognito=incognito,
        alias=alias,
        connects=connects,
        presets=presets,
    )

    def decide(store: Store) -> tuple[GroupRecord, bytes]:
        return ask(GroupStore(store), settings, link, shown)

    record, info = await core.step(decide)
    try:
        await core.agent.join(link, info, decides=True, pq=False)
    except AlreadyJoined:
        pass  # an earlier call, or an earlier life of the program, has come as far as that
    except DuplexError:
        with trio.CancelScope(shield=True):  # one step in the store, which takes no time
            await core.step(lambda store: give_up_joining(GroupStore(store), record.group_id))
        raise
    return Group(core, record)


async def _look(core: ChatCore, link: Link) -> LinkPreview | None:
    """What a short link says; long ones say nothing."""
    if not isinstance(link, ShortContactLink):
        return None
    try:
        return await core.agent.look(link)
    except RouterError as exc:
        if exc.retryable:
            raise
        raise LinkNotUsable("a router does not know the link, or refuses it") from exc


def _business(preview: LinkPreview | None) -> GroupProfile:
    """What the address of a business shows."""
    try:
        encoded = None if preview is None else preview.data
        data = None if encoded is None else AddressData.decode(encoded)
    except DecodeError:
        data = None
    if data is None or not data.business:
        raise NotAGroup("the link leads to a person or a bot, with whom Bot.connect connects")
    return group_of_business(data)


def _shown(preview: LinkPreview | None) -> GroupProfile:
    """What the link shows of the group, until the host says more."""
    if preview is None:
        return GroupProfile("")
    if is_relay(preview):
        raise NotAGroup("the link is that of a relay, not of a channel")
    try:
        data = None if preview.data is None else GroupLinkData.decode(preview.data)
    except DecodeError:  # as in the apps, which then know nothing of it either
        data = None
    return GroupProfile("") if data is None else data.group_profile
