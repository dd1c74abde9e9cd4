"""Who the program is for the members of a group."""

from __future__ import annotations

import hashlib
import re

from attrs import evolve

from simplex_trio.chat.machine.groups.records import GroupRecord
from simplex_trio.chat.machine.groups.rules import GroupFeature, allows
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.json_text import encode_json
from simplex_trio.chat.messages.profiles import Profile

__all__ = ["due_profile", "note_profile", "profile_in"]

_SIMPLEX_LINK = re.compile(r"(?i)simplex:/\S+|https?://\S+/(?:invitation|contact|[aciqgr])/?#\S+")


def profile_in(settings: Settings, group: GroupRecord) -> Profile:
    """Who the program says it is in a group.

    It says nothing of preferences, and has no links unless the group lets members with the
    program's role send links, and talk with members alone.
    """
    profile = evolve(group.own_profile or settings.profile, preferences=None)
    preferences, role = group.profile.group_preferences, group.own_role
    needed = (GroupFeature.SIMPLEX_LINKS, GroupFeature.DIRECT_MESSAGES)
    if all(allows(preferences, each, role) for each in needed):
        return profile
    about = profile.short_descr
    if about is not None:
        about = _SIMPLEX_LINK.sub("", about).strip() or None
    return evolve(profile, contact_link=None, short_descr=about)


def _told(profile: Profile) -> str:
    return hashlib.sha256(encode_json(profile.to_json())).hexdigest()[:32]


def note_profile(groups: GroupStore, settings: Settings, group: GroupRecord) -> GroupRecord:
    """The members know the profile as it is now."""
    return groups.change_group(group, profile_told=_told(profile_in(settings, group)))


def due_profile(
    groups: GroupStore, settings: Settings, group: GroupRecord
) -> tuple[GroupRecord, list[tuple[XInfo, bytes]]]:
    """What is said before the next message to all, which tells members of a changed profile."""
    if group.own_profile is not None:
        return group, []
    profile = profile_in(settings, group)
    if group.profile_told in ("", _told(profile)):
        # A group that was never told has heard of it by other ways, such as by a contact.
        return note_profile(groups, settings, group), []
    return note_profile(groups, settings, group), [(XInfo(profile), settings.new_message_id())]
