"""What the program says in channels: to all of its relays, and signed where it has to be."""

from __future__ import annotations

from simplex_trio.chat.machine.channels.records import ChannelRecord
from simplex_trio.chat.machine.groups.records import (
    GroupRecord,
    MemberOrigin,
    MemberRecord,
    MemberStatus,
)
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.messages.bodies import MAX_MESSAGE, encode_element
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.signing import MemberSigner
from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.errors import TooLarge
from simplex_trio.wire.text import to_base64url

__all__ = [
    "MAX_PASSED_ON",
    "check_size",
    "relay_members",
    "say_signed",
    "shown_id",
    "signer_in",
    "the_channel",
]

_SHOWN_ID = 7
"""As in the apps."""

MAX_PASSED_ON = MAX_MESSAGE - 202
"""How many bytes a message may have so that relays pass it on, with the name of its author."""


def shown_id(member_id: bytes) -> str:
    """What a member is called of whom no name is known."""
    return to_base64url(member_id)[:_SHOWN_ID]


def the_channel(group: GroupRecord) -> MemberRecord:
    """A channel as the author of what it says as a whole; its id is empty."""
    return MemberRecord(
        *(group.group_id, b"", Role.OWNER, MemberStatus.PRESENT, MemberOrigin.BEFORE),
        group.profile.shown_name,
    )


def signer_in(group: GroupRecord, channel: ChannelRecord) -> MemberSigner:
    """The program as a member of a channel that signs what it says."""
    key = Ed25519PrivateKey(channel.own_key)
    return MemberSigner(channel.public_id, group.own_id, key)


def relay_members(groups: GroupStore, group: GroupRecord) -> list[MemberRecord]:
    """The relays that the program is connected with, or is about to be."""
    found = groups.connected_members(group.group_id)
    return [each for each in found if each.role == Role.RELAY]


def check_size(event: Event, msg_id: bytes | None) -> None:
    """Raise `TooLarge` for what relays would drop."""
    length = len(ChatMessage(event, msg_id).encode())
    if length > MAX_PASSED_ON:
        raise TooLarge(f"a message of {length} bytes, of at most {MAX_PASSED_ON} in a channel")


def say_signed(
    groups: GroupStore, group: GroupRecord, channel: ChannelRecord, event: Event, msg_id: bytes
) -> None:
    """Queue something for all relays that members believe only if it is signed."""
    check_size(event, msg_id)
    body = encode_element(signer_in(group, channel).sign(ChatMessage(event, msg_id)))
    connections = [
        each.connection_id
        for each in relay_members(groups, group)
        if each.connection_id is not None and each.can_send
    ]
    groups.store.t.broadcast(connections, body, notify=event.NOTIFIES)
