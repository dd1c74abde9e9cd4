"""What contacts say, and what follows from it.

A message of the agent is looked at when it comes, which changes nothing but a note of it, and
settled when the program has dealt with it: then what it has taught is stored, together with its
acknowledgement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.machine.happenings import Delivered, Said
from simplex_trio.chat.machine.outgoing import is_enabled, say_if_possible
from simplex_trio.chat.machine.records import ContactRecord, DeliveryState
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import Received, decode_body
from simplex_trio.chat.messages.calls import XCallEnd, XCallInv
from simplex_trio.chat.messages.content import Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    XDirectDel,
    XInfo,
    XMsgDel,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import Feature
from simplex_trio.duplex.errors import CannotAcknowledge, UnknownConnection
from simplex_trio.duplex.events import PeerMessage

__all__ = ["delivery_changed", "look", "settle"]

_TOLD = (XMsgNew, XMsgUpdate, XMsgDel, XMsgReact, XInfo, XDirectDel)
"""What programs are told of; everything else is dealt with here, or acknowledged and ignored."""

_RANKS = list(DeliveryState)


def look(store: Store, settings: Settings, message: PeerMessage) -> list[Said]:
    """What a message says that the program is to be told; the rest is for `settle`."""
    contact = store.contact_of(message.connection_id)
    if contact is None:
        return []
    said = [
        Said(contact, each.event, each.id, message.broker_timestamp)
        for each in _messages(message)
        if isinstance(each.event, _TOLD) and _is_allowed(settings, contact, each.event)
    ]
    if said and store.begin(message.connection_id, message.message_id):
        said = [evolve(each, is_repeated=True) for each in said]
    return said


def _messages(message: PeerMessage) -> Iterator[ChatMessage]:
    """The messages of the chat protocol in a message; those that cannot be read are left out."""
    for element in decode_body(message.body):
        if (
            isinstance(element, Received)
            and isinstance(element.message, ChatMessage)
            and element.forwarded is None  # as hosts do it in groups
        ):
            yield element.message


def _is_allowed(settings: Settings, contact: ContactRecord, event: Event) -> bool:
    """Whether the preferences of the two sides allow what a contact does; if not, apps drop it."""
    match event:
        case XMsgReact():
            return is_enabled(settings, contact, Feature.REACTIONS, for_peer=True)
        case XMsgNew(content=Voice()):
            return is_enabled(settings, contact, Feature.VOICE, for_peer=True)
        case _:
            return True


def settle(store: Store, message: PeerMessage) -> None:
    """The program has dealt with a message: store what it has taught, and acknowledge it."""
    contact = store.contact_of(message.connection_id)
    has_content = False
    for each in _messages(message):
        has_content |= each.event.WANTS_RECEIPT
        if contact is None:
            continue
        contact = store.change_contact(contact, versions=each.versions)
        match each.event:
            case XInfo(profile=profile):
                contact = store.change_contact(contact, profile=profile)
            case XCallInv(call_id=call_id):
                say_if_possible(store, contact, XCallEnd(call_id))
            case XDirectDel():
                store.t.delete(message.connection_id)
                store.remove_contact(contact)
                return
            case _:
                pass
    # If the program has deleted the contact meanwhile, there is nothing to acknowledge.
    with suppress(CannotAcknowledge, UnknownConnection):
        store.t.acknowledge(message, receipt=has_content and contact is not None)


def delivery_changed(
    store: Store, connection_id: str, message_id: int, state: DeliveryState
) -> list[Delivered]:
    """A message has come further, or was given up."""
    contact = store.contact_of(connection_id)
    sent = None if contact is None else store.sent(contact.contact_id, message_id)
    if contact is None or sent is None or _RANKS.index(state) <= _RANKS.index(sent.state):
        return []
    sent = evolve(sent, state=state)
    store.change_sent(contact.contact_id, message_id, sent)
    return [Delivered(contact, sent)]
