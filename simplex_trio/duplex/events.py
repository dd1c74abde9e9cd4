"""The events of a `DuplexAgent`, and what a program should do about each.

Events about connections and files are stored together with what they tell of, and come again after
a restart until the program has asked for the next one; a `PeerMessage` comes again until it is
acknowledged.  Those about routers, and the progress of files, are only told while they are true.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias, final

from simplex_trio.duplex.file_events import AnyFileEvent
from simplex_trio.duplex.kept_event import KeptEvent
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.ntf.statuses import InvalidReason, TokenState

__all__ = [
    "ConfirmationReceived",
    "ConnectionDeleted",
    "ConnectionEvent",
    "ConnectionFailed",
    "ConnectionReady",
    "ConnectionSuspended",
    "ConnectionWarning",
    "DeliveryFailed",
    "DeliveryWarning",
    "DuplexEvent",
    "Integrity",
    "InvitationReady",
    "JoinSent",
    "KeptEvent",
    "LinkUpdated",
    "MessageSent",
    "NotificationTokenChanged",
    "PeerInfo",
    "PeerMessage",
    "Problem",
    "QueueLost",
    "RatchetBroken",
    "ReceiptReceived",
    "ReceivingProblem",
    "RequestReceived",
    "ResynchronisationFailed",
    "ResynchronisationRequested",
    "Resynchronised",
    "RotationPhase",
    "RotationProgress",
    "RotationSide",
    "RouterDown",
    "RouterUp",
    "SecurityCodeChanged",
    "SendingResumed",
    "UserDeleted",
]


class Problem(Enum):
    """What went wrong, as far as a program can tell the difference."""

    NETWORK = "network"
    """Routers could not be reached, or did not answer in time."""
    QUOTA = "quota"
    """The peer's queue is full, because the peer does not read it."""
    QUEUE_GONE = "queue gone"
    """The router does not know the queue, or not this side's key: it was deleted, or secured by
    another program."""
    REFUSED = "refused"
    """A router has refused for another reason."""
    LINK = "link"
    """The data of a link is not what the link promises, or is of a kind that cannot be used."""
    VERSION = "version"
    """The peer speaks no version that is spoken here, but only older ones."""
    NEWER_AGENT = "needs a newer agent"
    """The peer has sent what only later versions of this program can read: update it, and ask the
    peer to do again what it did.  Everything else goes on."""
    DECRYPTION = "decryption"
    """A message cannot be decrypted: the two sides have lost each other, or it was damaged."""
    MALFORMED = "malformed"
    """A message makes no sense, or a router has damaged it."""
    UNEXPECTED = "unexpected"
    """A message that does not belong here, such as a second confirmation."""
    TOO_LARGE = "too large"
    """What the program tells of itself does not fit beside the rest of a confirmation, or an
    address' client data does not fit beside the rest of a short link."""
    UNKNOWN_KIND = "unknown kind"
    """A message of a kind that came with a later version.  What it was for does not happen, and
    nothing has to be done; messages go on."""


class Integrity(Enum):
    """Whether messages of the peer are missing before this one.  It never holds a message up."""

    OK = "ok"
    SKIPPED = "skipped"
    """Messages before it have not come."""
    BAD_ID = "bad id"
    """It has a lower number than one that has come."""
    BAD_HASH = "bad hash"
    """The message before it was another than the one that has come."""
    DUPLICATE = "duplicate"
    """It has the number of the one that came last."""


@frozen(repr=False)
class ConnectionEvent(KeptEvent):
    """Base of the events of one connection."""

    connection_id: str


# --- connecting ---------------------------------------------------------------------------------


@final
@frozen(repr=False)
class InvitationReady(ConnectionEvent):
    """An invitation or a contact address that was created in the background can be passed on.

    It is not told if a call has waited for it, which has the links then.
    """

    link: str
    """The long link."""
    short_link: str | None = None


@final
@frozen(repr=False)
class JoinSent(ConnectionEvent):
    """The confirmation or the request of a connection that was joined is with the peer's router.

    Nothing has to be done; `ConnectionReady` follows when the peer has answered.
    """

    can_send: bool
    """Whether messages may be sent already; the peer gets them once it has accepted."""


@final
@frozen(repr=False)
class ConfirmationReceived(ConnectionEvent):
    """A peer has joined an invitation.  Call `DuplexAgent.accept` or `DuplexAgent.reject`.

    It also tells of the answer to a request to a contact address, if that was joined with
    ``decides``.  Until the call the peer waits, and so does what it has sent already.  If this
    comes again, accepting again changes nothing.
    """

    confirmation_id: str
    info: bytes
    """What the peer tells of itself."""
    pq: bool
    """Whether both sides can use the KEM, and want to."""
    servers: tuple[ServerAddress, ...]
    """Where the peer wants to be sent to."""


@final
@frozen(repr=False)
class RequestReceived(ConnectionEvent):
    """A peer asks for a connection through a contact address, the one with ``connection_id``.

    Call `DuplexAgent.accept`, which makes a new connection, or `DuplexAgent.reject`.  If this comes
    again, accepting again gives the same connection; a request that was rejected is `CannotAccept`.
    """

    request_id: str
    info: bytes
    """What the peer tells of itself."""
    pq: bool
    """Whether the peer can use the KEM; not whether it wants to."""
    servers: tuple[ServerAddress, ...]
    """Where the peer wants to be sent to."""


@final
@frozen(repr=False)
class PeerInfo(ConnectionEvent):
    """What the peer tells of itself, to the side that has joined, unless that was with ``decides``.

    Nothing has to be done.  To refuse this peer, delete the connection.
    """

    info: bytes
    pq: bool
    """Whether the KEM has protected this."""


@final
@frozen(repr=False)
class ConnectionReady(ConnectionEvent):
    """Both sides can send.  It comes once, and messages of the peer may come before it."""

    pq: bool
    """Whether messages are protected by the KEM now; it may be switched on and off later."""


@final
@frozen(repr=False)
class ConnectionFailed(ConnectionEvent):
    """The connection cannot be made.  Delete it, and ask the peer for a new link.

    If a call has waited for it, which raises, it is being deleted already, and `ConnectionDeleted`
    follows; `DuplexAgent.delete` then raises `UnknownConnection` or does nothing.
    """

    problem: Problem


@final
@frozen(repr=False)
class ConnectionWarning(ConnectionEvent):
    """A step of making a connection, or another change that was asked for, has to wait.

    It is tried again, and this is told once for each problem; not where a call has waited for it,
    which has raised the error.  Nothing has to be done, but people may want to know.
    """

    problem: Problem


@final
@frozen(repr=False)
class LinkUpdated(ConnectionEvent):
    """The router has the new data of a link, or the link is deleted, or the change was refused."""

    problem: Problem | None
    """`None` if it was done; otherwise `DuplexAgent.change_link` may be called again."""


@final
@frozen(repr=False)
class ConnectionSuspended(ConnectionEvent):
    """No router takes messages for a connection any more that was suspended, and none ever will.

    Nothing has to be done.  Messages that a router has taken before still come.
    """


@final
@frozen(repr=False)
class ConnectionDeleted(ConnectionEvent):
    """All queues of a deleted connection are gone; its id is not known any more.

    Those of routers that could not be reached for a week are left to them.
    """


@final
@frozen(repr=False)
class UserDeleted(KeptEvent):
    """All connections are gone that a user had when `DuplexAgent.delete_user` was called."""

    user: str


# --- sending ------------------------------------------------------------------------------------


@final
@frozen(repr=False)
class MessageSent(ConnectionEvent):
    """The peer's router has taken a message."""

    message_id: int
    proxied: bool
    """Whether it went through a proxy, which hides the sender's address from that router."""


@final
@frozen(repr=False)
class DeliveryWarning(ConnectionEvent):
    """A message has not been taken yet and will be tried again; told once for each problem.

    Nothing has to be done, but people may want to know.
    """

    message_id: int
    problem: Problem


@final
@frozen(repr=False)
class DeliveryFailed(ConnectionEvent):
    """Messages were given up: tell the user, or send their content again.

    With `Problem.DECRYPTION` the peer's router had taken them, so that `MessageSent` was told, and
    the peer has said since that it could not decrypt them.
    """

    message_ids: tuple[int, ...]
    problem: Problem


@final
@frozen(repr=False)
class ReceiptReceived(ConnectionEvent):
    """The peer's program has taken care of a message.  This needs no acknowledgement."""

    message_id: int
    intact: bool
    """Whether the peer received what was sent, by its hash."""
    info: bytes
    """What the peer's program has added."""


@final
@frozen(repr=False)
class SendingResumed(ConnectionEvent):
    """The peer has read its full queue; what waits is sent now, and nothing has to be done."""


# --- receiving ----------------------------------------------------------------------------------


@final
@frozen(repr=False)
class PeerMessage(ConnectionEvent):
    """A message.  Call `DuplexAgent.acknowledge` once it is taken care of; the next one follows.

    It comes again after a restart, with the same id, if it was not acknowledged.  Only after a loss
    of power that id may be another; ``sender_message_id`` is always the same.
    """

    message_id: int
    body: bytes
    integrity: Integrity
    skipped: int
    """How many messages before it have not come."""
    pq: bool
    """Whether the KEM has protected it."""
    sender_message_id: int
    """The peer's number for it."""
    broker_timestamp: int
    """When the router got it, in seconds since 1970, by the router's clock."""
    received_at: int
    """When it was decrypted, by this machine's clock."""


@final
@frozen(repr=False)
class ReceivingProblem(ConnectionEvent):
    """Something came that could not be used, and was acknowledged; nothing waits for it.

    While the program has not taken it, it stands for everything of the kind that comes.  For
    `Problem.DECRYPTION` there is also `RatchetBroken`, if that can be repaired.
    """

    problem: Problem


@final
@frozen(repr=False)
class QueueLost(ConnectionEvent):
    """Nothing can be received from a queue any more.

    If it was deleted, connect anew.  Otherwise another program has subscribed to it, with a copy of
    the store: end that program, and call `DuplexAgent.subscribe`.  The agent has taken the queue
    back once, and the other program has subscribed again within ten minutes.
    """

    deleted: bool
    """Whether the router has no such queue, or does not take this side's key for it."""


# --- moving queues ------------------------------------------------------------------------------


class RotationSide(Enum):
    """Which queue of a connection is moved."""

    RECEIVING = "receiving"
    """The one that this side receives from; this side has begun it."""
    SENDING = "sending"
    """The one that this side sends to; the peer has begun it."""


class RotationPhase(Enum):
    """How far the move of a queue has come."""

    STARTED = "started"
    """The new queue is there, and the peer is to be told; or the peer has told of it."""
    CONFIRMED = "confirmed"
    """The sender's keys for the new queue have reached its owner, or the owner's router."""
    SECURED = "secured"
    """The new queue takes messages.  Until it is known to work, all go through both."""
    COMPLETED = "completed"
    """The old queue is not used any more; if it was this side's, it is deleted."""
    ABORTED = "aborted"
    """The new queue was given up, by the program or for another one."""
    FAILED = "failed"
    """The new queue was given up, because a router or the peer does not know it."""


@final
@frozen(repr=False)
class RotationProgress(ConnectionEvent):
    """A queue is being moved to another router.

    Nothing has to be done, and messages go on all the time.  If it has failed on the receiving
    side, `DuplexAgent.rotate` may be called again; on the sending side that is up to the peer.
    """

    side: RotationSide
    phase: RotationPhase
    from_server: ServerAddress
    to_server: ServerAddress | None
    """`None` if it was ended before a router had made the new queue."""
    problem: Problem | None = None
    """Why it has failed."""


# --- notifications ------------------------------------------------------------------------------


@final
@frozen(repr=False)
class NotificationTokenChanged(KeptEvent):
    """The registration of the device at the notification router has another state.

    `TokenState.REGISTERED`: wait for the push with the code, and give it to `Notifications.verify`.
    `TokenState.CONFIRMED` and `TokenState.ACTIVE`: nothing has to be done.
    `TokenState.NEW`: the router has lost the registration, which is made anew; the same as for
    ``REGISTERED`` follows.  `TokenState.INVALID` and `TokenState.EXPIRED`: the push provider does
    not take pushes for this device; get another device token from it, and call
    `Notifications.register`.
    """

    state: TokenState
    reason: InvalidReason | None
    """Why it is invalid, as far as the router says so."""


# --- the ratchet --------------------------------------------------------------------------------


@final
@frozen(repr=False)
class RatchetBroken(ConnectionEvent):
    """A message could not be decrypted: the two sides may have lost each other.

    One of them was restored from a backup, or runs twice.  Call `DuplexAgent.resynchronise`, at
    once or when the user agrees.  `Resynchronised` tells when messages can be decrypted again, by a
    new ratchet or because that was the only one that could not.
    """

    must_resynchronise: bool
    """Whether nothing more can be decrypted, nor sent, until then.  Otherwise the message may have
    been damaged on its way, and everything goes on."""


@final
@frozen(repr=False)
class ResynchronisationRequested(ConnectionEvent):
    """The peer has sent a key for a new ratchet, and this agent is not to answer by itself.

    Call `DuplexAgent.resynchronise` to answer it, after asking the user for example; until then the
    peer sends nothing.  Told only with ``answers_resynchronisation=False`` in the `DuplexConfig`.
    """


@final
@frozen(repr=False)
class SecurityCodeChanged(ConnectionEvent):
    """There is a new ratchet, whose keys only the queue has protected.

    If people have compared the security code, tell them that it is another one, and that they may
    compare it again.  `Resynchronised` follows when the peer is known to have the ratchet too.  It
    is told once for several changes if the program has not taken it meanwhile.
    """

    security_code: str


@final
@frozen(repr=False)
class Resynchronised(ConnectionEvent):
    """Both sides can decrypt what the other sends, and messages can be sent again.

    Messages that were queued before are being sent; those that did not reach the peer were told as
    `DeliveryFailed`.
    """

    pq: bool
    """Whether messages are protected by the KEM now; it may take another message each way."""


@final
@frozen(repr=False)
class ResynchronisationFailed(ConnectionEvent):
    """The peer's router has not taken what a new ratchet needs.

    Call `DuplexAgent.resynchronise` again later, or connect anew if the queue is gone.
    """

    problem: Problem


# --- routers ------------------------------------------------------------------------------------


@final
@frozen(repr=False)
class RouterUp(Redacted):
    """The queues of these connections at a router are subscribed to, so what is there comes."""

    server: ServerAddress
    connection_ids: tuple[str, ...]


@final
@frozen(repr=False)
class RouterDown(Redacted):
    """The connection to a router has ended; these are subscribed to again as soon as possible."""

    server: ServerAddress
    connection_ids: tuple[str, ...]


DuplexEvent: TypeAlias = (
    InvitationReady
    | JoinSent
    | ConfirmationReceived
    | RequestReceived
    | PeerInfo
    | ConnectionReady
    | ConnectionFailed
    | ConnectionWarning
    | LinkUpdated
    | ConnectionSuspended
    | ConnectionDeleted
    | UserDeleted
    | MessageSent
    | DeliveryWarning
    | DeliveryFailed
    | ReceiptReceived
    | SendingResumed
    | PeerMessage
    | ReceivingProblem
    | QueueLost
    | NotificationTokenChanged
    | RatchetBroken
    | ResynchronisationRequested
    | SecurityCodeChanged
    | Resynchronised
    | ResynchronisationFailed
    | RotationProgress
    | AnyFileEvent
    | RouterUp
    | RouterDown
)
"""Everything that `DuplexAgent.events` can bring."""
