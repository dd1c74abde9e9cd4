"""How the program comes into a channel, and how its relays come and go.

It asks each relay of the channel, and is a subscriber as soon as the first one has let it in.  For
all relays it is the same member, with a key of its own, by which they and others verify what it
signs.
"""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import CannotJoin
from simplex_trio.chat.machine.channels.links import FoundChannel, FoundRelay
from simplex_trio.chat.machine.channels.records import ChannelRecord, WantedRelay
from simplex_trio.chat.machine.channels.relays import (
    channel_with,
    drop_relay,
    find_relay,
    forget_channel,
    keep_channel,
    look_at,
    put_relay,
    relay_of_member,
    relays_of,
    want_relay,
)
from simplex_trio.chat.machine.channels.saying import relay_members, say_signed, shown_id, signer_in
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.leaving import (
    close_group,
    fail,
    hear_out,
    is_deaf,
    is_lost,
    remove,
)
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.own_profile import note_profile, profile_in
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.store import PATIENCE, GroupStore
from simplex_trio.chat.machine.incognito import random_profile
from simplex_trio.chat.machine.noticing import read_info
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.channel_events import XMember
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.group_events import (
    GroupLinkInvitation,
    XGrpLeave,
    XGrpLinkInv,
    XGrpLinkReject,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.crypto.keys import Ed25519PrivateKey, Ed25519PublicKey
from simplex_trio.duplex.errors import DuplexError, UnknownConnection
from simplex_trio.duplex.events import ConfirmationReceived, ConnectionEvent, ConnectionReady
from simplex_trio.errors import TooLarge

__all__ = [
    "begin_channel",
    "drop_relay_member",
    "followed_relay",
    "give_up_channel",
    "join_relay",
    "leave_channel",
    "looked_again",
    "relay_given_up",
    "subscribed_to",
]

FIRST_ATTEMPT = 60
"""Seconds that `Bot.join` has for asking the relays itself."""

LOOK_PERIOD = 24 * 3600
"""Seconds after which the link of a channel is read again."""

LOOK_PERIOD_ALONE = 3600
"""The same for a channel without a relay."""


# --- joining ------------------------------------------------------------------------------------


def subscribed_to(groups: GroupStore, public_id: bytes) -> GroupRecord | None:
    """The channel with this id, if the program is in it, or is about to be."""
    group_id = channel_with(groups.store.t.kept, public_id)
    group = None if group_id is None else groups.group(group_id)
    return None if group is None or group.status.is_over else group


def begin_channel(
    groups: GroupStore,
    settings: Settings,
    link: str,
    found: FoundChannel,
    *,
    incognito: bool,
    alias: str,
) -> GroupRecord:
    """Begin to join a channel; the same channel again is the same group, unless that is over."""
    kept, now = groups.store.t.kept, settings.seconds
    group = subscribed_to(groups, found.public_id)
    if group is None:
        own_id = settings.new_message_id()
        while own_id in found.owners:  # which is as good as impossible
            own_id = settings.new_message_id()
        channel = ChannelRecord(
            *(link, found.public_id, found.root_key.der),
            settings.random(Ed25519PrivateKey.SIZE),
            found.subscribers,
        )
        group = GroupRecord(
            groups.store.new_contact_id(),
            GroupStatus.JOINING,
            found.profile,
            own_id,
            Role.OBSERVER,
            own_profile=random_profile(settings.random) if incognito else None,
            alias=alias,
            is_by_link=True,
            channel=channel,
        )
        group = note_profile(groups, settings, groups.put_group(group))
        keep_channel(kept, group.group_id, channel, now + LOOK_PERIOD)
    _know_owners(groups, group, found)
    for each in found.relays:
        want_relay(kept, group.group_id, str(each), now + FIRST_ATTEMPT)
    groups.store.has_relays = True
    return group


def _know_owners(groups: GroupStore, group: GroupRecord, found: FoundChannel) -> None:
    """Know the owners, and their keys, by the link alone."""
    owners = [each for each in groups.members(group.group_id) if each.role == Role.OWNER]
    for each in owners:
        if each.member_id not in found.owners:
            groups.change_member(each, role=Role.OBSERVER, key=None, is_key_signed=False)
    for member_id, key in found.owners.items():
        known = groups.member(group.group_id, member_id)
        if member_id == group.own_id or (known is not None and known.role == Role.RELAY):
            continue
        if known is None:
            name = shown_id(member_id)
            known = MemberRecord(
                *(group.group_id, member_id, Role.OWNER),
                *(MemberStatus.PRESENT, MemberOrigin.BEFORE, name),
            )
        owner = evolve(
            known,
            role=Role.OWNER,
            status=MemberStatus.PRESENT,
            key=key.der,
            is_key_signed=True,
        )
        if owner != known or groups.member(group.group_id, member_id) is None:
            groups.put_member(owner)


def join_relay(
    groups: GroupStore, settings: Settings, relay: WantedRelay, found: FoundRelay
) -> bytes | None:
    """Ask a relay to let the program in; returns what it is told, `None` if it was asked already.

    Raises `CannotJoin` if it says that it is a member that it cannot be.
    """
    kept = groups.store.t.kept
    group, wanted = groups.group(relay.group_id), find_relay(kept, relay.group_id, relay.link)
    channel = None if group is None else group.channel
    if group is None or channel is None or group.status.is_over:
        return None
    if wanted is None or wanted.member_id is not None:
        return None
    if (
        found.member_id == group.own_id
        or groups.member(group.group_id, found.member_id) is not None
        or relay_of_member(kept, group.group_id, found.member_id) is not None
    ):
        raise CannotJoin("the relay says that it is another member of the channel")
    signer = signer_in(group, channel)
    event = XMember(
        profile_in(settings, group), group.own_id, signer.key.public.der, found.member_id
    )
    info = signer.sign_info(ChatMessage(event))
    connection_id = groups.store.t.join(relay.link, info, decides=True, pq=False)
    member = MemberRecord(
        *(group.group_id, found.member_id, Role.RELAY, MemberStatus.JOINING, MemberOrigin.HOST),
        connection_id=connection_id,
        key=found.key.der,
        is_key_signed=True,
    )
    groups.wait_for(groups.put_member(member, found.profile), settings.seconds + PATIENCE)
    put_relay(kept, evolve(wanted, member_id=found.member_id))
    return info


def give_up_channel(groups: GroupStore, group_id: int) -> None:
    """Forget a channel none of whose relays is of any use."""
    group = groups.group(group_id)
    if group is not None and group.status is GroupStatus.JOINING:
        for each in relay_members(groups, group):
            remove(groups, each)
        groups.remove_group(group)


# --- what becomes of it -------------------------------------------------------------------------


def followed_relay(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    relay: MemberRecord,
    event: ConnectionEvent,
) -> list[GroupNoticed]:
    """What follows from an event of the connection with a relay."""
    match event:
        case ConfirmationReceived():
            return _answered(groups, settings, group, relay, event)
        case ConnectionReady():
            groups.wait_for(relay, None)
            groups.change_member(
                relay, status=MemberStatus.PRESENT, can_send=True, is_connected=True
            )
            if group.status is not GroupStatus.JOINING:
                return []
            joined = groups.change_group(
                group, status=GroupStatus.READY, joined_at=settings.seconds
            )
            return notify_of_group(groups.store, joined, NoticeKind.GROUP_JOINED)
        case _ if is_lost(event):
            return relay_given_up(groups, settings, group, relay)
        case _ if is_deaf(event):
            hear_out(groups, settings, relay)
            return []
        case _:
            return []


def _answered(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    relay: MemberRecord,
    event: ConfirmationReceived,
) -> list[GroupNoticed]:
    message = read_info(event.info)
    said = None if message is None else message.event
    if message is not None and isinstance(said, XGrpLinkInv):
        invitation = said.group_link_invitation
        if _is_of_channel(group, relay, invitation):
            groups.change_member(relay, versions=message.versions)
            if group.status is GroupStatus.JOINING:
                # The profile of the link is signed, which that of a relay is not.
                role = invitation.invited_member.member_role
                own_role = Role.OBSERVER if has_role(role, Role.MODERATOR) else role
                group = groups.change_group(group, own_role=own_role)
            info = encode_info(ChatMessage(XInfo(profile_in(settings, group))), pq=False)
            with suppress(DuplexError, TooLarge):
                groups.store.t.accept(event, info, pq=False)
                return []
    with suppress(UnknownConnection):
        groups.store.t.reject(event)
    if isinstance(said, XGrpLinkReject) and group.status is GroupStatus.JOINING:
        reason = said.group_link_rejection.rejection_reason
        group = groups.change_group(group, rejection=reason)
    return relay_given_up(groups, settings, group, relay)


def _is_of_channel(group: GroupRecord, relay: MemberRecord, said: GroupLinkInvitation) -> bool:
    public = said.group_profile.public_group
    return (
        public is not None
        and group.channel is not None
        and public.public_group_id == group.channel.public_id
        and said.from_member.member_id == relay.member_id
        and said.invited_member.member_id == group.own_id
    )


def drop_relay_member(
    groups: GroupStore, settings: Settings, relay: MemberRecord, *, is_in_use: bool = False
) -> None:
    """A relay is one of the channel no longer: delete the connection with it.

    If its last message ``is_in_use``, that is done when the program has dealt with it.
    """
    kept = groups.store.t.kept
    wanted = relay_of_member(kept, relay.group_id, relay.member_id)
    if wanted is not None:
        drop_relay(kept, wanted)
    if is_in_use:
        groups.change_member(relay, status=MemberStatus.GONE)
    else:
        remove(groups, relay)
    _look_if_alone(groups, settings, relay.group_id)


def _look_if_alone(groups: GroupStore, settings: Settings, group_id: int) -> None:
    kept = groups.store.t.kept
    if not relays_of(kept, group_id):
        look_at(kept, group_id, settings.seconds + LOOK_PERIOD_ALONE)
        groups.store.has_relays = True


def relay_given_up(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    relay: MemberRecord | WantedRelay,
) -> list[GroupNoticed]:
    """A relay cannot be reached, or not any more; without any the program does not come in."""
    if isinstance(relay, MemberRecord):
        drop_relay_member(groups, settings, relay)
    else:
        drop_relay(groups.store.t.kept, relay)
        _look_if_alone(groups, settings, group.group_id)
    if group.status is not GroupStatus.JOINING or relays_of(groups.store.t.kept, group.group_id):
        return []
    forget_channel(groups.store.t.kept, group.group_id, group.channel)
    return fail(groups, group, rejection=group.rejection)


def looked_again(
    groups: GroupStore, settings: Settings, group_id: int, found: FoundChannel | None
) -> None:
    """The link of a channel was read again, or could not be read."""
    kept, group = groups.store.t.kept, groups.group(group_id)
    if group is None or group.channel is None or group.status.is_over:
        forget_channel(kept, group_id, None)
        return
    channel = group.channel
    is_same = (
        found is not None
        and found.public_id == channel.public_id
        and found.root_key == Ed25519PublicKey.from_der(channel.root_key)
    )
    if found is not None and is_same:
        channel = evolve(channel, subscribers=found.subscribers)
        groups.change_group(group, channel=channel, profile=_newer(groups, group, found.profile))
        _know_owners(groups, group, found)
        _follow_relays(groups, settings, group, found)
    is_alone = not relays_of(kept, group_id)
    look_at(kept, group_id, settings.seconds + (LOOK_PERIOD_ALONE if is_alone else LOOK_PERIOD))


def _newer(groups: GroupStore, group: GroupRecord, shown: GroupProfile) -> GroupProfile:
    # As long as there is a relay an owner's message tells of it, and so is the program.
    return group.profile if relay_members(groups, group) else shown


def _follow_relays(
    groups: GroupStore, settings: Settings, group: GroupRecord, found: FoundChannel
) -> None:
    kept, named = groups.store.t.kept, {str(each) for each in found.relays}
    if not named:
        return
    for each in relays_of(kept, group.group_id):
        if each.link in named:
            continue
        member = None
        if each.member_id is not None:
            member = groups.member(group.group_id, each.member_id)
        if member is not None:
            drop_relay_member(groups, settings, member)
        else:
            drop_relay(kept, each)
    for link in named:
        if want_relay(kept, group.group_id, link, settings.seconds):
            groups.store.has_relays = True


# --- leaving ------------------------------------------------------------------------------------


def leave_channel(groups: GroupStore, settings: Settings, group: GroupRecord) -> None:
    """Leave a channel, and tell its relays."""
    channel = group.channel
    if channel is None or group.status.is_over:
        return
    say_signed(groups, group, channel, XGrpLeave(), settings.new_message_id())
    forget_channel(groups.store.t.kept, group.group_id, channel)
    group = groups.change_group(group, status=GroupStatus.LEFT)
    close_group(groups, group, after_delivery=True)
    groups.store.silenced.append((group.group_id, None))
