"""`Store`: the records of a chat program, and how they are found again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve

from simplex_trio.chat.machine.groups.deliveries import forget_copies
from simplex_trio.chat.machine.records import (
    MAX_SENT,
    AddressRecord,
    ContactRecord,
    ContactStatus,
    DeliveryState,
    InvitationRecord,
    Notice,
    SentRecord,
)
from simplex_trio.chat.machine.state import clear_state, conversation_owner
from simplex_trio.chat.messages.content import Text
from simplex_trio.chat.messages.json_text import decode_json, encode_json
from simplex_trio.chat.messages.profiles import Profile
from simplex_trio.chat.messages.records import Record
from simplex_trio.duplex.file_events import FileProblem
from simplex_trio.duplex.transaction import Transaction

if TYPE_CHECKING:
    from simplex_trio.chat.machine.file_records import OfferedFile

__all__ = ["MEMBERS_OF_CONNECTIONS", "Store"]

RecordT = TypeVar("RecordT", bound=Record)

_MAX_KEPT_CONTENT = 4096
"""How long the content of a message may be to be kept as it is; of a longer one there is a part of
its text, which is enough to quote it."""

_KEPT_TEXT = 500

_MAIN = ".chat"
_CONTACTS = ".chat.contacts"
_CONNECTIONS = ".chat.connections"
_REQUESTS = ".chat.requests"
_SENT = ".chat.sent"
_SENT_IDS = ".chat.sent-ids"
_NOTICES = ".chat.notices"
_BEGUN = ".chat.begun"
_PENDING = ".chat.pending"
_EXPIRING = ".chat.expiring"
_INVITATIONS = ".chat.invitations"
_UNFINISHED = ".chat.unfinished-invitations"
_OWN_LINKS = ".chat.own-links"


MEMBERS_OF_CONNECTIONS = ".chat.members-of-connections"
"""Where it is found which member of which group has a connection."""

_CONTACT_IDS = range(1, 2**63)

_RANKS = list(DeliveryState)


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _encoded(record: Record) -> bytes:
    return encode_json(record.to_json())


def _is_further(state: DeliveryState, before: DeliveryState) -> bool:
    return _RANKS.index(state) > _RANKS.index(before)


def _pending_key(notice: Notice) -> bytes:
    """One for each kind and contact, and for each file and each member."""
    about = notice.file_msg_id if notice.member is None else notice.member.member_id
    return _key(notice.contact_id) + notice.kind.encode() + (about or b"")[:255]


def _hashed(link: str) -> bytes:
    return hashlib.sha256(link.encode()).digest()


class Store:
    """The records, in one transaction."""

    def __init__(self, t: Transaction) -> None:
        self.t: Transaction = t
        self.removed: list[int] = []
        """Contacts that the transaction removes."""
        self.silenced: list[tuple[int, bytes | None]] = []
        """Members, by group and id, with whom the program itself parts; `None` for all."""
        self.has_lost_link: bool = False
        """Whether the link of a group is deleted, which calls may wait for."""
        self.forgotten: list[tuple[int, bytes]] = []
        """Messages, by contact and id, of which it removes what is kept."""
        self.delivered: list[tuple[int, SentRecord]] = []
        """Messages that have come further, by conversation, for those who wait for that."""
        self.changed_files: list[OfferedFile] = []
        """What has become of files of contacts, for those who wait for them."""
        self.unused_copies: list[str] = []
        """Copies of what was sent, by name, that can be removed once all this is stored."""
        self.has_descriptions: bool = False
        """Whether descriptions of files wait until they can be sent."""
        self.passed_on: int = 0
        """How many messages the transaction queues for others because of what one has said."""
        self.is_expiring: bool = False
        """Whether there is something new that disappears after a while."""
        self.has_relays: bool = False
        """Whether there are relays of channels that are to be asked."""
        self._kept = t.kept

    def _get(self, kind: type[RecordT], space: str, key: bytes) -> RecordT | None:
        value = self._kept.get(space, key)
        return None if value is None else kind.from_json(decode_json(value))

    def next_number(self, name: bytes) -> int:
        """The next number of those that are counted by this name."""
        number = int.from_bytes(self._kept.get(_MAIN, name) or b"", "big") + 1
        self._kept.put(_MAIN, name, _key(number))
        return number

    # --- contacts -------------------------------------------------------------------------------

    def new_contact_id(self) -> int:
        """An id that no contact and no group has had."""
        return self.next_number(b"last contact")

    def contact(self, contact_id: int) -> ContactRecord | None:
        """The contact with this id, which may be any number."""
        if contact_id not in _CONTACT_IDS:
            return None
        return self._get(ContactRecord, _CONTACTS, _key(contact_id))

    def contact_of(self, connection_id: str) -> ContactRecord | None:
        """The contact with this connection."""
        return self._pointed_to(_CONNECTIONS, connection_id.encode())

    def contact_asking(self, request_key: bytes) -> ContactRecord | None:
        """The contact that has asked for a connection with this key."""
        return self._pointed_to(_REQUESTS, request_key[:255])

    def _pointed_to(self, space: str, key: bytes) -> ContactRecord | None:
        found = self._kept.get(space, key)
        return None if found is None else self.contact(int.from_bytes(found, "big"))

    def contacts(self, *, after: int = 0, limit: int = 1000) -> list[ContactRecord]:
        """Contacts in the order of their ids."""
        found = self._kept.scan(_CONTACTS, after=_key(after), limit=limit)
        return [ContactRecord.from_json(decode_json(value)) for _, value in found]

    def all_contacts(self) -> Iterator[ContactRecord]:
        """All contacts in the order of their ids, some of them in memory at a time."""
        after = 0
        while page := self.contacts(after=after):
            after = page[-1].contact_id
            yield from page

    def put_contact(self, contact: ContactRecord) -> None:
        """Store a contact."""
        number = _key(contact.contact_id)
        self._kept.put(_CONTACTS, number, _encoded(contact))
        if contact.status is not ContactStatus.REQUESTED:
            self._kept.put(_CONNECTIONS, contact.connection_id.encode(), number)
        if contact.request_key is not None:
            self._kept.put(_REQUESTS, contact.request_key[:255], number)

    def change_contact(self, contact: ContactRecord, **changes: object) -> ContactRecord:
        """Replace values of a contact."""
        changed = evolve(contact, **changes)  # type: ignore[arg-type]
        if changed != contact:
            self.put_contact(changed)
        return changed

    def replace_connection(
        self, contact: ContactRecord, connection_id: str, **changes: object
    ) -> ContactRecord:
        """Give a contact another connection."""
        self._kept.delete(_CONNECTIONS, contact.connection_id.encode())
        return self.change_contact(contact, connection_id=connection_id, **changes)

    def remove_contact(self, contact: ContactRecord) -> None:
        """Remove a contact with all that is kept of it."""
        self.release_contact(contact)
        self.forget_conversation(contact.contact_id)

    def release_contact(self, contact: ContactRecord) -> None:
        """What is kept under the id of a contact is kept for a group from now on."""
        self._kept.delete(_CONTACTS, _key(contact.contact_id))
        self._kept.delete(_CONNECTIONS, contact.connection_id.encode())
        self._kept.delete(_BEGUN, contact.connection_id.encode())
        if contact.request_key is not None:
            self._kept.delete(_REQUESTS, contact.request_key[:255])

    def forget_conversation(self, contact_id: int) -> None:
        """Remove what is kept of the conversation with a contact, or of a group, that is gone."""
        self.removed.append(contact_id)
        number = _key(contact_id)
        for key, value in self._kept.scan(_SENT, number):
            self._forget_sent(key, SentRecord.from_json(decode_json(value)))
        for key, value in self._kept.scan(_PENDING, number):
            self._kept.delete(_PENDING, key)
            self._kept.delete(_NOTICES, value)
        clear_state(self._kept, conversation_owner(contact_id))

    # --- what was sent --------------------------------------------------------------------------

    def add_sent(self, contact_id: int, message_id: int, sent: SentRecord) -> None:
        """Keep a message, known to the agent by ``message_id``, and forget the oldest one."""
        owner = _key(contact_id)
        self.change_sent(contact_id, message_id, sent)
        self._kept.put(_SENT_IDS, owner + sent.msg_id, _key(message_id))
        if self._kept.count(_SENT, owner) > MAX_SENT:
            ((key, value),) = self._kept.scan(_SENT, owner, limit=1)
            oldest = SentRecord.from_json(decode_json(value))
            self._forget_sent(key, oldest)
            self.forgotten.append((contact_id, oldest.msg_id))

    def _forget_sent(self, key: bytes, sent: SentRecord) -> None:
        self._kept.delete(_SENT, key)
        self._kept.delete(_SENT_IDS, key[:8] + sent.msg_id)
        forget_copies(self._kept, key)
        if sent.expires_at is not None:
            self._kept.delete(_EXPIRING, _key(sent.expires_at) + key)

    def sent(self, contact_id: int, message_id: int) -> SentRecord | None:
        """The message that the agent knows by this id, if it is still kept."""
        return self._get(SentRecord, _SENT, _key(contact_id) + _key(message_id))

    def sent_as(self, contact_id: int, msg_id: bytes) -> SentRecord | None:
        """The message that both sides know by this id, if it is still kept."""
        number = self.number_of_sent(contact_id, msg_id)
        return None if number is None else self.sent(contact_id, number)

    def number_of_sent(self, contact_id: int, msg_id: bytes) -> int | None:
        """By what number a message is kept that both sides know by this id.

        For a contact it is the agent's id; for a group, a number of its own.
        """
        found = self._kept.get(_SENT_IDS, _key(contact_id) + msg_id[:255])
        return None if found is None else int.from_bytes(found, "big")

    def sent_to(self, contact_id: int) -> list[SentRecord]:
        """What is kept of the messages to a contact, the oldest first."""
        found = self._kept.scan(_SENT, _key(contact_id))
        return [SentRecord.from_json(decode_json(value)) for _, value in found]

    def change_sent(self, contact_id: int, message_id: int, sent: SentRecord) -> None:
        """Replace what is kept of a message."""
        if len(_encoded(sent)) > _MAX_KEPT_CONTENT:
            sent = evolve(sent, content=Text(sent.content.text[:_KEPT_TEXT]))
        key = _key(contact_id) + _key(message_id)
        self._kept.put(_SENT, key, _encoded(sent))
        if sent.expires_at is not None:
            self._kept.put(_EXPIRING, _key(sent.expires_at) + key, b"")
            self.is_expiring = True

    def change_sent_as(self, contact_id: int, msg_id: bytes, **changes: object) -> None:
        """Replace values of a message that both sides know by this id, if it is still kept."""
        message_id = self.number_of_sent(contact_id, msg_id)
        sent = None if message_id is None else self.sent(contact_id, message_id)
        if message_id is not None and sent is not None:
            changed = evolve(sent, **changes)  # type: ignore[arg-type]
            self.change_sent(contact_id, message_id, changed)

    def sent_came_further(self, contact_id: int, message_id: int, state: DeliveryState) -> None:
        """A message has come further, or was given up."""
        sent = self.sent(contact_id, message_id)
        if sent is not None and _is_further(state, sent.state):
            self._came_further(contact_id, message_id, evolve(sent, state=state))

    def file_came_further(
        self,
        contact_id: int,
        msg_id: bytes,
        state: DeliveryState,
        problem: FileProblem | None = None,
    ) -> None:
        """The file of a message has come further, or was given up."""
        number = self.number_of_sent(contact_id, msg_id)
        sent = None if number is None else self.sent(contact_id, number)
        if number is None or sent is None or sent.file is None:
            return
        if _is_further(state, sent.file.state):
            name = None if problem is None else problem.value
            file = evolve(sent.file, state=state, problem_name=name)
            self._came_further(contact_id, number, evolve(sent, file=file))

    def _came_further(self, contact_id: int, number: int, sent: SentRecord) -> None:
        self.change_sent(contact_id, number, sent)
        self.delivered.append((contact_id, sent))

    # --- what disappears ------------------------------------------------------------------------

    def forget_expired(self, now: int) -> int | None:
        """Forget messages whose time is over; returns when that is so for the next one."""
        while page := self._kept.scan(_EXPIRING, limit=100):
            for key, _ in page:
                at, rest = int.from_bytes(key[:8], "big"), key[8:]
                if at > now:
                    return at
                self._kept.delete(_EXPIRING, key)
                sent = self._get(SentRecord, _SENT, rest)
                if sent is not None and sent.expires_at == at:
                    self._forget_sent(rest, sent)
                    self.forgotten.append((int.from_bytes(rest[:8], "big"), sent.msg_id))
        return None

    def new_file_number(self) -> int:
        """A number for a file that a contact offers, by which they are in order."""
        return self.next_number(b"last file")

    # --- notices --------------------------------------------------------------------------------

    def add_notice(self, notice: Notice) -> Notice | None:
        """Keep something that the program is to be told; `None` if it is to be told so already.

        So however often it happens, there is at most one notice of each kind for each contact.
        """
        pending = _pending_key(notice)
        if self._kept.get(_PENDING, pending) is not None:
            return None
        number = self.next_number(b"last notice")
        numbered = evolve(notice, number=number)
        self._kept.put(_NOTICES, _key(number), _encoded(numbered))
        self._kept.put(_PENDING, pending, _key(number))
        return numbered

    def remove_notice(self, notice: Notice) -> None:
        """The program has dealt with it."""
        if self._kept.delete(_NOTICES, _key(notice.number)):
            self._kept.delete(_PENDING, _pending_key(notice))

    def forget_notice(self, notice: Notice) -> None:
        """The program need not be told of this any more, if it was to be."""
        number = self._kept.get(_PENDING, _pending_key(notice))
        if number is not None:
            self._kept.delete(_PENDING, _pending_key(notice))
            self._kept.delete(_NOTICES, number)

    def notices(self, after: int = 0) -> list[Notice]:
        """What the program is still to be told, in order."""
        found = self._kept.scan(_NOTICES, after=_key(after))
        return [Notice.from_json(decode_json(value)) for _, value in found]

    def begin(self, connection_id: str, message_id: int) -> bool:
        """A message is about to be handled; returns whether that was begun before."""
        before, number = self._kept.get(_BEGUN, connection_id.encode()), _key(message_id)
        if before != number:
            self._kept.put(_BEGUN, connection_id.encode(), number)
        return before == number

    # --- invitations ----------------------------------------------------------------------------

    def add_invitation(self, invitation: InvitationRecord) -> None:
        """Keep an invitation until it is opened."""
        connection_id = invitation.connection_id.encode()
        self._kept.put(_INVITATIONS, connection_id, _encoded(invitation))
        for link in invitation.links:
            self._kept.put(_OWN_LINKS, _hashed(link), connection_id)

    def invitation(self, connection_id: str) -> InvitationRecord | None:
        """The invitation with this connection."""
        return self._get(InvitationRecord, _INVITATIONS, connection_id.encode())

    def invitation_with(self, link: str) -> InvitationRecord | None:
        """The invitation with this link."""
        found = self._kept.get(_OWN_LINKS, _hashed(link))
        return None if found is None else self.invitation(found.decode())

    def invitations(self, *, after: str = "", limit: int = 1000) -> list[InvitationRecord]:
        """Invitations in the order of their connections' ids."""
        found = self._kept.scan(_INVITATIONS, after=after.encode(), limit=limit)
        return [InvitationRecord.from_json(decode_json(value)) for _, value in found]

    def remove_invitation(self, invitation: InvitationRecord) -> None:
        """Forget an invitation, which was opened or taken back."""
        self._kept.delete(_INVITATIONS, invitation.connection_id.encode())
        for link in invitation.links:
            self._kept.delete(_OWN_LINKS, _hashed(link))

    def add_unfinished_invitation(self, connection_id: str) -> None:
        """Note that the program has still to get the links of an invitation."""
        self._kept.put(_UNFINISHED, connection_id.encode(), b"")

    def remove_unfinished_invitation(self, connection_id: str) -> None:
        """The program has them, or the invitation is gone."""
        self._kept.delete(_UNFINISHED, connection_id.encode())

    def unfinished_invitations(self) -> list[str]:
        """The connections of invitations whose links the program has still to get, or some."""
        return [key.decode() for key, _ in self._kept.scan(_UNFINISHED)]

    # --- of the program itself ------------------------------------------------------------------

    @property
    def profile(self) -> Profile | None:
        """The profile that contacts were told last."""
        return self._get(Profile, _MAIN, b"profile")

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._kept.put(_MAIN, b"profile", _encoded(profile))

    @property
    def address(self) -> AddressRecord | None:
        """The program's address, if it has one."""
        return self._get(AddressRecord, _MAIN, b"address")

    @address.setter
    def address(self, address: AddressRecord | None) -> None:
        if address is None:
            self._kept.delete(_MAIN, b"address")
        else:
            self._kept.put(_MAIN, b"address", _encoded(address))

    @property
    def is_bots(self) -> bool:
        """Whether a bot has had the store open, and counts on what happens in it."""
        return self._kept.get(_MAIN, b"bot") is not None

    @is_bots.setter
    def is_bots(self, value: bool) -> None:
        if value != self.is_bots:
            assert value, "bots go away with their stores"
            self._kept.put(_MAIN, b"bot", b"1")
