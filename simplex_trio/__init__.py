"""simplex_trio: the SimpleX messaging stack for programs built on Trio.

From the ground up, each floor knowing only those below it:

* `simplex_trio.errors` -- everything that is raised on purpose;
* `simplex_trio.crypto` and `simplex_trio.wire` -- keys, boxes and bytes, without any waiting;
* `simplex_trio.ratchet` -- the end-to-end encryption of two agents, without any waiting either;
* `simplex_trio.transport` -- TLS, dialling, listening, frames;
* `simplex_trio.client` -- one connection to one router, used by many tasks;
* `simplex_trio.agent` -- many connections, and subscriptions that are never forgotten;
* `simplex_trio.duplex` -- what connections of two programs need beside their encryption;
* `simplex_trio.serving` -- what routers share: configuration, limits, metrics;
* `simplex_trio.router` -- a router to develop, test and self-host against;
* `simplex_trio.xftp` -- files, through routers for files, and such a router;
* `simplex_trio.katzenpost` -- a thin client for the daemon of the Katzenpost mixnet;
* `simplex_trio.testing` -- what programs need for their own tests;
* `simplex_trio.cli` -- the command line.

What every program with messages needs is here, and the packages below have the rest.  A name is
public if the ``__init__`` of a package lists it in ``__all__``, and everything else is
implementation.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "BACKGROUND",
    "INTERACTIVE",
    "AgentConfig",
    "AgentEvent",
    "AgentEvents",
    "AgentRole",
    "CannotConnect",
    "ClientConfig",
    "ClientEvent",
    "ConnectConfig",
    "ConnectError",
    "ConnectTimeout",
    "Connected",
    "ConnectionLost",
    "DecodeError",
    "Deliveries",
    "Delivery",
    "Destination",
    "Disconnected",
    "Ed448PrivateKey",
    "Ed448PublicKey",
    "Ed25519PrivateKey",
    "Ed25519PublicKey",
    "EncodeError",
    "EngineConfig",
    "EngineEvent",
    "ErrorEvent",
    "EventStream",
    "ExpiredResponse",
    "HostMode",
    "MalformedResponse",
    "MessageReceived",
    "NTFClient",
    "Notice",
    "Patience",
    "ProxiedRelay",
    "ProxyFailed",
    "QueueAccess",
    "QuotaReached",
    "ReceivingQueue",
    "RequestTimeout",
    "Router",
    "RouterConfig",
    "RouterError",
    "RouterEvent",
    "RouterSilent",
    "SMPClient",
    "SMPClientAgent",
    "SMPClientConfig",
    "SMPSessionConfig",
    "SealedMessage",
    "ServerAddress",
    "ServerProtocol",
    "ServiceCertificate",
    "ServiceDisconnected",
    "ServiceEnded",
    "ServiceSubscribed",
    "ServiceSubscription",
    "ServiceSubscriptionError",
    "ServiceUnavailable",
    "SimplexError",
    "SlowConsumer",
    "SocksMode",
    "SocksProxy",
    "Subscribed",
    "SubscriptionEnded",
    "SubscriptionError",
    "Timeouts",
    "TooLarge",
    "UnexpectedResponse",
    "UnexpectedResponseError",
    "UnsupportedVersion",
    "X25519PrivateKey",
    "X25519PublicKey",
    "connect_ntf_client",
    "connect_smp_client",
    "open_deliveries",
    "open_ntf_client",
    "open_router",
    "open_smp_agent",
    "open_smp_client",
    "repeat_until_accepted",
    "send_until_accepted",
    "serve_router",
    "start_smp_agent",
]

if TYPE_CHECKING:
    from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent, start_smp_agent
    from simplex_trio.agent.config import AgentConfig, AgentRole
    from simplex_trio.agent.deliveries import (
        Deliveries,
        Delivery,
        open_deliveries,
        repeat_until_accepted,
        send_until_accepted,
    )
    from simplex_trio.agent.destination import Destination
    from simplex_trio.agent.events import (
        AgentEvent,
        CannotConnect,
        Connected,
        Disconnected,
        RouterEvent,
        ServiceDisconnected,
        ServiceEnded,
        ServiceSubscribed,
        ServiceSubscriptionError,
        ServiceUnavailable,
        Subscribed,
        SubscriptionEnded,
        SubscriptionError,
    )
    from simplex_trio.agent.stream import AgentEvents
    from simplex_trio.client.connection import ClientConfig
    from simplex_trio.client.ntf import NTFClient, connect_ntf_client, open_ntf_client
    from simplex_trio.client.router_errors import ProxyFailed, RouterError
    from simplex_trio.client.smp.client import SMPClient, connect_smp_client, open_smp_client
    from simplex_trio.client.smp.proxy import ProxiedRelay
    from simplex_trio.client.smp.queues import (
        ClientEvent,
        MessageReceived,
        QueueAccess,
        QuotaReached,
        ReceivingQueue,
        SealedMessage,
        ServiceSubscription,
    )
    from simplex_trio.client.smp.requests import SMPClientConfig
    from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
    from simplex_trio.crypto.keys import (
        Ed448PrivateKey,
        Ed448PublicKey,
        Ed25519PrivateKey,
        Ed25519PublicKey,
        X25519PrivateKey,
        X25519PublicKey,
    )
    from simplex_trio.engine.calls import EngineConfig
    from simplex_trio.engine.event_buffer import EventStream
    from simplex_trio.engine.events import (
        EngineEvent,
        ErrorEvent,
        ExpiredResponse,
        Notice,
        UnexpectedResponse,
    )
    from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE, Patience, Timeouts
    from simplex_trio.errors import (
        ConnectError,
        ConnectionLost,
        ConnectTimeout,
        DecodeError,
        EncodeError,
        MalformedResponse,
        RequestTimeout,
        RouterSilent,
        SimplexError,
        SlowConsumer,
        TooLarge,
        UnexpectedResponseError,
        UnsupportedVersion,
    )
    from simplex_trio.router.config import RouterConfig
    from simplex_trio.router.server import Router, open_router, serve_router
    from simplex_trio.transport.config import ConnectConfig, HostMode, SocksMode, SocksProxy
    from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.agent.agent": ("SMPClientAgent", "open_smp_agent", "start_smp_agent"),
            "simplex_trio.agent.config": ("AgentConfig", "AgentRole"),
            "simplex_trio.agent.deliveries": (
                "Deliveries",
                "Delivery",
                "open_deliveries",
                "repeat_until_accepted",
                "send_until_accepted",
            ),
            "simplex_trio.agent.destination": ("Destination",),
            "simplex_trio.agent.events": (
                "AgentEvent",
                "CannotConnect",
                "Connected",
                "Disconnected",
                "RouterEvent",
                "ServiceDisconnected",
                "ServiceEnded",
                "ServiceSubscribed",
                "ServiceSubscriptionError",
                "ServiceUnavailable",
                "Subscribed",
                "SubscriptionEnded",
                "SubscriptionError",
            ),
            "simplex_trio.agent.stream": ("AgentEvents",),
            "simplex_trio.client.connection": ("ClientConfig",),
            "simplex_trio.client.ntf": ("NTFClient", "connect_ntf_client", "open_ntf_client"),
            "simplex_trio.client.router_errors": ("ProxyFailed", "RouterError"),
            "simplex_trio.client.smp.client": (
                "SMPClient",
                "connect_smp_client",
                "open_smp_client",
            ),
            "simplex_trio.client.smp.proxy": ("ProxiedRelay",),
            "simplex_trio.client.smp.queues": (
                "ClientEvent",
                "MessageReceived",
                "QueueAccess",
                "QuotaReached",
                "ReceivingQueue",
                "SealedMessage",
                "ServiceSubscription",
            ),
            "simplex_trio.client.smp.requests": ("SMPClientConfig",),
            "simplex_trio.client.smp.session": ("ServiceCertificate", "SMPSessionConfig"),
            "simplex_trio.crypto.keys": (
                "Ed448PrivateKey",
                "Ed448PublicKey",
                "Ed25519PrivateKey",
                "Ed25519PublicKey",
                "X25519PrivateKey",
                "X25519PublicKey",
            ),
            "simplex_trio.engine.calls": ("EngineConfig",),
            "simplex_trio.engine.event_buffer": ("EventStream",),
            "simplex_trio.engine.events": (
                "EngineEvent",
                "ErrorEvent",
                "ExpiredResponse",
                "Notice",
                "UnexpectedResponse",
            ),
            "simplex_trio.engine.timeouts": ("BACKGROUND", "INTERACTIVE", "Patience", "Timeouts"),
            "simplex_trio.errors": (
                "ConnectError",
                "ConnectionLost",
                "ConnectTimeout",
                "DecodeError",
                "EncodeError",
                "MalformedResponse",
                "RequestTimeout",
                "RouterSilent",
                "SimplexError",
                "SlowConsumer",
                "TooLarge",
                "UnexpectedResponseError",
                "UnsupportedVersion",
            ),
            "simplex_trio.router.config": ("RouterConfig",),
            "simplex_trio.router.server": ("Router", "open_router", "serve_router"),
            "simplex_trio.transport.config": (
                "ConnectConfig",
                "HostMode",
                "SocksMode",
                "SocksProxy",
            ),
            "simplex_trio.wire.addresses": ("ServerAddress", "ServerProtocol"),
        },
    )
