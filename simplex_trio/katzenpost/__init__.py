"""A client of the Katzenpost mixnet's local daemon.

`open_thin_client` connects to the daemon; the `ThinClient` that it gives finds services, sends them
messages, and reads and writes Pigeonhole channels box by box.  `WriteChannel`, `ReadChannel` and
`CopyStream` keep track of capabilities and indices for the caller.

Below the client, from the wire up: `wire` has frames and CBOR, `messages` has typed requests and
events, and `session` reconnects and resends on behalf of callers, on `simplex_trio.engine`.  Above
it, `pigeonhole` has the channels.

It needs the extra ``katzenpost``: ``pip install 'simplex-trio[katzenpost]'``.
"""

from simplex_trio.katzenpost.client import ThinClient
from simplex_trio.katzenpost.codes import DaemonCode, ReplicaCode
from simplex_trio.katzenpost.config import ClientConfig, TcpDial, UnixDial, load_dial
from simplex_trio.katzenpost.errors import (
    AmbiguousError,
    AnswerTooLate,
    BoxAlreadyExists,
    BoxNotFound,
    BoxTombstoned,
    CborSupportMissing,
    ClientClosed,
    CodedError,
    ConfigError,
    CopyFailed,
    CourierError,
    DaemonAway,
    DaemonError,
    DaemonHangsUp,
    EnvelopeUnreadable,
    IncompatibleDaemon,
    KatzenpostError,
    MessageNotSent,
    MixnetOffline,
    NoDocument,
    NoSuchService,
    OperationCancelled,
    OperationInProgress,
    PayloadTooLarge,
    ReplicaError,
    ReplyLost,
    StaleEnvelope,
)
from simplex_trio.katzenpost.messages.capabilities import (
    BoxIndex,
    Keypair,
    ReadCap,
    ReadEnvelope,
    WriteCap,
    WriteEnvelope,
)
from simplex_trio.katzenpost.messages.copy_requests import CopyPayload, Elements
from simplex_trio.katzenpost.messages.documents import (
    COURIER,
    ECHO,
    Destination,
    Document,
    Node,
    Replica,
    Service,
)
from simplex_trio.katzenpost.messages.events import (
    ConnectionStatus,
    DaemonConnected,
    DaemonDisconnected,
    Event,
    EventsDropped,
    MessageForgotten,
    MessageReply,
    MessageSent,
    NewDocument,
    ShuttingDown,
    Unreadable,
)
from simplex_trio.katzenpost.messages.geometry import PigeonholeGeometry, SphinxGeometry
from simplex_trio.katzenpost.messages.operations import Resent
from simplex_trio.katzenpost.messages.requests import Authority, SignedDocument
from simplex_trio.katzenpost.messages.tombstones import TombstoneRange, TombstonesIncomplete
from simplex_trio.katzenpost.opening import new_client_token, open_thin_client
from simplex_trio.katzenpost.pigeonhole.channels import (
    Message,
    MessageReader,
    ReadChannel,
    ReadState,
    WriteChannel,
    WriteState,
    new_channel,
)
from simplex_trio.katzenpost.pigeonhole.copying import CopyState, CopyStream, copy, new_copy
from simplex_trio.katzenpost.session.hub import EventSubscription

__all__ = [
    "COURIER",
    "ECHO",
    "AmbiguousError",
    "AnswerTooLate",
    "Authority",
    "BoxAlreadyExists",
    "BoxIndex",
    "BoxNotFound",
    "BoxTombstoned",
    "CborSupportMissing",
    "ClientClosed",
    "ClientConfig",
    "CodedError",
    "ConfigError",
    "ConnectionStatus",
    "CopyFailed",
    "CopyPayload",
    "CopyState",
    "CopyStream",
    "CourierError",
    "DaemonAway",
    "DaemonCode",
    "DaemonConnected",
    "DaemonDisconnected",
    "DaemonError",
    "DaemonHangsUp",
    "Destination",
    "Document",
    "Elements",
    "EnvelopeUnreadable",
    "Event",
    "EventSubscription",
    "EventsDropped",
    "IncompatibleDaemon",
    "KatzenpostError",
    "Keypair",
    "Message",
    "MessageForgotten",
    "MessageNotSent",
    "MessageReader",
    "MessageReply",
    "MessageSent",
    "MixnetOffline",
    "NewDocument",
    "NoDocument",
    "NoSuchService",
    "Node",
    "OperationCancelled",
    "OperationInProgress",
    "PayloadTooLarge",
    "PigeonholeGeometry",
    "ReadCap",
    "ReadChannel",
    "ReadEnvelope",
    "ReadState",
    "Replica",
    "ReplicaCode",
    "ReplicaError",
    "ReplyLost",
    "Resent",
    "Service",
    "ShuttingDown",
    "SignedDocument",
    "SphinxGeometry",
    "StaleEnvelope",
    "TcpDial",
    "ThinClient",
    "TombstoneRange",
    "TombstonesIncomplete",
    "UnixDial",
    "Unreadable",
    "WriteCap",
    "WriteChannel",
    "WriteEnvelope",
    "WriteState",
    "copy",
    "load_dial",
    "new_channel",
    "new_client_token",
    "new_copy",
    "open_thin_client",
]
