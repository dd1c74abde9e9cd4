"""The program's address, and the people who ask for a connection there."""

from __future__ import annotations

from attrs import evolve

from simplex_trio.chat.machine.groups.business import customer_asks
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.happenings import Happening
from simplex_trio.chat.machine.incognito import random_profile
from simplex_trio.chat.machine.noticing import notify, read_info, reject_request
from simplex_trio.chat.machine.own import update_address
from simplex_trio.chat.machine.records import (
    ContactRecord,
    ContactStatus,
    FirstMessage,
    NoticeKind,
)
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.events import XContact, XInfo
from simplex_trio.duplex.errors import (
    DuplexError,
)
from simplex_trio.duplex.events import (
    InvitationReady,
    RequestReceived,
)
from simplex_trio.errors import TooLarge

__all__ = ["accept", "address_is_there", "reject", "requested"]


def address_is_there(store: Store, settings: Settings, event: InvitationReady) -> None:
    """A router has made the address."""
    address = store.address
    if address is not None and address.connection_id == event.connection_id:
        store.address = evolve(address, link=event.link, short_link=event.short_link)
        update_address(store, settings)  # the profile may have changed while it was made


def requested(store: Store, settings: Settings, event: RequestReceived) -> list[Happening]:
    """A person asks for a connection."""
    address = store.address
    message = read_info(event.info)
    is_ours = address is not None and address.connection_id == event.connection_id
    if message is None or not is_ours or not isinstance(message.event, XContact | XInfo):
        reject_request(store, event)
        return []
    if settings.business:
        return [*customer_asks(GroupStore(store), settings, event)]
    asked = message.event
    request = asked if isinstance(asked, XContact) else XContact(asked.profile)
    key = request.contact_req_id
    known = None if key is None else store.contact_asking(key)
    if known is not None and known.status is not ContactStatus.REQUESTED:
        reject_request(store, event)  # it was accepted before, which the peer will learn
        return []
    first = request.first_message
    contact = ContactRecord(
        contact_id=store.new_contact_id() if known is None else known.contact_id,
        connection_id=event.connection_id,
        status=ContactStatus.REQUESTED,
        profile=request.profile,
        versions=message.versions,
        request_id=event.request_id,
        request_key=key,
        welcome_due=settings.welcome is not None,
        welcome_msg_id=request.welcome_msg_id,
        first=None if first is None else FirstMessage(*first),
    )
    if known is not None and known.request_id is not None:
        reject_request(store, _request(known))
    store.put_contact(contact)
    if settings.accepts:
        try:
            accept(store, settings, contact)
        except (DuplexError, TooLarge):
            reject(store, contact)  # a peer of another version, or one connection too many
        return []
    if known is not None:
        return []  # the program knows of it
    return notify(store, contact, NoticeKind.REQUESTED)


def _request(contact: ContactRecord) -> RequestReceived:
    assert contact.request_id is not None
    return RequestReceived(contact.connection_id, contact.request_id, b"", False, ())


def accept(
    store: Store, settings: Settings, contact: ContactRecord, *, incognito: bool = False
) -> ContactRecord:
    """Accept the request of a contact, perhaps by a random profile; again changes nothing.

    Raises `CannotAccept` if the peer's program is of another version.
    """
    if contact.status is not ContactStatus.REQUESTED:
        return contact
    if incognito:
        contact = evolve(contact, own_profile=random_profile(settings.random))
    info = settings.info(XInfo(settings.profile_for(contact)))
    accepted = evolve(
        contact,
        connection_id=store.t.accept(_request(contact), info),
        status=ContactStatus.CONNECTING,
        request_id=None,
    )
    store.put_contact(accepted)
    return accepted


def reject(store: Store, contact: ContactRecord) -> None:
    """Refuse the request of a contact, who is not told."""
    if contact.status is ContactStatus.REQUESTED:
        reject_request(store, _request(contact))
        store.remove_contact(contact)
