"""Those who ask at the link of a group of the program.

Each is answered at once, or when it is its turn, or else it waits until the program decides.
"""

from __future__ import annotations

from simplex_trio.chat.machine.groups.admissions import (
    Admission,
    keep_admission,
)
from simplex_trio.chat.machine.groups.applicants import (
    APPLYING,
    answer_applicant,
    give_up_applicant,
    reject_applicant,
)
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.noticing import notify_of_group
from simplex_trio.chat.machine.groups.own_links import needs_approval
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import can_host
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.noticing import MAX_REQUEST_KEY, read_info, reject_request
from simplex_trio.chat.machine.records import NoticeKind
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.events import XContact
from simplex_trio.chat.messages.group_events import (
    Acceptance,
)
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.duplex.errors import DuplexError
from simplex_trio.duplex.events import RequestReceived
from simplex_trio.errors import TooLarge

__all__ = [
    "ANSWERED_AT_ONCE",
    "ANSWER_PERIOD",
    "MAX_APPLICANTS",
    "MAX_UNDECIDED",
    "answer_applicants",
    "asked_to_join",
]

MAX_APPLICANTS = 100
"""How many of those who have asked at the link of a group may wait at a time.

Further requests are refused without a word, and can be repeated."""

MAX_UNDECIDED = 7 * 24 * 3600
"""Seconds after which those are refused whom neither the program nor the admins have let in."""

ANSWERED_AT_ONCE = 50
"""How many of those who ask at the link of a group are let in at once; further ones wait.

Each costs the host two messages for each member, and the last messages of the group."""

ANSWER_PERIOD = 20
"""Seconds after which one more is let in."""

_UNANSWERED = ".chat.group-unanswered"
_PACES = ".chat.group-paces"


def asked_to_join(
    groups: GroupStore, settings: Settings, group: GroupRecord, event: RequestReceived
) -> list[GroupNoticed]:
    """Someone asks at the link."""
    message = read_info(event.info)
    asked = None if message is None else message.event
    link = group.link
    if (
        message is None
        or link is None
        or not isinstance(asked, XContact)
        or not can_host(group)
        or message.versions.highest < ChatVersion.FAST_GROUP_LINKS
    ):
        reject_request(groups.store, event)
        return []
    known = None
    applicants = 0
    key = asked.contact_req_id
    for each in groups.waiting_members(group.group_id):
        if each.origin is MemberOrigin.INVITEE and each.status in APPLYING and not each.contact_id:
            applicants += 1
        if key is not None and each.request_key == key[:MAX_REQUEST_KEY]:
            known = each
    if known is not None and known.status is not MemberStatus.ASKING:
        reject_request(groups.store, event)  # it was answered before, which it will learn
        return []
    if known is None and (applicants >= MAX_APPLICANTS or not groups.has_room(group.group_id)):
        reject_request(groups.store, event)
        return []
    if known is not None:
        reject_applicant(groups, known)
        groups.remove_member(known)
    member = groups.put_member(
        MemberRecord(
            group.group_id,
            settings.new_message_id() if known is None else known.member_id,
            link.role,
            MemberStatus.ASKING,
            MemberOrigin.INVITEE,
            versions=message.versions,
            request_key=None if key is None else key[:MAX_REQUEST_KEY],
        ),
        asked.profile,
    )
    keep_admission(
        groups.store.t.kept,
        member,
        Admission(
            request_id=event.request_id,
            address_id=event.connection_id,
            welcome_msg_id=asked.welcome_msg_id,
        ),
    )
    groups.wait_for(member, settings.seconds + MAX_UNDECIDED)
    if needs_approval(groups, settings, group, link):
        if known is not None:
            return []  # the program knows of it
        return notify_of_group(groups.store, group, NoticeKind.GROUP_REQUEST, member)
    if _take_place(groups, group, settings.seconds):
        _answer_at_once(groups, settings, group, member)
    else:
        groups.store.t.kept.put(_UNANSWERED, _key(member), b"")
        groups.store.is_expiring = True
    return []


def _key(member: MemberRecord) -> bytes:
    return member.group_id.to_bytes(8, "big") + member.member_id


def _take_place(groups: GroupStore, group: GroupRecord, now: int) -> bool:
    """Take a place for one more answer now; return whether there was one."""
    kept, key = groups.store.t.kept, group.group_id.to_bytes(8, "big")
    due = max(now, int.from_bytes(kept.get(_PACES, key) or b"", "big")) + ANSWER_PERIOD
    if due - now > ANSWERED_AT_ONCE * ANSWER_PERIOD:
        return False
    kept.put(_PACES, key, due.to_bytes(8, "big"))
    return True


def _answer_at_once(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord
) -> None:
    try:
        answer_applicant(groups, settings, group, member, Acceptance.ACCEPTED)
    except (DuplexError, TooLarge):
        # A peer of another version, or one connection too many.
        give_up_applicant(groups, settings, group, member)


def answer_applicants(store: Store, settings: Settings) -> int | None:
    """Answer those whose turn it is by now; returns when it is the next one's, if any waits."""
    groups = GroupStore(store)
    kept = store.t.kept
    still_waiting = False
    for key, _ in kept.scan(_UNANSWERED):
        group = groups.group(int.from_bytes(key[:8], "big"))
        member = groups.member(int.from_bytes(key[:8], "big"), key[8:])
        if group is None or member is None or member.status is not MemberStatus.ASKING:
            kept.delete(_UNANSWERED, key)
        elif not can_host(group):
            give_up_applicant(groups, settings, group, member)
        elif _take_place(groups, group, settings.seconds):
            kept.delete(_UNANSWERED, key)
            _answer_at_once(groups, settings, group, member)
        else:
            still_waiting = True
    return settings.seconds + ANSWER_PERIOD if still_waiting else None
