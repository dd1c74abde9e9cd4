"""What is stored of messages and requests, beside the connection that they belong to."""

from __future__ import annotations

from enum import Enum
from typing import final

from simplex_trio.crypto.keys import Ed25519PrivateKey
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = [
    "MAX_REQUESTS",
    "Delivery",
    "DeliveryKind",
    "EarlyArrival",
    "LeavingUser",
    "LookedLink",
    "ReceivedMessage",
    "Request",
    "SentMessage",
    "SilentRouter",
]


class DeliveryKind(Enum):
    """What an outgoing message is, as far as its delivery depends on it."""

    CONFIRMATION = 1
    HELLO = 2
    MESSAGE = 3
    """The program's."""
    SERVICE = 4
    """The agents' own: receipts, and that sending may go on."""
    RATCHET_KEY = 5
    """A key for a new ratchet, which only the queue's own encryption protects."""
    EREADY = 6
    """The first message through a new ratchet."""
    ROTATION = 7
    """About the move of a queue; it is never too old to be sent."""


@final
@frozen(repr=False)
class Delivery(Redacted):
    """A message on its way to one queue; the queue takes one at a time, in order."""

    connection_id: str
    queue: int
    """The number of the sending queue."""
    message_id: int
    kind: DeliveryKind
    notify: bool
    created_at: int
    nonce: bytes
    """For the box around it: repeated attempts send the same bytes."""
    plaintext: bytes
    """The agent message, up to the body if that is stored apart."""
    body: int | None
    """The row of a body that several messages share; it follows ``plaintext``."""
    sending_key: bytes | None
    """What the ratchet encrypts it with; `None` for a confirmation, which is encrypted already, for
    a key of a new ratchet, and while it is held back."""
    padded_length: int
    first_failure: float | None = None
    wait: float | None = None
    """How long the last wait between attempts was, in seconds."""
    problem: str | None = None
    """The problem that the program was warned of last."""
    is_held: bool = False
    """Whether it waits for a new ratchet.  It has no number and no key then, and ``plaintext`` is
    the body, without the part that is stored apart."""
    is_taken: bool = False
    """Whether the message has reached another queue of the peer, so that this is a copy."""


@final
@frozen(repr=False)
class SentMessage(Redacted):
    """A message of the program that was sent, kept for its receipt."""

    connection_id: str
    message_id: int
    sender_message_id: int
    message_hash: bytes
    created_at: int
    is_disputed: bool = False
    """Whether a receipt with another hash has come; no further one is told."""


@final
@frozen(repr=False)
class ReceivedMessage(Redacted):
    """A message that the program has not acknowledged."""

    connection_id: str
    message_id: int
    queue: int
    sender_message_id: int
    message_hash: bytes


@final
@frozen(repr=False)
class EarlyArrival(Redacted):
    """What a router has delivered before its turn, while messages come through two queues."""

    connection_id: str
    queue: int
    """The number of the receiving queue."""
    broker_id: bytes
    timestamp: int
    body: bytes
    sender_message_id: int
    waits_since: int


@final
@frozen(repr=False)
class SilentRouter(Redacted):
    """A router that cannot be reached, while others can."""

    server: ServerAddress
    since: int


MAX_REQUESTS = 1000
"""So many requests to an address wait for the program, some kilobytes each.  With one more the
address' queue is read no further, so that its router says that it is full, until the program has
accepted or rejected one."""


@final
@frozen(repr=False)
class Request(Redacted):
    """A peer's request for a connection, which came to a contact address."""

    request_id: str
    address_id: str
    """The connection of the address."""
    invitation: str
    """What to join: the text of an invitation."""
    info: bytes
    envelope_hash: bytes
    created_at: int


@final
@frozen(repr=False)
class LookedLink(Redacted):
    """A one-time link whose data was read, which has secured its queue with this side's key."""

    user: str
    link_hash: bytes
    link_key: Ed25519PrivateKey
    looked_at: int


@final
@frozen(repr=False)
class LeavingUser(Redacted):
    """A user who is being deleted: the program is told once the last connection is gone."""

    user: str
