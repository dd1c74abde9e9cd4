"""What is kept of files: those that contacts and members offer, and those that are sent to them.

A file that is offered is known until it was received, refused or taken back, or is too old.
Its description comes in parts, which are kept apart from it, as they may be long.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from enum import StrEnum

from attrs import evolve

from simplex_trio.chat.machine.records import Notice, NoticeKind
from simplex_trio.chat.machine.store import Store
from simplex_trio.chat.messages.content import Content, File, Image, Text, Video, Voice
from simplex_trio.chat.messages.files import MAX_DESCRIPTION_PARTS
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.pictures import Picture
from simplex_trio.chat.messages.records import Record
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.frozen import frozen
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "MAX_FILES",
    "MAX_FILES_OF_MEMBER",
    "MAX_UNWANTED_PARTS",
    "FileState",
    "FileStore",
    "OfferedFile",
    "Upload",
    "file_mark",
    "file_of_notice",
    "file_told",
]

MAX_FILES = 50
"""How many files of each contact are known at a time.  With one more, the oldest that the program
does not want is forgotten; if it wants all of them, the new one is not taken note of."""

MAX_FILES_OF_MEMBER = 10
"""How many of these each member of a group may have; with one more, its own oldest is forgotten."""

MAX_UNWANTED_PARTS = 8
"""How many parts a description may have of a file that the program does not want yet: as many as
two gigabytes need.  A longer one is not kept, and the file fails when it is wanted."""

_MAX_KEPT_NAME = 255
"""Characters of a sender's name for a file; no file system takes longer ones."""

_MAX_KEPT_TEXT = 500

_FILES = ".chat.files"
_FILE_IDS = ".chat.file-ids"
_PARTS = ".chat.file-parts"
_EXPIRING = ".chat.files-expiring"
_UPLOADS = ".chat.uploads"
_DESCRIPTIONS = ".chat.descriptions"


def file_mark(msg_id: bytes, member_id: bytes | None = None) -> bytes:
    """What identifies the file of a message of a contact, or of a member, in their conversation."""
    if member_id is None:
        return msg_id[:255]
    return hashlib.sha256(len(member_id).to_bytes(4, "big") + member_id + msg_id).digest()


class FileState(StrEnum):
    """How far a file has come that a contact offers."""

    OFFERED = "offered"
    """The program has not said that it wants it."""
    WANTED = "wanted"
    """Its description is still to come."""
    RECEIVING = "receiving"
    """Its routers are to send it."""
    ASKING = "asking"
    """It is on routers that the program is to approve."""
    RECEIVED = "received"
    """It is complete and in its place."""
    TAKEN_BACK = "taken back"
    """The contact has taken it back."""
    FAILED = "failed"
    """It cannot be received."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more becomes of the file."""
        return self in (FileState.RECEIVED, FileState.TAKEN_BACK, FileState.FAILED)


@frozen(repr=False)
class OfferedFile(Record):
    """A file that comes with a message of a contact, or of a member of a group."""

    contact_id: int
    """The contact, or the group."""
    msg_id: bytes
    """The message."""
    name: str
    """What its sender has called it."""
    size: int
    """How many bytes it has, as its sender says."""
    content: Content
    """What the message says; of long content its text, or a part of it."""
    offered_at: int
    expires_at: int
    """When it is to be looked at again, because routers do not have it any more, or its message has
    disappeared."""
    state: FileState = FileState.OFFERED
    place: bytes | None = None
    """Where it is to be put, as the system has it, once it is wanted."""
    approved: bool = False
    """Whether any routers may be used."""
    parts: int = 0
    """How many parts of its description have come."""
    is_described: bool = False
    """Whether all of them have come."""
    file_id: str | None = None
    """The agent's id, from `FileState.RECEIVING` on."""
    path: bytes | None = None
    """Where it was put."""
    problem_name: str | None = None
    servers: tuple[str, ...] = ()
    """The routers that are to be approved."""
    number: int = 0
    """Its place among the files of all contacts."""
    notice: int = 0
    """The number of the notice by which the program is told of it; 0 if there is none."""
    member_id: bytes | None = None
    """In a group, the member who has sent it: two members may use the same id."""
    scope: bytes | None = None
    """In a group, the member whose conversation with the admins it is in."""
    described_by: bytes | None = None
    """In a channel, the relay whose description of it is read: there is one for each."""

    @property
    def key(self) -> tuple[int, bytes]:
        """What identifies it: its conversation, and its mark there."""
        return self.contact_id, file_mark(self.msg_id, self.member_id)

    @property
    def problem(self) -> FileProblem | None:
        """Why it has failed."""
        return None if self.problem_name is None else FileProblem(self.problem_name)

    @property
    def asked_servers(self) -> tuple[ServerAddress, ...]:
        """The routers that are to be approved."""
        return tuple(map(ServerAddress.parse, self.servers))

    @property
    def where(self) -> str | None:
        """Where it was put, as text."""
        return None if self.path is None else os.fsdecode(self.path)


@frozen(repr=False)
class Upload(Record):
    """A file that is being put on routers, or whose description is to be sent."""

    file_id: str
    """The agent's id."""
    contact_id: int
    """The contact or the group that it is for."""
    msg_id: bytes
    """The message that it comes with."""
    copy: str | None = None
    """The name of the program's own copy of what was given as bytes."""
    description: str | None = None
    """What is to be sent to the contact, once all is on routers."""
    uploaded_at: int = 0
    """When that was."""
    parts_said: int = 0
    """How many parts of the description are queued."""
    scope: bytes | None = None
    """In a group, the member whose conversation with the admins it is in."""


def _owner(contact_id: int) -> bytes:
    return contact_id.to_bytes(8, "big")


def _key(contact_id: int, mark: bytes) -> bytes:
    return _owner(contact_id) + mark


def _expiry_key(file: OfferedFile) -> bytes:
    return file.expires_at.to_bytes(8, "big") + _key(*file.key)


def _notice(file: OfferedFile) -> Notice:
    return Notice(NoticeKind.FILE, file.contact_id, file_msg_id=file.key[1], number=file.notice)


def _message_key(contact_id: int, message_id: int) -> bytes:
    return _owner(contact_id) + message_id.to_bytes(8, "big")


def _part_key(file: OfferedFile, number: int) -> bytes:
    return _key(*file.key) + number.to_bytes(2, "big")


class FileStore:
    """The records of files, in one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept = store.t.kept

    # --- files of contacts ----------------------------------------------------------------------

    def get(self, contact_id: int, mark: bytes) -> OfferedFile | None:
        """The file with this mark."""
        value = self._kept.get(_FILES, _key(contact_id, mark))
        return None if value is None else OfferedFile.from_json(decode_json(value))

    def of_contact(self, contact_id: int) -> list[OfferedFile]:
        """The files of a contact, oldest first."""
        found = self._kept.scan(_FILES, _owner(contact_id))
        files = [OfferedFile.from_json(decode_json(value)) for _, value in found]
        return sorted(files, key=lambda each: each.number)

    def all(self) -> Iterator[OfferedFile]:
        """The files of all contacts."""
        after: bytes | None = None
        while page := self._kept.scan(_FILES, after=after):
            after = page[-1][0]
            for _, value in page:
                yield OfferedFile.from_json(decode_json(value))

    def with_file_id(self, file_id: str) -> OfferedFile | None:
        """The file that the agent knows by this id."""
        key = self._kept.get(_FILE_IDS, file_id.encode())
        return None if key is None else self.get(int.from_bytes(key[:8], "big"), key[8:])

    def add(self, file: OfferedFile) -> OfferedFile | None:
        """Take note of a file; `None` if there are too many that are wanted."""
        known = self.of_contact(file.contact_id)
        same = [each for each in known if each.member_id == file.member_id]
        if file.member_id is not None and len(same) >= MAX_FILES_OF_MEMBER:
            known = same
        if known is same or len(known) >= MAX_FILES:
            oldest = next((each for each in known if each.state is FileState.OFFERED), None)
            if oldest is None:
                return None
            self.remove(oldest)
        # What kind of message it was matters to handlers, its picture does not any more.
        content = _without_pictures(file.content)
        self.store.is_expiring = True
        number, name = self.store.new_file_number(), file.name[:_MAX_KEPT_NAME]
        return self.put(evolve(file, number=number, content=content, name=name))

    def put(self, file: OfferedFile) -> OfferedFile:
        """Store what has become of a file, and let those know who wait for it."""
        self.store.changed_files.append(file)
        return self.note(file)

    def note(self, file: OfferedFile) -> OfferedFile:
        """Store what is known of a file, which is nothing new for those who wait for it."""
        self._kept.put(_FILES, _key(*file.key), encode_json(file.to_json()))
        self._kept.put(_EXPIRING, _expiry_key(file), b"")
        if file.file_id is not None:
            self._kept.put(_FILE_IDS, file.file_id.encode(), _key(*file.key))
        return file

    def keep_until(self, file: OfferedFile, at: int) -> OfferedFile:
        """Look at a file again at another time; the caller stores it."""
        self._kept.delete(_EXPIRING, _expiry_key(file))
        return evolve(file, expires_at=at)

    def due(self, now: int) -> tuple[list[OfferedFile], int | None]:
        """Some files that are to be looked at now; without any, when the next one is."""
        found: list[OfferedFile] = []
        for key, _ in self._kept.scan(_EXPIRING, limit=100):
            at, owner, mark = key[:8], key[8:16], key[16:]
            if int.from_bytes(at, "big") > now:
                return found, int.from_bytes(at, "big")
            file = self.get(int.from_bytes(owner, "big"), mark)
            assert file is not None
            found.append(file)
        return found, None

    def tell(self, file: OfferedFile) -> OfferedFile:
        """Store it, and tell the program of it until it has dealt with that."""
        if not file.notice:
            added = self.store.add_notice(_notice(file))
            assert added is not None
            file = evolve(file, notice=added.number)
        return self.put(file)

    def told(self, contact_id: int, mark: bytes) -> None:
        """The program has dealt with what it was told of a file."""
        file = self.get(contact_id, mark)
        if file is None:
            return
        if file.notice:
            self.store.remove_notice(_notice(file))
        if file.state.is_over:
            self.remove(file)
        elif file.notice:
            self.note(evolve(file, notice=0))

    def remove(self, file: OfferedFile) -> None:
        """Forget a file."""
        self._remove_parts(file)
        self._kept.delete(_FILES, _key(*file.key))
        self._kept.delete(_EXPIRING, _expiry_key(file))
        if file.file_id is not None:
            self._kept.delete(_FILE_IDS, file.file_id.encode())
        if file.notice:
            self.store.remove_notice(_notice(file))

    # --- descriptions ---------------------------------------------------------------------------

    def add_part(self, file: OfferedFile, text: str) -> None:
        """Keep the next part of a description."""
        self._kept.put(_PARTS, _part_key(file, file.parts), text.encode())

    def description(self, file: OfferedFile) -> str:
        """The description of a file, as far as it has come."""
        found = [self._kept.get(_PARTS, _part_key(file, each)) for each in range(file.parts)]
        return b"".join(each or b"" for each in found).decode()

    def _remove_parts(self, file: OfferedFile) -> None:
        for number in range(min(file.parts, MAX_DESCRIPTION_PARTS)):
            self._kept.delete(_PARTS, _part_key(file, number))

    def without_parts(self, file: OfferedFile) -> OfferedFile:
        """A file whose description is not needed any more."""
        self._remove_parts(file)
        return evolve(file, parts=0)

    # --- files that are sent --------------------------------------------------------------------

    def upload(self, file_id: str) -> Upload | None:
        """The upload that the agent knows by this id."""
        value = self._kept.get(_UPLOADS, file_id.encode())
        return None if value is None else Upload.from_json(decode_json(value))

    def uploads(self) -> Iterator[Upload]:
        """All uploads."""
        after: bytes | None = None
        while page := self._kept.scan(_UPLOADS, after=after):
            after = page[-1][0]
            for _, value in page:
                yield Upload.from_json(decode_json(value))

    def put_upload(self, upload: Upload) -> None:
        """Store an upload."""
        self._kept.put(_UPLOADS, upload.file_id.encode(), encode_json(upload.to_json()))

    def remove_upload(self, upload: Upload) -> None:
        """Forget an upload."""
        self._kept.delete(_UPLOADS, upload.file_id.encode())
        self.copy_is_unused(upload)

    def note_description(self, contact_id: int, message_id: int, msg_id: bytes) -> None:
        """A message of the agent has the last part of the description for a message's file."""
        self._kept.put(_DESCRIPTIONS, _message_key(contact_id, message_id), msg_id)

    def described_by(self, contact_id: int, message_id: int) -> bytes | None:
        """The message whose file a message of the agent describes."""
        return self._kept.get(_DESCRIPTIONS, _message_key(contact_id, message_id))

    def forget_description(self, contact_id: int, message_id: int) -> None:
        """It has come as far as it matters."""
        self._kept.delete(_DESCRIPTIONS, _message_key(contact_id, message_id))

    def forget_descriptions(self, contact_id: int) -> None:
        """All of a contact."""
        for key, _ in self._kept.scan(_DESCRIPTIONS, _owner(contact_id)):
            self._kept.delete(_DESCRIPTIONS, key)

    def copy_is_unused(self, upload: Upload) -> None:
        """The program's own copy is not needed any more; it is removed after the transaction."""
        if upload.copy is not None:
            self.store.unused_copies.append(upload.copy)


def _without_pictures(content: Content) -> Content:
    text = content.text[:_MAX_KEPT_TEXT]
    match content:
        case Image():
            return Image(Picture(), text)
        case Video(duration=duration):
            return Video(Picture(), duration, text)
        case Voice(duration=duration):
            return Voice(duration, text)
        case File():
            return File(text)
        case _:
            return Text(text)


def file_told(store: Store, contact_id: int, mark: bytes) -> None:
    """The program has dealt with what it was told of a file."""
    FileStore(store).told(contact_id, mark)


def file_of_notice(store: Store, notice: Notice) -> OfferedFile | None:
    """The file that a notice is about, if it is about one."""
    if notice.file_msg_id is None:
        return None
    return FileStore(store).get(notice.contact_id, notice.file_msg_id)
