"""Business addresses: each customer who asks there gets a small group, which staff can join.

The group is called after the other side on both sides: the customer sees the business, and the
business sees the customer.
"""

from __future__ import annotations

from simplex_trio.chat.machine.groups.admissions import Admission, admission_of, keep_admission
from simplex_trio.chat.machine.groups.applicants import CONNECTING
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.history import note_in_history
from simplex_trio.chat.machine.groups.hosting import acquaint
from simplex_trio.chat.machine.groups.leaving import forget_group
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.own_profile import note_profile, profile_in
from simplex_trio.chat.machine.groups.profiles import fitted
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import CONNECTING_CUSTOMERS, CUSTOMERS, GroupStore
from simplex_trio.chat.machine.noticing import MAX_REQUEST_KEY, read_info, reject_request
from simplex_trio.chat.machine.records import FirstMessage, NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.bodies import encode_info
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XInfo, XMsgNew, XMsgUpdate
from simplex_trio.chat.messages.group_events import (
    Acceptance,
    BusinessChat,
    BusinessSide,
    GroupLinkInvitation,
    MemberIdRole,
    XGrpLinkInv,
    XGrpLinkMem,
)
from simplex_trio.chat.messages.group_profiles import (
    CommentsPreference,
    GroupPreference,
    GroupPreferences,
    GroupProfile,
    Role,
    Switch,
    TimedGroupPreference,
)
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import Allow, Preference, Preferences, TimedMessages
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.errors import DuplexError
from simplex_trio.duplex.events import RequestReceived
from simplex_trio.errors import TooLarge

__all__ = [
    "MAX_CONNECTING_CUSTOMERS",
    "business_preferences",
    "called_after",
    "customer_asks",
    "customer_connected",
    "is_customer",
]

MAX_CONNECTING_CUSTOMERS = 1000
"""How many customers may have asked and not connected yet; the oldest of them make room for others,
and can ask again.

Each has a group and a connection, which are given up after a day anyway."""

_ON, _OFF = GroupPreference(Switch.ON), GroupPreference(Switch.OFF)


# --- what such a group is like ------------------------------------------------------------------


def business_preferences(own: Preferences | None) -> GroupPreferences:
    """The rules of the groups of a business, which follow from its profile as in the apps."""
    fixed = GroupPreferences(
        direct_messages=_OFF,
        simplex_links=_ON,
        reports=_OFF,
        history=_ON,
        support=_ON,
        comments=CommentsPreference(Switch.OFF),
    )
    values = {name: getattr(fixed, name) for name in _FIXED}
    if own is None:
        for_moderators = GroupPreference(Switch.ON, Role.MODERATOR)
        return GroupPreferences(
            timed_messages=TimedGroupPreference(Switch.OFF),
            full_delete=for_moderators,
            reactions=_ON,
            voice=_OFF,
            files=_ON,
            sessions=_ON,
            **values,
        )
    timed = own.timed_messages
    return GroupPreferences(
        timed_messages=TimedGroupPreference(
            _switch(timed, by_default=False), None if timed is None else timed.ttl
        ),
        full_delete=GroupPreference(_switch(own.full_delete, by_default=False)),
        reactions=GroupPreference(_switch(own.reactions, by_default=True)),
        voice=GroupPreference(_switch(own.voice, by_default=False)),
        files=GroupPreference(_switch(own.files, by_default=True)),
        sessions=GroupPreference(_switch(own.sessions, by_default=False)),
        commands=own.commands,
        **values,
    )


_FIXED = ("direct_messages", "simplex_links", "reports", "history", "support", "comments")


def _switch(stated: Preference | TimedMessages | None, *, by_default: bool) -> Switch:
    is_on = by_default if stated is None else stated.allow is not Allow.NO
    return Switch.ON if is_on else Switch.OFF


def called_after(whole: Profile, preferences: GroupPreferences) -> GroupProfile:
    """The profile of the group with someone: a customer, or for that one the business."""
    profile = fitted(whole)  # or staff could not be invited
    return GroupProfile(
        profile.display_name,
        profile.full_name,
        profile.short_descr,
        image=profile.image,
        group_preferences=preferences,
    )


def is_customer(group: GroupRecord, member: MemberRecord) -> bool:
    """Whether a member is the customer of the program, in a group of its own."""
    business = group.business
    return (
        business is not None
        and business.business_id == group.own_id
        and business.customer_id == member.member_id
    )


# --- customers ----------------------------------------------------------------------------------


def customer_asks(
    groups: GroupStore, settings: Settings, event: RequestReceived
) -> list[GroupNoticed]:
    """A customer asks at the address: make a group for the two."""
    message = read_info(event.info)
    asked = None if message is None else message.event
    if message is None or not isinstance(asked, XContact | XInfo):
        reject_request(groups.store, event)
        return []
    request = asked if isinstance(asked, XContact) else XContact(asked.profile)
    store, key = groups.store, (request.contact_req_id or b"")[:MAX_REQUEST_KEY]
    if key and _known(groups, key):
        reject_request(store, event)  # it was answered before, which the customer will learn
        return []
    own_id, customer_id = settings.new_message_id(), settings.new_message_id()
    preferences = business_preferences(settings.profile.preferences)
    group = GroupRecord(
        *(0, GroupStatus.READY, called_after(request.profile, preferences), own_id, Role.OWNER),
        business=BusinessChat(BusinessSide.CUSTOMER, own_id, customer_id),
    )
    answer = GroupLinkInvitation(
        MemberIdRole(own_id, Role.OWNER),
        settings.profile.display_name,
        MemberIdRole(customer_id, Role.MEMBER),
        called_after(profile_in(settings, group), preferences),
        accepted=Acceptance.ACCEPTED,
        business=BusinessChat(BusinessSide.BUSINESS, own_id, customer_id),
        group_size=1,
    )
    try:
        info = encode_info(ChatMessage(XGrpLinkInv(answer)), pq=False)
        connection_id = store.t.accept(event, info, pq=False)
    except (DuplexError, TooLarge):
        reject_request(store, event)  # a peer of another version, or one connection too many
        return []
    group = groups.change_group(group, group_id=store.new_contact_id())
    group = note_profile(groups, settings, group)
    member = groups.put_member(
        MemberRecord(
            *(group.group_id, customer_id, Role.MEMBER),
            *(MemberStatus.JOINING, MemberOrigin.INVITEE),
            versions=message.versions,
            connection_id=connection_id,
            request_key=key or None,
        ),
        request.profile,
    )
    if key:
        store.t.kept.put(CUSTOMERS, key, group.group_id.to_bytes(8, "big"))
    first = request.first_message
    keep_admission(
        store.t.kept,
        member,
        Admission(
            welcome_msg_id=request.welcome_msg_id,
            first=None if first is None else FirstMessage(*first),
        ),
    )
    groups.wait_for(member, settings.seconds + CONNECTING)
    _note_connecting(groups, group)
    return []


def _note_connecting(groups: GroupStore, group: GroupRecord) -> None:
    kept = groups.store.t.kept
    kept.put(CONNECTING_CUSTOMERS, group.group_id.to_bytes(8, "big"), b"")
    if kept.count(CONNECTING_CUSTOMERS) > MAX_CONNECTING_CUSTOMERS:
        ((key, _),) = kept.scan(CONNECTING_CUSTOMERS, limit=1)
        oldest = groups.group(int.from_bytes(key, "big"))
        if oldest is not None:
            forget_group(groups, oldest)  # of which the program was not told yet


def _known(groups: GroupStore, key: bytes) -> bool:
    """Whether there is a group that this request has led to."""
    found = groups.store.t.kept.get(CUSTOMERS, key)
    if found is None:
        return False
    if groups.group(int.from_bytes(found, "big")) is not None:
        return True
    groups.store.t.kept.delete(CUSTOMERS, key)
    return False


def customer_connected(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> list[GroupNoticed]:
    """The connection with a customer is ready."""
    if member.status is not MemberStatus.JOINING:
        return []
    groups.store.t.kept.delete(CONNECTING_CUSTOMERS, group.group_id.to_bytes(8, "big"))
    admission = admission_of(groups.store.t.kept, member) or Admission()
    said: list[tuple[Event, bytes]] = []
    if settings.welcome is not None:
        # An app that shows it already gets it as an edit, in case that it has another text by now.
        msg_id = settings.new_message_id()
        welcome: Event = XMsgNew(settings.welcome)
        if admission.welcome_msg_id is not None:
            welcome = XMsgUpdate(admission.welcome_msg_id, settings.welcome)
        said.append((welcome, msg_id))
    said.append((XGrpLinkMem(profile_in(settings, group)), settings.new_message_id()))
    say_to(groups, [member], said, notify=True)
    member = groups.change_member(member, status=MemberStatus.PRESENT)
    acquaint(groups, settings, group, member)
    noticed = notify_of_group(groups.store, group, NoticeKind.GROUP_CUSTOMER, member)
    first = admission.first
    if first is not None and groups.is_new(group.group_id, member.member_id, first.msg_id):
        now = settings.seconds
        message = XMsgNew(first.content)
        note_in_history(groups, group, message, first.msg_id, member, now, member.versions)
        noticed += notify_of_group(
            groups.store, group, NoticeKind.GROUP_FIRST_MESSAGE, member, first=first
        )
    return noticed
