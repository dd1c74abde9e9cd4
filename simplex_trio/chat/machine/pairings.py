"""Pairings: the people who get alerts, and the names that the program knows them by.

A pairing begins with an invitation for one person.  The name is given by the program's user, or
taken from the person's profile once, when the two sides are connected.  It is the contact's alias
then, which stays, whatever the person calls itself: otherwise a person could take another's alerts
by taking its name.
"""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import AmbiguousContact, NameTaken, PairingFailed, UnknownContact
from simplex_trio.chat.machine.connecting import leave
from simplex_trio.chat.machine.outgoing import ContactOutlet, known_contact
from simplex_trio.chat.machine.records import ContactRecord, ContactStatus, InvitationRecord
from simplex_trio.chat.machine.sending import send
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.events import XInfo
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.names import shown_name
from simplex_trio.chat.messages.records import Record
from simplex_trio.duplex.errors import CannotSend, DuplexError, UnknownConnection
from simplex_trio.duplex.events import (
    ConnectionFailed,
    ConnectionReady,
    DuplexEvent,
    InvitationReady,
    QueueLost,
)
from simplex_trio.errors import EncodeError, TooLarge
from simplex_trio.frozen import frozen

__all__ = [
    "ID_PREFIX",
    "MAX_PAIRINGS",
    "PairingRecord",
    "begin",
    "complete",
    "find",
    "follow",
    "forget_lost",
    "pairing_of",
    "pairings",
    "remove_named",
    "told",
]

MAX_PAIRINGS = 1000
"""How many pairings one store has; further ones raise `PairingFailed`.  They are people that one
program sends alerts to, and all of them are looked at when a name is looked up."""

ID_PREFIX = "id:"
"""What comes before the id of a contact where a name could be."""

_SPACE = ".chat.pairings"


@frozen(repr=False)
class PairingRecord(Record):
    """An invitation to get alerts, or the person who has accepted it."""

    connection_id: str
    asked_name: str | None = None
    """The name that was given when it began."""
    greeting: str = ""
    link: str | None = None
    """The link, from when a router has made the queue."""
    contact_id: int | None = None
    """The contact, from when the two sides are connected."""
    told: bool = False
    """Whether the user has been told that they are."""


def pairings(store: Store) -> list[PairingRecord]:
    """All of them."""
    found = store.t.kept.scan(_SPACE, limit=MAX_PAIRINGS)
    return [PairingRecord.from_json(decode_json(value)) for _, value in found]


def pairing_of(store: Store, connection_id: str) -> PairingRecord | None:
    """The pairing with this connection."""
    value = store.t.kept.get(_SPACE, connection_id.encode())
    return None if value is None else PairingRecord.from_json(decode_json(value))


def _put(store: Store, pairing: PairingRecord) -> PairingRecord:
    store.t.kept.put(_SPACE, pairing.connection_id.encode(), encode_json(pairing.to_json()))
    return pairing


def _forget(store: Store, pairing: PairingRecord) -> None:
    store.t.kept.delete(_SPACE, pairing.connection_id.encode())


def _same(first: str | None, second: str | None) -> bool:
    return (first or "").casefold() == (second or "").casefold()


# --- becoming connected -------------------------------------------------------------------------


def begin(store: Store, settings: Settings, name: str | None, greeting: str) -> PairingRecord:
    """Begin a pairing, or go on with the one of this name that the user has not seen the end of.

    Raises `EncodeError` for a name that cannot be shown, `NameTaken`, `PairingFailed` if there are
    too many, and `NoServers`.
    """
    if name is not None and (
        not name or shown_name(name) != name or name.lower().startswith(ID_PREFIX)
    ):
        raise EncodeError("not a name for a contact")
    known = pairings(store)
    for each in known:
        if not each.told and _same(each.asked_name, name):
            return each
    if name is not None and _is_taken(store, name):
        raise NameTaken("there is a contact with this name already")
    if len(known) >= MAX_PAIRINGS:
        raise PairingFailed("there are too many pairings", None)
    info, data = settings.info(XInfo(settings.profile)), settings.invitation_data()
    connection_id = store.t.create(info=info, short=True, data=data)
    store.add_invitation(InvitationRecord(connection_id, (), None, name or ""))
    return _put(store, PairingRecord(connection_id, name, greeting=greeting))


def _is_taken(store: Store, name: str) -> bool:
    return _is_invited(store, name) or any(_same(each.alias, name) for each in store.all_contacts())


def _is_invited(store: Store, name: str) -> bool:
    return any(each.contact_id is None and _same(each.asked_name, name) for each in pairings(store))


def follow(store: Store, settings: Settings, event: DuplexEvent) -> None:
    """What follows for pairings from an event of the agent, once contacts have seen it."""
    match event:
        case InvitationReady(connection_id, link, short_link):
            pairing = pairing_of(store, connection_id)
            if pairing is not None:
                _put(store, evolve(pairing, link=short_link or link))
        case ConnectionFailed(connection_id) | QueueLost(connection_id, deleted=True):
            pairing = pairing_of(store, connection_id)
            if pairing is not None and pairing.contact_id is None:
                _remove(store, pairing)
        case ConnectionReady(connection_id):
            pairing = pairing_of(store, connection_id)
            if pairing is not None:
                _complete(store, settings, pairing)
        case _:
            pass


def complete(store: Store, settings: Settings) -> None:
    """Do what was left undone when a bot, or a crash, came in between."""
    for each in pairings(store):
        _complete(store, settings, each)


def _complete(store: Store, settings: Settings, pairing: PairingRecord) -> None:
    """Give a person who is connected now a name, and a greeting."""
    contact = store.contact_of(pairing.connection_id)
    if (
        pairing.contact_id is not None
        or contact is None
        or contact.status is not ContactStatus.READY
    ):
        return
    _put(store, evolve(pairing, contact_id=contact.contact_id))
    if not contact.alias:
        contact = store.change_contact(contact, alias=_free_name(store, contact))
    if pairing.greeting:
        with suppress(DuplexError, TooLarge):  # it can do without
            send(ContactOutlet(store, settings, contact), Text(pairing.greeting))


def _free_name(store: Store, contact: ContactRecord) -> str:
    base = "" if contact.profile is None else contact.profile.shown_name
    if not base or base.lower().startswith(ID_PREFIX):
        base = "contact"
    name, number = base, 0
    while _is_taken(store, name):
        number += 1
        name = f"{base}_{number}"
    return name


def told(store: Store, pairing: PairingRecord) -> None:
    """The user knows that the two sides are connected; what was for that alone is forgotten."""
    _put(store, evolve(pairing, told=True, link=None, greeting=""))


# --- afterwards ---------------------------------------------------------------------------------


def find(store: Store, wanted: int | str) -> ContactRecord:
    """The contact with this id, or this name.

    A name is an alias, or that in the profile of a contact without one; ``id:3`` is an id too.
    Raises `UnknownContact`, `AmbiguousContact` if several contacts have the name, and `CannotSend`
    if it is the name of a pairing that is not at its end.
    """
    contact_id = _id_in(wanted)
    if contact_id is not None:
        return known_contact(store, contact_id)
    name = str(wanted)
    aliases: list[ContactRecord] = []
    others: list[ContactRecord] = []
    for each in store.all_contacts():
        if each.alias and _same(each.alias, name):
            aliases.append(each)
        elif not each.alias and each.profile is not None and _same(each.profile.shown_name, name):
            others.append(each)
    # What the program calls a contact comes before what others call themselves.
    if not aliases and name and _is_invited(store, name):
        raise CannotSend("the contact is not connected yet")
    found = aliases or others
    if len(found) > 1:
        raise AmbiguousContact("several contacts have this name")
    if not found:
        raise UnknownContact("there is no contact with this name")
    return found[0]


def _remove(store: Store, pairing: PairingRecord) -> None:
    contact = store.contact_of(pairing.connection_id)
    if contact is not None:
        leave(store, contact.contact_id, tell=True)
    else:
        with suppress(UnknownConnection):
            store.t.delete(pairing.connection_id)
        invitation = store.invitation(pairing.connection_id)
        if invitation is not None:
            store.remove_invitation(invitation)
    _forget(store, pairing)


def remove_named(store: Store, wanted: int | str) -> None:
    """End the pairing with this name, or with the contact that has this id.

    Raises `UnknownContact`.
    """
    contact_id = _id_in(wanted)
    for each in pairings(store):
        is_it = each.contact_id == contact_id
        if contact_id is None:
            is_it = _same(_name_of(store, each), str(wanted))
        if is_it:
            _remove(store, each)
            return
    raise UnknownContact("there is no pairing with this name")


def _name_of(store: Store, pairing: PairingRecord) -> str | None:
    contact = store.contact_of(pairing.connection_id)
    return pairing.asked_name if contact is None else contact.alias


def _id_in(wanted: int | str) -> int | None:
    """The id that ``wanted`` is, unless it is a name."""
    if isinstance(wanted, int):
        return wanted
    prefix, number = wanted[: len(ID_PREFIX)].lower(), wanted[len(ID_PREFIX) :]
    is_id = prefix == ID_PREFIX and number.isascii() and number.isdecimal()
    return int(number[:18]) if is_id else None


def forget_lost(store: Store, connection_id: str) -> None:
    """Forget the pairing of a contact that is gone, if it is."""
    pairing = pairing_of(store, connection_id)
    if pairing is None or store.contact_of(connection_id) is not None:
        return
    if pairing.contact_id is not None or store.invitation(connection_id) is None:
        _forget(store, pairing)
