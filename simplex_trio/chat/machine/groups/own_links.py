"""Links by which anyone asks the program to be let into a group."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import NotAllowed
from simplex_trio.chat.machine.groups.records import GroupRecord, OwnLink
from simplex_trio.chat.machine.groups.rules import can_host, check_inviting, has_role
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.addresses import (
    GROUP_LINK_ID_SIZE,
    GroupLinkData,
    group_client_data,
)
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.duplex.errors import NotAnAddress, UnknownConnection
from simplex_trio.duplex.events import ConnectionEvent, ConnectionFailed, InvitationReady, QueueLost
from simplex_trio.errors import TooLarge
from simplex_trio.wire.duplex.short_links import ContactKind

__all__ = ["create_link", "delete_link", "followed_link", "needs_approval", "update_link"]


def create_link(
    groups: GroupStore, settings: Settings, group: GroupRecord, role: Role, *, approval: bool | None
) -> GroupRecord:
    """Have a router make a link, or change what the one does that there is.

    With `None` for ``approval``, the program decides who is let in if it has functions for that.
    """
    check_inviting(group, role)
    if has_role(role, Role.MODERATOR):
        raise NotAllowed("those who come by a link can be members, authors or observers")
    link = group.link
    if link is None:
        connection_id = groups.store.t.create_address(
            data=GroupLinkData(group.profile).encode(),
            client_data=group_client_data(settings.random(GROUP_LINK_ID_SIZE)),
            kind=ContactKind.GROUP,
            pq=False,
        )
        link = OwnLink(connection_id, role)
    if approval is None:
        approval = True if settings.admits else link.approval
    return groups.change_group(group, link=evolve(link, role=role, approval=approval))


def needs_approval(
    groups: GroupStore, settings: Settings, group: GroupRecord, link: OwnLink
) -> bool:
    """Whether the program decides about those who ask at a link.

    If it has got functions for that since the link was made, it does from now on, even if it is run
    without them for once.
    """
    if link.approval is None and settings.admits:
        groups.change_group(group, link=evolve(link, approval=True))
        return True
    return bool(link.approval)


def delete_link(groups: GroupStore, group: GroupRecord) -> GroupRecord:
    """Delete the link of a group, if it has one; those who have come by it stay."""
    if group.link is None:
        return group
    groups.store.has_lost_link = True
    with suppress(UnknownConnection):
        groups.store.t.delete(group.link.connection_id)
    return groups.change_group(group, link=None)


def update_link(groups: GroupStore, group: GroupRecord) -> None:
    """Let the link show what the group says of itself now, if that has room there."""
    if group.link is not None and group.link.link and can_host(group):
        with suppress(NotAnAddress, TooLarge, UnknownConnection):
            data = GroupLinkData(group.profile).encode()
            groups.store.t.change_link(group.link.connection_id, data)


def followed_link(groups: GroupStore, group: GroupRecord, event: ConnectionEvent) -> None:
    """What follows from an event about the link of a group, other than a request."""
    assert group.link is not None
    match event:
        case InvitationReady():
            link = evolve(group.link, link=event.link, short_link=event.short_link)
            group = groups.change_group(group, link=link)
            update_link(groups, group)  # the profile may have changed while it was made
        case ConnectionFailed() | QueueLost(deleted=True):
            delete_link(groups, group)
        case _:
            pass
