"""Connections of two programs, encrypted end to end, over routers that neither of them trusts.

* `simplex_trio.duplex.opening` -- `open_duplex_agent`;
* `simplex_trio.duplex.agent` -- `DuplexAgent`, the calls;
* `simplex_trio.duplex.events` -- what happens, and what to do about it;
* `simplex_trio.duplex.machine` -- what a connection does next, in plain code;
* `simplex_trio.duplex.store` -- where everything is kept;
* `simplex_trio.duplex.work` -- the tasks, which carry it out.
"""

from simplex_trio.duplex.agent import DuplexAgent, Invitation, SendOutcome
from simplex_trio.duplex.config import (
    DuplexConfig,
    Fallback,
    Isolation,
    Network,
    ProxyUse,
    Server,
    UserLimits,
)
from simplex_trio.duplex.errors import (
    AlreadyJoined,
    CannotAccept,
    CannotAcknowledge,
    CannotSend,
    DuplexError,
    Limit,
    LimitReached,
    LinkNotUsable,
    NeedsNewerAgent,
    NoCommonDuplexVersion,
    NoNotificationToken,
    NoServers,
    NotAnAddress,
    PushNotReadable,
    UnknownConnection,
)
from simplex_trio.duplex.event_stream import DuplexEvents
from simplex_trio.duplex.events import (
    ConfirmationReceived,
    ConnectionDeleted,
    ConnectionEvent,
    ConnectionFailed,
    ConnectionReady,
    ConnectionSuspended,
    ConnectionWarning,
    DeliveryFailed,
    DeliveryWarning,
    DuplexEvent,
    Integrity,
    InvitationReady,
    JoinSent,
    KeptEvent,
    LinkUpdated,
    MessageSent,
    NotificationTokenChanged,
    PeerInfo,
    PeerMessage,
    Problem,
    QueueLost,
    ReceiptReceived,
    ReceivingProblem,
    RequestReceived,
    RouterDown,
    RouterUp,
    SendingResumed,
    UserDeleted,
)
from simplex_trio.duplex.kem_stock import KEMStock, KEMStockStatistics, open_kem_stock
from simplex_trio.duplex.links import LinkPreview
from simplex_trio.duplex.machine.push_records import NotificationMode
from simplex_trio.duplex.machine.pushes import Notification
from simplex_trio.duplex.machine.step import Spoken
from simplex_trio.duplex.notifications import Notifications, NotificationToken
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.server_checks import ServerCheck, ServerStep, StepOutcome
from simplex_trio.duplex.statistics import AgentCount, DuplexStatistics, RouterCounts
from simplex_trio.duplex.status import ConnectionState, ConnectionStatus
from simplex_trio.duplex.store.store import change_store_key

__all__ = [
    "AgentCount",
    "AlreadyJoined",
    "CannotAccept",
    "CannotAcknowledge",
    "CannotSend",
    "ConfirmationReceived",
    "ConnectionDeleted",
    "ConnectionEvent",
    "ConnectionFailed",
    "ConnectionReady",
    "ConnectionState",
    "ConnectionStatus",
    "ConnectionSuspended",
    "ConnectionWarning",
    "DeliveryFailed",
    "DeliveryWarning",
    "DuplexAgent",
    "DuplexConfig",
    "DuplexError",
    "DuplexEvent",
    "DuplexEvents",
    "DuplexStatistics",
    "Fallback",
    "Integrity",
    "Invitation",
    "InvitationReady",
    "Isolation",
    "JoinSent",
    "KEMStock",
    "KEMStockStatistics",
    "KeptEvent",
    "Limit",
    "LimitReached",
    "LinkNotUsable",
    "LinkPreview",
    "LinkUpdated",
    "MessageSent",
    "NeedsNewerAgent",
    "Network",
    "NoCommonDuplexVersion",
    "NoNotificationToken",
    "NoServers",
    "NotAnAddress",
    "Notification",
    "NotificationMode",
    "NotificationToken",
    "NotificationTokenChanged",
    "Notifications",
    "PeerInfo",
    "PeerMessage",
    "Problem",
    "ProxyUse",
    "PushNotReadable",
    "QueueLost",
    "ReceiptReceived",
    "ReceivingProblem",
    "RequestReceived",
    "RouterCounts",
    "RouterDown",
    "RouterUp",
    "SendOutcome",
    "SendingResumed",
    "Server",
    "ServerCheck",
    "ServerStep",
    "Spoken",
    "StepOutcome",
    "UnknownConnection",
    "UserDeleted",
    "UserLimits",
    "change_store_key",
    "open_duplex_agent",
    "open_kem_stock",
]
