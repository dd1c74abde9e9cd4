"""Creating a queue: NEW with its options, and the answer IDS.

A queue is either for *messaging*, and its sender may secure it, or for *contact*, and every client
may send to it.  Either may have a short link, whose data the router stores, and a notifier, to
which the router announces messages.
"""

from __future__ import annotations

from typing import ClassVar, Self

from simplex_trio.crypto.keys import AuthPublicKey, X25519PublicKey, auth_public_key
from simplex_trio.errors import DecodeError
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.basic_auth import decode_basic_auth, encode_basic_auth
from simplex_trio.wire.buffer import Reader, boolean, maybe, short
from simplex_trio.wire.credentials import CommandCredentials, MessageEntity
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.smp.base import Command, Message
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.versions import SMPVersion

__all__ = [
    "IDS",
    "NEW",
    "ContactLink",
    "ContactRequest",
    "MessagingLink",
    "MessagingRequest",
    "NotifierIds",
    "NotifierKeys",
    "QueueMode",
    "QueueRequest",
]


@frozen(repr=False)
class MessagingLink(Redacted):
    """The link of a one-time invitation; the router chooses its id.

    The client chooses the sender id, so that it can be part of the link's data.  The id is the
    start of a hash of NEW's correlation id, which keeps clients from probing for ids in use.
    """

    sender_id: bytes
    data: QueueLinkData


@frozen(repr=False)
class ContactLink(Redacted):
    """The link of a contact address; its id is derived from its data, so the client knows it."""

    link_id: bytes
    sender_id: bytes
    data: QueueLinkData


@frozen(repr=False)
class MessagingRequest(Redacted):
    """Requests a messaging queue."""

    link: MessagingLink | None = None

    def encode(self) -> bytes:
        if self.link is None:
            return b"M0"
        return b"M1" + short(self.link.sender_id) + self.link.data.encode()


@frozen(repr=False)
class ContactRequest(Redacted):
    """Requests a contact queue."""

    link: ContactLink | None = None

    def encode(self) -> bytes:
        link = self.link
        if link is None:
            return b"C0"
        return b"C1" + short(link.link_id) + short(link.sender_id) + link.data.encode()


QueueRequest = MessagingRequest | ContactRequest
"""The kind of queue that NEW requests."""


def _decode_queue_request(reader: Reader) -> QueueRequest:
    """Read a request in the form of version 15 and later."""
    match QueueMode.decode(reader):
        case QueueMode.MESSAGING:
            return MessagingRequest(
                reader.maybe(lambda: MessagingLink(reader.short(), QueueLinkData.decode(reader)))
            )
        case QueueMode.CONTACT:
            return ContactRequest(
                reader.maybe(
                    lambda: ContactLink(
                        reader.short(), reader.short(), QueueLinkData.decode(reader)
                    )
                )
            )


@frozen(repr=False)
class NotifierKeys(Redacted):
    """The key that the notifier subscribes with, and the recipient's half of a key agreement.

    The agreed key encrypts the metadata in notifications.
    """

    auth_key: AuthPublicKey
    dh_key: X25519PublicKey

    def encode(self) -> bytes:
        return short(self.auth_key.der) + short(self.dh_key.der)

    @classmethod
    def decode(cls, reader: Reader) -> NotifierKeys:
        return cls(auth_public_key(reader.short()), X25519PublicKey.from_der(reader.short()))


@frozen(repr=False)
class NotifierIds(Redacted):
    """The id that the notifier subscribes to, and the router's half of the key agreement."""

    notifier_id: bytes
    dh_key: X25519PublicKey

    def encode(self) -> bytes:
        return short(self.notifier_id) + short(self.dh_key.der)

    @classmethod
    def decode(cls, reader: Reader) -> NotifierIds:
        return cls(reader.short(), X25519PublicKey.from_der(reader.short()))


@frozen(repr=False)
class NEW(Command):
    """Create a queue.

    ``auth_key`` will authorize the owner's commands.  ``dh_key`` is the owner's half of the
    agreement on the key that encrypts deliveries.  ``basic_auth`` is the router's password for
    creating queues, if it has one.  Before version 9 a request cannot choose the kind of queue,
    before 15 it cannot have a link, and before 17 a notifier must be added later, with NKEY.
    """

    TAG: ClassVar[bytes] = b"NEW"
    CREDENTIALS: ClassVar[CommandCredentials] = CommandCredentials.KEY_ONLY
    USES_SERVICE_SIGNATURE: ClassVar[bool] = True

    auth_key: AuthPublicKey
    dh_key: X25519PublicKey
    basic_auth: bytes | None = None
    subscribe: bool = True
    queue_request: QueueRequest | None = None
    notifier: NotifierKeys | None = None

    @property
    def required_version(self) -> int:
        if self.notifier is not None:
            return SMPVersion.NEW_WITH_NOTIFIER
        if self.queue_request is None:
            return self.MIN_VERSION
        if self.queue_request.link is not None:
            return SMPVersion.SHORT_LINKS
        return SMPVersion.SENDER_SECURES

    def encode(self, version: int) -> bytes:
        parts = [b"NEW ", short(self.auth_key.der), short(self.dh_key.der)]
        mode = b"S" if self.subscribe else b"C"
        if version < SMPVersion.SENDER_SECURES:
            if self.basic_auth is not None:
                parts += b"A", encode_basic_auth(self.basic_auth)
            parts.append(mode)
            return b"".join(parts)
        parts += maybe(self.basic_auth, encode_basic_auth), mode
        if version < SMPVersion.SHORT_LINKS:
            parts.append(boolean(isinstance(self.queue_request, MessagingRequest)))
            return b"".join(parts)
        parts.append(b"0" if self.queue_request is None else b"1" + self.queue_request.encode())
        if version >= SMPVersion.NEW_WITH_NOTIFIER:
            parts.append(b"0" if self.notifier is None else b"1" + self.notifier.encode())
        return b"".join(parts)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        auth_key = auth_public_key(reader.short())
        dh_key = X25519PublicKey.from_der(reader.short())
        basic_auth: bytes | None = None
        request: QueueRequest | None = None
        notifier: NotifierKeys | None = None
        if version >= SMPVersion.SENDER_SECURES:
            basic_auth = reader.maybe(lambda: decode_basic_auth(reader))
        elif reader.peek() == b"A":
            reader.expect(b"A")
            basic_auth = decode_basic_auth(reader)
        subscribe = _read_subscribe(reader)
        if version >= SMPVersion.SHORT_LINKS:
            request = reader.maybe(lambda: _decode_queue_request(reader))
        elif version >= SMPVersion.SENDER_SECURES:
            request = MessagingRequest() if reader.boolean() else ContactRequest()
        if version >= SMPVersion.NEW_WITH_NOTIFIER:
            notifier = reader.maybe(lambda: NotifierKeys.decode(reader))
        return cls(auth_key, dh_key, basic_auth, subscribe, request, notifier)


def _read_subscribe(reader: Reader) -> bool:
    match reader.take(1):
        case b"S":
            return True
        case b"C":
            return False
        case _:
            raise DecodeError("not a subscription mode")


@frozen(repr=False)
class IDS(Message):
    """A queue was created.

    ``dh_key`` is the router's half of the agreement on the key that encrypts deliveries.  Before
    version 9 there is no ``queue_mode``, before 15 no ``link_id``, before 16 no ``service_id`` and
    before 17 no ``notifier``.  From 9 to 14 a queue without a mode is read as one for contact.
    """

    TAG: ClassVar[bytes] = b"IDS"
    ENTITY: ClassVar[MessageEntity] = MessageEntity.ANY

    recipient_id: bytes
    sender_id: bytes
    dh_key: X25519PublicKey
    queue_mode: QueueMode | None = None
    link_id: bytes | None = None
    service_id: bytes | None = None
    notifier: NotifierIds | None = None

    @property
    def required_version(self) -> int:
        if self.notifier is not None:
            return SMPVersion.NEW_WITH_NOTIFIER
        if self.service_id is not None:
            return SMPVersion.SERVICES
        if self.link_id is not None:
            return SMPVersion.SHORT_LINKS
        if self.queue_mode is not None:
            return SMPVersion.SENDER_SECURES
        return self.MIN_VERSION

    def encode(self, version: int) -> bytes:
        mode = self.queue_mode
        parts = [b"IDS ", short(self.recipient_id), short(self.sender_id), short(self.dh_key.der)]
        if version >= SMPVersion.SHORT_LINKS:
            parts += b"0" if mode is None else b"1" + mode.value, maybe(self.link_id, short)
            if version >= SMPVersion.SERVICES:
                parts.append(maybe(self.service_id, short))
            if version >= SMPVersion.NEW_WITH_NOTIFIER:
                parts.append(b"0" if self.notifier is None else b"1" + self.notifier.encode())
        elif version >= SMPVersion.SENDER_SECURES:
            parts.append(boolean(mode is QueueMode.MESSAGING))
        return b"".join(parts)

    @classmethod
    def decode_parameters(cls, reader: Reader, version: int) -> Self:
        reader.expect(b" ")
        recipient_id, sender_id = reader.short(), reader.short()
        dh_key = X25519PublicKey.from_der(reader.short())
        mode: QueueMode | None = None
        link_id: bytes | None = None
        service_id: bytes | None = None
        notifier: NotifierIds | None = None
        if version >= SMPVersion.SHORT_LINKS:
            mode = reader.maybe(lambda: QueueMode.decode(reader))
            link_id = reader.maybe(reader.short)
            if version >= SMPVersion.SERVICES:
                service_id = reader.maybe(reader.short)
            if version >= SMPVersion.NEW_WITH_NOTIFIER:
                notifier = reader.maybe(lambda: NotifierIds.decode(reader))
        elif version >= SMPVersion.SENDER_SECURES:
            mode = QueueMode.MESSAGING if reader.boolean() else QueueMode.CONTACT
        return cls(recipient_id, sender_id, dh_key, mode, link_id, service_id, notifier)
