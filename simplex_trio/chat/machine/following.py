"""What follows from the events of the agent that are no messages."""

from __future__ import annotations

from contextlib import suppress

from simplex_trio.chat.machine.connecting import can_send, confirmed, failed, introduced
from simplex_trio.chat.machine.groups.contacts import contact_link_is_there
from simplex_trio.chat.machine.groups.customer import business_answers
from simplex_trio.chat.machine.groups.following import happened_in_group
from simplex_trio.chat.machine.happenings import Happening
from simplex_trio.chat.machine.incoming import delivery_changed
from simplex_trio.chat.machine.noticing import notify
from simplex_trio.chat.machine.outgoing import tell_profile
from simplex_trio.chat.machine.receiving_files import follow_received
from simplex_trio.chat.machine.records import DeliveryState, NoticeKind
from simplex_trio.chat.machine.requesting import address_is_there, requested
from simplex_trio.chat.machine.sending_files import upload_failed, uploaded
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.duplex.errors import (
    CannotResynchronise,
    UnknownConnection,
)
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionEvent,
    ConnectionFailed,
    ConnectionReady,
    DeliveryFailed,
    DuplexEvent,
    InvitationReady,
    JoinSent,
    MessageSent,
    PeerInfo,
    Problem,
    QueueLost,
    RatchetBroken,
    ReceiptReceived,
    RequestReceived,
    Resynchronised,
    SecurityCodeChanged,
)
from simplex_trio.duplex.file_events import (
    FileFailed,
    FileNeedsApproval,
    FileReceived,
    FileSent,
)

__all__ = ["happened"]


def happened(store: Store, settings: Settings, event: DuplexEvent) -> list[Happening]:
    """What follows from an event of the agent that is no message."""
    if isinstance(event, ConnectionEvent):
        in_group = happened_in_group(store, settings, event)
        if in_group is not None:
            return [*in_group]
    match event:
        case InvitationReady():
            address_is_there(store, settings, event)
            unsent = contact_link_is_there(store, settings, event.connection_id, event.link)
            return [] if unsent is None else failed(store, event.connection_id)
        case RequestReceived():
            return requested(store, settings, event)
        case ConfirmationReceived():
            in_group = business_answers(store, settings, event)
            return confirmed(store, settings, event) if in_group is None else [*in_group]
        case PeerInfo():
            return introduced(store, event)
        case JoinSent(can_send=True):
            return can_send(store, settings, event.connection_id, is_ready=False)
        case ConnectionReady():
            return can_send(store, settings, event.connection_id, is_ready=True)
        case ConnectionFailed():
            return failed(store, event.connection_id)
        case QueueLost(deleted=True):
            return failed(store, event.connection_id)
        case RatchetBroken():
            if event.must_resynchronise:
                # There is no person to ask, and without it nothing can be said any more.
                with suppress(CannotResynchronise, UnknownConnection):
                    store.t.resynchronise(event.connection_id)
            return _noticed(store, event.connection_id, NoticeKind.BROKEN)
        case Resynchronised():
            contact = store.contact_of(event.connection_id)
            if contact is not None:
                tell_profile(store, settings, contact)
            return _noticed(store, event.connection_id, NoticeKind.REPAIRED)
        case SecurityCodeChanged():
            return _noticed(store, event.connection_id, NoticeKind.CODE_CHANGED)
        case MessageSent():
            _delivery(store, settings, event, (event.message_id,), DeliveryState.SENT)
            return []
        case ReceiptReceived():
            _delivery(store, settings, event, (event.message_id,), DeliveryState.DELIVERED)
            return []
        case DeliveryFailed():
            _delivery(store, settings, event, event.message_ids, DeliveryState.FAILED)
            if event.problem is Problem.QUEUE_GONE:
                return failed(store, event.connection_id)  # it was deleted without a word
            return []
        case FileSent():
            uploaded(store, settings, event)
            return []
        case FileReceived() | FileNeedsApproval():
            follow_received(store, event)
            return []
        case FileFailed():
            follow_received(store, event)
            upload_failed(store, settings, event)
            return []
        case _:
            return []


def _noticed(store: Store, connection_id: str, kind: NoticeKind) -> list[Happening]:
    contact = store.contact_of(connection_id)
    return [] if contact is None else notify(store, contact, kind)


def _delivery(
    store: Store,
    settings: Settings,
    event: ConnectionEvent,
    message_ids: tuple[int, ...],
    state: DeliveryState,
) -> None:
    for message_id in message_ids:
        delivery_changed(store, settings, event.connection_id, message_id, state)
