"""What the program says to members of groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simplex_trio.chat.errors import MemberGone, UnknownGroup
from simplex_trio.chat.machine.groups.records import GroupRecord, MemberRecord, MemberStatus
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.messages.bodies import pack
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.duplex.transaction import SendOutcome

__all__ = ["check_can_answer", "check_is_there", "known_group", "say_to"]


def check_can_answer(groups: GroupStore, group_id: int, member_id: bytes) -> None:
    """Raise `MemberGone` if nothing can come of a member any more."""
    group, member = groups.group(group_id), groups.member(group_id, member_id)
    is_over = group is None or group.status.is_over
    if is_over or member is None or member.status is MemberStatus.GONE:
        raise MemberGone("the member is gone, or the program is no longer in the group")


def check_is_there(groups: GroupStore, group_id: int, member_id: bytes) -> MemberRecord:
    """The member with this id; raises `MemberGone` if there is none, or no longer."""
    member = groups.member(group_id, member_id)
    if member is None or member.status is MemberStatus.GONE:
        raise MemberGone("there is no such member in the group, or no longer")
    return member


def known_group(groups: GroupStore, group_id: int) -> GroupRecord:
    """The group with this id; `UnknownGroup` if there is none, or no longer."""
    group = groups.group(group_id)
    if group is None:
        raise UnknownGroup("there is no group with this id")
    return group


def say_to(
    groups: GroupStore,
    members: Iterable[MemberRecord],
    events: Sequence[tuple[Event, bytes | None]],
    *,
    notify: bool,
) -> list[tuple[MemberRecord, list[SendOutcome]]]:
    """Queue events with their ids for members with which there is a connection, in few bodies.

    Each body is stored once for all of them.  The connections of groups are without the KEM.
    Raises `TooLarge`.
    """
    reached = [each for each in members if each.connection_id is not None and each.can_send]
    outcomes: list[list[SendOutcome]] = [[] for _ in reached]
    connections = [each.connection_id for each in reached if each.connection_id is not None]
    bodies = pack([ChatMessage(event, msg_id) for event, msg_id in events], pq=False)
    for body in bodies:
        for place, outcome in enumerate(groups.store.t.broadcast(connections, body, notify=notify)):
            outcomes[place].append(outcome)
    return list(zip(reached, outcomes, strict=True))
