"""The profile and the address of the program itself, as its contacts know them."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.machine.records import AddressRecord, ContactStatus
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import pack
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.duplex.errors import NotAnAddress, UnknownConnection

__all__ = ["address_of", "publish"]


def publish(store: Store, settings: Settings) -> None:
    """Let contacts and the address know the profile as it is now, if they know another one."""
    before = store.profile
    if before != settings.profile:
        store.profile = settings.profile
        if before is not None:
            _tell_contacts(store, settings)
    address, data = store.address, settings.address_data
    if address is not None and address.data != data:
        # A link whose queue is not there yet is changed at the next start.
        with suppress(NotAnAddress, UnknownConnection):
            store.t.change_link(address.connection_id, data)
            store.address = evolve(address, data=data)


def _tell_contacts(store: Store, settings: Settings) -> None:
    (body,) = pack([ChatMessage(XInfo(settings.profile))], pq=True)
    after = 0
    while contacts := store.contacts(after=after):
        after = contacts[-1].contact_id
        ready = [each.connection_id for each in contacts if each.status is ContactStatus.READY]
        store.t.broadcast(ready, body, notify=False)
        for each in contacts:
            if each.status is ContactStatus.CONNECTING:
                store.change_contact(each, profile_due=True)


def address_of(store: Store, settings: Settings) -> AddressRecord:
    """The program's address; it is made if there is none, and has no links until it is there."""
    address = store.address
    if address is None:
        data = settings.address_data
        address = AddressRecord(store.t.create_address(data=data), data=data)
        store.address = address
    return address
