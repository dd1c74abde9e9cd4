"""What a member of a group says to the group, or to its host; named as on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import MemberScope
from simplex_trio.chat.messages.group_profiles import GroupPreferences, GroupProfile, Role
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Lax, Record
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.chat.messages.versions import ChatVersion
from simplex_trio.frozen import frozen

__all__ = [
    "Acceptance",
    "BusinessChat",
    "BusinessSide",
    "GroupInvitation",
    "GroupLinkInvitation",
    "GroupLinkRejection",
    "Introduction",
    "MemberIdRole",
    "MemberInfo",
    "MemberRestrictions",
    "RejectionReason",
    "Restriction",
    "XGrpAcpt",
    "XGrpDel",
    "XGrpDirectInv",
    "XGrpInfo",
    "XGrpInv",
    "XGrpLeave",
    "XGrpLinkAcpt",
    "XGrpLinkInv",
    "XGrpLinkMem",
    "XGrpLinkReject",
    "XGrpMemCon",
    "XGrpMemConAll",
    "XGrpMemDel",
    "XGrpMemFwd",
    "XGrpMemInfo",
    "XGrpMemIntro",
    "XGrpMemInv",
    "XGrpMemNew",
    "XGrpMemRestrict",
    "XGrpMemRole",
    "XGrpPrefs",
]

# --- joining ------------------------------------------------------------------------------------


@frozen(repr=False)
class MemberIdRole(Record):
    """A member, and what it may do."""

    member_id: bytes
    member_role: Role | str


class BusinessSide(StrEnum):
    """What the other side of a business conversation is."""

    BUSINESS = "business"
    CUSTOMER = "customer"


@frozen(repr=False)
class BusinessChat(Record):
    """A group that is the conversation of a business with one customer."""

    chat_type: BusinessSide | str
    business_id: bytes
    customer_id: bytes


@frozen(repr=False)
class GroupInvitation(Record):
    """An invitation of a contact to a group: ``conn_request`` is the link to join by."""

    from_member: MemberIdRole
    invited_member: MemberIdRole
    conn_request: str
    group_profile: GroupProfile
    business: Lax[BusinessChat] | None = None
    group_link_id: bytes | None = None
    group_size: int | None = None


@frozen(repr=False)
class XGrpInv(Event):
    """A contact invites to a group."""

    EVENT: ClassVar[str] = "x.grp.inv"
    NOTIFIES: ClassVar[bool] = True
    WANTS_RECEIPT: ClassVar[bool] = True

    group_invitation: GroupInvitation


@frozen(repr=False)
class XGrpAcpt(Event):
    """The invited side joins, as the member it was invited as."""

    EVENT: ClassVar[str] = "x.grp.acpt"

    member_id: bytes


class Acceptance(StrEnum):
    """Whether a member who came by a link is in the group."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    PENDING_REVIEW = "pending_review"


@frozen(repr=False)
class GroupLinkInvitation(Record):
    """What the host says to a member who comes by the link of the group."""

    from_member: MemberIdRole
    from_member_name: str
    invited_member: MemberIdRole
    group_profile: GroupProfile
    accepted: Lax[Acceptance] | None = None
    business: Lax[BusinessChat] | None = None
    group_size: int | None = None


@frozen(repr=False)
class XGrpLinkInv(Event):
    """The host lets a member in who came by the link of the group."""

    EVENT: ClassVar[str] = "x.grp.link.inv"

    group_link_invitation: GroupLinkInvitation


class RejectionReason(StrEnum):
    """Why the host does not let a member in."""

    LONG_NAME = "long_name"
    BLOCKED_NAME = "blocked_name"


@frozen(repr=False)
class GroupLinkRejection(Record):
    """What the host says to a member whom it does not let in."""

    from_member: MemberIdRole
    invited_member: MemberIdRole
    group_profile: GroupProfile
    rejection_reason: RejectionReason | str


@frozen(repr=False)
class XGrpLinkReject(Event):
    """The host does not let a member in."""

    EVENT: ClassVar[str] = "x.grp.link.reject"
    MIN_VERSION: ClassVar[int] = ChatVersion.GROUP_REJECTION

    group_link_rejection: GroupLinkRejection


@frozen(repr=False)
class XGrpLinkMem(Event):
    """The profile of the host, for a member who came by the link."""

    EVENT: ClassVar[str] = "x.grp.link.mem"

    profile: Profile


@frozen(repr=False)
class XGrpLinkAcpt(Event):
    """A member who had to wait is in the group now."""

    EVENT: ClassVar[str] = "x.grp.link.acpt"
    MIN_VERSION: ClassVar[int] = ChatVersion.SCOPES

    acceptance: Acceptance
    role: Role | str
    member_id: bytes


# --- members and each other ---------------------------------------------------------------------


@frozen(repr=False)
class MemberInfo(Record):
    """A member, as the host introduces it.

    ``v`` is what it speaks, where the host knows; ``member_key`` is in channels the Ed25519 key, in
    DER, by which its messages are verified.
    """

    member_id: bytes
    member_role: Role | str
    profile: Profile
    v: Lax[ChatVersions] | None = None
    member_key: bytes | None = None


class Restriction(StrEnum):
    """Whether the messages of a member are shown."""

    BLOCKED = "blocked"
    UNRESTRICTED = "unrestricted"


@frozen(repr=False)
class MemberRestrictions(Record):
    """What a member may not do."""

    restriction: Restriction | str


@frozen(repr=False)
class Introduction(Record):
    """Links by which two members connect to each other."""

    group_conn_req: str
    direct_conn_req: str | None = None


@frozen(repr=False)
class XGrpMemIntro(Event):
    """The host introduces a member to a new one."""

    EVENT: ClassVar[str] = "x.grp.mem.intro"

    member_info: MemberInfo
    member_restrictions: MemberRestrictions | None = None


@frozen(repr=False)
class XGrpMemInv(Event):
    """A new member asks the host to pass links on to another member."""

    EVENT: ClassVar[str] = "x.grp.mem.inv"

    member_id: bytes
    member_intro: Introduction


@frozen(repr=False)
class XGrpMemNew(Event):
    """The host announces a new member."""

    EVENT: ClassVar[str] = "x.grp.mem.new"

    member_info: MemberInfo
    scope: MemberScope | None = None


@frozen(repr=False)
class XGrpMemFwd(Event):
    """The host passes the links of a new member on."""

    EVENT: ClassVar[str] = "x.grp.mem.fwd"
    NOTIFIES: ClassVar[bool] = True

    member_info: MemberInfo
    member_intro: Introduction


@frozen(repr=False)
class XGrpMemInfo(Event):
    """A member tells another one who it is, when they connect."""

    EVENT: ClassVar[str] = "x.grp.mem.info"

    member_id: bytes
    profile: Profile


@frozen(repr=False)
class XGrpMemCon(Event):
    """Two members are connected, and need the host no longer."""

    EVENT: ClassVar[str] = "x.grp.mem.con"

    member_id: bytes


@frozen(repr=False)
class XGrpMemConAll(Event):
    """A member is connected to all others; no app sends it."""

    EVENT: ClassVar[str] = "x.grp.mem.con.all"

    member_id: bytes


# --- in the group -------------------------------------------------------------------------------


@frozen(repr=False)
class XGrpMemRole(Event):
    """A member has another role."""

    EVENT: ClassVar[str] = "x.grp.mem.role"

    member_id: bytes
    role: Role | str
    member_key: bytes | None = None
    roster_version: int | None = None


@frozen(repr=False)
class XGrpMemRestrict(Event):
    """A member is blocked for all, or no longer."""

    EVENT: ClassVar[str] = "x.grp.mem.restrict"

    member_id: bytes
    member_restrictions: MemberRestrictions


@frozen(repr=False)
class XGrpMemDel(Event):
    """A member is removed, perhaps with its messages."""

    EVENT: ClassVar[str] = "x.grp.mem.del"

    member_id: bytes
    messages: Lax[bool] | None = None
    roster_version: int | None = None


@frozen(repr=False)
class XGrpLeave(Event):
    """The sender leaves the group."""

    EVENT: ClassVar[str] = "x.grp.leave"


@frozen(repr=False)
class XGrpDel(Event):
    """The group is deleted."""

    EVENT: ClassVar[str] = "x.grp.del"
    NOTIFIES: ClassVar[bool] = True


@frozen(repr=False)
class XGrpInfo(Event):
    """The group has another profile."""

    EVENT: ClassVar[str] = "x.grp.info"

    group_profile: GroupProfile


@frozen(repr=False)
class XGrpPrefs(Event):
    """The group has other rules."""

    EVENT: ClassVar[str] = "x.grp.prefs"
    MIN_VERSION: ClassVar[int] = ChatVersion.GROUP_PREFERENCES

    group_preferences: GroupPreferences


@frozen(repr=False)
class XGrpDirectInv(Event):
    """A member asks for a direct conversation: ``conn_req`` is the link to join by."""

    EVENT: ClassVar[str] = "x.grp.direct.inv"
    MIN_VERSION: ClassVar[int] = ChatVersion.MEMBER_CONTACTS

    conn_req: str
    content: Content | None = None
    scope: MemberScope | None = None
