"""What a message can say: messages, files and contacts.

Classes are named as on the wire: ``x.msg.new`` is `XMsgNew`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from attrs import field

from simplex_trio.chat.messages.content import Content, Report
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.files import FileDescr, FileInvitation
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Record, Tagged
from simplex_trio.chat.messages.scalars import Timestamp
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen

__all__ = [
    "REACTIONS",
    "Emoji",
    "MemberScope",
    "Mention",
    "MessageRef",
    "Quote",
    "Reaction",
    "UnknownReaction",
    "XContact",
    "XDirectDel",
    "XFile",
    "XFileAcpt",
    "XFileAcptInv",
    "XFileCancel",
    "XInfo",
    "XInfoProbe",
    "XInfoProbeCheck",
    "XInfoProbeOk",
    "XMsgDel",
    "XMsgDeleted",
    "XMsgFileDescr",
    "XMsgNew",
    "XMsgReact",
    "XMsgUpdate",
    "XOk",
]


# --- messages -----------------------------------------------------------------------------------


@frozen(repr=False)
class MessageRef(Record):
    """Which message is quoted.

    ``sent`` says whether the side that quotes it had sent it.  In groups ``member_id`` is its
    author.
    """

    sent_at: Timestamp
    sent: bool
    msg_id: bytes | None = None
    member_id: bytes | None = None


@frozen(repr=False)
class Quote(Record):
    """A message that another one answers, with its content; do not look it up, read it."""

    msg_ref: MessageRef
    content: Content


@frozen(repr=False)
class Mention(Record):
    """The member of a group whom a name in a text stands for."""

    member_id: bytes


@frozen(repr=False)
class MemberScope(Tagged):
    """The conversation of one member of a group with its admins."""

    TYPE: ClassVar[str] = "member"

    member_id: bytes


@frozen(repr=False)
class XMsgNew(Event):
    """A message."""

    EVENT: ClassVar[str] = "x.msg.new"
    NOTIFIES: ClassVar[bool] = True
    WANTS_RECEIPT: ClassVar[bool] = True

    content: Content
    mentions: Mapping[str, Mention] = field(factory=dict, hash=False)
    """Members of a group, by their names in the text; the apps honour five."""
    file: FileInvitation | None = None
    ttl: int | None = None
    """After how many seconds the message disappears, if both sides allow it."""
    live: bool | None = None
    """The text is still being written: `XMsgUpdate` has the rest."""
    scope: MemberScope | None = None
    as_group: bool | None = None
    quote: Quote | None = None
    parent: MessageRef | None = None
    """The post of a channel that this is a comment on."""
    forward: bool | None = None
    """The message is shown as a forwarded one, and cannot be edited."""

    @property
    def required_version(self) -> int:
        """The first version of the protocol that has this event, in this form."""
        if self.scope is not None:
            return ChatVersion.SCOPES
        return ChatVersion.REPORTS if isinstance(self.content, Report) else ChatVersion.FIRST


@frozen(repr=False)
class XMsgUpdate(Event):
    """The message ``msg_id`` of the same author has another content now.

    Without such a message it is a new one.
    """

    EVENT: ClassVar[str] = "x.msg.update"

    msg_id: bytes
    content: Content
    mentions: Mapping[str, Mention] = field(factory=dict, hash=False)
    ttl: int | None = None
    live: bool | None = None
    """The text is still being written; without it, it is finished."""
    scope: MemberScope | None = None
    as_group: bool | None = None


@frozen(repr=False)
class XMsgDel(Event):
    """A message is deleted; one of another author, with ``member_id``, by a moderator."""

    EVENT: ClassVar[str] = "x.msg.del"

    msg_id: bytes
    member_id: bytes | None = None
    scope: MemberScope | None = None
    only_history: bool | None = None


@frozen(repr=False)
class XMsgDeleted(Event):
    """In the place of a message that was deleted, in the history of a group."""

    EVENT: ClassVar[str] = "x.msg.deleted"


REACTIONS = frozenset("👍👎😀😂😢❤🚀✅")
"""The emoji that the apps take as reactions, each of them one code point."""


@frozen(repr=False)
class Emoji(Tagged):
    """A reaction: one of `REACTIONS`."""

    TYPE: ClassVar[str] = "emoji"

    emoji: str

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a JSON value; raises `DecodeError`."""
        reaction = super().from_json(value)
        if reaction.emoji not in REACTIONS:
            raise DecodeError("emoji: not a reaction")
        return reaction


@frozen(repr=False)
class UnknownReaction(Tagged):
    """A reaction that this package does not know; the apps show a question mark for it."""

    TAKES_MALFORMED: ClassVar[bool] = True

    type: str


Reaction = Emoji | UnknownReaction
"""A reaction to a message."""


@frozen(repr=False)
class XMsgReact(Event):
    """A reaction to a message is added, or taken back; ``member_id`` is the message's author."""

    EVENT: ClassVar[str] = "x.msg.react"

    msg_id: bytes
    reaction: Reaction
    add: bool
    member_id: bytes | None = None
    scope: MemberScope | None = None


# --- files --------------------------------------------------------------------------------------


@frozen(repr=False)
class XMsgFileDescr(Event):
    """A part of the description of the file of the message ``msg_id``."""

    EVENT: ClassVar[str] = "x.msg.file.descr"

    msg_id: bytes
    file_descr: FileDescr


@frozen(repr=False)
class XFileCancel(Event):
    """The sender of the message ``msg_id`` takes its file back."""

    EVENT: ClassVar[str] = "x.file.cancel"

    msg_id: bytes


@frozen(repr=False)
class XFile(Event):
    """A file, as programs before XFTP sent it."""

    EVENT: ClassVar[str] = "x.file"
    NOTIFIES: ClassVar[bool] = True

    file: FileInvitation


@frozen(repr=False)
class XFileAcpt(Event):
    """A file of before XFTP is accepted."""

    EVENT: ClassVar[str] = "x.file.acpt"

    file_name: str


@frozen(repr=False)
class XFileAcptInv(Event):
    """A file of before XFTP is accepted, in messages or through a connection."""

    EVENT: ClassVar[str] = "x.file.acpt.inv"

    msg_id: bytes
    file_name: str
    file_conn_req: str | None = None


# --- contacts -----------------------------------------------------------------------------------


@frozen(repr=False)
class XInfo(Event):
    """The profile of the other side, in a handshake or because it has changed."""

    EVENT: ClassVar[str] = "x.info"

    profile: Profile


@frozen(repr=False)
class XContact(Event):
    """A request at an address.

    A request that is repeated has the same ``contact_req_id``.  ``welcome_msg_id`` is the id that
    the app has given to the welcome message of the link's data, which it shows already.
    """

    EVENT: ClassVar[str] = "x.contact"
    NOTIFIES: ClassVar[bool] = True

    profile: Profile
    contact_req_id: bytes | None = None
    welcome_msg_id: bytes | None = None
    msg_id: bytes | None = None
    content: Content | None = None

    @property
    def first_message(self) -> tuple[bytes, Content] | None:
        """The message that came with the request, and its id."""
        if self.msg_id is None or self.content is None:
            return None
        return self.msg_id, self.content


@frozen(repr=False)
class XInfoProbe(Event):
    """A random value that contacts and members with the same profile may recognize each other by.

    A bot may ignore it, and the two events that follow it.
    """

    EVENT: ClassVar[str] = "x.info.probe"

    probe: bytes


@frozen(repr=False)
class XInfoProbeCheck(Event):
    """The hash of a probe that another contact has been sent."""

    EVENT: ClassVar[str] = "x.info.probe.check"

    probe_hash: bytes


@frozen(repr=False)
class XInfoProbeOk(Event):
    """The probe whose hash was sent: the two contacts are the same."""

    EVENT: ClassVar[str] = "x.info.probe.ok"

    probe: bytes


@frozen(repr=False)
class XDirectDel(Event):
    """The other side has deleted the contact."""

    EVENT: ClassVar[str] = "x.direct.del"


@frozen(repr=False)
class XOk(Event):
    """Nothing to say, in a handshake."""

    EVENT: ClassVar[str] = "x.ok"
