"""The profile and the address of the program itself, as its contacts know them."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.machine.outgoing import tell_profile
from simplex_trio.chat.machine.records import AddressRecord, ContactStatus
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import pack
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import Allow, BotCommand, Preference, Preferences
from simplex_trio.chat.messages.profiles import PeerType, Profile
from simplex_trio.duplex.errors import NotAnAddress, UnknownConnection

__all__ = ["address_of", "own_profile", "publish", "update_address"]


_BOT_PREFERENCES = Preferences(
    voice=Preference(Allow.NO), files=Preference(Allow.NO), calls=Preference(Allow.NO)
)


def own_profile(
    profile: Profile | str,
    commands: tuple[BotCommand, ...] | None,
    own_commands: tuple[BotCommand, ...],
    *,
    takes_files: bool = False,
) -> Profile:
    """The profile of a program, with its commands, which are those of its handlers by default."""
    own = Profile(profile) if isinstance(profile, str) else profile
    usual = evolve(_BOT_PREFERENCES, files=None) if takes_files else _BOT_PREFERENCES
    preferences = own.preferences or usual
    if commands is not None:
        preferences = evolve(preferences, commands=commands)
    elif preferences.commands is None and own_commands:
        preferences = evolve(preferences, commands=own_commands)
    return evolve(own, peer_type=own.peer_type or PeerType.BOT, preferences=preferences)


def publish(store: Store, settings: Settings) -> None:
    """Let contacts and the address know the profile as it is now, if they know another one."""
    before = store.profile
    if before != settings.profile:
        store.profile = settings.profile
        if before is not None:
            _tell_contacts(store, settings)
            _update_invitations(store, settings)
    update_address(store, settings)


def update_address(store: Store, settings: Settings) -> None:
    """Let the address show the profile as it is now.

    One whose queue is not there yet is changed when it is.
    """
    address, data = store.address, settings.address_data
    if address is not None and address.data != data:
        with suppress(NotAnAddress, UnknownConnection):
            store.t.change_link(address.connection_id, data)
            store.address = evolve(address, data=data)


def _update_invitations(store: Store, settings: Settings) -> None:
    data, after = settings.invitation_data(), ""
    while invitations := store.invitations(after=after):
        after = invitations[-1].connection_id
        for each in invitations:
            if each.own_profile is None:
                with suppress(NotAnAddress, UnknownConnection):  # it is being opened
                    store.t.change_link(each.connection_id, data)


def _tell_contacts(store: Store, settings: Settings) -> None:
    """Tell all contacts of the profile, except those that know a random one."""
    (body,) = pack([ChatMessage(XInfo(settings.profile))], pq=True)
    after = 0
    while contacts := store.contacts(after=after):
        after = contacts[-1].contact_id
        told = [each for each in contacts if each.own_profile is None]
        alike = [
            each for each in told if each.status is ContactStatus.READY and each.preferences is None
        ]
        ids = {each.contact_id for each in alike}
        outcomes = store.t.broadcast([each.connection_id for each in alike], body, notify=False)
        for each, outcome in zip(alike, outcomes, strict=True):
            store.change_contact(each, profile_due=not isinstance(outcome, int))
        for each in told:
            if each.contact_id not in ids and each.status is not ContactStatus.REQUESTED:
                # Now, or as soon as that is possible.
                tell_profile(store, settings, store.change_contact(each, profile_due=True))


def address_of(store: Store, settings: Settings) -> AddressRecord:
    """The program's address; it is made if there is none, and has no links until it is there."""
    address = store.address
    if address is None:
        data = settings.address_data
        address = AddressRecord(store.t.create_address(data=data), data=data)
        store.address = address
    return address
