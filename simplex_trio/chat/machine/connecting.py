"""How contacts come about, and end."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import LinkIsOwn
from simplex_trio.chat.machine.happenings import Delivered, Happening, Noticed
from simplex_trio.chat.machine.incoming import delivery_changed
from simplex_trio.chat.machine.outgoing import known_contact, say_if_possible
from simplex_trio.chat.machine.records import (
    ContactRecord,
    ContactState,
    DeliveryState,
    FirstMessage,
    Notice,
    NoticeKind,
    Store,
)
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.bodies import decode_info
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XDirectDel, XInfo, XMsgNew, XMsgUpdate
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.versions import ChatVersion, agreed_version
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    CannotAccept,
    CannotResynchronise,
    DuplexError,
    UnknownConnection,
)
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionFailed,
    ConnectionReady,
    DeliveryFailed,
    DuplexEvent,
    InvitationReady,
    JoinSent,
    MessageSent,
    PeerInfo,
    QueueLost,
    RatchetBroken,
    ReceiptReceived,
    RequestReceived,
)
from simplex_trio.errors import DecodeError, TooLarge
from simplex_trio.wire.duplex.links import Link, parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ShortContactLink

__all__ = ["accept", "connect", "give_up", "happened", "leave", "reject"]

_REQUEST_KEY_SIZE = 16


def happened(store: Store, settings: Settings, event: DuplexEvent) -> list[Happening]:
    """What follows from an event of the agent that is no message."""
    match event:
        case InvitationReady():
            _address_is_there(store, event)
            return []
        case RequestReceived():
            return _requested(store, settings, event)
        case ConfirmationReceived():
            return _confirmed(store, settings, event)
        case PeerInfo():
            return _introduced(store, event)
        case JoinSent(can_send=True):
            return _can_send(store, settings, event.connection_id, is_ready=False)
        case ConnectionReady():
            return _can_send(store, settings, event.connection_id, is_ready=True)
        case ConnectionFailed():
            return _failed(store, event.connection_id)
        case QueueLost(deleted=True):
            return _failed(store, event.connection_id)
        case RatchetBroken(must_resynchronise=True):
            # There is no person to ask, and without it nothing can be said any more.
            with suppress(CannotResynchronise, UnknownConnection):
                store.t.resynchronise(event.connection_id)
            return []
        case MessageSent():
            return _delivery(store, event.connection_id, (event.message_id,), DeliveryState.SENT)
        case ReceiptReceived():
            ids = (event.message_id,)
            return _delivery(store, event.connection_id, ids, DeliveryState.DELIVERED)
        case DeliveryFailed():
            return _delivery(store, event.connection_id, event.message_ids, DeliveryState.FAILED)
        case _:
            return []


def _delivery(
    store: Store, connection_id: str, message_ids: tuple[int, ...], state: DeliveryState
) -> list[Happening]:
    found: list[Happening] = []
    for message_id in message_ids:
        changed: list[Delivered] = delivery_changed(store, connection_id, message_id, state)
        found += changed
    return found


# --- the program's address ----------------------------------------------------------------------


def _address_is_there(store: Store, event: InvitationReady) -> None:
    address = store.address
    if address is not None and address.connection_id == event.connection_id:
        store.address = evolve(address, link=event.link, short_link=event.short_link)


def _requested(store: Store, settings: Settings, event: RequestReceived) -> list[Happening]:
    address = store.address
    message = _read(event.info)
    is_ours = address is not None and address.connection_id == event.connection_id
    if message is None or not is_ours or not isinstance(message.event, XContact | XInfo):
        _reject(store, event)
        return []
    asked = message.event
    request = asked if isinstance(asked, XContact) else XContact(asked.profile)
    key = request.contact_req_id
    known = None if key is None else store.contact_asking(key)
    if known is not None and known.state is not ContactState.REQUESTED:
        _reject(store, event)  # it was accepted before, which the peer will learn
        return []
    first = request.first_message
    contact = ContactRecord(
        contact_id=store.new_contact_id() if known is None else known.contact_id,
        connection_id=event.connection_id,
        state=ContactState.REQUESTED,
        profile=request.profile,
        versions=message.versions,
        request_id=event.request_id,
        request_key=key,
        welcome_due=settings.welcome is not None,
        welcome_msg_id=request.welcome_msg_id,
        first=None if first is None else FirstMessage(*first),
    )
    if known is not None and known.request_id is not None:
        _reject(store, _request(known))
    store.put_contact(contact)
    if settings.accepts:
        try:
            accept(store, settings, contact)
        except (DuplexError, TooLarge):
            reject(store, contact)  # a peer of another version, or one connection too many
        return []
    if known is not None:
        return []  # the program knows of it
    return [_notice(store, contact, NoticeKind.REQUESTED)]


def _read(info: bytes) -> ChatMessage | None:
    try:
        return decode_info(info)
    except DecodeError:
        return None


def _reject(store: Store, event: RequestReceived) -> None:
    with suppress(CannotAccept, UnknownConnection):
        store.t.reject(event)


def _request(contact: ContactRecord) -> RequestReceived:
    assert contact.request_id is not None
    return RequestReceived(contact.connection_id, contact.request_id, b"", False, ())


def _notice(
    store: Store, contact: ContactRecord, kind: NoticeKind, first: FirstMessage | None = None
) -> Noticed:
    return Noticed(contact, store.add_notice(Notice(kind, contact.contact_id, first)))


def accept(store: Store, settings: Settings, contact: ContactRecord) -> ContactRecord:
    """Accept the request of a contact; accepting again changes nothing.

    Raises `CannotAccept` if the peer's program is of another version.
    """
    if contact.state is not ContactState.REQUESTED:
        return contact
    connection_id = store.t.accept(_request(contact), settings.info())
    return store.change_contact(
        contact, connection_id=connection_id, state=ContactState.CONNECTING, request_id=None
    )


def reject(store: Store, contact: ContactRecord) -> None:
    """Refuse the request of a contact, who is not told."""
    if contact.state is ContactState.REQUESTED:
        _reject(store, _request(contact))
        store.remove_contact(contact)


# --- invitations, in both directions ------------------------------------------------------------


def _confirmed(store: Store, settings: Settings, event: ConfirmationReceived) -> list[Happening]:
    message = _read(event.info)
    if message is None or not isinstance(message.event, XInfo):
        with suppress(UnknownConnection):
            store.t.reject(event)
        return []
    contact = store.contact_of(event.connection_id) or ContactRecord(
        store.new_contact_id(), event.connection_id, ContactState.CONNECTING
    )
    try:
        store.t.accept(event, settings.info())
    except (DuplexError, TooLarge):
        return []
    store.put_contact(contact)
    store.change_contact(contact, profile=message.event.profile, versions=message.versions)
    return []


def connect(store: Store, settings: Settings, link: Link) -> tuple[ContactRecord, bytes]:
    """Join an invitation, or ask at an address; returns the contact, and what the peer is told."""
    key = None
    info = settings.info()
    if isinstance(link, ContactURI | ShortContactLink):
        address = store.address
        if address is not None and link in map(
            parse_link, filter(None, (address.link, address.short_link))
        ):
            raise LinkIsOwn("the link is the program's own address")
        key = settings.random(_REQUEST_KEY_SIZE)
        info = settings.info(XContact(settings.profile, contact_req_id=key))
    try:
        connection_id = store.t.join(link, info)
    except AlreadyJoined as exc:
        connection_id = exc.connection_id
    contact = store.contact_of(connection_id)
    if contact is None:
        contact = ContactRecord(store.new_contact_id(), connection_id, ContactState.CONNECTING)
        store.put_contact(contact)
    return contact, info


def give_up(store: Store, contact_id: int) -> None:
    """Forget a contact whose link turned out to be of no use."""
    contact = store.contact(contact_id)
    if contact is not None:
        with suppress(UnknownConnection):
            store.t.delete(contact.connection_id)
        store.remove_contact(contact)


def _introduced(store: Store, event: PeerInfo) -> list[Happening]:
    contact, message = store.contact_of(event.connection_id), _read(event.info)
    if contact is not None and message is not None:
        contact = store.change_contact(contact, versions=message.versions)
        if isinstance(message.event, XInfo):
            store.change_contact(contact, profile=message.event.profile)
    return []


# --- being connected ----------------------------------------------------------------------------


def _can_send(
    store: Store, settings: Settings, connection_id: str, *, is_ready: bool
) -> list[Happening]:
    """Messages can be sent to a contact, and if ``is_ready`` it can send too."""
    contact = store.contact_of(connection_id)
    if contact is None:
        return []
    if not is_ready and agreed_version(contact.versions) < ChatVersion.BATCHES:
        return []  # it would not expect anything yet
    found: list[Happening] = []
    if contact.welcome_due:
        _welcome(store, settings, contact)
    first = contact.first
    contact = store.change_contact(contact, welcome_due=False, welcome_msg_id=None, first=None)
    if is_ready and contact.state is not ContactState.READY:
        if contact.profile_due:
            say_if_possible(store, contact, XInfo(settings.profile))
        contact = store.change_contact(contact, state=ContactState.READY, profile_due=False)
        found.append(_notice(store, contact, NoticeKind.CONNECTED))
    if first is not None:
        found.append(_notice(store, contact, NoticeKind.FIRST_MESSAGE, first))
    return found


def _welcome(store: Store, settings: Settings, contact: ContactRecord) -> None:
    if settings.welcome is None:
        return
    # An app that shows it already gets it as an edit, in case that it has another text by now.
    event: Event = XMsgNew(settings.welcome)
    if contact.welcome_msg_id is not None:
        event = XMsgUpdate(contact.welcome_msg_id, settings.welcome)
    say_if_possible(store, contact, event, settings.new_message_id())


def _failed(store: Store, connection_id: str) -> list[Happening]:
    contact = store.contact_of(connection_id)
    if contact is None or contact.state is ContactState.FAILED:
        return []
    contact = store.change_contact(contact, state=ContactState.FAILED)
    return [_notice(store, contact, NoticeKind.FAILED)]


def leave(store: Store, contact_id: int) -> None:
    """Delete a contact, who is told if that is possible."""
    contact = known_contact(store, contact_id)
    if contact.state is ContactState.REQUESTED:
        reject(store, contact)
        return
    say_if_possible(store, contact, XDirectDel())
    with suppress(UnknownConnection):
        store.t.delete(contact.connection_id, after_delivery=True)
    store.remove_contact(contact)
