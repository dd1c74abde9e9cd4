"""`join_channel` and `keep_channels`: how a program comes into channels, and stays in them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import trio

from simplex_trio.chat.core import ChatCore
from simplex_trio.chat.errors import CannotJoin, ChatError
from simplex_trio.chat.groups import Group
from simplex_trio.chat.machine.channels.joining import (
    begin_channel,
    give_up_channel,
    join_relay,
    looked_again,
    relay_given_up,
)
from simplex_trio.chat.machine.channels.links import FoundChannel, read_channel, read_relay
from simplex_trio.chat.machine.channels.records import WantedRelay
from simplex_trio.chat.machine.channels.relays import (
    due_looks,
    due_relays,
    find_relay,
    forget_channel,
    look_at,
    put_off,
    put_relay,
    relays_of,
)
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.records import GroupRecord
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.store import Store
from simplex_trio.duplex.errors import AlreadyJoined, DuplexError
from simplex_trio.duplex.links import LinkPreview
from simplex_trio.errors import DecodeError, SimplexError, StoreError
from simplex_trio.frozen import frozen
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import NotALink, parse_link
from simplex_trio.wire.duplex.short_links import ShortContactLink

__all__ = ["join_channel", "keep_channels"]

_PERIOD = 3600
"""Seconds between two looks for what is to be done."""

_AT_ONCE = 4
"""How many links are read at the same time."""

_EVER = 2**63

_AGAIN = 600
"""Seconds after which the link of a channel is read again that could not be read."""


# --- joining ------------------------------------------------------------------------------------


async def join_channel(
    core: ChatCore, link: ShortContactLink, preview: LinkPreview, *, incognito: bool, alias: str
) -> Group:
    """Join a channel; see `Bot.join`."""
    found = read_channel(link, preview)
    if not found.relays:
        raise CannotJoin("the channel has no relays now")
    begin = partial(begin_channel, link=str(link), found=found, incognito=incognito, alias=alias)
    settings = core.settings

    def decide(store: Store) -> tuple[GroupRecord, list[WantedRelay]]:
        group = begin(GroupStore(store), settings)
        return group, relays_of(store.t.kept, group.group_id)

    record, relays = await core.step(decide)
    errors: list[SimplexError] = []
    is_reached = False
    async with trio.open_nursery() as nursery:

        async def ask(relay: WantedRelay) -> None:
            nonlocal is_reached
            try:
                await _ask(core, relay, wait=True)
            except SimplexError as exc:
                errors.append(exc)
            else:
                is_reached = True
                nursery.cancel_scope.cancel()  # the others are asked in the background

        for each in relays:
            nursery.start_soon(ask, each)
    if is_reached:
        await core.step(lambda store: _ask_soon(store, record.group_id, core.settings.seconds))
        return Group(core, record)
    if all(map(_is_final, errors)):
        with trio.CancelScope(shield=True):  # one step in the store, which takes no time
            await core.step(lambda store: give_up_channel(GroupStore(store), record.group_id))
    raise next((each for each in errors if not _is_final(each)), errors[0])


def _ask_soon(store: Store, group_id: int, now: int) -> None:
    """Ask the relays in the background that were not asked yet."""
    for each in relays_of(store.t.kept, group_id):
        if each.member_id is None:
            put_relay(store.t.kept, WantedRelay(group_id, each.link, next_at=now))
            store.has_relays = True


def _is_final(error: SimplexError) -> bool:
    """Whether it is of no use to ask again."""
    is_final = isinstance(error, DuplexError | ChatError | DecodeError | NotALink)
    return is_final and not isinstance(error, AlreadyJoined)


async def _ask(core: ChatCore, relay: WantedRelay, *, wait: bool) -> None:
    """Ask a relay to let the program in, and perhaps wait until its router knows of that."""
    preview = await core.agent.look(relay.link)
    found = read_relay(preview)

    def decide(store: Store) -> bytes | None:
        return join_relay(GroupStore(store), core.settings, relay, found)

    info = await core.step(decide)
    if info is not None and wait:
        with suppress(AlreadyJoined):  # it has come as far as that
            await core.agent.join(relay.link, info, decides=True, pq=False)


# --- staying ------------------------------------------------------------------------------------


@frozen
class _Due:
    relays: list[WantedRelay]
    channels: list[GroupRecord]
    next_at: int | None


def _due(now: int, is_first: bool, store: Store) -> _Due:
    groups, kept = GroupStore(store), store.t.kept
    relays, next_relay = due_relays(kept, now)
    looks, next_look = due_looks(kept, _EVER if is_first else now)
    found = ((each, groups.group(each)) for each in looks)
    channels: list[GroupRecord] = []
    for group_id, group in found:
        if group is None or group.status.is_over or group.channel is None:
            forget_channel(kept, group_id, None)
        else:
            channels.append(group)
    next_at = min((each for each in (next_relay, next_look) if each is not None), default=None)
    return _Due(relays, channels, next_at)


async def keep_channels(core: ChatCore, presets: Iterable[ServerAddress]) -> None:
    """Ask relays of channels, and read the links of channels again, until cancelled."""
    limit = trio.CapacityLimiter(_AT_ONCE)
    is_first = True
    while True:
        core.relays_due = trio.Event()
        due = await core.step(partial(_due, core.settings.seconds, is_first), durable=False)
        is_first = False
        async with trio.open_nursery() as nursery:
            for relay in due.relays:
                nursery.start_soon(_ask_later, core, relay, limit)
            for group in due.channels:
                nursery.start_soon(_look_again, core, group, presets, limit)
        wait: float = _PERIOD
        if due.next_at is not None and not due.channels:
            wait = min(wait, max(1, due.next_at - core.settings.clock()))
        elif due.channels:
            wait = 1  # when to read them next is known now
        with trio.move_on_after(wait):
            await core.relays_due.wait()


async def _ask_later(core: ChatCore, relay: WantedRelay, limit: trio.CapacityLimiter) -> None:
    async with limit:
        try:
            await _ask(core, relay, wait=False)
        except StoreError:
            raise
        except SimplexError as exc:
            not_reached = partial(_not_reached, core, relay, is_final=_is_final(exc))
            for noticed in await core.step(not_reached):
                core.notice_added(noticed)


def _not_reached(
    core: ChatCore, relay: WantedRelay, store: Store, *, is_final: bool
) -> list[GroupNoticed]:
    groups, kept, settings = GroupStore(store), store.t.kept, core.settings
    group, wanted = groups.group(relay.group_id), find_relay(kept, relay.group_id, relay.link)
    if group is None or wanted is None or wanted.member_id is not None:
        return []
    if not is_final and put_off(kept, wanted, settings.seconds):
        return []
    return relay_given_up(groups, settings, group, wanted)


async def _look_again(
    core: ChatCore,
    group: GroupRecord,
    presets: Iterable[ServerAddress],
    limit: trio.CapacityLimiter,
) -> None:
    assert group.channel is not None
    found: FoundChannel | None = None
    async with limit:
        try:
            link = parse_link(group.channel.link, presets)
            preview = await core.agent.look(link)
            if isinstance(link, ShortContactLink):
                found = read_channel(link, preview)
        except StoreError:
            raise
        except SimplexError as exc:
            again = _AGAIN if not _is_final(exc) else None
        else:
            again = None

    def decide(store: Store) -> None:
        looked_again(GroupStore(store), core.settings, group.group_id, found)
        if again is not None:
            look_at(store.t.kept, group.group_id, core.settings.seconds + again)

    await core.step(decide)
