"""What a host keeps of those that it lets in, until they are members."""

from __future__ import annotations

from simplex_trio.chat.machine.groups.records import MemberRecord
from simplex_trio.chat.machine.records import FirstMessage
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.records import Record
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.frozen import frozen

__all__ = ["Admission", "admission_of", "forget_admission", "keep_admission"]

_SPACE = ".chat.group-admissions"


@frozen(repr=False)
class Admission(Record):
    """How a member comes in."""

    link: str | None = None
    """The link that an invited contact joins by; `None` until a router has made its queue."""
    request_id: str | None = None
    """The agent's id of the request of one that has asked at the link of the group."""
    address_id: str | None = None
    """The agent's id of that link."""
    is_approved: bool = False
    """Whether it is to be let in as soon as it is connected."""
    first: FirstMessage | None = None
    """What a customer has said with its request, until it is connected."""
    welcome_msg_id: bytes | None = None
    """The id by which its app shows the welcome message of the group already."""


def _key(member: MemberRecord) -> bytes:
    return member.group_id.to_bytes(8, "big") + member.member_id[:255]


def admission_of(kept: KeptRecords, member: MemberRecord) -> Admission | None:
    """How a member comes in that is not there yet."""
    found = kept.get(_SPACE, _key(member))
    return None if found is None else Admission.from_json(decode_json(found))


def keep_admission(kept: KeptRecords, member: MemberRecord, admission: Admission) -> None:
    """Keep it until the member is there."""
    kept.put(_SPACE, _key(member), encode_json(admission.to_json()))


def forget_admission(kept: KeptRecords, member: MemberRecord) -> None:
    """The member is there, or is gone."""
    kept.delete(_SPACE, _key(member))
