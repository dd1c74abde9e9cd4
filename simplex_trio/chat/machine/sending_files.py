"""Files that are sent to contacts and groups.

The message with the file's name goes out at once, as the apps do it, and the agent uploads the
file.  When that is done, the description follows, in the same step in which that is known.  It is
the same one for all members of a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import NotAllowed, UnknownContact, UnknownGroup
from simplex_trio.chat.machine.file_records import FileStore, Upload
from simplex_trio.chat.machine.outlet import Outlet, Queued
from simplex_trio.chat.machine.records import (
    DeliveryState,
    SentFile,
    SentRecord,
)
from simplex_trio.chat.machine.sending import find_outlet, send
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content
from simplex_trio.chat.messages.events import Mention, Quote, XFileCancel, XMsgFileDescr
from simplex_trio.chat.messages.files import FileInvitation, split_description
from simplex_trio.duplex.errors import CannotSend, LimitReached, UnknownFile
from simplex_trio.duplex.file_events import FileFailed, FileProblem, FileSent
from simplex_trio.duplex.file_plans import FileToSend
from simplex_trio.errors import TooLarge

__all__ = [
    "cancel_upload",
    "description_of_contact_changed",
    "say_descriptions",
    "send_file",
    "upload_failed",
    "uploaded",
]

DESCRIBED_WITHIN = 2 * 24 * 3600
"""Seconds for which a description is tried to be sent: as long as routers keep files."""

_RANKS = list(DeliveryState)


def send_file(
    outlet: Outlet,
    content: Content,
    planned: FileToSend,
    *,
    copy: str | None = None,
    quote: Quote | None = None,
    ttl: int | None = None,
    mentions: Mapping[str, Mention] | None = None,
) -> SentRecord:
    """Queue a message with a file, and have the file uploaded; returns what is kept of it."""
    outlet.check(content)
    store = outlet.store
    file_id = store.t.send_file(planned)
    record = send(
        outlet,
        content,
        quote=quote,
        ttl=ttl,
        mentions=mentions,
        invitation=FileInvitation.announcing(planned.name, planned.size),
        file=SentFile(file_id),
    )
    upload = Upload(file_id, outlet.conversation_id, record.msg_id, copy, scope=outlet.scope)
    FileStore(store).put_upload(upload)
    return record


def uploaded(store: Store, settings: Settings, event: FileSent) -> None:
    """A file is on its routers: the others are told where."""
    files = FileStore(store)
    upload = files.upload(event.file_id)
    if upload is None:
        return  # not of a message
    files.copy_is_unused(upload)
    upload = evolve(
        upload, copy=None, description=event.recipients[0], uploaded_at=settings.seconds
    )
    files.put_upload(upload)
    _came_further(store, upload, DeliveryState.UPLOADED)
    _describe(store, settings, upload)


def say_descriptions(store: Store, settings: Settings) -> None:
    """Send the descriptions that could not be sent when they were due."""
    for upload in list(FileStore(store).uploads()):
        if upload.description is not None:
            _describe(store, settings, upload)


def _describe(store: Store, settings: Settings, upload: Upload) -> None:
    """Queue the parts of a description that are not queued yet; what is left waits its turn."""
    assert upload.description is not None
    outlet = find_outlet(store, settings, upload.contact_id, upload.scope)
    files = FileStore(store)
    queued = Queued(())
    try:
        if outlet is None:
            raise UnknownContact("the conversation is gone")
        for part in split_description(upload.description)[upload.parts_said :]:
            event = XMsgFileDescr(upload.msg_id, part)
            queued = outlet.queue(event, settings.new_message_id())
            upload = evolve(upload, parts_said=part.file_descr_part_no)
    except (CannotSend, LimitReached):
        if settings.seconds - upload.uploaded_at >= DESCRIBED_WITHIN:
            _give_up(store, settings, upload, FileProblem.EXPIRED)
            return
        files.put_upload(upload)
        store.has_descriptions = True
        return
    except (NotAllowed, TooLarge, UnknownContact, UnknownGroup):
        _give_up(store, settings, upload, FileProblem.TOO_LARGE)
        return
    files.remove_upload(upload)
    outlet.keep_description(queued, upload.msg_id)
    if not queued.copies:  # there is no other member
        _came_further(store, upload, DeliveryState.SENT)


def _came_further(
    store: Store, upload: Upload, state: DeliveryState, problem: FileProblem | None = None
) -> None:
    store.file_came_further(upload.contact_id, upload.msg_id, state, problem)


def upload_failed(store: Store, settings: Settings, event: FileFailed) -> None:
    """A file could not be sent: the others' apps need not wait for it."""
    upload = FileStore(store).upload(event.file_id)
    if upload is not None:
        _give_up(store, settings, upload, event.problem)


def _give_up(store: Store, settings: Settings, upload: Upload, problem: FileProblem) -> None:
    FileStore(store).remove_upload(upload)
    with suppress(UnknownFile):
        store.t.delete_file(upload.file_id)
    outlet = find_outlet(store, settings, upload.contact_id, upload.scope)
    if outlet is not None:
        outlet.queue_if_possible(XFileCancel(upload.msg_id), settings.new_message_id())
    _came_further(store, upload, DeliveryState.FAILED, problem)


def cancel_upload(outlet: Outlet, msg_id: bytes, *, tell: bool = True) -> None:
    """Take the file of a message back, whether it was sent yet or not."""
    store = outlet.store
    sent = store.sent_as(outlet.conversation_id, msg_id)
    if sent is None or sent.file is None or sent.file.state is DeliveryState.FAILED:
        return
    files = FileStore(store)
    upload = files.upload(sent.file.file_id) or Upload(
        sent.file.file_id, outlet.conversation_id, msg_id
    )
    files.remove_upload(upload)
    with suppress(UnknownFile):
        store.t.delete_file(upload.file_id)
    if tell:
        outlet.queue(XFileCancel(msg_id), outlet.settings.new_message_id())
    _came_further(store, upload, DeliveryState.FAILED)


def description_of_contact_changed(
    store: Store, contact_id: int, message_id: int, state: DeliveryState
) -> None:
    """A message to a contact has come further, which may be the description of a file."""
    files = FileStore(store)
    msg_id = files.described_by(contact_id, message_id)
    if msg_id is None or _RANKS.index(state) < _RANKS.index(DeliveryState.SENT):
        return
    files.forget_description(contact_id, message_id)
    reached = DeliveryState.FAILED if state is DeliveryState.FAILED else DeliveryState.SENT
    store.file_came_further(contact_id, msg_id, reached)
