"""What relays say, and what owners and members of a channel say through them.

A relay can make up whatever is not signed: posts, and who members are that nothing is signed by.
It cannot change the channel, the owners, or what an owner has made a member.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from simplex_trio.chat.machine.channels.arriving import (
    ChannelArrival,
    Rules,
    apply_rules,
    known_key,
)
from simplex_trio.chat.machine.channels.joining import drop_relay_member
from simplex_trio.chat.machine.channels.relays import forget_channel, want_relay
from simplex_trio.chat.machine.channels.saying import shown_id, the_channel
from simplex_trio.chat.machine.file_records import FileState, FileStore, OfferedFile, file_mark
from simplex_trio.chat.machine.groups import changes, content, members
from simplex_trio.chat.machine.groups.changes import ends, group_changes
from simplex_trio.chat.machine.groups.elements import Element
from simplex_trio.chat.machine.groups.records import (
    FIRST_VERSION,
    MAX_MEMBER_ID,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
    ToldRecord,
)
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.receiving_files import add_part, take_back
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.channel_events import XGrpRelayNew
from simplex_trio.chat.messages.events import (
    XFileCancel,
    XInfo,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_events import (
    MemberInfo,
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpLinkMem,
    XGrpMemDel,
    XGrpMemIntro,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.duplex.events import PeerMessage
from simplex_trio.errors import DecodeError
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink, parse_short_link

__all__ = ["RULES", "RULES_OF_RELAYS", "apply_in_channel"]

_MAX_PRIVILEGED = 256
"""How many members an owner can make known beyond the limit of those that relays tell of."""

# --- posts and what else is said ----------------------------------------------------------------


def _as_channel(a: ChannelArrival, as_group: bool | None) -> bool:
    """An owner may speak as the channel; returns whether the author may say what it does."""
    if as_group and a.author.member_id:
        if not a.governs(Role.OWNER):
            return False
        a.author = the_channel(a.group)
    return True


def posted(a: ChannelArrival, event: XMsgNew) -> bool:
    """A post, or a message of a member."""
    if a.is_history and not has_role(a.author.role, Role.AUTHOR):
        # It was allowed to say that then, or the relay would not have kept it.
        a.author = evolve(a.author, role=Role.AUTHOR)
    if not _as_channel(a, event.as_group) or not content.message_came(a, event):
        return False
    file = _file(a, a.msg_id or b"")
    if file is not None and file.parts:
        FileStore(a.store).note(evolve(file, described_by=a.deliverer.member_id))
    return not a.is_history


def edited(a: ChannelArrival, event: XMsgUpdate) -> bool:
    """A post, or a message of a member, has another content."""
    return _as_channel(a, event.as_group) and content.message_edited(a, event)


def deleted(a: ChannelArrival, event: XMsgDel) -> bool:
    """A post is deleted, or a message of a member."""
    if not content.message_deleted(a, event):
        return False
    if event.member_id is None and a.governs(Role.OWNER):
        take_back(a.store, a.group.group_id, file_mark(event.msg_id, b""))  # if it is a post
    return True


# --- files --------------------------------------------------------------------------------------


def _file(a: ChannelArrival, msg_id: bytes) -> OfferedFile | None:
    mark = file_mark(msg_id, a.author.member_id)
    return FileStore(a.store).get(a.group.group_id, mark)


def _file_of_author(a: ChannelArrival, msg_id: bytes) -> OfferedFile | None:
    """The file of a message of the author; owners may have posted it as the channel."""
    file = _file(a, msg_id)
    if file is None and a.author.member_id and a.governs(Role.OWNER):
        a.author = the_channel(a.group)
        return _file(a, msg_id)
    return file


def file_described(a: ChannelArrival, event: XMsgFileDescr) -> bool:
    """A part of the description of a file.

    There is another description for each relay.  The first relay's is read; that of another one
    takes its place if it is complete before.
    """
    file = _file_of_author(a, event.msg_id)
    if file is None or file.is_described or not a.is_new():
        return False
    relay_id, part = a.deliverer.member_id, event.file_descr
    files = FileStore(a.store)
    if file.described_by is None:
        files.note(evolve(file, described_by=relay_id))
    elif file.described_by != relay_id:
        is_whole = part.file_descr_part_no == 1 and part.file_descr_complete
        if not is_whole or file.state not in (FileState.OFFERED, FileState.WANTED):
            return False
        files.note(evolve(files.without_parts(file), described_by=relay_id))
    add_part(a.store, a.group.group_id, file.key[1], part)
    return True


def file_cancelled(a: ChannelArrival, event: XFileCancel) -> bool:
    """A file is taken back."""
    file = _file_of_author(a, event.msg_id)
    if file is None or not a.is_new():
        return False
    take_back(a.store, a.group.group_id, file.key[1])
    return True


# --- members ------------------------------------------------------------------------------------


def _hears_of(
    a: ChannelArrival, info: MemberInfo, *, is_blocked: bool = False
) -> MemberRecord | None:
    """A relay tells of a member; returns it if it was not known.

    Nothing of this is signed.  So a relay makes no admins or owners, and gives no keys to those who
    moderate: an owner does.  Of members that are known only the profile is taken, once.
    """
    role = info.member_role if isinstance(info.member_role, Role) else Role.OBSERVER
    found = members.known(a, info.member_id)
    if role is Role.RELAY or (found is not None and found.role == Role.RELAY):
        return None
    if found is not None and found.status is not MemberStatus.UNKNOWN:
        if a.groups.profile_of(found) is None:
            found = evolve(found, versions=info.v or found.versions)
            a.groups.put_member(found, info.profile)
        return None
    if found is None and not a.groups.can_be_known(a.group, info.member_id):
        return None
    if has_role(role, Role.ADMIN):
        role = Role.MODERATOR
    has_key = not has_role(role, Role.MEMBER) and known_key(info.member_key) is not None
    member = MemberRecord(
        *(a.group.group_id, info.member_id, role, MemberStatus.PRESENT, MemberOrigin.BEFORE),
        versions=info.v or FIRST_VERSION,
        host_id=a.deliverer.member_id,
        is_blocked=is_blocked or (found is not None and found.is_blocked),
        key=info.member_key if has_key else None,
    )
    return a.groups.put_member(member, info.profile)


def introduced(a: ChannelArrival, event: XGrpMemIntro) -> bool:
    """A relay tells of an owner, or another member that was there before."""
    is_blocked = members.is_blocked(event.member_restrictions)
    _hears_of(a, event.member_info, is_blocked=is_blocked)
    return False


def announced(a: ChannelArrival, event: XGrpMemNew) -> bool:
    """A relay tells of a member: moderators of each that comes, others of those that write."""
    member = _hears_of(a, event.member_info)
    if member is not None and has_role(a.group.own_role, Role.MODERATOR):
        a.tell("member joined", member)
    return False


def _is_current(a: ChannelArrival, version: int | None) -> bool:
    """Whether an owner's change of the list of members is not older than what is known."""
    channel = a.group.channel
    if version is None or channel is None or not a.governs(Role.OWNER):
        return True
    if version < channel.roster_version:
        return False
    a.group = a.groups.change_group(a.group, channel=evolve(channel, roster_version=version))
    return True


def role_changed(a: ChannelArrival, event: XGrpMemRole) -> bool:
    """A member has another role, which may be the program; owners are those of the link."""
    role, is_own = event.role, event.member_id == a.group.own_id
    member = None if is_own else members.known(a, event.member_id)
    before: Role | str = Role.OBSERVER
    if is_own:
        before = a.group.own_role
    elif member is not None:
        before = member.role
    fixed = (Role.RELAY, Role.OWNER)
    if not isinstance(role, Role) or role in fixed or (not is_own and before in fixed):
        return False
    is_privileged = has_role(role, Role.MEMBER) or has_role(before, Role.MEMBER)
    if not a.governs(Role.OWNER if is_privileged else Role.ADMIN, before):
        return False
    if not _is_current(a, event.roster_version) or not a.is_new():
        return False
    if is_own:
        members.has_role_now(a, None, role, before)
        return True
    if member is None:
        if not has_role(role, Role.MEMBER) or not _has_room_for(a, event.member_id):
            return False
        shown = shown_id(event.member_id)
        member = MemberRecord(
            *(a.group.group_id, event.member_id, before),
            *(MemberStatus.PRESENT, MemberOrigin.BEFORE, shown),
        )
    member = evolve(member, status=MemberStatus.PRESENT)
    if a.governs(Role.OWNER) and not member.is_key_signed and known_key(event.member_key):
        member = evolve(member, key=event.member_key, is_key_signed=True)
    members.has_role_now(a, member, role, before)
    return True


def _has_room_for(a: ChannelArrival, member_id: bytes) -> bool:
    group = a.group
    return (
        1 <= len(member_id) <= MAX_MEMBER_ID
        and not a.groups.is_gone(group.group_id, member_id)
        # However many members a relay has made up.
        and a.groups.has_room(group.group_id, more=_MAX_PRIVILEGED)
    )


def restricted(a: ChannelArrival, event: XGrpMemRestrict) -> bool:
    """A member is blocked for all, or no longer."""
    member = members.known(a, event.member_id)
    if member is None or not a.governs(Role.MODERATOR, member.role) or not a.is_new():
        return False
    members.is_blocked_now(a, member, event)
    return True


def removed(a: ChannelArrival, event: XGrpMemDel) -> bool:
    """A member is removed, or a relay, or the program."""
    if event.member_id == a.group.own_id:
        if not a.governs(Role.ADMIN, a.group.own_role):
            return False
        _ends(a, GroupStatus.REMOVED)
        return True
    member = members.known(a, event.member_id)
    if member is None or member.status is MemberStatus.GONE:
        return False
    if member.role == Role.RELAY:
        if a.governs(Role.OWNER):
            _relay_goes(a, member)
        return False
    if not a.governs(Role.ADMIN, member.role) or not _is_current(a, event.roster_version):
        return False
    members.goes(a, member, reads=True)
    return True


def left(a: ChannelArrival, _event: XGrpLeave) -> bool:
    """A member leaves, or a relay serves the channel no longer."""
    if a.author.role == Role.RELAY:
        _relay_goes(a, a.author)
    else:
        members.goes(a, a.author)
    return True


# --- relays -------------------------------------------------------------------------------------


def _relay_goes(a: ChannelArrival, relay: MemberRecord) -> None:
    is_deliverer = relay.member_id == a.deliverer.member_id  # needed to acknowledge this
    drop_relay_member(a.groups, a.settings, relay, is_in_use=is_deliverer)


def relay_added(a: ChannelArrival, event: XGrpRelayNew) -> bool:
    """The channel has another relay."""
    try:
        link = parse_short_link(event.relay_link)
    except DecodeError:
        return False
    is_relay = isinstance(link, ShortContactLink) and link.kind is ContactKind.GROUP
    if not is_relay or not a.governs(Role.OWNER) or not a.is_new():
        return False
    if want_relay(a.store.t.kept, a.group.group_id, str(link), a.settings.seconds):
        a.store.has_relays = True
    return True


def relay_came(a: ChannelArrival, event: XGrpLinkMem) -> bool:
    """A relay says who it is."""
    a.groups.put_member(a.author, event.profile)
    return False


# --- the channel --------------------------------------------------------------------------------


def _ends(a: ChannelArrival, status: GroupStatus) -> None:
    forget_channel(a.store.t.kept, a.group.group_id, a.group.channel)
    ends(a, status)


def channel_deleted(a: ChannelArrival, _event: XGrpDel) -> bool:
    """An owner deletes the channel."""
    if not a.governs(Role.OWNER):
        return False
    _ends(a, GroupStatus.DELETED)
    return True


def channel_changed(a: ChannelArrival, event: XGrpInfo) -> bool:
    """An owner changes what the channel says of itself, and what it allows."""
    public, channel = event.group_profile.public_group, a.group.channel
    is_same = (
        public is not None and channel is not None and public.public_group_id == channel.public_id
    )
    if not is_same or not a.governs(Role.OWNER) or not a.is_new():
        return False
    group_changes(a, event.group_profile)
    return True


RULES: Rules = {
    XMsgNew: posted,
    XMsgUpdate: edited,
    XMsgDel: deleted,
    XMsgReact: content.reaction_came,
    XMsgFileDescr: file_described,
    XFileCancel: file_cancelled,
    XInfo: members.profile_came,
    XGrpMemNew: announced,
    XGrpMemRole: role_changed,
    XGrpMemRestrict: restricted,
    XGrpMemDel: removed,
    XGrpLeave: left,
    XGrpRelayNew: relay_added,
    XGrpInfo: channel_changed,
    XGrpPrefs: changes.preferences_changed,
    XGrpDel: channel_deleted,
}
"""What follows from what relays pass on."""

RULES_OF_RELAYS: Rules = {
    XGrpLinkMem: relay_came,
    XGrpMemIntro: introduced,
    XGrpMemNew: announced,
    XGrpLeave: left,
}
"""What follows from what relays say themselves."""


def apply_in_channel(
    groups: GroupStore,
    settings: Settings,
    relay: MemberRecord,
    message: PeerMessage,
    elements: Sequence[Element | None],
) -> ToldRecord:
    """What a message of a relay changes, and what the program is told of it."""
    return apply_rules(groups, settings, relay, message, elements, RULES, RULES_OF_RELAYS)
