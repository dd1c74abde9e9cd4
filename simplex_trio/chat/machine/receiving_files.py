"""Files that contacts and members of groups offer: from the message to the file in its place."""

from __future__ import annotations

import os
from contextlib import suppress

from attrs import evolve

from simplex_trio.chat.errors import FileNotReceived, FileTakenBack
from simplex_trio.chat.machine.file_records import (
    MAX_UNWANTED_PARTS,
    FileState,
    FileStore,
    OfferedFile,
)
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.events import XMsgNew
from simplex_trio.chat.messages.files import (
    MAX_DESCRIPTION_PARTS,
    MAX_PART,
    FileDescr,
)
from simplex_trio.duplex.errors import UnknownFile
from simplex_trio.duplex.file_events import (
    FileFailed,
    FileNeedsApproval,
    FileProblem,
    FileReceived,
)
from simplex_trio.duplex.file_plans import FileToReceive

__all__ = [
    "KEPT_WITHIN",
    "add_part",
    "fail",
    "follow_received",
    "forget_files",
    "forget_old_files",
    "offer",
    "offered_by",
    "refuse",
    "start",
    "take_back",
    "want",
]

KEPT_WITHIN = 2 * 24 * 3600
"""Seconds after which an offered file is forgotten, and a wanted one given up whose description has
not come: routers keep files no longer."""

_SLACK = 10 * 2**20
"""How many bytes an encrypted file may have beyond what its message says: as much as the apps
allow, for padding."""

_SMALL_SLACK = 2**20
"""The same for small files, which may besides have twice the size."""


# --- what contacts say --------------------------------------------------------------------------


def offered_by(
    contact_id: int,
    new: XMsgNew,
    msg_id: bytes | None,
    at: int,
    member_id: bytes | None = None,
    scope: bytes | None = None,
) -> OfferedFile | None:
    """The file that comes with a message, if it is one that can be received.

    That takes an id for the message, which the description refers to; and files that are sent in
    messages or connections of their own, as before XFTP, are not received.
    """
    invitation = new.file
    if invitation is None or invitation.file_descr is None or not msg_id:
        return None
    name, size = invitation.file_name, invitation.file_size
    # A contact may say anything.
    ttl = KEPT_WITHIN if new.ttl is None else min(max(0, new.ttl), KEPT_WITHIN)
    expires_at = at + ttl
    return OfferedFile(
        *(contact_id, msg_id, name, size, new.content, at, expires_at),
        member_id=member_id,
        scope=scope,
    )


def offer(
    store: Store,
    settings: Settings,
    contact_id: int,
    new: XMsgNew,
    msg_id: bytes | None,
    member_id: bytes | None = None,
    scope: bytes | None = None,
) -> None:
    """A message with a file was dealt with: from now on its description can come."""
    # From now on its time runs: the message was read.
    file = offered_by(contact_id, new, msg_id, settings.seconds, member_id, scope)
    files = FileStore(store)
    if file is None or files.get(*file.key) is not None:
        return
    if settings.folder is not None and file.size <= settings.receives_up_to:
        file = _wanted(files, file)
    added = files.add(file)
    part = None if new.file is None else new.file.file_descr
    if added is not None and part is not None and part.file_descr_text:
        # The first part, or all of it, may be in the message itself.
        _add_part(files, added, evolve(part, file_descr_part_no=1))


def add_part(store: Store, contact_id: int, mark: bytes, part: FileDescr) -> None:
    """A part of a description has come; parts of files that are not known are ignored."""
    files = FileStore(store)
    file = files.get(contact_id, mark)
    if file is not None and file.state in (FileState.OFFERED, FileState.WANTED):
        _add_part(files, file, part)


def _add_part(files: FileStore, file: OfferedFile, part: FileDescr) -> None:
    limit = MAX_UNWANTED_PARTS if file.state is FileState.OFFERED else MAX_DESCRIPTION_PARTS
    is_next = part.file_descr_part_no == file.parts + 1 and not file.is_described
    length = len(files.description(file)) + len(part.file_descr_text)
    if not is_next or file.parts >= limit or length > limit * MAX_PART:
        _fail(files, file, FileProblem.DAMAGED)
        return
    files.add_part(file, part.file_descr_text)
    files.put(evolve(file, parts=file.parts + 1, is_described=part.file_descr_complete))


def take_back(store: Store, contact_id: int, mark: bytes) -> None:
    """A file was taken back, or its message was deleted."""
    files = FileStore(store)
    file = files.get(contact_id, mark)
    if file is None or file.state.is_over:
        return
    _cancel(store, file)
    over = evolve(files.without_parts(file), state=FileState.TAKEN_BACK)
    if file.state is FileState.OFFERED:
        files.put(over)
    else:
        files.tell(over)


# --- what the program wants ---------------------------------------------------------------------


def want(store: Store, offered: OfferedFile, place: bytes, *, approve: bool) -> OfferedFile:
    """The program wants a file at ``place``.

    One that it has wanted before stays where that was.  Raises `FileNotReceived`.
    """
    files = FileStore(store)
    file = files.get(*offered.key) or files.add(offered)
    if file is None or (file.state.is_over and not file.notice):
        if file is not None and file.state is FileState.TAKEN_BACK:
            raise FileTakenBack
        raise FileNotReceived(None if file is None else file.problem)
    if file.state.is_over:
        return file
    if file.place is None:
        file = evolve(file, place=place)
    file = evolve(file, approved=file.approved or approve)
    if file.state is FileState.OFFERED:
        file = _wanted(files, file)
    elif file.state is FileState.ASKING and approve:
        assert file.file_id is not None
        with suppress(UnknownFile):  # its time was over, which the agent is about to tell
            store.t.approve_file(file.file_id)
        files.told(*file.key)
        file = evolve(file, state=FileState.RECEIVING, notice=0, servers=())
    return files.put(file)


def _wanted(files: FileStore, file: OfferedFile) -> OfferedFile:
    """A file that is kept even if its message disappears."""
    kept = files.keep_until(file, file.offered_at + KEPT_WITHIN)
    return evolve(kept, state=FileState.WANTED)


def start(store: Store, wanted: OfferedFile, planned: FileToReceive) -> None:
    """The description of a wanted file was read: the agent receives it."""
    files = FileStore(store)
    file = files.get(*wanted.key)
    if file is None or file.state is not FileState.WANTED or not file.is_described:
        return
    if planned.size > _largest(file.size):
        _fail(files, file, FileProblem.TOO_LARGE)
        return
    planned = evolve(planned, is_approved=planned.is_approved or file.approved)
    file_id = store.t.receive_file(planned)
    files.put(evolve(files.without_parts(file), state=FileState.RECEIVING, file_id=file_id))


def _largest(size: int) -> int:
    """How many bytes an encrypted file may have if its message says that it has ``size``."""
    return size + min(_SLACK, size + _SMALL_SLACK)


def fail(store: Store, wanted: OfferedFile, problem: FileProblem) -> None:
    """A wanted file cannot be received."""
    files = FileStore(store)
    file = files.get(*wanted.key)
    if file is not None and file.state is FileState.WANTED:
        _fail(files, file, problem)


def _fail(files: FileStore, file: OfferedFile, problem: FileProblem) -> None:
    was_offered = file.state is FileState.OFFERED
    failed = evolve(files.without_parts(file), state=FileState.FAILED, problem_name=problem.value)
    if was_offered:
        files.put(failed)
    else:
        files.tell(failed)


def refuse(store: Store, offered: OfferedFile) -> None:
    """The program does not want a file, or not any more."""
    files = FileStore(store)
    file = files.get(*offered.key)
    if file is not None:
        _forget(store, files, file)


def _forget(store: Store, files: FileStore, file: OfferedFile) -> None:
    _cancel(store, file)
    files.remove(file)
    gone = evolve(file, state=FileState.TAKEN_BACK, notice=0)
    store.changed_files.append(gone)  # for those who wait for it


def _cancel(store: Store, file: OfferedFile) -> None:
    if file.file_id is not None and not file.state.is_over:
        with suppress(UnknownFile):
            store.t.delete_file(file.file_id)


# --- what becomes of them -----------------------------------------------------------------------


def follow_received(store: Store, event: FileReceived | FileNeedsApproval | FileFailed) -> None:
    """What has become of a file that the agent receives; others are not for this package."""
    files = FileStore(store)
    file = files.with_file_id(event.file_id)
    if file is None or file.state.is_over:
        return
    match event:
        case FileReceived(path=path):
            files.tell(evolve(file, state=FileState.RECEIVED, path=os.fsencode(path)))
        case FileNeedsApproval(servers=servers):
            asked = tuple(map(str, servers))
            files.tell(evolve(file, state=FileState.ASKING, servers=asked))
        case FileFailed(problem=problem):
            _fail(files, file, problem)


def forget_old_files(store: Store, now: int) -> int | None:
    """Forget what was not wanted for long or has disappeared, and give up what has not come.

    Returns when that is to be done again.
    """
    files = FileStore(store)
    while True:
        due, next_at = files.due(now)
        if not due:
            return next_at
        for file in due:
            # Whatever becomes of it, it is not due any more.
            kept = files.note(files.keep_until(file, now + KEPT_WITHIN))
            match file.state:
                case FileState.WANTED:
                    _fail(files, kept, FileProblem.EXPIRED)
                case FileState.RECEIVING | FileState.ASKING:
                    pass  # the agent has a time for these
                case _ if not file.notice:
                    files.remove(kept)


def forget_files(store: Store, contact_id: int) -> None:
    """Forget the files of a contact that is being removed, in both directions."""
    files = FileStore(store)
    for file in files.of_contact(contact_id):
        _forget(store, files, file)
    for upload in list(files.uploads()):
        if upload.contact_id == contact_id:
            with suppress(UnknownFile):
                store.t.delete_file(upload.file_id)
            files.remove_upload(upload)
    files.forget_descriptions(contact_id)
