"""What a chat program keeps of groups and of their members."""

from __future__ import annotations

from enum import StrEnum

from attrs import field

from simplex_trio.chat.machine.channels.records import ChannelRecord
from simplex_trio.chat.messages.group_events import BusinessChat, RejectionReason
from simplex_trio.chat.messages.group_profiles import GroupProfile, Role
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Record
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.frozen import frozen

__all__ = [
    "FIRST_VERSION",
    "MAX_MEMBERS",
    "MAX_MEMBER_ID",
    "GroupInvited",
    "GroupRecord",
    "GroupStatus",
    "MemberOrigin",
    "MemberRecord",
    "MemberStatus",
    "OwnLink",
    "ToldItem",
    "ToldRecord",
]

MAX_MEMBERS = 10_000
"""How many members of a group are known; those that a host tells of beyond that are left out."""

MAX_MEMBER_ID = 255
"""How many bytes the id of a member may have, as what hosts pass on has no room for longer ones.
The apps make ids of 16."""

FIRST_VERSION = ChatVersions(ChatVersion.FIRST, ChatVersion.FIRST)
"""What those speak who do not say."""


class GroupStatus(StrEnum):
    """How far the program has come into a group."""

    INVITED = "invited"
    """A contact has invited it, and the program is to decide."""
    JOINING = "joining"
    """It is being connected with the host."""
    PENDING = "pending"
    """The host is to approve it; until then it can talk with the admins alone."""
    IN_REVIEW = "in review"
    """The admins are to approve it; until then it can talk with them alone."""
    READY = "ready"
    """It is a member."""
    LEFT = "left"
    REMOVED = "removed"
    """A member has removed it."""
    DELETED = "deleted"
    """An owner has deleted the group."""
    NOT_JOINED = "not joined"
    """The host does not let it in, or could not be reached."""
    LOST = "lost"
    """It is connected with no member any more."""

    @property
    def is_over(self) -> bool:
        """Whether the program is no member, and will not become one."""
        return self in (
            GroupStatus.LEFT,
            GroupStatus.REMOVED,
            GroupStatus.DELETED,
            GroupStatus.NOT_JOINED,
            GroupStatus.LOST,
        )


class MemberOrigin(StrEnum):
    """How a member has come into the group, as the program sees it."""

    HOST = "host"
    """It has let the program in."""
    INVITEE = "invitee"
    """The program has let it in."""
    BEFORE = "before"
    """It was there before the program."""
    AFTER = "after"
    """Another member has let it in after the program was there."""


class MemberStatus(StrEnum):
    """How far a member has come."""

    UNKNOWN = "unknown"
    """Nothing is known of it but messages that another member has passed on."""
    ASKING = "asking"
    """It has asked to be let in, and the program has not answered."""
    REJECTED = "rejected"
    """The program has told it that it is not let in."""
    INVITED = "invited"
    """The program has invited a contact, which has not joined yet."""
    JOINING = "joining"
    """It is being connected with its host."""
    PENDING = "pending"
    """Its host is to approve it."""
    IN_REVIEW = "in review"
    """The admins are to approve it."""
    PRESENT = "present"
    """It is in the group, whether the program is connected with it or not."""
    GONE = "gone"
    """It has left, or was removed."""


@frozen(repr=False)
class MemberRecord(Record):
    """Another member of a group.  Its profile is kept apart, as it may be long."""

    group_id: int
    member_id: bytes
    role: Role | str
    status: MemberStatus
    origin: MemberOrigin
    name: str = ""
    """The name in its profile, fit to be shown in a line."""
    versions: ChatVersions = FIRST_VERSION
    host_id: bytes | None = None
    """The member that has let it in, or has told of it."""
    connection_id: str | None = None
    """The program's connection with it."""
    can_send: bool = False
    """Whether the program can send to it."""
    is_connected: bool = False
    """Whether both can."""
    is_blocked: bool = False
    """Whether moderators have blocked it for all."""
    contact_id: int | None = None
    """The contact that was invited."""
    profile_due: bool = False
    """The program's profile has changed since the member was told of it."""
    request_key: bytes | None = None
    """Its own id of its request at the link of the group, the same in repetitions."""
    number: int = 0
    """The number by which a host keeps its relations to other members; 0 if it has none yet."""
    key: bytes | None = None
    """The Ed25519 key, in DER, by which its messages in a channel are verified."""
    is_key_signed: bool = False
    """Whether an owner, or the link, says that it is its key, and not a relay alone."""

    @property
    def is_current(self) -> bool:
        """Whether it takes part in the group."""
        return self.status is MemberStatus.PRESENT


@frozen(repr=False)
class GroupInvited(Record):
    """The invitation of a contact, until the program has joined."""

    contact_id: int
    link: str
    """The link to join by."""


@frozen(repr=False)
class OwnLink(Record):
    """A link by which anyone asks the program to be let into a group."""

    connection_id: str
    role: Role
    """What those who come by it may do."""
    approval: bool | None = None
    """Whether the program decides about each of them; `None` if it does as soon as it can."""
    link: str = ""
    """Empty until a router has made it."""
    short_link: str | None = None


@frozen(repr=False)
class GroupRecord(Record):
    """A group, as the program knows it."""

    group_id: int
    status: GroupStatus
    profile: GroupProfile
    own_id: bytes
    """The program's member id."""
    own_role: Role | str
    host_id: bytes | None = None
    """The member that has let the program in; `None` if the program has made the group."""
    own_profile: Profile | None = None
    """The random profile by which members know the program, in place of its own."""
    invited: GroupInvited | None = None
    connects: bool = False
    """Whether the program connects with all members, and not with the host alone."""
    business: BusinessChat | None = None
    """If it is the conversation of a business with a customer."""
    link: OwnLink | None = None
    alias: str = ""
    """What the program calls the group, if that is not the name in the profile."""
    is_by_link: bool = False
    """Whether the program has asked for it by a link."""
    joins_as: GroupStatus = GroupStatus.READY
    """What it is as soon as it is connected with the host."""
    joined_at: int | None = None
    """When the program has become a member, in seconds since 1970."""
    rejection: RejectionReason | str | None = None
    """Why the host does not let the program in, if it says so."""
    profile_told: str = ""
    """What stands for the program's profile as members were told of it last."""
    channel: ChannelRecord | None = None
    """If it is a channel, whose members know each other through relays."""


# --- what the program is told -------------------------------------------------------------------


@frozen(repr=False)
class ToldItem(Record):
    """Something that a message of a member says, for the program."""

    kind: str
    """The kind of its handlers."""
    member: MemberRecord
    """Who says it, or whom it is about, as of then."""
    place: int = -1
    """The number of the element in the message, for what is read from there."""
    by: MemberRecord | None = None
    """Who has done it to the member; `None` if that was the member itself."""
    before: str | None = None
    """What it was before: a role, or the JSON of a profile."""
    scope: bytes | None = None
    """The member whose conversation with the admins it was said in."""


@frozen(repr=False)
class ToldRecord(Record):
    """What the last message of a connection says, until the program has dealt with it.

    What a message changes is changed once, when it comes.  If the program ends before its handlers
    have finished, the message comes again, and they are told the same.
    """

    message_id: int
    items: tuple[ToldItem, ...] = field(default=())
    wants_receipt: bool = False
    """Whether its sender expects a receipt."""
