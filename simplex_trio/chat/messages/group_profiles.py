"""What a group says about itself: its name, its rules, and whether it is a channel."""

from __future__ import annotations

from enum import StrEnum

from attrs import field

from simplex_trio.chat.messages.names import shown_name
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.preferences import BotCommand
from simplex_trio.chat.messages.records import AnyObject, Lax, Record, Required
from simplex_trio.frozen import frozen

__all__ = [
    "CommentsPreference",
    "GroupPreference",
    "GroupPreferences",
    "GroupProfile",
    "GroupType",
    "MemberAdmission",
    "PublicGroup",
    "PublicGroupAccess",
    "Reviewed",
    "Role",
    "Switch",
    "TimedGroupPreference",
]


class Role(StrEnum):
    """What a member of a group may do, from the least to the most."""

    RELAY = "relay"
    """Passes messages on, and sends none."""
    OBSERVER = "observer"
    """Reads."""
    AUTHOR = "author"
    MEMBER = "member"
    """Writes."""
    MODERATOR = "moderator"
    """Deletes messages of others, and blocks members."""
    ADMIN = "admin"
    """Adds and removes members, and changes their roles."""
    OWNER = "owner"
    """Changes and deletes the group."""

    def includes(self, other: Role) -> bool:
        """Whether a member with this role may do all that one with the ``other`` role may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Switch(StrEnum):
    """Whether something is allowed in a group."""

    ON = "on"
    OFF = "off"


@frozen(repr=False)
class GroupPreference(Record):
    """Whether something is allowed in a group, and from which role on, if not for all."""

    enable: Switch
    role: Role | str | None = None


@frozen(repr=False)
class TimedGroupPreference(Record):
    """Whether messages in a group disappear, after how many seconds."""

    enable: Switch
    ttl: int | None = None


@frozen(repr=False)
class CommentsPreference(Record):
    """Whether posts of a channel can be commented on, for how many seconds."""

    enable: Switch
    duration: int | None = None


@frozen(repr=False)
class GroupPreferences(Record):
    """The rules of a group, and the commands of its bot; `None` stands for the default."""

    timed_messages: Lax[TimedGroupPreference] | None = None
    direct_messages: Lax[GroupPreference] | None = None
    full_delete: Lax[GroupPreference] | None = None
    reactions: Lax[GroupPreference] | None = None
    voice: Lax[GroupPreference] | None = None
    files: Lax[GroupPreference] | None = None
    simplex_links: Lax[GroupPreference] | None = None
    reports: Lax[GroupPreference] | None = None
    history: Lax[GroupPreference] | None = None
    support: Lax[GroupPreference] | None = None
    sessions: Lax[GroupPreference] | None = None
    comments: Lax[CommentsPreference] | None = None
    commands: Lax[tuple[BotCommand, ...]] | None = None


class GroupType(StrEnum):
    """What kind of public group it is."""

    CHANNEL = "channel"
    GROUP = "group"


@frozen(repr=False)
class PublicGroupAccess(Record):
    """Where a public group is to be found, beside its link."""

    group_web_page: str | None = None
    group_domain_claim: AnyObject | None = field(default=None, hash=False)
    domain_web_page: Required[bool] = False
    allow_embedding: Required[bool] = False


@frozen(repr=False)
class PublicGroup(Record):
    """What makes a group public: it has relays, and its members know each other through them."""

    group_type: GroupType | str
    group_link: str
    public_group_id: bytes
    public_group_access: Lax[PublicGroupAccess] | None = None


class Reviewed(StrEnum):
    """Which new members moderators have to let in."""

    ALL = "all"


@frozen(repr=False)
class MemberAdmission(Record):
    """How new members are admitted; without ``review`` they are in the group at once."""

    review: Reviewed | None = None


@frozen(repr=False)
class GroupProfile(Record):
    """The profile of a group.

    As in the profile of a person, a part that makes no sense counts as absent.
    """

    display_name: str
    """The name.  It comes from the other side and may be anything: see `shown_name`."""
    full_name: Required[str] = ""
    short_descr: str | None = None
    description: str | None = None
    """The welcome message."""
    image: Picture | None = None
    public_group: Lax[PublicGroup] | None = None
    group_preferences: Lax[GroupPreferences] | None = None
    member_admission: Lax[MemberAdmission] | None = None
    """A profile that is sent without it lets all new members in again."""

    @property
    def reviews_members(self) -> bool:
        """Whether moderators have to let new members in."""
        return self.member_admission is not None and self.member_admission.review is not None

    @property
    def shown_name(self) -> str:
        """The name, made fit to be shown in a line of text."""
        return shown_name(self.display_name)
