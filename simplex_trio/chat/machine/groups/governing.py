"""What the program does to members and to groups, as their moderator, admin or owner."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from simplex_trio.chat.errors import NotAllowed
from simplex_trio.chat.machine.groups.admissions import admission_of
from simplex_trio.chat.machine.groups.applicants import give_up_applicant
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.history import History, keeps_history
from simplex_trio.chat.machine.groups.hosting import (
    check_group_profile,
    drop_member,
    send_invitation,
)
from simplex_trio.chat.machine.groups.leaving import fail_if_cut_off
from simplex_trio.chat.machine.groups.own_links import delete_link, update_link
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    GroupStatus,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.relations import Relations
from simplex_trio.chat.machine.groups.rules import has_role, is_support
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.group_events import (
    MemberRestrictions,
    Restriction,
    XGrpDel,
    XGrpInfo,
    XGrpMemDel,
    XGrpMemRestrict,
    XGrpMemRole,
    XGrpPrefs,
)
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.versions import ChatVersion

__all__ = ["change_role", "delete_group", "remove_member", "restrict", "set_group_profile"]

_WAITING = (MemberStatus.PENDING, MemberStatus.IN_REVIEW)


def _check(group: GroupRecord, *needed: Role | str) -> None:
    """Raise `NotAllowed` unless the program has all these roles in the group."""
    if group.status is not GroupStatus.READY:
        raise NotAllowed("the program is not a member of the group")
    if group.channel is not None:
        raise NotAllowed("channels cannot be governed by this version")
    if not all(has_role(group.own_role, each) for each in needed):
        raise NotAllowed("the role of the program in the group does not allow this")


def _say(
    groups: GroupStore, settings: Settings, members: Iterable[MemberRecord], event: Event
) -> None:
    say_to(groups, members, [(event, settings.new_message_id())], notify=event.NOTIFIES)


def current_and_waiting(groups: GroupStore, group: GroupRecord) -> list[MemberRecord]:
    """Those who take part in the group, and those who are to be let in."""
    return [
        each
        for each in groups.members(group.group_id)
        if each.is_current or each.status in _WAITING
    ]


# --- members ------------------------------------------------------------------------------------


def change_role(
    groups: GroupStore, settings: Settings, group: GroupRecord, member: MemberRecord, role: Role
) -> MemberRecord:
    """Give a member another role."""
    _check(group, Role.ADMIN, member.role, role)
    if role is Role.RELAY or member.status in _WAITING:
        raise NotAllowed("the member cannot have this role, or is to be let in first")
    if member.role == role:
        return member
    changed = groups.change_member(member, role=role)
    if member.status is MemberStatus.INVITED:
        contact = None if member.contact_id is None else groups.store.contact(member.contact_id)
        admission = admission_of(groups.store.t.kept, member)
        if contact is not None and admission is not None and admission.link is not None:
            send_invitation(groups, settings, group, changed, contact, admission.link)
        return changed
    members = groups.current_members(group.group_id)
    _say(groups, settings, members, XGrpMemRole(member.member_id, role))
    return changed


def restrict(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    *,
    blocked: bool,
) -> MemberRecord:
    """Block a member for all, or do so no longer; it is not told."""
    _check(group, Role.MODERATOR, member.role)
    if member.is_blocked == blocked:
        return member
    changed = groups.change_member(member, is_blocked=blocked)
    restriction = Restriction.BLOCKED if blocked else Restriction.UNRESTRICTED
    event = XGrpMemRestrict(member.member_id, MemberRestrictions(restriction))
    others = [
        each
        for each in groups.current_members(group.group_id)
        if each.member_id != member.member_id
    ]
    _say(groups, settings, others, event)
    return changed


def remove_member(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    *,
    messages: bool = False,
) -> list[GroupNoticed]:
    """Remove a member, perhaps with all that it has said.

    If the program is connected with no other, it cannot be reached in the group any more.
    """
    _check(group, Role.ADMIN, member.role)
    if member.status is MemberStatus.ASKING:
        give_up_applicant(groups, settings, group, member)
        return []
    if member.status is not MemberStatus.INVITED:
        event = XGrpMemDel(member.member_id, messages=messages or None)
        _say(groups, settings, _told_of_removal(groups, group, member), event)
        if messages:
            History(groups.store.t.kept, group.group_id).remove_all(member.member_id)
    drop_member(groups, member, after_delivery=True)
    return fail_if_cut_off(groups, group)


def _told_of_removal(
    groups: GroupStore, group: GroupRecord, member: MemberRecord
) -> list[MemberRecord]:
    if member.status in (MemberStatus.JOINING, MemberStatus.PENDING, MemberStatus.REJECTED):
        return [member]  # of whom the others have not heard
    others = groups.current_members(group.group_id)
    if member.status is MemberStatus.IN_REVIEW:
        return [member, *(each for each in others if is_support(each))]
    return others


# --- the group ----------------------------------------------------------------------------------


def set_group_profile(
    groups: GroupStore, settings: Settings, group: GroupRecord, profile: GroupProfile
) -> GroupRecord:
    """Let the group say something else of itself, and have other rules."""
    _check(group, Role.OWNER)
    if group.business is None:
        check_group_profile(profile)
    else:  # it is called after the customer
        profile = evolve(group.profile, group_preferences=profile.group_preferences)
    if profile == group.profile:
        return group
    changed = groups.change_group(group, profile=profile)
    update_link(groups, changed)
    if not keeps_history(changed):
        History(groups.store.t.kept, group.group_id).remove_all()
    members = current_and_waiting(groups, group)
    told: Event = XGrpInfo(profile)
    if group.business is not None:
        # Of the profile of such a group only the rules are taken, and the rest is no secret.
        preferences = profile.group_preferences
        if preferences is None or preferences == group.profile.group_preferences:
            return changed
        told = XGrpPrefs(preferences)
        old = [e for e in members if e.versions.highest < ChatVersion.GROUP_PREFERENCES]
        members = [e for e in members if e.versions.highest >= ChatVersion.GROUP_PREFERENCES]
        own = GroupProfile(settings.profile.display_name, settings.profile.full_name)
        as_info = XGrpInfo(evolve(own, group_preferences=preferences))
        _say(groups, settings, old, as_info)
    _say(groups, settings, members, told)
    return changed


def delete_group(groups: GroupStore, settings: Settings, group: GroupRecord) -> None:
    """Delete a group for all of its members, and forget it."""
    _check(group, Role.OWNER)
    _say(groups, settings, current_and_waiting(groups, group), XGrpDel())
    Relations(groups.store.t.kept, group.group_id).forget_all()  # faster than one by one
    for member in groups.members(group.group_id):
        drop_member(groups, member, after_delivery=True)
    History(groups.store.t.kept, group.group_id).remove_all()
    groups.remove_group(delete_link(groups, group))
