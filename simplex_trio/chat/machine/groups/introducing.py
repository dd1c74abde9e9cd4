"""Members are told of a new one, and the new one of them."""

from __future__ import annotations

from collections.abc import Iterable

from simplex_trio.chat.machine.groups.profiles import fitted, profile_for_members
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberRecord
from simplex_trio.chat.machine.groups.relations import Relation, Relations
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.events import MemberScope
from simplex_trio.chat.messages.group_events import (
    MemberInfo,
    MemberRestrictions,
    Restriction,
    XGrpMemIntro,
    XGrpMemNew,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.profiles import Profile

__all__ = ["introduce", "member_info", "numbered"]


def numbered(groups: GroupStore, member: MemberRecord) -> MemberRecord:
    """A member with the number by which its relations are kept."""
    if member.number:
        return member
    number = Relations(groups.store.t.kept, member.group_id).new_number()
    return groups.change_member(member, number=number)


def member_info(groups: GroupStore, group: GroupRecord, member: MemberRecord) -> MemberInfo:
    """What others are told of a member."""
    profile = groups.profile_of(member) or Profile(member.name)
    shown = fitted(profile_for_members(profile, group.profile.group_preferences, member.role))
    return MemberInfo(member.member_id, member.role, shown, member.versions)


def introduce(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    newcomer: MemberRecord,
    *,
    to: Iterable[MemberRecord] | None = None,
    scope: MemberScope | None = None,
) -> None:
    """Introduce a new member to others that it is not introduced to, by default to all.

    They are told first, so that they know whose links are passed on to them; and the new member is
    told of them before anything else that they have said, as programs expect.
    """
    newcomer = numbered(groups, newcomer)
    relations = Relations(groups.store.t.kept, group.group_id)
    relation = relations.row(newcomer.number)
    others = [
        numbered(groups, each)
        for each in (groups.current_members(group.group_id) if to is None else to)
        if each.member_id != newcomer.member_id and relation(each.number) is Relation.NONE
    ]
    if not others:
        return
    groups.store.passed_on += 2 * len(others)
    info = member_info(groups, group, newcomer)
    announced = [(XGrpMemNew(info, scope), settings.new_message_id())]
    say_to(groups, others, announced, notify=False)
    introductions: list[tuple[tuple[bool, bool, bytes], XGrpMemIntro]] = []
    for each in others:
        shown = member_info(groups, group, each)
        restrictions = MemberRestrictions(Restriction.BLOCKED) if each.is_blocked else None
        # Admins come first, and those with pictures; otherwise the order tells nothing.
        order = (
            not has_role(each.role, Role.ADMIN),
            shown.profile.image is None,
            settings.random(8),
        )
        introductions.append((order, XGrpMemIntro(shown, restrictions)))
        relations.put(newcomer.number, each.number, Relation.INTRODUCED)
    introductions.sort(key=lambda each: each[0])
    told = [(event, settings.new_message_id()) for _, event in introductions]
    say_to(groups, [newcomer], told, notify=True)
