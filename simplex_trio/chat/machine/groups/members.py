"""What members say of members: who comes, who goes, what each may do, and who they are.

Whether a member may say it is judged by the roles that the program knows of, and not by what the
member claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from attrs import evolve

from simplex_trio.chat.machine.groups.arriving import Arrival, Rule
from simplex_trio.chat.machine.groups.changes import as_json, ends, group_changes
from simplex_trio.chat.machine.groups.joining import acceptance_changed
from simplex_trio.chat.machine.groups.leaving import (
    close_group,
    failed_as,
    is_cut_off,
    remove,
)
from simplex_trio.chat.machine.groups.mesh import join_member, offer_connection
from simplex_trio.chat.machine.groups.profiles import fitted
from simplex_trio.chat.machine.groups.records import (
    FIRST_VERSION,
    GroupStatus,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.group_events import (
    MemberInfo,
    MemberRestrictions,
    Restriction,
    XGrpLeave,
    XGrpLinkAcpt,
    XGrpLinkMem,
    XGrpMemDel,
    XGrpMemFwd,
    XGrpMemIntro,
    XGrpMemNew,
    XGrpMemRestrict,
    XGrpMemRole,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.profiles import Profile

__all__ = [
    "RULES",
    "goes",
    "has_role_now",
    "is_blocked",
    "is_blocked_now",
    "known",
    "profile_came",
]

# --- coming -------------------------------------------------------------------------------------


def known(a: Arrival, member_id: bytes) -> MemberRecord | None:
    """The member with this id, if the program knows it."""
    return a.groups.member(a.group.group_id, member_id)


def is_blocked(restrictions: MemberRestrictions | None) -> bool:
    """Whether a member with these restrictions is blocked for all."""
    return restrictions is not None and restrictions.restriction == Restriction.BLOCKED


def _met(
    a: Arrival, info: MemberInfo, status: MemberStatus, origin: MemberOrigin
) -> MemberRecord | None:
    """A member that the program is told of, if it does not know it already."""
    found = known(a, info.member_id)
    if found is None and not a.groups.can_be_known(a.group, info.member_id):
        return None
    if found is not None and found.status is not MemberStatus.UNKNOWN:
        return None
    member = MemberRecord(
        *(a.group.group_id, info.member_id, info.member_role, status, origin),
        versions=info.v or FIRST_VERSION,
        host_id=a.author.member_id,
        is_blocked=found is not None and found.is_blocked,
    )
    return a.groups.put_member(member, info.profile)


def introduced(a: Arrival, event: XGrpMemIntro) -> bool:
    """The host tells of a member that was there before."""
    if a.is_forwarded or a.author.origin is not MemberOrigin.HOST or not a.governs(Role.ADMIN):
        return False
    member = _met(a, event.member_info, MemberStatus.PRESENT, MemberOrigin.BEFORE)
    if member is None:
        return False
    if is_blocked(event.member_restrictions):
        member = a.groups.change_member(member, is_blocked=True)
    offer_connection(a.groups, a.settings, a.group, member)
    return False


def announced(a: Arrival, event: XGrpMemNew) -> bool:
    """A member has let another one in, or with a scope the admins are to decide."""
    if not a.governs(Role.ADMIN, event.member_info.member_role) or not a.is_new():
        return False
    status = MemberStatus.PRESENT if event.scope is None else MemberStatus.IN_REVIEW
    member = _met(a, event.member_info, status, MemberOrigin.AFTER)
    if member is None:
        return False
    if status is MemberStatus.PRESENT:
        a.tell("member joined", member)
    return True


def passed_link(a: Arrival, event: XGrpMemFwd) -> bool:
    """A member has let another one in, which offers a connection."""
    info = event.member_info
    if a.is_forwarded or not a.governs(Role.ADMIN, info.member_role):
        return False
    member = known(a, info.member_id)
    if member is None or member.status is MemberStatus.UNKNOWN:
        member = _met(a, info, MemberStatus.PRESENT, MemberOrigin.AFTER)
        if member is not None:
            a.tell("member joined", member)
    if (
        member is not None
        and member.origin is MemberOrigin.AFTER
        and member.host_id == a.author.member_id  # or another one could take its place
    ):
        join_member(a.groups, a.settings, a.group, member, event.member_intro.group_conn_req)
    return False


def accepted(a: Arrival, event: XGrpLinkAcpt) -> bool:
    """A member that had to wait is in the group: the program itself, or another one."""
    if a.is_forwarded or not a.governs(Role.MODERATOR, event.role):
        return False
    if event.member_id == a.group.own_id:
        kind = acceptance_changed(a.groups, a.settings, a.group, event)
        if kind is not None:
            a.tell(kind)
        return False
    member = known(a, event.member_id)
    if member is None or member.status is not MemberStatus.IN_REVIEW:
        return False
    member = a.groups.change_member(member, status=MemberStatus.PRESENT, role=event.role)
    a.affected = member
    a.tell("member joined", member)
    return True


# --- going --------------------------------------------------------------------------------------


def goes(a: Arrival, member: MemberRecord, *, reads: bool = False) -> None:
    """A member is gone."""
    was_there = member.status is not MemberStatus.UNKNOWN
    member = a.groups.change_member(member, status=MemberStatus.GONE)
    if was_there:
        a.tell("member left", member, reads=reads)
    if member.connection_id != a.deliverer.connection_id:  # which is needed to acknowledge this
        passes_on = has_role(a.group.own_role, Role.ADMIN)
        a.later.append(partial(remove, a.groups, member, after_delivery=passes_on))
    if is_cut_off(a.groups, a.group):
        group = a.groups.change_group(a.group, status=failed_as(a.group))
        a.tell("group lost" if group.status is GroupStatus.LOST else "group not joined")
        kept = a.deliverer.connection_id
        a.later.append(partial(close_group, a.groups, group, after_delivery=False, kept=kept))


def left(a: Arrival, _event: XGrpLeave) -> bool:
    """A member leaves."""
    goes(a, a.author)
    return True


def removed(a: Arrival, event: XGrpMemDel) -> bool:
    """A member is removed, which may be the program."""
    if event.member_id == a.group.own_id:
        if not a.governs(Role.ADMIN, a.group.own_role):
            return False
        ends(a, GroupStatus.REMOVED)
        return True
    member = known(a, event.member_id)
    if (
        member is None
        or member.status is MemberStatus.GONE
        or not a.governs(Role.ADMIN, member.role)
    ):
        return False
    a.affected = member
    goes(a, member, reads=True)
    return True


# --- what members may do ------------------------------------------------------------------------


def role_changed(a: Arrival, event: XGrpMemRole) -> bool:
    """A member has another role, which may be the program."""
    is_own = event.member_id == a.group.own_id
    member = None if is_own else known(a, event.member_id)
    if member is None and not is_own:
        return False
    before = a.group.own_role if member is None else member.role
    if not a.governs(Role.ADMIN, before, event.role) or not a.is_new():
        return False
    a.affected = member
    has_role_now(a, member, event.role, before)
    return True


def has_role_now(
    a: Arrival, member: MemberRecord | None, role: Role | str, before: Role | str
) -> None:
    """A member has another role than ``before``; with `None` the program itself."""
    if member is not None:
        member = a.groups.put_member(evolve(member, role=role))
    if before == role:
        return
    if member is None:
        a.groups.change_group(a.group, own_role=role)
    a.tell("own role" if member is None else "member role", member, reads=True, before=before)


def restricted(a: Arrival, event: XGrpMemRestrict) -> bool:
    """A member is blocked for all, or no longer."""
    if event.member_id == a.group.own_id or not a.governs(Role.MODERATOR):
        return False
    member = known(a, event.member_id)
    if member is None:
        if not a.groups.can_be_known(a.group, event.member_id):
            return False
        member = MemberRecord(
            *(a.group.group_id, event.member_id, Role.AUTHOR),
            *(MemberStatus.UNKNOWN, MemberOrigin.BEFORE),
            host_id=a.deliverer.member_id,
        )
    if not a.governs(member.role) or not a.is_new():
        return False
    a.affected = member
    is_blocked_now(a, member, event)
    return True


def is_blocked_now(a: Arrival, member: MemberRecord, event: XGrpMemRestrict) -> None:
    """A member is blocked for all from now on, or is so no longer."""
    blocked = is_blocked(event.member_restrictions)
    if blocked != member.is_blocked:
        a.tell("member blocked", a.groups.put_member(evolve(member, is_blocked=blocked)))


# --- who they are -------------------------------------------------------------------------------


def profile_came(a: Arrival, event: XInfo) -> bool:
    """A member has another profile."""
    if not a.is_new():
        return False
    _introduces_itself(a, event.profile)
    return True


def host_came(a: Arrival, event: XGrpLinkMem) -> bool:
    """The host says who it is, to a member that has come by a link; once."""
    if (
        not a.is_forwarded
        and a.author.origin is MemberOrigin.HOST
        and a.group.is_by_link
        and a.groups.profile_of(a.author) is None
    ):
        a.groups.put_member(a.author, event.profile)
    return False


def _introduces_itself(a: Arrival, profile: Profile) -> None:
    before = a.groups.profile_of(a.author)
    member = a.groups.put_member(a.author, profile)
    if before is not None and not a.author.is_blocked and _shown(before) != _shown(profile):
        a.tell("member profile", member, reads=True, before=as_json(before))
    business = a.group.business
    if business is not None:
        is_customers = business.chat_type == "customer"
        title = business.customer_id if is_customers else business.business_id
        if title == member.member_id:
            profile = fitted(profile)  # or staff could not be invited
            shown = evolve(
                a.group.profile,
                display_name=profile.display_name,
                full_name=profile.full_name,
                short_descr=profile.short_descr,
                image=profile.image,
            )
            group_changes(a, shown)


def _shown(profile: Profile) -> Profile:
    return evolve(profile, preferences=None, unknown={})


RULES: Mapping[type[Event], Rule] = {
    XGrpMemIntro: introduced,
    XGrpMemNew: announced,
    XGrpMemFwd: passed_link,
    XGrpLinkAcpt: accepted,
    XGrpLeave: left,
    XGrpMemDel: removed,
    XGrpMemRole: role_changed,
    XGrpMemRestrict: restricted,
    XInfo: profile_came,
    XGrpLinkMem: host_came,
}
