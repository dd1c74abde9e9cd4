"""How contacts come about by links, and end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import LeadsToGroup, LinkIsOwn
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.happenings import Happening
from simplex_trio.chat.machine.incognito import random_profile
from simplex_trio.chat.machine.noticing import notify, read_info
from simplex_trio.chat.machine.outgoing import known_contact, say_if_possible, tell_profile
from simplex_trio.chat.machine.receiving_files import forget_files
from simplex_trio.chat.machine.records import (
    ContactRecord,
    ContactStatus,
    NoticeKind,
)
from simplex_trio.chat.machine.requesting import reject
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.addresses import group_link_id
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import XContact, XDirectDel, XInfo, XMsgNew, XMsgUpdate
from simplex_trio.chat.messages.versions import ChatVersion, agreed_version
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    DuplexError,
    UnknownConnection,
)
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    PeerInfo,
)
from simplex_trio.errors import TooLarge
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.links import Link, parse_link
from simplex_trio.wire.duplex.requests import ContactURI
from simplex_trio.wire.duplex.short_links import ContactKind, ShortContactLink

__all__ = [
    "can_send",
    "confirmed",
    "connect",
    "failed",
    "give_up",
    "introduced",
    "is_own",
    "leads_to_group",
    "leave",
    "take_back",
]

_REQUEST_KEY_SIZE = 16


# --- invitations, in both directions ------------------------------------------------------------


def confirmed(store: Store, settings: Settings, event: ConfirmationReceived) -> list[Happening]:
    """A person has joined an invitation, or accepts what the program has asked at its address."""
    message = read_info(event.info)
    if message is None or not isinstance(message.event, XInfo):
        with suppress(UnknownConnection):
            store.t.reject(event)
        return failed(store, event.connection_id)
    contact = store.contact_of(event.connection_id) or _invited(store, event.connection_id)
    contact = evolve(contact, profile=message.event.profile, versions=message.versions)
    try:
        store.t.accept(event, settings.info(XInfo(settings.profile_for(contact))))
    except (DuplexError, TooLarge):
        return failed(store, event.connection_id)
    store.put_contact(contact)
    invitation = store.invitation(event.connection_id)
    if invitation is not None:
        store.remove_invitation(invitation)
    return []


def _invited(store: Store, connection_id: str) -> ContactRecord:
    """The person whom the invitation with this connection was made for."""
    invitation = store.invitation(connection_id)
    contact = ContactRecord(store.new_contact_id(), connection_id, ContactStatus.CONNECTING)
    if invitation is None:
        return contact
    return evolve(contact, own_profile=invitation.own_profile, alias=invitation.alias)


def take_back(store: Store, link: Link) -> bool:
    """Take an invitation back that was not opened yet; returns whether there is one."""
    invitation = store.invitation_with(str(link))
    if invitation is None:
        return False
    with suppress(UnknownConnection):
        store.t.delete(invitation.connection_id)
    store.remove_invitation(invitation)
    return True


def is_own(store: Store, link: Link, presets: Iterable[ServerAddress]) -> bool:
    """Whether a link is the program's address, or one of its invitations."""
    address = store.address
    links = () if address is None else tuple(filter(None, (address.link, address.short_link)))
    return any(link == parse_link(each, presets) for each in links) or (
        store.invitation_with(str(link)) is not None
    )


def connect(
    store: Store,
    settings: Settings,
    link: Link,
    presets: Iterable[ServerAddress],
    *,
    incognito: bool,
    alias: str,
) -> tuple[ContactRecord, bytes]:
    """Join an invitation, or ask at an address; returns the contact, and what the peer is told."""
    if leads_to_group(link):
        raise LeadsToGroup("the link leads to a group, which Bot.join joins")
    if is_own(store, link, presets):
        raise LinkIsOwn("the link is the program's own")
    own = random_profile(settings.random) if incognito else None
    profile = own or settings.profile
    event: Event = XInfo(profile)
    if isinstance(link, ContactURI | ShortContactLink):
        event = XContact(profile, contact_req_id=settings.random(_REQUEST_KEY_SIZE))
    info = settings.info(event)
    try:
        # An owner who accepts expects a profile; the agent by itself would repeat the request.
        connection_id = store.t.join(link, info, decides=True)
    except AlreadyJoined as exc:
        connection_id = exc.connection_id
    contact = store.contact_of(connection_id)
    if contact is None:
        if GroupStore(store).is_used(connection_id):
            raise LeadsToGroup("the link leads to a group, in which the program is already")
        contact = ContactRecord(
            store.new_contact_id(),
            connection_id,
            ContactStatus.CONNECTING,
            own_profile=own,
            alias=alias,
        )
        store.put_contact(contact)
    return contact, info


def leads_to_group(link: Link) -> bool:
    """Whether a link says that it leads to a group or a channel, and not to a person."""
    if isinstance(link, ShortContactLink):
        return link.kind in (ContactKind.GROUP, ContactKind.CHANNEL, ContactKind.RELAY)
    return isinstance(link, ContactURI) and group_link_id(link.client_data) is not None


def give_up(store: Store, contact_id: int) -> None:
    """Forget a contact whose link turned out to be of no use."""
    contact = store.contact(contact_id)
    if contact is not None:
        with suppress(UnknownConnection):
            store.t.delete(contact.connection_id)
        forget_files(store, contact_id)
        store.remove_contact(contact)


def introduced(store: Store, event: PeerInfo) -> list[Happening]:
    """A person whose invitation was opened, or whose request was accepted, says who it is."""
    contact, message = store.contact_of(event.connection_id), read_info(event.info)
    if contact is not None and message is not None:
        contact = store.change_contact(contact, versions=message.versions)
        if isinstance(message.event, XInfo):
            store.change_contact(contact, profile=message.event.profile)
    return []


# --- being connected ----------------------------------------------------------------------------


def can_send(
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
    if is_ready and contact.status is not ContactStatus.READY:
        contact = store.change_contact(contact, status=ContactStatus.READY)
        contact = tell_profile(store, settings, contact)
        found += notify(store, contact, NoticeKind.CONNECTED)
    if first is not None:
        found += notify(store, contact, NoticeKind.FIRST_MESSAGE, first)
    return found


def _welcome(store: Store, settings: Settings, contact: ContactRecord) -> None:
    if settings.welcome is None:
        return
    # An app that shows it already gets it as an edit, in case that it has another text by now.
    event: Event = XMsgNew(settings.welcome)
    if contact.welcome_msg_id is not None:
        event = XMsgUpdate(contact.welcome_msg_id, settings.welcome)
    say_if_possible(store, contact, event, settings.new_message_id())


def failed(store: Store, connection_id: str) -> list[Happening]:
    """A connection cannot be made, or not be used any more."""
    contact = store.contact_of(connection_id)
    if contact is None or contact.status is ContactStatus.FAILED:
        return []
    contact = store.change_contact(contact, status=ContactStatus.FAILED)
    return notify(store, contact, NoticeKind.FAILED)


def leave(store: Store, contact_id: int, *, tell: bool) -> None:
    """Delete a contact, who is told if that is wanted and possible.

    If so, what is queued for it is sent before; otherwise nothing is sent any more.
    """
    contact = known_contact(store, contact_id)
    if contact.status is ContactStatus.REQUESTED:
        reject(store, contact)
        return
    if tell:
        say_if_possible(store, contact, XDirectDel())
    with suppress(UnknownConnection):
        store.t.delete(contact.connection_id, after_delivery=tell)
    forget_files(store, contact_id)
    store.remove_contact(contact)
