"""Files that are sent to contacts.

The message with the file's name goes out at once, as the apps do it, and the agent uploads the
file.  When that is done, the description follows, in the same step in which that is known.
"""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import UnknownContact
from simplex_trio.chat.machine.file_records import FileStore, Upload
from simplex_trio.chat.machine.happenings import Delivered
from simplex_trio.chat.machine.outgoing import check_allowed, say, say_if_possible, send
from simplex_trio.chat.machine.records import (
    ContactRecord,
    DeliveryState,
    SentFile,
    SentRecord,
)
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import Quote, XFileCancel, XMsgFileDescr
from simplex_trio.chat.messages.files import FileInvitation, split_description
from simplex_trio.duplex.errors import CannotSend, LimitReached, UnknownFile
from simplex_trio.duplex.file_events import FileFailed, FileProblem, FileSent
from simplex_trio.duplex.file_plans import FileToSend
from simplex_trio.errors import TooLarge

__all__ = [
    "cancel_upload",
    "description_changed",
    "say_descriptions",
    "send_file",
    "upload_failed",
    "uploaded",
]

DESCRIBED_WITHIN = 2 * 24 * 3600
"""Seconds for which a description is tried to be sent: as long as routers keep files."""

_RANKS = list(DeliveryState)


def send_file(
    store: Store,
    settings: Settings,
    contact: ContactRecord,
    content: Content,
    planned: FileToSend,
    *,
    copy: str | None = None,
    quote: Quote | None = None,
    ttl: int | None = None,
) -> SentRecord:
    """Queue a message with a file, and have the file uploaded; returns what is kept of it."""
    check_allowed(settings, contact, content)
    file_id = store.t.send_file(planned)
    record = send(
        store,
        settings,
        contact,
        content,
        quote=quote,
        ttl=ttl,
        invitation=FileInvitation.announcing(planned.name, planned.size),
        file=SentFile(file_id),
    )
    FileStore(store).put_upload(Upload(file_id, contact.contact_id, record.msg_id, copy))
    return record


def uploaded(store: Store, settings: Settings, event: FileSent) -> list[Delivered]:
    """A file is on its routers: the contact is told where."""
    files = FileStore(store)
    upload = files.upload(event.file_id)
    if upload is None:
        return []  # not of a message
    files.copy_is_unused(upload)
    upload = evolve(
        upload, copy=None, description=event.recipients[0], uploaded_at=settings.seconds
    )
    files.put_upload(upload)
    told = _file_changed(store, upload, DeliveryState.UPLOADED)
    return told + _describe(store, settings, upload)


def say_descriptions(store: Store, settings: Settings) -> list[Delivered]:
    """Send the descriptions that could not be sent when they were due."""
    told: list[Delivered] = []
    for upload in list(FileStore(store).uploads()):
        if upload.description is not None:
            told += _describe(store, settings, upload)
    return told


def _describe(store: Store, settings: Settings, upload: Upload) -> list[Delivered]:
    """Queue the parts of a description that are not queued yet; what is left waits its turn."""
    contact = store.contact(upload.contact_id)
    assert upload.description is not None
    files = FileStore(store)
    try:
        if contact is None:
            raise UnknownContact("the contact was deleted")
        for part in split_description(upload.description)[upload.parts_said :]:
            event = XMsgFileDescr(upload.msg_id, part)
            last = say(store, contact, event, settings.new_message_id())
            upload = evolve(upload, parts_said=part.file_descr_part_no, last_message_id=last)
    except (CannotSend, LimitReached):
        if settings.seconds - upload.uploaded_at >= DESCRIBED_WITHIN:
            return _give_up(store, settings, upload, FileProblem.EXPIRED)
        files.put_upload(upload)
        store.has_descriptions = True
        return []
    except (TooLarge, UnknownContact):
        return _give_up(store, settings, upload, FileProblem.TOO_LARGE)
    files.remove_upload(upload)
    files.note_description(contact.contact_id, upload.last_message_id, upload.msg_id)
    return []


def upload_failed(store: Store, settings: Settings, event: FileFailed) -> list[Delivered]:
    """A file could not be sent: the contact's app need not wait for it."""
    upload = FileStore(store).upload(event.file_id)
    return [] if upload is None else _give_up(store, settings, upload, event.problem)


def _give_up(
    store: Store, settings: Settings, upload: Upload, problem: FileProblem
) -> list[Delivered]:
    FileStore(store).remove_upload(upload)
    with suppress(UnknownFile):
        store.t.delete_file(upload.file_id)
    contact = store.contact(upload.contact_id)
    if contact is not None:
        say_if_possible(store, contact, XFileCancel(upload.msg_id), settings.new_message_id())
    return _file_changed(store, upload, DeliveryState.FAILED, problem)


def cancel_upload(
    store: Store, settings: Settings, contact: ContactRecord, msg_id: bytes, *, tell: bool = True
) -> list[Delivered]:
    """Take the file of a message back, whether it was sent yet or not."""
    sent = store.sent_as(contact.contact_id, msg_id)
    if sent is None or sent.file is None or sent.file.state is DeliveryState.FAILED:
        return []
    files = FileStore(store)
    upload = files.upload(sent.file.file_id) or Upload(
        sent.file.file_id, contact.contact_id, msg_id
    )
    files.remove_upload(upload)
    with suppress(UnknownFile):
        store.t.delete_file(upload.file_id)
    if tell:
        say(store, contact, XFileCancel(msg_id), settings.new_message_id())
    return _file_changed(store, upload, DeliveryState.FAILED)


def description_changed(
    store: Store, contact: ContactRecord, message_id: int, state: DeliveryState
) -> list[Delivered]:
    """The description of a file has come further, or was given up."""
    files = FileStore(store)
    msg_id = files.described_by(contact.contact_id, message_id)
    if msg_id is None or _RANKS.index(state) < _RANKS.index(DeliveryState.SENT):
        return []
    files.forget_description(contact.contact_id, message_id)
    sent = store.sent_as(contact.contact_id, msg_id)
    if sent is None or sent.file is None:
        return []
    upload = Upload(sent.file.file_id, contact.contact_id, msg_id)
    reached = DeliveryState.FAILED if state is DeliveryState.FAILED else DeliveryState.SENT
    return _file_changed(store, upload, reached)


def _file_changed(
    store: Store, upload: Upload, state: DeliveryState, problem: FileProblem | None = None
) -> list[Delivered]:
    contact = store.contact(upload.contact_id)
    sent = store.sent_as(upload.contact_id, upload.msg_id)
    if contact is None or sent is None or sent.file is None:
        return []
    if _RANKS.index(state) <= _RANKS.index(sent.file.state):
        return []
    name = None if problem is None else problem.value
    file = evolve(sent.file, state=state, problem_name=name)
    store.change_sent_as(upload.contact_id, upload.msg_id, file=file)
    return [Delivered(contact, evolve(sent, file=file))]
