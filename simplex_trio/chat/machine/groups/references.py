"""What a message of a member refers to: other messages, their authors, and members it mentions."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field

from simplex_trio.chat.machine.channels.saying import the_channel
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberRecord
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.records import SentRecord
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    MessageRef,
    Quote,
    XMsgDel,
    XMsgNew,
    XMsgReact,
)
from simplex_trio.chat.messages.mentions import MAX_RECEIVED_MENTIONS, mentioned_members
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["References", "references_of"]


@frozen(repr=False)
class References(Redacted):
    """What a message refers to."""

    sent: SentRecord | None = None
    """The message of the program that it is about."""
    author: MemberRecord | None = None
    """The member whose message it is about."""
    mentioned: Mapping[str, MemberRecord] = field(factory=dict)
    """Members, by their names in its text."""
    own_name: str | None = None
    """By which name it mentions the program."""


def _message(event: Event) -> tuple[bytes | None, bytes | None]:
    """The author and the id of the message that an event is about."""
    match event:
        case XMsgReact(msg_id=msg_id, member_id=member_id):
            return member_id, msg_id
        case XMsgDel(msg_id=msg_id, member_id=member_id):
            return member_id, msg_id
        case XMsgNew(quote=Quote(msg_ref=MessageRef(member_id=member_id, msg_id=msg_id))):
            return member_id, msg_id
        case _:
            return None, None


def references_of(groups: GroupStore, group: GroupRecord, event: Event) -> References:
    """What an event refers to; what it says itself of these is not believed."""
    group_id = group.group_id
    author_id, msg_id = _message(event)
    sent = author = None
    if author_id == group.own_id and msg_id is not None:
        sent = groups.store.sent_as(group_id, msg_id)
    elif author_id is not None:
        author = groups.member(group_id, author_id)
    elif group.channel is not None and msg_id is not None and not isinstance(event, XMsgDel):
        author = the_channel(group)
    names: dict[str, bytes] = {}
    if isinstance(event, XMsgNew) and event.mentions:
        said = {name: each.member_id for name, each in event.mentions.items()}
        found = mentioned_members(event.content.text, said, MAX_RECEIVED_MENTIONS)
        names = {name: each.member_id for name, each in found.items()}
    members = {name: groups.member(group_id, each) for name, each in names.items()}
    return References(
        sent,
        author,
        {name: each for name, each in members.items() if each is not None},
        next((name for name, each in names.items() if each == group.own_id), None),
    )
