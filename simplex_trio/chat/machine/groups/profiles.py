"""What is said of a person, or of the program, to the members of a group."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.chat.machine.groups.rules import GroupFeature, allows
from simplex_trio.chat.messages.formatting import parse_markdown
from simplex_trio.chat.messages.group_profiles import GroupPreferences, Role
from simplex_trio.chat.messages.json_text import encode_json
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.spans import ContactLink

__all__ = ["MAX_SHOWN", "fitted", "profile_for_members"]

MAX_SHOWN = 13_000
"""How many bytes of the profile of another one are passed on: it has to fit into a message together
with a link.  A longer one is passed on without what makes it long."""


def fitted(profile: Profile) -> Profile:
    """A profile that fits into a message: without its picture if need be, or with its name alone.

    What members say of themselves may fill a message, and must not keep others from hearing of
    them.
    """
    for shorter in (profile, evolve(profile, image=None, unknown={})):
        if len(encode_json(shorter.to_json())) <= MAX_SHOWN:
            return shorter
    return Profile(profile.shown_name)


def profile_for_members(
    profile: Profile, preferences: GroupPreferences | None, role: Role | str
) -> Profile:
    """A profile as members of a group may see it, if its owner has this role.

    What the owner allows in direct conversations is left out.  Links to its owner are too, unless
    the group allows links and direct messages.
    """
    shown = evolve(profile, preferences=None)
    if allows(preferences, GroupFeature.SIMPLEX_LINKS, role) and allows(
        preferences, GroupFeature.DIRECT_MESSAGES, role
    ):
        return shown
    descr = shown.short_descr
    if descr is not None:
        spans = parse_markdown(descr)
        if any(isinstance(each.format, ContactLink) for each in spans):
            kept = (each.text for each in spans if not isinstance(each.format, ContactLink))
            descr = " ".join("".join(kept).split()) or None
    return evolve(shown, contact_link=None, short_descr=descr)
