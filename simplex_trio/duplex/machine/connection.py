"""Connections and their queues, as they are stored."""

from __future__ import annotations

from enum import Enum
from typing import final

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPublicKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_trio.frozen import frozen
from simplex_trio.ratchet.state import Ratchet
from simplex_trio.ratchet.x3dh import X3DHPrivateKeys
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.duplex.short_links import ContactKind
from simplex_trio.wire.duplex.x3dh_keys import X3DHKeys
from simplex_trio.wire.queue_mode import QueueMode
from simplex_trio.wire.queue_uris import VersionedQueue

__all__ = [
    "NOT_SYNCHRONISED",
    "Acknowledgement",
    "Connection",
    "ConnectionKind",
    "Deletion",
    "ReceivingQueue",
    "ReceivingStatus",
    "SendingQueue",
    "SendingStatus",
    "SubscribedQueue",
    "Suspension",
    "Synchrony",
]


class ConnectionKind(Enum):
    """What a connection is for."""

    DUPLEX = 1
    """Two programs send to each other."""
    ADDRESS = 2
    """A contact address, which receives requests for connections."""


class ReceivingStatus(Enum):
    """How far a queue to receive from has come."""

    PLANNED = 0
    """Its keys are stored; the router has not answered NEW yet."""
    NEW = 1
    """It exists, and nothing has come from the peer."""
    CONFIRMED = 2
    """The peer's confirmation has come, and with it the secret of the queue."""
    SECURED = 3
    """KEY has made it the peer's alone; only in the slow handshake."""
    ACTIVE = 4
    """A message after the confirmation has come."""


class SendingStatus(Enum):
    """How far a queue to send to has come."""

    NEW = 1
    """Its address is known."""
    SECURED = 2
    """SKEY or LKEY has made it this side's alone."""
    CONFIRMED = 3
    """The router has taken this side's confirmation."""
    ACTIVE = 4
    """The handshake of this side is over."""


class Acknowledgement(Enum):
    """What is to become of the message that a router has delivered last."""

    NONE = 0
    """It was acknowledged, or there has been none."""
    HELD = 1
    """The program has to acknowledge it first."""
    DUE = 2
    """The router is to be told."""
    EARLY = 3
    """Another message has to come first, through another queue."""


class Suspension(Enum):
    """Whether a queue accepts messages."""

    NO = 0
    DUE = 1
    """The router is to be told."""
    DONE = 2


class Deletion(Enum):
    """Whether a connection is being deleted."""

    NO = 0
    AFTER_DELIVERY = 1
    """As soon as the queued messages have been delivered or have failed."""
    NOW = 2


class Synchrony(Enum):
    """Whether both sides have the same ratchet, as far as this side can tell.

    Messages of the program can be sent in the first two states alone.
    """

    OK = 0
    """Nothing says that they have not."""
    ALLOWED = 1
    """A message could not be decrypted, which may have been damaged: a new ratchet may help."""
    REQUIRED = 2
    """A message could not be decrypted, and none will be before there is a new ratchet."""
    STARTED = 3
    """This side has sent a key for a new ratchet, and waits for the peer's."""
    AGREED = 4
    """Both sides have sent keys; nothing has come yet that the new ratchet decrypts."""
    ANSWERING = 5
    """The new ratchet has decrypted a message, and the peer is being told."""


NOT_SYNCHRONISED = frozenset(Synchrony) - {Synchrony.OK, Synchrony.ALLOWED}
"""The states in which messages of the program cannot be sent."""


@final
@frozen(repr=False)
class Connection(Redacted):
    """A connection of two programs, or a contact address."""

    connection_id: str
    user: str
    kind: ConnectionKind
    created_at: int
    is_joiner: bool = False
    """Whether this side has joined an invitation of the peer."""
    agent_version: int = 0
    """The version that both sides have agreed on; 0 before that."""
    pq: bool = False
    """Whether the KEM is supported, which makes room for its keys in every message."""
    info: bytes | None = None
    """What the program tells of itself, until the confirmation is made."""
    is_requester: bool = False
    """Whether this side has asked a contact address, and offers its queue to that alone."""
    decides: bool = False
    """Whether the program accepts the peer's confirmation that answers a request to an address;
    otherwise that needs no call."""

    # A contact address.
    client_data: str | None = None
    """What the program adds to its connection request, for good."""
    contact_kind: ContactKind = ContactKind.CONTACT
    """What its short link says that it leads to."""

    # Joining, in the order in which these are used up.
    link: str | None = None
    """The short link whose data is to be read."""
    link_hash: bytes | None = None
    """Tells whether a link was joined already."""
    link_key: Ed25519PrivateKey | None = None
    """Secures the queue of a one-time link at the moment when the link's data is read."""
    address: str | None = None
    """The contact address that the request goes to."""
    request: bytes | None = None
    """The request itself, as SEND takes it, from when this side's queue exists until it is sent."""

    # Being joined.
    confirmation_id: str | None = None
    """The peer's confirmation, while it waits to be accepted."""
    reply_queue: VersionedQueue | None = None
    """The queue in it."""

    x3dh: X3DHPrivateKeys | None = None
    ratchet: Ratchet | None = None
    ready: bool = False

    last_message_id: int = 0
    """Of messages in both directions; what the program is told."""
    last_sent: int = 0
    """The number of the last message to the peer, which has it in its header."""
    last_received: int = 0
    """The number of the last message from the peer, by the peer's count."""
    sent_hash: bytes = b""
    received_hash: bytes = b""

    # A new ratchet: see `simplex_trio.duplex.machine.resynchronising`.
    synchrony: Synchrony = Synchrony.OK
    own_keys: X3DHPrivateKeys | None = None
    """This side's keys for it, until it has decrypted a message."""
    own_keys_at: int = 0
    """When they were made."""
    earlier_keys: X3DHPrivateKeys | None = None
    """Those that ``own_keys`` have replaced, while the peer may answer them."""
    answers: int = 0
    """How often keys were replaced because the peer may have used them."""
    key_number: int = 0
    """The number of the last message to the peer before ``own_keys`` were sent first."""
    old_ratchet: Ratchet | None = None
    """The one before the last new one, for what the peer had sent through it."""
    other_ratchet: Ratchet | None = None
    """What the peer may have in place of ``ratchet``: the first message tells."""
    peer_key_hash: bytes | None = None
    """Of the peer's key that this side has used last."""
    asked_keys: X3DHKeys | None = None
    """The peer's keys, while they wait for the program to answer them."""

    deletion: Deletion = Deletion.NO
    rotation_ended_at: int = 0
    """When moving this side's queue was last aborted or has failed; it is not tried by itself again
    for some time."""
    notify: bool = True
    """Whether notifications tell of its messages, if the device has any."""

    @property
    def is_synchronised(self) -> bool:
        """Whether messages of the program can be sent, as far as the ratchet is concerned."""
        return self.synchrony not in NOT_SYNCHRONISED


@final
@frozen(repr=False)
class ReceivingQueue(Redacted):
    """A queue that this side receives from."""

    connection_id: str
    number: int
    mode: QueueMode | None
    """`None` on a router that knows of no modes, so that the peer cannot secure the queue."""
    auth_key: Ed25519PrivateKey
    e2e_key: X25519PrivateKey
    client_version: int
    """The highest version of client messages until the peer's is known, then the agreed one."""
    status: ReceivingStatus = ReceivingStatus.PLANNED
    server: ServerAddress | None = None
    """`None` while it is planned and any server will do."""
    recipient_id: bytes = b""
    sender_id: bytes = b""
    delivery_key: BoxKey | None = None
    e2e_secret: BoxKey | None = None
    """What the peer's messages are sealed with; `None` before the confirmation, and always for a
    contact address, where each request has a secret of its own."""
    sender_key: AuthPublicKey | None = None
    """The key that KEY is still to secure the queue with."""
    broker_id: bytes = b""
    """The router's id of the last message that it delivered."""
    acknowledgement: Acknowledgement = Acknowledgement.NONE
    held_message_id: int = 0
    """The message that the program has to acknowledge."""
    suspension: Suspension = Suspension.NO
    is_deleted: bool = False
    replaces: int = 0
    """The number of the queue that this one takes the place of, until that is deleted."""
    awaits_key: bool = False
    """Whether the peer's key for a new ratchet has come through another queue first: what comes
    through this one before that key is of the ratchet before, which is gone."""

    # A short link.
    wants_link: bool = False
    link_data: bytes = b""
    """What the program shows in the link's data."""
    link_due: bool = False
    """Whether the router is to be told ``link_data``, or that there is no link any more."""
    root_key: Ed25519PrivateKey | None = None
    link_id: bytes | None = None
    link_secret: bytes | None = None
    """The key that is in the link."""
    sealed_fixed: bytes | None = None
    """The part of the link's data that never changes, as the router has it."""
    correlation_id: bytes | None = None
    """Chosen before NEW, if the link was prepared."""

    # Notifications.
    broker_timestamp: int = 0
    """When the router got the last message that it delivered, by its clock."""
    notifier_key: Ed25519PrivateKey | None = None
    """What a notification router subscribes with."""
    notifier_id: bytes = b""
    """Empty if the queue has no notifier."""
    notifier_secret: BoxKey | None = None
    """Opens what the router says of messages to the notifier."""
    subscription_id: bytes = b""
    """At the notification router of the current token; empty if there is none."""
    notify_due_at: int = 0
    """Before this time nothing more is done to be notified of its messages."""


@final
@frozen(repr=False)
class SubscribedQueue(Redacted):
    """What subscribing to a queue needs of it; of a queue that exists on a router."""

    connection_id: str
    number: int
    server: ServerAddress
    recipient_id: bytes
    auth_key: Ed25519PrivateKey
    delivery_key: BoxKey | None
    e2e_key: X25519PrivateKey


@final
@frozen(repr=False)
class SendingQueue(Redacted):
    """A queue that this side sends to."""

    connection_id: str
    number: int
    server: ServerAddress
    sender_id: bytes
    mode: QueueMode | None
    auth_key: Ed25519PrivateKey
    e2e_key: X25519PublicKey
    """This side's half of the agreement, which the confirmation shows."""
    e2e_secret: BoxKey
    client_version: int
    status: SendingStatus = SendingStatus.NEW
    replaces: int = 0
    """The number of the queue that this one takes the place of, until it is known to work."""

    @property
    def is_held_back(self) -> bool:
        """Whether the peer has still to say that this queue may be used."""
        return self.replaces > 0 and self.status is SendingStatus.NEW

    @property
    def is_sender_secured(self) -> bool:
        """Whether this side secures the queue, and not its owner."""
        return self.mode is QueueMode.MESSAGING
