"""What contacts say, and what follows from it.

A message of the agent is looked at when it comes, which changes nothing but a note of it and the
profile, and settled when the program has dealt with it: then what it has taught is stored, together
with its acknowledgement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

from attrs import evolve

from simplex_trio.chat.machine.channels.events import apply_in_channel
from simplex_trio.chat.machine.file_records import file_mark
from simplex_trio.chat.machine.groups.arriving import (
    is_of_member,
    look_in_group,
    settle_in_group,
)
from simplex_trio.chat.machine.groups.events import RULES, pass_on
from simplex_trio.chat.machine.groups.happenings import GroupNoticed
from simplex_trio.chat.machine.groups.joining import invited
from simplex_trio.chat.machine.happenings import Happening, Said
from simplex_trio.chat.machine.outgoing import is_enabled, say_if_possible, tell_profile
from simplex_trio.chat.machine.receiving_files import (
    add_part,
    forget_files,
    offer,
    take_back,
)
from simplex_trio.chat.machine.records import (
    ContactRecord,
    ContactStatus,
    DeliveryState,
    SentRecord,
)
from simplex_trio.chat.machine.sending_files import description_of_contact_changed
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.bodies import Received, decode_body
from simplex_trio.chat.messages.calls import XCallEnd, XCallInv
from simplex_trio.chat.messages.content import Voice
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    MessageRef,
    Quote,
    XDirectDel,
    XFileCancel,
    XInfo,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgReact,
    XMsgUpdate,
)
from simplex_trio.chat.messages.group_events import XGrpInv
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.preferences import Feature
from simplex_trio.duplex.errors import CannotAcknowledge, UnknownConnection
from simplex_trio.duplex.events import PeerMessage

__all__ = ["delivery_changed", "look", "settle"]

EventT = TypeVar("EventT", bound=Event)

_TOLD = (XMsgNew, XMsgUpdate, XMsgDel, XMsgReact, XInfo, XDirectDel)
"""What programs are told of; everything else is dealt with here, or acknowledged and ignored."""


def look(store: Store, settings: Settings, message: PeerMessage) -> list[Happening]:
    """What a message says that the program is to be told; the rest is for `settle`.

    A changed profile is stored at once, and so is an invitation to a group.
    """
    if is_of_member(store, message):
        return [*look_in_group(store, settings, message, RULES, pass_on, apply_in_channel)]
    contact = store.contact_of(message.connection_id)
    if contact is None:
        return []
    if contact.status in (ContactStatus.FAILED, ContactStatus.READY):
        # Of one that has failed nothing was expected any more, and it is there again.
        contact = store.change_contact(contact, status=ContactStatus.READY)
        contact = tell_profile(store, settings, contact)
    said: list[Said] = []
    noticed: list[GroupNoticed] = []
    for each in _messages(message):
        event, before = each.event, contact.profile
        if isinstance(event, XGrpInv):
            noticed += invited(store, contact, event.group_invitation)
        if not isinstance(event, _TOLD) or not _is_allowed(store, settings, contact, event):
            continue
        if isinstance(event, XInfo):
            if contact.changed_by == message.message_id:
                before = contact.profile_before  # it comes again
            if event.profile == before:
                continue
            # Stored now, so that what handlers send is held to what the contact allows from now on.
            contact = store.change_contact(
                contact,
                profile=event.profile,
                profile_before=before,
                changed_by=message.message_id,
            )
        at = message.broker_timestamp
        referred = _referred(store, contact, event)
        event = _as_allowed(settings, contact, event)
        said.append(Said(contact, event, each.id, at, before, referred))
    if said and store.begin(message.connection_id, message.message_id):
        said = [evolve(each, is_repeated=True) for each in said]
    return [*said, *noticed]


def _messages(message: PeerMessage) -> Iterator[ChatMessage]:
    """The messages of the chat protocol in a message; those that cannot be read are left out."""
    for element in decode_body(message.body):
        if (
            isinstance(element, Received)
            and isinstance(element.message, ChatMessage)
            and element.forwarded is None  # as hosts do it in groups
        ):
            yield element.message


def _referred(store: Store, contact: ContactRecord, event: Event) -> SentRecord | None:
    """The message to this contact that it reacts to, or quotes.

    What it says is what was sent, and not what the contact says of it.
    """
    match event:
        case XMsgReact(msg_id=msg_id):
            return store.sent_as(contact.contact_id, msg_id)
        case XMsgNew(quote=Quote(msg_ref=MessageRef(sent=False, msg_id=bytes() as msg_id))):
            return store.sent_as(contact.contact_id, msg_id)
        case _:
            return None


def _is_allowed(store: Store, settings: Settings, contact: ContactRecord, event: Event) -> bool:
    """Whether a contact may do this; if not, it is dropped, as by the apps.

    It may change its own messages alone, and use what the preferences of both sides allow.
    """
    match event:
        case XMsgUpdate(msg_id=msg_id) | XMsgDel(msg_id=msg_id):
            return store.sent_as(contact.contact_id, msg_id) is None
        case XMsgReact():
            return is_enabled(settings, contact, Feature.REACTIONS, for_peer=True)
        case XMsgNew(content=Voice()):
            return is_enabled(settings, contact, Feature.VOICE, for_peer=True)
        case _:
            return True


def _as_allowed(settings: Settings, contact: ContactRecord, event: EventT) -> EventT:
    """What a contact says, without what the two sides do not allow and apps ignore."""
    may_disappear = is_enabled(settings, contact, Feature.TIMED_MESSAGES, for_peer=True)
    return evolve(event, ttl=None) if isinstance(event, XMsgNew) and not may_disappear else event


def settle(store: Store, settings: Settings, message: PeerMessage) -> None:
    """The program has dealt with a message: store what it has taught, and acknowledge it."""
    if is_of_member(store, message):
        settle_in_group(store, message)
        return
    contact = store.contact_of(message.connection_id)
    has_content = False
    for each in _messages(message):
        has_content |= each.event.WANTS_RECEIPT
        if contact is None:
            continue
        contact = store.change_contact(contact, versions=each.versions)
        match each.event:
            case XInfo(profile=profile):
                contact = store.change_contact(
                    contact, profile=profile, profile_before=None, changed_by=None
                )
            case XMsgNew() as new if _is_allowed(store, settings, contact, new):
                offered = _as_allowed(settings, contact, new)
                offer(store, settings, contact.contact_id, offered, each.id)
            case XMsgFileDescr(msg_id=msg_id, file_descr=part):
                add_part(store, contact.contact_id, file_mark(msg_id), part)
            case XFileCancel(msg_id=msg_id) | XMsgDel(msg_id=msg_id):
                take_back(store, contact.contact_id, file_mark(msg_id))
            case XCallInv(call_id=call_id):
                say_if_possible(store, contact, XCallEnd(call_id))
            case XDirectDel():
                forget_files(store, contact.contact_id)
                store.t.delete(message.connection_id)
                store.remove_contact(contact)
                return
            case _:
                pass
    # If the program has deleted the contact meanwhile, there is nothing to acknowledge.
    with suppress(CannotAcknowledge, UnknownConnection):
        store.t.acknowledge(message, receipt=has_content and contact is not None)


def delivery_changed(
    store: Store, settings: Settings, connection_id: str, message_id: int, state: DeliveryState
) -> None:
    """A message has come further, or was given up."""
    contact = store.contact_of(connection_id)
    if contact is None:
        return
    contact = tell_profile(store, settings, contact)  # there may be room for it now
    if store.sent(contact.contact_id, message_id) is None:
        description_of_contact_changed(store, contact.contact_id, message_id, state)
    else:
        store.sent_came_further(contact.contact_id, message_id, state)
