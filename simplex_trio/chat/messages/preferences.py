"""What each side of a direct conversation allows, and what follows for the two of them.

A profile says what its owner allows.  Whether something may be used depends on both sides, and on
who uses it: see `Preferences.enabled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from attrs import evolve, fields

from simplex_trio.chat.messages.records import Lax, Record, Required, Tagged
from simplex_trio.frozen import frozen

__all__ = [
    "Allow",
    "BotCommand",
    "Command",
    "Enabled",
    "Feature",
    "Menu",
    "Preference",
    "Preferences",
    "TimedMessages",
]


class Allow(StrEnum):
    """Whether one side allows something in a direct conversation."""

    ALWAYS = "always"
    """The other side may use it, whatever it allows itself."""
    YES = "yes"
    """Both may use it, if the other side allows it too."""
    NO = "no"


class Feature(StrEnum):
    """What can be allowed in a direct conversation; the values are names in `Preferences`."""

    TIMED_MESSAGES = "timed_messages"
    FULL_DELETE = "full_delete"
    """Deleted messages disappear, instead of being marked as deleted."""
    REACTIONS = "reactions"
    VOICE = "voice"
    FILES = "files"
    """Files and media.  Apps hide the button for it, and accept them all the same."""
    CALLS = "calls"
    SESSIONS = "sessions"


@frozen
class Enabled:
    """Who of the two may use something."""

    for_us: bool
    for_peer: bool


@frozen(repr=False)
class Preference(Record):
    """What one side allows of something."""

    allow: Allow


@frozen(repr=False)
class TimedMessages(Record):
    """Whether one side allows messages that disappear, and its usual time for them, in seconds."""

    allow: Allow
    ttl: int | None = None


@frozen(repr=False)
class Command(Tagged):
    """A command in the menu of a bot.

    A tap on it sends ``/keyword``; with ``params``, such as ``"<town>"``, it is put into the input
    field for the person to complete.
    """

    TYPE: ClassVar[str] = "command"

    keyword: str
    label: str
    params: str | None = None


@frozen(repr=False)
class Menu(Tagged):
    """A menu of commands, inside the menu of a bot."""

    TYPE: ClassVar[str] = "menu"

    label: str
    commands: Required[tuple[BotCommand, ...]] = ()


BotCommand = Command | Menu
"""What is in the menu of a bot."""

_DEFAULTS: Mapping[Feature, Allow] = {
    Feature.TIMED_MESSAGES: Allow.YES,
    Feature.FULL_DELETE: Allow.NO,
    Feature.REACTIONS: Allow.YES,
    Feature.VOICE: Allow.YES,
    Feature.FILES: Allow.ALWAYS,
    Feature.CALLS: Allow.YES,
    Feature.SESSIONS: Allow.NO,
}


@frozen(repr=False)
class Preferences(Record):
    """What one side allows in a direct conversation, and the commands of a bot.

    `None` stands for the default: `Preferences.allows` knows it.
    """

    timed_messages: Lax[TimedMessages] | None = None
    full_delete: Lax[Preference] | None = None
    reactions: Lax[Preference] | None = None
    voice: Lax[Preference] | None = None
    files: Lax[Preference] | None = None
    calls: Lax[Preference] | None = None
    sessions: Lax[Preference] | None = None
    commands: Lax[tuple[BotCommand, ...]] | None = None

    def allows(self, feature: Feature) -> Allow:
        """What this side says of ``feature``, or the default."""
        stated: Preference | TimedMessages | None = getattr(self, feature.value)
        return _DEFAULTS[feature] if stated is None else stated.allow

    def with_changes(self, changes: Preferences | None) -> Preferences:
        """These preferences, with those that ``changes`` state in place of their own."""
        if changes is None:
            return self
        stated = {
            each.name: getattr(changes, each.name)
            for each in fields(Preferences)
            if each.name != "unknown" and getattr(changes, each.name) is not None
        }
        return evolve(self, **stated)

    def enabled(self, feature: Feature, peer: Preferences | None) -> Enabled:
        """Who may use ``feature``, if this side is ours and the other one says ``peer``.

        Both, if both allow it.  If one side does not, then none; except that a side that does not
        may use it itself where the other one always allows it.  Messages that disappear are for
        both or for none.
        """
        ours = self.allows(feature)
        theirs = (peer or Preferences()).allows(feature)
        one_way = feature is not Feature.TIMED_MESSAGES
        match ours, theirs:
            case Allow.ALWAYS, Allow.NO:
                return Enabled(for_us=False, for_peer=one_way)
            case Allow.NO, Allow.ALWAYS:
                return Enabled(for_us=one_way, for_peer=False)
            case (_, Allow.NO) | (Allow.NO, _):
                return Enabled(for_us=False, for_peer=False)
            case _:
                return Enabled(for_us=True, for_peer=True)
