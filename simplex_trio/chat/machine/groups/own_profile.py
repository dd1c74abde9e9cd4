"""Who the program is for the members of a group."""

from __future__ import annotations

import hashlib

from simplex_trio.chat.machine.groups.profiles import profile_for_members
from simplex_trio.chat.machine.groups.records import GroupRecord
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.json_text import encode_json
from simplex_trio.chat.messages.profiles import Profile

__all__ = ["due_profile", "note_profile", "profile_in"]


def profile_in(settings: Settings, group: GroupRecord) -> Profile:
    """Who the program says it is in a group."""
    profile = group.own_profile or settings.profile
    return profile_for_members(profile, group.profile.group_preferences, group.own_role)


def _told(profile: Profile) -> str:
    return hashlib.sha256(encode_json(profile.to_json())).hexdigest()[:32]


def note_profile(groups: GroupStore, settings: Settings, group: GroupRecord) -> GroupRecord:
    """The members know the profile as it is now."""
    return groups.change_group(group, profile_told=_told(profile_in(settings, group)))


def due_profile(
    groups: GroupStore, settings: Settings, group: GroupRecord
) -> tuple[GroupRecord, list[tuple[XInfo, bytes]]]:
    """What is said before the next message to all, which tells members of a changed profile.

    So groups in which the program says nothing are not told.  Those that know it by a random
    profile never are.
    """
    if group.own_profile is not None:
        return group, []
    profile = profile_in(settings, group)
    is_told = group.profile_told in ("", _told(profile))  # a new group learns of it in other ways
    due = [] if is_told else [(XInfo(profile), settings.new_message_id())]
    return note_profile(groups, settings, group), due
