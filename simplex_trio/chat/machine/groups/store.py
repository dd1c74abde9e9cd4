"""`GroupStore`: the records of groups, and how they are found again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from functools import lru_cache

from attrs import evolve

from simplex_trio.chat.machine.channels.relays import forget_channel
from simplex_trio.chat.machine.groups.deliveries import CopyChange, copies_gone, copy_changed
from simplex_trio.chat.machine.groups.moderations import forget_moderations
from simplex_trio.chat.machine.groups.records import (
    MAX_MEMBER_ID,
    MAX_MEMBERS,
    GroupRecord,
    GroupStatus,
    MemberRecord,
    MemberStatus,
    ToldRecord,
)
from simplex_trio.chat.machine.groups.relations import Relations
from simplex_trio.chat.machine.receiving_files import forget_files
from simplex_trio.chat.machine.records import DeliveryState
from simplex_trio.chat.machine.state import clear_state, member_owner
from simplex_trio.chat.machine.store import MEMBERS_OF_CONNECTIONS, Store
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Record

__all__ = [
    "CONNECTING_CUSTOMERS",
    "CUSTOMERS",
    "MAX_GONE",
    "MAX_SEEN",
    "PATIENCE",
    "PENDING",
    "GroupStore",
]

PATIENCE = 21 * 24 * 3600
"""Seconds after which a connection with a member that has not come about is given up: routers have
dropped by then what the other side did not read."""

MAX_SEEN = 2000
"""How many messages of each group are known to have come, so that copies which come another way are
dropped; the oldest ones go first."""

MAX_GONE = 1000
"""How many members of each group that are gone are known, so that messages of theirs which come
later make no members of them; the oldest ones go first."""

_GROUPS = ".chat.groups"
_MEMBERS = ".chat.members"
_PROFILES = ".chat.member-profiles"
_TOLD = ".chat.group-told"
_SEEN = ".chat.group-seen"
_SEEN_ORDER = ".chat.group-seen-order"
_SIGNED = ".chat.group-signed"
_SIGNED_ORDER = ".chat.group-signed-order"
_GONE = ".chat.group-gone"
_GONE_ORDER = ".chat.group-gone-order"
_INVITATIONS = ".chat.group-invitations"
_UNDECIDED = ".chat.group-undecided"
_WAITING = ".chat.group-waiting"
_CONNECTED = ".chat.group-connected"
_CURRENT = ".chat.group-current"
_NUMBERS = ".chat.group-numbers"

PENDING = ".chat.group-pending"
"""Where it is found what waits for members that are not connected yet."""

CUSTOMERS = ".chat.customers"
"""Where it is found which group the request of a customer has led to."""

CONNECTING_CUSTOMERS = ".chat.customers-connecting"
"""Where the groups of customers are that have not connected yet, the oldest first."""

_LINKS = ".chat.group-own-links"

_GROUP_IDS = range(1, 2**63)


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")


@lru_cache(maxsize=1024)
def _member(encoded: bytes) -> MemberRecord:
    # The same members are read again and again: several times for each message, and those to whom
    # messages are passed on for each of these.  To decode one takes 100 times as long as this.
    return MemberRecord.from_json(decode_json(encoded))


@lru_cache(maxsize=32)
def _group(encoded: bytes) -> GroupRecord:
    return GroupRecord.from_json(decode_json(encoded))


def _encoded(record: Record) -> bytes:
    return encode_json(record.to_json())


def _hashed(link: str) -> bytes:
    return hashlib.sha256(link.encode()).digest()


def _member_key(group_id: int, member_id: bytes) -> bytes:
    return _key(group_id) + member_id


def _hashed_id(group_id: int, member_id: bytes, msg_id: bytes = b"") -> bytes:
    framed = len(member_id).to_bytes(4, "big") + member_id + msg_id
    return _key(group_id) + hashlib.sha256(framed).digest()[:16]


class GroupStore:
    """The records of groups, in one transaction."""

    def __init__(self, store: Store) -> None:
        self.store: Store = store
        self._kept = store.t.kept

    # --- groups ---------------------------------------------------------------------------------

    def group(self, group_id: int) -> GroupRecord | None:
        """The group with this id, which may be any number."""
        found = self._kept.get(_GROUPS, _key(group_id)) if group_id in _GROUP_IDS else None
        return None if found is None else _group(found)

    def groups(self, *, after: int = 0, limit: int = 1000) -> list[GroupRecord]:
        """Groups in the order of their ids."""
        found = self._kept.scan(_GROUPS, after=_key(after), limit=limit)
        return [_group(value) for _, value in found]

    def all_groups(self) -> Iterator[GroupRecord]:
        """All groups in the order of their ids, some of them in memory at a time."""
        after = 0
        while page := self.groups(after=after):
            after = page[-1].group_id
            yield from page

    def put_group(self, group: GroupRecord) -> GroupRecord:
        """Store a group."""
        self._kept.put(_GROUPS, _key(group.group_id), _encoded(group))
        if group.link is not None:
            self._kept.put(_LINKS, group.link.connection_id.encode(), _key(group.group_id))
        if group.invited is not None:
            self._kept.put(_INVITATIONS, _hashed(group.invited.link), _key(group.group_id))
            undecided = _key(group.invited.contact_id) + _key(group.group_id)
            if group.status is GroupStatus.INVITED:
                self._kept.put(_UNDECIDED, undecided, b"")
            else:
                self._kept.delete(_UNDECIDED, undecided)
        return group

    def group_of_link(self, connection_id: str) -> GroupRecord | None:
        """The group whose link has this connection."""
        found = self._kept.get(_LINKS, connection_id.encode())
        return None if found is None else self.group(int.from_bytes(found, "big"))

    def count_invitations(self, contact_id: int | None = None) -> int:
        """How many invitations wait until the program decides, of all contacts or of one."""
        return self._kept.count(_UNDECIDED, b"" if contact_id is None else _key(contact_id))

    def lost_invitations(self) -> list[GroupRecord]:
        """Groups to which contacts that are gone have invited the program, which is to decide."""
        lost: list[GroupRecord] = []
        for key, _ in self._kept.scan(_UNDECIDED):
            contact_id, group_id = (int.from_bytes(each, "big") for each in (key[:8], key[8:]))
            group = self.group(group_id) if self.store.contact(contact_id) is None else None
            lost += [] if group is None else [group]
        return lost

    def invited_by(self, link: str) -> GroupRecord | None:
        """The group that the program was invited to with this link."""
        found = self._kept.get(_INVITATIONS, _hashed(link))
        return None if found is None else self.group(int.from_bytes(found, "big"))

    def change_group(self, group: GroupRecord, **changes: object) -> GroupRecord:
        """Replace values of a group."""
        changed = evolve(group, **changes)  # type: ignore[arg-type]
        if group.link is not None and changed.link is None:
            self._kept.delete(_LINKS, group.link.connection_id.encode())
        return group if changed == group else self.put_group(changed)

    def remove_group(self, group: GroupRecord) -> None:
        """Forget a group with all that is kept of it."""
        prefix = _key(group.group_id)
        for member in self.members(group.group_id):
            self.remove_member(member)
        for space in (_SEEN, _SEEN_ORDER, _SIGNED, _SIGNED_ORDER, _GONE, _GONE_ORDER):
            while found := self._kept.scan(space, prefix):
                for key, _ in found:
                    self._kept.delete(space, key)
        if group.invited is not None:
            self._kept.delete(_INVITATIONS, _hashed(group.invited.link))
            undecided = _key(group.invited.contact_id) + prefix
            self._kept.delete(_UNDECIDED, undecided)
        if group.link is not None:
            self._kept.delete(_LINKS, group.link.connection_id.encode())
        Relations(self._kept, group.group_id).forget_all()
        self._kept.delete(".chat.group-paces", prefix)
        self._kept.delete(CONNECTING_CUSTOMERS, prefix)
        self._kept.delete(_GROUPS, prefix)
        forget_channel(self._kept, group.group_id, group.channel)
        forget_moderations(self._kept, group.group_id)
        forget_files(self.store, group.group_id)
        self.store.forget_conversation(group.group_id)

    # --- members --------------------------------------------------------------------------------

    def member(self, group_id: int, member_id: bytes) -> MemberRecord | None:
        """The member with this id, which may be anything."""
        if not 1 <= len(member_id) <= MAX_MEMBER_ID:
            return None
        return self._member_at(_member_key(group_id, member_id))

    def _member_at(self, key: bytes) -> MemberRecord | None:
        found = self._kept.get(_MEMBERS, key)
        return None if found is None else _member(found)

    def member_of(self, connection_id: str) -> MemberRecord | None:
        """The member with this connection."""
        found = self._kept.get(MEMBERS_OF_CONNECTIONS, connection_id.encode())
        return None if found is None else self._member_at(found)

    def is_used(self, connection_id: str) -> bool:
        """Whether a contact or a member has this connection.

        Others may say a link that the program has joined, or is about to join, for another one.
        """
        is_members = self._kept.get(MEMBERS_OF_CONNECTIONS, connection_id.encode()) is not None
        return is_members or self.store.contact_of(connection_id) is not None

    def members(self, group_id: int) -> list[MemberRecord]:
        """All members in the order of their ids."""
        members: list[MemberRecord] = []
        after: bytes | None = None
        while found := self._kept.scan(_MEMBERS, _key(group_id), after=after):
            members += (_member(value) for _, value in found)
            after = found[-1][0]
        return members

    def current_members(self, group_id: int) -> list[MemberRecord]:
        """Those who take part in the group."""
        return [each for each in self.members(group_id) if each.is_current]

    def connected_members(self, group_id: int) -> Iterator[MemberRecord]:
        """Those that the program has connections with, some of them in memory at a time."""
        after: bytes | None = None
        while found := self._kept.scan(_CONNECTED, _key(group_id), after=after):
            after = found[-1][0]
            yield from filter(None, (self._member_at(key) for key, _ in found))

    def numbered_members(self, group_id: int, numbers: Collection[int]) -> Iterator[MemberRecord]:
        """The members with these numbers, other than those that are gone."""
        if 8 * len(numbers) > self._kept.count(_MEMBERS, _key(group_id)):
            wanted = frozenset(numbers)  # so many that reading all takes less time
            yield from (each for each in self.members(group_id) if each.number in wanted)
            return
        for number in numbers:
            key = self._kept.get(_NUMBERS, _key(group_id) + _key(number))
            member = None if key is None else self._member_at(key)
            if member is not None:
                yield member

    def waiting_members(self, group_id: int) -> list[MemberRecord]:
        """Those whose connection is waited for, or who wait to be let in."""
        found = self._kept.scan(_WAITING, _key(group_id))
        return [*filter(None, (self._member_at(key) for key, _ in found))]

    def has_fewer(self, group_id: int, members: int) -> bool:
        """Whether fewer members than that take part in the group."""
        return len(self._kept.scan(_CURRENT, _key(group_id), limit=members)) < members

    def has_room(self, group_id: int, *, more: int = 0) -> bool:
        """Whether another member can be known, beyond the limit up to ``more`` of them."""
        return self._kept.count(_MEMBERS, _key(group_id)) < MAX_MEMBERS + more

    def count_connections(self, group_id: int) -> int:
        """How many members the program has connections with."""
        return self._kept.count(_CONNECTED, _key(group_id))

    def can_be_known(self, group: GroupRecord, member_id: bytes) -> bool:
        """Whether there may be a member with this id that is not known yet."""
        return (
            1 <= len(member_id) <= MAX_MEMBER_ID
            and member_id != group.own_id
            and not self.is_gone(group.group_id, member_id)
            and self.has_room(group.group_id)
        )

    def put_member(self, member: MemberRecord, profile: Profile | None = None) -> MemberRecord:
        """Store a member, and its profile if that is given."""
        key = _member_key(member.group_id, member.member_id)
        if profile is not None:
            member = evolve(member, name=profile.shown_name)
            self._kept.put(_PROFILES, key, _encoded(profile))
        self._kept.put(_MEMBERS, key, _encoded(member))
        if member.connection_id is not None:
            self._kept.put(MEMBERS_OF_CONNECTIONS, member.connection_id.encode(), key)
            self._kept.put(_CONNECTED, key, b"")
        if member.number:
            self._kept.put(_NUMBERS, _key(member.group_id) + _key(member.number), key)
        if member.is_current:
            self._kept.put(_CURRENT, key, b"")
        else:
            self._kept.delete(_CURRENT, key)
        return member

    def change_member(self, member: MemberRecord, **changes: object) -> MemberRecord:
        """Replace values of a member."""
        changed = evolve(member, **changes)  # type: ignore[arg-type]
        if changed == member:
            return member
        if member.connection_id is not None and changed.connection_id != member.connection_id:
            self._kept.delete(MEMBERS_OF_CONNECTIONS, member.connection_id.encode())
            self._forget_copies(member.connection_id)
            if changed.connection_id is None:
                key = _member_key(member.group_id, member.member_id)
                self._kept.delete(_CONNECTED, key)
                self._kept.delete(_WAITING, key)
                self._kept.delete(_TOLD, member.connection_id.encode())
        return self.put_member(changed)

    def profile_of(self, member: MemberRecord) -> Profile | None:
        """Who the member says it is."""
        found = self._kept.get(_PROFILES, _member_key(member.group_id, member.member_id))
        return None if found is None else Profile.from_json(decode_json(found))

    def remove_member(self, member: MemberRecord) -> MemberRecord:
        """Forget a member; returns it as one that is gone.

        What it has said before and comes later makes no member of it again.
        """
        key = _member_key(member.group_id, member.member_id)
        self._kept.delete(_MEMBERS, key)
        self._kept.delete(_PROFILES, key)
        self._kept.delete(_WAITING, key)
        self._kept.delete(_CONNECTED, key)
        self._kept.delete(_CURRENT, key)
        if member.connection_id is not None:
            self._kept.delete(MEMBERS_OF_CONNECTIONS, member.connection_id.encode())
            self._kept.delete(_TOLD, member.connection_id.encode())
            self._forget_copies(member.connection_id)
        if member.member_id:
            self._note_gone(member)
        waiting = _key(member.group_id) + bytes([len(member.member_id)]) + member.member_id
        for pending, _ in self._kept.scan(PENDING, waiting):
            self._kept.delete(PENDING, pending)
        clear_state(self._kept, member_owner(member.group_id, member.member_id))
        if member.request_key is not None:
            self._kept.delete(CUSTOMERS, member.request_key)
        if member.number:
            self._kept.delete(_NUMBERS, _key(member.group_id) + _key(member.number))
            Relations(self._kept, member.group_id).forget(member.number)
        return evolve(member, status=MemberStatus.GONE, connection_id=None, can_send=False)

    def _forget_copies(self, connection_id: str) -> None:
        """Nothing more is heard of what was sent through a connection."""
        for each in copies_gone(self._kept, connection_id):
            self._note_copy(each)

    def copy_came_further(self, connection_id: str, message_id: int, state: DeliveryState) -> None:
        """A message to a member has come further, or was given up."""
        change = copy_changed(self._kept, connection_id, message_id, state)
        if change is not None:
            self._note_copy(change)

    def _note_copy(self, change: CopyChange) -> None:
        group_id, number, state = change.conversation_id, change.number, change.reach.state
        if state is DeliveryState.STORED:
            return
        if not change.is_description:
            self.store.sent_came_further(group_id, number, state)
        elif (sent := self.store.sent(group_id, number)) is not None:
            self.store.file_came_further(group_id, sent.msg_id, state)

    # --- connections that are to come about -----------------------------------------------------

    def wait_for(self, member: MemberRecord, until: int | None) -> None:
        """Wait for the connection with a member; `None` ends the wait."""
        key = _member_key(member.group_id, member.member_id)
        if until is None:
            self._kept.delete(_WAITING, key)
        else:
            self._kept.put(_WAITING, key, _key(until))

    def overdue(self, now: int) -> Iterator[MemberRecord]:
        """The members with whom no connection has come about in time."""
        after = b""
        while found := self._kept.scan(_WAITING, after=after):
            after = found[-1][0]
            for key, value in found:
                if int.from_bytes(value, "big") <= now:
                    member = self._member_at(key)
                    if member is None:
                        self._kept.delete(_WAITING, key)
                    else:
                        yield member

    # --- members that are gone ------------------------------------------------------------------

    def is_gone(self, group_id: int, member_id: bytes) -> bool:
        """Whether a member has left, or was removed."""
        return self._kept.get(_GONE, _hashed_id(group_id, member_id)) is not None

    def _note_gone(self, member: MemberRecord) -> None:
        hashed = _hashed_id(member.group_id, member.member_id)
        self._note(_GONE, _GONE_ORDER, _key(member.group_id), hashed, MAX_GONE)

    # --- messages -------------------------------------------------------------------------------

    def has_come(self, group_id: int, member_id: bytes, msg_id: bytes) -> bool:
        """Whether a message has come before."""
        return self._kept.get(_SEEN, _hashed_id(group_id, member_id, msg_id)) is not None

    def is_new(self, group_id: int, member_id: bytes, msg_id: bytes) -> bool:
        """Note that a message has come; returns whether it has not come before."""
        hashed = _hashed_id(group_id, member_id, msg_id)
        return self._note(_SEEN, _SEEN_ORDER, _key(group_id), hashed, MAX_SEEN)

    def is_new_signed(self, group_id: int, body: bytes) -> bool:
        """Note what an owner or an admin has signed; returns whether it has not come before.

        These are kept apart from other messages: relays, which can make up any number of those,
        could otherwise have them forgotten and repeat them.
        """
        hashed = _key(group_id) + hashlib.sha256(body).digest()[:16]
        return self._note(_SIGNED, _SIGNED_ORDER, _key(group_id), hashed, MAX_SEEN)

    def _note(self, space: str, order: str, prefix: bytes, hashed: bytes, most: int) -> bool:
        """Keep a key among the ``most`` newest ones of a group; returns whether it is new."""
        if self._kept.get(space, hashed) is not None:
            return False
        number = self.store.next_number(b"last seen")
        self._kept.put(space, hashed, b"")
        self._kept.put(order, prefix + _key(number), hashed)
        if self._kept.count(order, prefix) > most:
            ((oldest, value),) = self._kept.scan(order, prefix, limit=1)
            self._kept.delete(order, oldest)
            self._kept.delete(space, value)
        return True

    def told(self, connection_id: str, message_id: int) -> ToldRecord | None:
        """What a message says that has come before, and was not dealt with."""
        found = self._kept.get(_TOLD, connection_id.encode())
        told = None if found is None else ToldRecord.from_json(decode_json(found))
        return told if told is not None and told.message_id == message_id else None

    def keep_told(self, connection_id: str, told: ToldRecord) -> None:
        """Keep what a message says until the program has dealt with it."""
        self._kept.put(_TOLD, connection_id.encode(), _encoded(told))

    def forget_told(self, connection_id: str, message_id: int) -> ToldRecord | None:
        """The program has dealt with a message, perhaps long ago; returns what it was told."""
        told = self.told(connection_id, message_id)
        if told is not None:
            self._kept.delete(_TOLD, connection_id.encode())
        return told
