"""What a host passes on between members that it has introduced to each other.

Until two members are connected, what one of them says reaches the other through their host alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from simplex_trio.chat.machine.file_records import FileStore, file_mark
from simplex_trio.chat.machine.groups.arriving import PASSED_ON, Arrival, Rule
from simplex_trio.chat.machine.groups.introducing import member_info
from simplex_trio.chat.machine.groups.pending import keep_pending
from simplex_trio.chat.machine.groups.records import MemberOrigin, MemberRecord, MemberStatus
from simplex_trio.chat.machine.groups.relations import Relation, Relations
from simplex_trio.chat.machine.groups.rules import can_host, is_support
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.messages.batches import pack_forwarded
from simplex_trio.chat.messages.bodies import Forwarded, Received
from simplex_trio.chat.messages.content import Report
from simplex_trio.chat.messages.event import Event
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
    Introduction,
    XGrpDel,
    XGrpInfo,
    XGrpLeave,
    XGrpMemCon,
    XGrpMemDel,
    XGrpMemFwd,
    XGrpMemInv,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.versions import ChatVersion

__all__ = ["MAX_LINK", "MAX_QUEUED", "PASSED_ON_BURST", "PASSED_ON_RATE", "RULES", "pass_on"]

PASSED_ON_BURST = 5_000
"""How many copies of what one member says a host passes on at once.

A member who has said more is heard later: its next message waits in its queue, and then on its own
side.  Nothing is lost, and others are not kept waiting."""

PASSED_ON_RATE = 50
"""How many more copies of what one member says a host passes on each second."""

MAX_LINK = 2_000
"""How many characters of a link a host passes on; those of one queue have about half of that."""

MAX_QUEUED = 1_000
"""How many messages may wait for a member who does not read them, for more to be passed on to it.

What it misses then is lost for it."""

Recipients: TypeAlias = Callable[[MemberRecord], bool]
"""Whether something is for a member."""

_WAITING = (MemberStatus.PENDING, MemberStatus.IN_REVIEW)


# --- for whom it is -----------------------------------------------------------------------------


def _all(member: MemberRecord) -> bool:
    return member.is_current


def _all_and_waiting(member: MemberRecord) -> bool:
    return member.is_current or member.status in _WAITING


def _none(member: MemberRecord) -> bool:
    return False


def _support(member_id: bytes, *, with_member: bool = True) -> Recipients:
    """The conversation of a member with the admins."""

    def recipients(member: MemberRecord) -> bool:
        if member.member_id == member_id:
            return with_member
        has_scopes = member.versions.highest >= ChatVersion.SCOPES
        return member.is_current and is_support(member) and has_scopes

    return recipients


def _about(member: MemberRecord | None) -> Recipients:
    """What is told about a member."""
    if member is None:
        return _all_and_waiting
    if member.status is MemberStatus.PENDING:
        return _none
    if member.status is MemberStatus.IN_REVIEW:
        return _support(member.member_id)
    return _all_and_waiting if is_support(member) else _all


def _recipients(a: Arrival, author: MemberRecord, event: Event) -> Recipients:
    match event:
        case XMsgNew(content=Report()):
            return _support(author.member_id, with_member=False)
        case XMsgFileDescr(msg_id=msg_id) | XFileCancel(msg_id=msg_id):
            mark = file_mark(msg_id, author.member_id)
            file = FileStore(a.store).get(a.group.group_id, mark)
            return _none if file is None else _all if file.scope is None else _support(file.scope)
        case XMsgNew() | XMsgUpdate() | XMsgDel() | XMsgReact():
            if author.status in _WAITING:  # whose messages are for the admins, whatever it says
                return _support(author.member_id)
            return _all if event.scope is None else _support(event.scope.member_id)
        case XInfo() | XGrpLeave():
            return _about(author)
        case XGrpMemNew(member_info=info):
            return _about(a.groups.member(a.group.group_id, info.member_id))
        case XGrpMemRole() | XGrpMemRestrict() if a.affected is not None:
            return _about(a.affected)
        case XGrpMemRole() | XGrpMemRestrict():
            return _all
        case XGrpMemDel() if a.affected is not None:
            gone_id = a.affected.member_id
            return lambda each: _all_and_waiting(each) or each.member_id == gone_id
        case XGrpMemDel() | XGrpDel() | XGrpInfo() | XGrpPrefs():
            return _all_and_waiting
        case _:
            return _none


# --- passing on ---------------------------------------------------------------------------------


def pass_on(allowed: Sequence[Arrival]) -> None:
    """Pass on what a member says to those that are not connected with it."""
    allowed = [each for each in allowed if not each.is_forwarded]
    if not allowed:
        return
    first = allowed[0]
    groups, group = first.groups, first.group
    author = first.author
    if not can_host(group):
        return
    if author.is_blocked:  # of whom nothing is passed on, but that it is gone
        allowed = [each for each in allowed if isinstance(_event(each), XGrpLeave)]
    unconnected = Relations(groups.store.t.kept, group.group_id).need_host(author.number)
    passed = [
        (each, _recipients(each, each.author, each.message.event))
        for each in allowed
        if each.message is not None and isinstance(each.message.event, PASSED_ON)
    ]
    bodies: dict[tuple[int, ...], list[MemberRecord]] = {}
    for member in groups.numbered_members(group.group_id, unconnected if passed else ()):
        if member.is_connected:
            places = tuple(n for n, (_, is_for) in enumerate(passed) if is_for(member))
            if places:
                bodies.setdefault(places, []).append(member)
    for place, (each, _) in enumerate(passed):
        removed = each.affected
        is_removal = isinstance(each.message and each.message.event, XGrpMemDel)
        if is_removal and removed is not None and removed.can_send:
            # It is told by all means, since the program will part with it.
            told = bodies.setdefault((place,), [])
            if all(member.member_id != removed.member_id for member in told):
                told.append(removed)
    for places, members in bodies.items():
        elements = [_as_passed_on(passed[place][0]) for place in places]
        connections = [each.connection_id for each in members if each.connection_id is not None]
        # As JSON, which all programs read.
        for body in pack_forwarded(elements, binary=False).bodies:
            groups.store.t.broadcast(connections, body, notify=False, most_queued=MAX_QUEUED)
            groups.store.passed_on += len(connections)


def _event(a: Arrival) -> Event | None:
    return None if a.message is None else a.message.event


def _as_passed_on(a: Arrival) -> Received:
    assert a.message is not None
    return Received(a.message, Forwarded(a.at, a.author.member_id, a.author.name))


# --- what members say to the host ---------------------------------------------------------------


def links_for_member(a: Arrival, event: XGrpMemInv) -> bool:
    """A new member sends links for another one to connect by; once for each."""
    target = a.groups.member(a.group.group_id, event.member_id)
    if (
        target is None
        or not can_host(a.group)
        or a.author.origin is not MemberOrigin.INVITEE
        or target.member_id == a.author.member_id
        or len(event.member_intro.group_conn_req) > MAX_LINK
    ):
        return False
    relations = Relations(a.groups.store.t.kept, a.group.group_id)
    if relations.between(a.author.number, target.number) is not Relation.INTRODUCED:
        return False
    relations.put(a.author.number, target.number, Relation.INVITED)
    info = member_info(a.groups, a.group, a.author)
    # Apps join its link for the group alone, and long ago one for a contact.
    passed = XGrpMemFwd(info, Introduction(event.member_intro.group_conn_req))
    msg_id = a.settings.new_message_id()
    if target.can_send:
        say_to(a.groups, [target], [(passed, msg_id)], notify=passed.NOTIFIES)
    else:
        keep_pending(a.groups, target, passed, msg_id)
    a.groups.store.passed_on += 1
    return True


def members_connected(a: Arrival, event: XGrpMemCon) -> bool:
    """A member says that it is connected with another one: nothing is passed on any more."""
    other = a.groups.member(a.group.group_id, event.member_id)
    if other is None:
        return False
    relations = Relations(a.groups.store.t.kept, a.group.group_id)
    if relations.between(a.author.number, other.number).needs_host:
        relations.put(a.author.number, other.number, Relation.CONNECTED)
    return True


RULES: Mapping[type[Event], Rule] = {
    XGrpMemInv: links_for_member,
    XGrpMemCon: members_connected,
}
