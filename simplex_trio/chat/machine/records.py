"""What a chat program keeps in the agent's file: contacts, and what was sent to them.

There is no history, but that which hosts of groups keep for new members.  Of the messages that
were sent, the latest of each contact are kept, so that a receipt or a reaction can be told to be
about one of them.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field

from simplex_trio.chat.machine.groups.records import MemberRecord
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.preferences import Preferences
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Record, Required
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.frozen import frozen

__all__ = [
    "MAX_ALIAS",
    "MAX_SENT",
    "AddressRecord",
    "ContactRecord",
    "ContactStatus",
    "DeliveryState",
    "FirstMessage",
    "InvitationRecord",
    "MemberAsked",
    "Notice",
    "NoticeKind",
    "SentFile",
    "SentRecord",
]

MAX_SENT = 100
"""How many of the messages to each contact are kept; the oldest ones go first.

Receipts for older ones are not told of, and reactions to them are told without what they are to."""

MAX_ALIAS = 200
"""How many characters a program's own name for a contact may have."""

_FIRST_VERSION = ChatVersions(ChatVersion.FIRST, ChatVersion.FIRST)


class ContactStatus(StrEnum):
    """How far a contact has come."""

    REQUESTED = "requested"
    """The contact has asked for a connection, and the program is to decide."""
    CONNECTING = "connecting"
    """The two sides are being connected."""
    READY = "ready"
    """Both sides can send."""
    FAILED = "failed"
    """The connection could not be made, or can no longer be used."""


class DeliveryState(StrEnum):
    """How far a message has come."""

    STORED = "stored"
    """It is in the program's file, and will be sent."""
    UPLOADED = "uploaded"
    """Its file is on the routers for files, and the contact is to be told where.  Only messages
    with a file are in this state."""
    SENT = "sent"
    """The contact's router has it, with all that is needed to receive its file: one tick in the
    apps."""
    DELIVERED = "delivered"
    """The contact's app has it: two ticks in the apps.  Whether a person has received the file that
    came with it cannot be known."""
    FAILED = "failed"
    """It was given up."""


@frozen(repr=False)
class FirstMessage(Record):
    """What came with a request."""

    msg_id: bytes
    content: Content


@frozen(repr=False)
class MemberAsked(Record):
    """The member of a group that the program has asked to become a contact."""

    group_id: int
    member_id: bytes
    content: Content | None = None
    """What comes with it, until it is sent."""
    link: str | None = None
    """The link that the member was sent."""


@frozen(repr=False)
class ContactRecord(Record):
    """A person that the program is connected with, or is to be."""

    contact_id: int
    connection_id: str
    """The connection; until a request is accepted, the address that it came to."""
    status: ContactStatus
    profile: Profile | None = None
    """`None` until the other side has said who it is."""
    profile_before: Profile | None = None
    """What ``profile`` was until ``changed_by``, as long as handlers have that message."""
    changed_by: int | None = None
    """The agent's id of the message that has changed the profile."""
    versions: ChatVersions = _FIRST_VERSION
    request_id: str | None = None
    """The agent's id of a request that is to be decided."""
    request_key: bytes | None = None
    """The peer's own id of its request, the same in repetitions."""
    welcome_due: bool = False
    """The welcome message is to be sent as soon as anything can be."""
    welcome_msg_id: bytes | None = None
    """The id by which the peer's app shows the welcome message of the address already."""
    first: FirstMessage | None = None
    """What came with the request, until it can be answered."""
    profile_due: bool = False
    """The program's profile has changed since the contact was told of it."""
    own_profile: Profile | None = None
    """The random profile by which the contact knows the program, in place of its own."""
    preferences: Preferences | None = None
    """What the program allows this contact, where that is not what its profile says."""
    alias: str = ""
    """What the program calls the contact, if that is not the name in the profile."""
    asked: MemberAsked | None = None
    """If it is a member of a group that is to join."""


@frozen(repr=False)
class SentFile(Record):
    """The file of a message that was sent."""

    file_id: str
    """The agent's id."""
    state: DeliveryState = DeliveryState.STORED
    """How far the file has come, with its description."""
    problem_name: str | None = None

    @property
    def problem(self) -> FileProblem | None:
        """Why it has failed."""
        return None if self.problem_name is None else FileProblem(self.problem_name)


@frozen(repr=False)
class SentRecord(Record):
    """A message that was sent."""

    msg_id: bytes
    content: Content
    sent_at: int
    state: DeliveryState = DeliveryState.STORED
    """How far the message itself has come: `outcome` takes its file into account."""
    file: SentFile | None = None
    ttl: int | None = None
    """After how many seconds it disappears."""
    expires_at: int | None = None
    """When it is to be forgotten; `None` while it is live."""
    scope: bytes | None = None
    """In a group, the member whose conversation with the admins it is in."""

    @property
    def outcome(self) -> DeliveryState:
        """How far the message has come, with all that belongs to it."""
        if self.file is None or self.state is DeliveryState.FAILED:
            return self.state
        if self.file.state is DeliveryState.SENT and self.state is DeliveryState.DELIVERED:
            return self.state
        return self.file.state


@frozen(repr=False)
class AddressRecord(Record):
    """The program's address."""

    connection_id: str
    link: str = ""
    """Empty until a router has made it."""
    short_link: str | None = None
    data: bytes = b""
    """What the short link shows."""


@frozen(repr=False)
class InvitationRecord(Record):
    """A link that was made for one person, and was not opened yet."""

    connection_id: str
    links: Required[tuple[str, ...]] = ()
    """The long one and the short one."""
    own_profile: Profile | None = None
    alias: str = ""
    """These become the contact's."""


class NoticeKind(StrEnum):
    """What a program is still to be told."""

    CONNECTED = "connected"
    REQUESTED = "requested"
    FIRST_MESSAGE = "first message"
    FAILED = "failed"
    BROKEN = "broken"
    CODE_CHANGED = "code changed"
    REPAIRED = "repaired"
    FILE = "file"
    GROUP_INVITED = "group invited"
    GROUP_JOINED = "group joined"
    GROUP_PENDING = "group pending"
    GROUP_NOT_JOINED = "group not joined"
    GROUP_LOST = "group lost"
    GROUP_REQUEST = "group request"
    GROUP_MEMBER = "group member"
    GROUP_CUSTOMER = "group customer"
    GROUP_FIRST_MESSAGE = "group first message"


@frozen(repr=False)
class Notice(Record):
    """Something that the program is told, again after a restart until it has dealt with it."""

    kind: NoticeKind
    contact_id: int
    """The contact, or the group."""
    first: FirstMessage | None = None
    file_msg_id: bytes | None = None
    """The message whose file it is about."""
    member: MemberRecord | None = None
    """The member of the group that it is about, as of then."""
    number: int = field(default=0, kw_only=True)
