"""Invitations for single persons, from when a program asks for one until it has the links.

A program knows an invitation by its link alone.  One whose call was cancelled, or cut off by a
crash, before it had the link would stay on its router for good, so it is taken back: at once, or
when the bot starts again.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.machine.records import InvitationRecord
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.duplex.errors import NotAnAddress, UnknownConnection
from simplex_trio.duplex.transaction import Invitation
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import parse_link

__all__ = ["drop", "drop_unfinished", "finish", "invite"]


def invite(store: Store, settings: Settings, own_profile: Profile | None, alias: str) -> str:
    """Begin an invitation; returns the id of its connection."""
    info = settings.info(XInfo(own_profile or settings.profile))
    data = settings.invitation_data(own_profile)
    connection_id = store.t.create(info=info, short=True, data=data)
    store.add_invitation(InvitationRecord(connection_id, (), own_profile, alias))
    store.add_unfinished_invitation(connection_id)
    return connection_id


def finish(
    store: Store,
    settings: Settings,
    made: Invitation,
    presets: Iterable[ServerAddress],
    *,
    shown: bytes,
) -> None:
    """A router has made an invitation, whose link shows ``shown``; its program gets the links."""
    invitation = store.invitation(made.connection_id)
    if invitation is None:
        raise UnknownConnection
    links = tuple(filter(None, (made.link, made.short_link)))
    parsed = tuple(str(parse_link(each, presets)) for each in links)
    store.add_invitation(evolve(invitation, links=parsed))
    store.remove_unfinished_invitation(made.connection_id)
    data = settings.invitation_data(invitation.own_profile)
    if data != shown:  # the profile has changed while it was made
        with suppress(NotAnAddress):
            store.t.change_link(made.connection_id, data)


def drop(store: Store, connection_id: str) -> None:
    """Delete an invitation whose links the program does not get."""
    with suppress(UnknownConnection):
        store.t.delete(connection_id)
    invitation = store.invitation(connection_id)
    if invitation is not None:
        store.remove_invitation(invitation)
    store.remove_unfinished_invitation(connection_id)


def drop_unfinished(store: Store) -> None:
    """Delete the invitations that the program was making when it ended."""
    while unfinished := store.unfinished_invitations():
        for connection_id in unfinished:
            drop(store, connection_id)
