"""What owners say of the group itself: what it is called, what it allows, and that it is over."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from attrs import evolve

from simplex_trio.chat.machine.groups.arriving import Arrival, Rule
from simplex_trio.chat.machine.groups.leaving import close_group
from simplex_trio.chat.machine.groups.records import GroupStatus
from simplex_trio.chat.machine.groups.rules import has_role
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.group_events import XGrpDel, XGrpInfo, XGrpPrefs
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.json_text import encode_json
from simplex_trio.chat.messages.records import Record

__all__ = ["RULES", "as_json", "ends", "group_changes", "preferences_changed"]


def as_json(record: Record) -> str:
    """A record as it is kept in `ToldItem.before`."""
    return encode_json(record.to_json()).decode()


def deleted(a: Arrival, _event: XGrpDel) -> bool:
    """An owner deletes the group."""
    if not a.governs(Role.OWNER):
        return False
    ends(a, GroupStatus.DELETED)
    return True


def ends(a: Arrival, status: GroupStatus) -> None:
    """The program is in the group no longer."""
    group = a.groups.change_group(a.group, status=status)
    a.tell("group ended")
    a.later.append(
        partial(
            close_group,
            a.groups,
            group,
            after_delivery=has_role(group.own_role, Role.ADMIN),
            kept=a.deliverer.connection_id,
        )
    )


def group_changed(a: Arrival, event: XGrpInfo) -> bool:
    """An owner changes what the group says of itself, and what it allows."""
    profile = event.group_profile
    if not a.governs(Role.OWNER) or profile.public_group is not None or not a.is_new():
        return False
    if a.group.business is not None:  # which is called after one of its two sides
        profile = evolve(a.group.profile, group_preferences=profile.group_preferences)
    group_changes(a, profile)
    return True


def preferences_changed(a: Arrival, event: XGrpPrefs) -> bool:
    """An owner changes what the group allows."""
    if not a.governs(Role.OWNER) or not a.is_new():
        return False
    group_changes(a, evolve(a.group.profile, group_preferences=event.group_preferences))
    return True


def group_changes(a: Arrival, profile: GroupProfile) -> None:
    """Store what a group says of itself, and tell the program if that is another thing."""
    before = a.group.profile
    if profile != before:
        a.groups.change_group(a.group, profile=profile)
        a.tell("group changed", before=as_json(before))


RULES: Mapping[type[Event], Rule] = {
    XGrpDel: deleted,
    XGrpInfo: group_changed,
    XGrpPrefs: preferences_changed,
}
