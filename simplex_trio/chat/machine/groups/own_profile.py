"""Who the program is for the members of a group."""

from __future__ import annotations

import hashlib

from simplex_trio.chat.machine.groups.profiles import profile_for_members
from simplex_trio.chat.machine.groups.records import GroupRecord
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.json_text import encode_json
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.versions import ChatVersion

__all__ = ["note_profile", "profile_in", "tell_own_profile"]


def profile_in(settings: Settings, group: GroupRecord) -> Profile:
    """Who the program says it is in a group."""
    profile = group.own_profile or settings.profile
    return profile_for_members(profile, group.profile.group_preferences, group.own_role)


def _told(profile: Profile) -> str:
    return hashlib.sha256(encode_json(profile.to_json())).hexdigest()[:32]


def note_profile(groups: GroupStore, settings: Settings, group: GroupRecord) -> GroupRecord:
    """The members know the profile as it is now."""
    return groups.change_group(group, profile_told=_told(profile_in(settings, group)))


def tell_own_profile(groups: GroupStore, settings: Settings, group: GroupRecord) -> None:
    """Tell members of a changed profile; called before anything else is said to all of them.

    So groups in which the program says nothing are not told.  Those that know it by a random
    profile never are.
    """
    if group.own_profile is not None:
        return
    profile = profile_in(settings, group)
    told = _told(profile)
    if group.profile_told == told:
        return
    groups.change_group(group, profile_told=told)
    if not group.profile_told:
        return  # the group is new, and members learn of the program from each other
    members = [
        each
        for each in groups.current_members(group.group_id)
        if each.versions.highest >= ChatVersion.MEMBER_PROFILES
    ]
    event = XInfo(profile)
    say_to(groups, members, [(event, settings.new_message_id())], notify=event.NOTIFIES)
