"""The last messages of a group, which a host sends to new members if the group wants that.

They are kept only while the preferences of a group that the program hosts say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from attrs import evolve

from simplex_trio.chat.machine.groups.records import GroupRecord, MemberRecord
from simplex_trio.chat.machine.groups.rules import GroupFeature, allows, can_host
from simplex_trio.chat.machine.groups.saying import say_to
from simplex_trio.chat.machine.groups.store import GroupStore
from simplex_trio.chat.machine.settings import Settings
from simplex_trio.chat.messages.batches import pack_forwarded
from simplex_trio.chat.messages.bodies import Forwarded, Received
from simplex_trio.chat.messages.content import Report, Text
from simplex_trio.chat.messages.event import Event
from simplex_trio.chat.messages.events import (
    XFileCancel,
    XMsgDel,
    XMsgFileDescr,
    XMsgNew,
    XMsgUpdate,
)
from simplex_trio.chat.messages.files import FileDescr
from simplex_trio.chat.messages.group_profiles import Role
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.message import ChatMessage
from simplex_trio.chat.messages.records import Record
from simplex_trio.chat.messages.scalars import ChatVersions
from simplex_trio.chat.messages.versions import CHAT_VERSIONS, ChatVersion
from simplex_trio.duplex.kept import KeptRecords
from simplex_trio.frozen import frozen

__all__ = [
    "MAX_HISTORY",
    "MAX_HISTORY_SIZE",
    "History",
    "for_newcomers",
    "keeps_history",
    "note_in_history",
    "send_history",
]

MAX_HISTORY = 100
"""How many messages of a group new members get at most, as with the apps."""

MAX_HISTORY_SIZE = 500_000
"""How many bytes of messages, with the descriptions of their files, are kept for new members of one
group; the oldest go first.  As much can go to each new member.

A member to whom more than half of either belongs makes room for its own next message, and pushes
nothing out that others have said."""

MAX_FILE_AGE = 48 * 3600
"""Seconds after which a file is not offered to new members any more: routers have dropped it."""

_SPACE = ".chat.group-history"
_BY_ID = ".chat.group-history-ids"
_BY_AUTHOR = ".chat.group-history-authors"
_SIZES = ".chat.group-history-sizes"


@frozen(repr=False)
class _Said(Record):
    """A message, as it is by now."""

    author_id: bytes
    author_name: str
    at: int
    msg_id: bytes
    message: XMsgNew
    versions: ChatVersions = CHAT_VERSIONS
    descriptions: tuple[FileDescr, ...] = ()
    """The parts of the description of its file that have come."""

    @property
    def has_file(self) -> bool:
        """Whether all of the description is there."""
        return bool(self.descriptions) and self.descriptions[-1].file_descr_complete


class History:
    """The messages of one group that new members get."""

    def __init__(self, kept: KeptRecords, group_id: int) -> None:
        self._kept = kept
        self._group = group_id.to_bytes(8, "big")

    def _size(self) -> int:
        return int.from_bytes(self._kept.get(_SIZES, self._group) or b"", "big")

    def _add_size(self, size: int) -> None:
        self._kept.put(_SIZES, self._group, (self._size() + size).to_bytes(8, "big"))

    def _id_key(self, author_id: bytes, msg_id: bytes) -> bytes:
        framed = len(author_id).to_bytes(4, "big") + author_id + msg_id
        return self._group + hashlib.sha256(framed).digest()[:16]

    def _author_key(self, author_id: bytes) -> bytes:
        return self._id_key(author_id, b"")

    def add(self, number: int, said: _Said) -> None:
        """Keep a message behind all others; the oldest ones make room, or those of its author."""
        key = self._group + number.to_bytes(8, "big")
        self._kept.put(_BY_ID, self._id_key(said.author_id, said.msg_id), key)
        self._put(key, said, 0)
        self._make_room(said.author_id)

    def _make_room(self, author_id: bytes) -> None:
        by_author = self._author_key(author_id)
        while (
            self._kept.count(_SPACE, self._group) > MAX_HISTORY or self._size() > MAX_HISTORY_SIZE
        ):
            own = self._kept.scan(_BY_AUTHOR, by_author)
            size = sum(int.from_bytes(each, "big") for _, each in own)
            ((oldest, _),) = self._kept.scan(_SPACE, self._group, limit=1)
            if 2 * len(own) > MAX_HISTORY or 2 * size > MAX_HISTORY_SIZE:
                oldest = self._group + own[0][0][len(by_author) :]
            self._drop(oldest)

    def _put(self, key: bytes, said: _Said, before: int) -> None:
        value = encode_json(said.to_json())
        self._kept.put(_SPACE, key, value)
        by_author = self._author_key(said.author_id) + key[len(self._group) :]
        self._kept.put(_BY_AUTHOR, by_author, len(value).to_bytes(4, "big"))
        self._add_size(len(value) - before)

    def _drop(self, key: bytes) -> None:
        value = self._kept.get(_SPACE, key) or b""
        said = _Said.from_json(decode_json(value))
        self._kept.delete(_BY_ID, self._id_key(said.author_id, said.msg_id))
        self._kept.delete(_BY_AUTHOR, self._author_key(said.author_id) + key[len(self._group) :])
        self._kept.delete(_SPACE, key)
        self._add_size(-len(value))

    def change(self, author_id: bytes, msg_id: bytes, **changes: object) -> None:
        """Replace values of a message, if it is kept."""
        found = self._found(author_id, msg_id)
        if found is not None:
            key, value, said = found
            self._put(key, evolve(said, **changes), len(value))  # type: ignore[arg-type]
            self._make_room(author_id)

    def _found(self, author_id: bytes, msg_id: bytes) -> tuple[bytes, bytes, _Said] | None:
        key = self._kept.get(_BY_ID, self._id_key(author_id, msg_id))
        value = None if key is None else self._kept.get(_SPACE, key)
        if key is None or value is None:
            return None
        return key, value, _Said.from_json(decode_json(value))

    def get(self, author_id: bytes, msg_id: bytes) -> _Said | None:
        """A message, if it is kept."""
        found = self._found(author_id, msg_id)
        return None if found is None else found[2]

    def remove(self, author_id: bytes, msg_id: bytes) -> None:
        """Forget a message."""
        found = self._found(author_id, msg_id)
        if found is not None:
            self._drop(found[0])

    def remove_all(self, author_id: bytes | None = None) -> None:
        """Forget all messages, or those of a member."""
        for key, value in self._kept.scan(_SPACE, self._group):
            if author_id is None or _Said.from_json(decode_json(value)).author_id == author_id:
                self._drop(key)
        if author_id is None:
            self._kept.delete(_SIZES, self._group)

    def all(self) -> Iterator[_Said]:
        """The messages, the oldest first."""
        for _, value in self._kept.scan(_SPACE, self._group):
            yield _Said.from_json(decode_json(value))


def keeps_history(group: GroupRecord) -> bool:
    """Whether the program sends the last messages of a group to new members."""
    preferences = group.profile.group_preferences
    return can_host(group) and allows(preferences, GroupFeature.HISTORY, Role.OWNER)


def note_in_history(
    groups: GroupStore,
    group: GroupRecord,
    event: Event,
    msg_id: bytes | None,
    author: MemberRecord | None,
    at: int,
    versions: ChatVersions = CHAT_VERSIONS,
) -> None:
    """Keep what was said to the whole group, by a member or with `None` by the program."""
    history = History(groups.store.t.kept, group.group_id)
    author_id = group.own_id if author is None else author.member_id
    match event:
        case XMsgNew(content=Report()):
            pass
        case XMsgNew(scope=None) if msg_id is not None and (author is None or author.is_current):
            name = "" if author is None else author.name
            message = evolve(event, live=None)
            number = groups.store.next_number(b"last in history")
            history.add(number, _Said(author_id, name, at, msg_id, message, versions))
        case XMsgUpdate(scope=None):
            said = history.get(author_id, event.msg_id)
            if said is not None:
                changed = evolve(said.message, content=event.content, mentions=event.mentions)
                history.change(author_id, event.msg_id, message=changed)
        case XMsgDel(member_id=of):
            history.remove(author_id if of is None else of, event.msg_id)
        case XMsgFileDescr(file_descr=part):
            said = history.get(author_id, event.msg_id)
            if said is not None and part.file_descr_part_no == len(said.descriptions) + 1:
                parts = (*said.descriptions, part)
                history.change(author_id, event.msg_id, descriptions=parts)
        case XFileCancel():
            history.change(author_id, event.msg_id, descriptions=())
        case _:
            pass


# --- sending ------------------------------------------------------------------------------------


def send_history(
    groups: GroupStore,
    settings: Settings,
    group: GroupRecord,
    member: MemberRecord,
    own_name: str,
    *,
    welcomed: bool,
) -> None:
    """Send a new member the last messages, and the welcome message unless it shows that already."""
    version = member.versions.highest
    business = group.business
    if (
        not keeps_history(group)
        or (business is not None and business.customer_id == member.member_id)
        or member.connection_id is None
        or version < ChatVersion.GROUP_BATCHES
    ):
        return
    elements: list[Received] = []
    for said in History(groups.store.t.kept, group.group_id).all():
        elements += for_newcomers(groups, settings, group, said, own_name)
    for body in pack_forwarded(elements, binary=False).bodies:
        groups.store.t.broadcast([member.connection_id], body, notify=True)
    description = group.profile.description
    if description and not welcomed and version >= _WELCOME:
        welcome = XMsgNew(Text(description))
        say_to(groups, [member], [(welcome, settings.new_message_id())], notify=True)


_WELCOME = 6
"""The version from which on programs do not write the welcome message themselves."""


def for_newcomers(
    groups: GroupStore, settings: Settings, group: GroupRecord, said: _Said, own_name: str
) -> Iterator[Received]:
    """A message as a new member gets it; nothing if it is not for new members."""
    message, now = said.message, settings.seconds
    is_own = said.author_id == group.own_id
    author = None if is_own else groups.member(group.group_id, said.author_id)
    if author is not None and author.is_blocked:
        return
    if message.ttl is not None and said.at + message.ttl <= now:
        return
    descriptions: tuple[FileDescr, ...] = ()
    if message.file is not None:
        if said.has_file and said.at + MAX_FILE_AGE > now:
            descriptions = said.descriptions
        elif not message.content.text:
            return
        else:
            message = evolve(message, file=None, content=Text(message.content.text))
    name = own_name if is_own else said.author_name
    by = Forwarded(said.at, said.author_id, name)
    yield Received(ChatMessage(message, said.msg_id, said.versions), by)
    for part in descriptions:
        event = XMsgFileDescr(said.msg_id, part)
        yield Received(ChatMessage(event, None, said.versions), by)
