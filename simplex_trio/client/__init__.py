"""SMP and NTF clients: one connection to one router, shared by many tasks.

`simplex_trio` has the clients, their configuration and their events; what else their methods give
and take is here.

Inside, `spec` makes a protocol of transmissions in blocks drivable by `simplex_trio.engine`; `smp`
and `ntf` are the two such protocols.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "DeviceToken",
    "InvalidReason",
    "NotAService",
    "NotifierCredentials",
    "NotifierQueue",
    "OwnedQueue",
    "ProtocolSpec",
    "PushProvider",
    "RegisteredToken",
    "RouterClient",
    "SubscriptionStatus",
    "TokenState",
    "TokenStatus",
    "TransmissionCodec",
    "connect_protocol_client",
    "open_protocol_client",
]

if TYPE_CHECKING:
    from simplex_trio.client.connection import (
        RouterClient,
        connect_protocol_client,
        open_protocol_client,
    )
    from simplex_trio.client.ntf import RegisteredToken
    from simplex_trio.client.smp.queues import NotifierCredentials, OwnedQueue
    from simplex_trio.client.spec import ProtocolSpec, TransmissionCodec
    from simplex_trio.errors import NotAService
    from simplex_trio.wire.ntf.queues import NotifierQueue
    from simplex_trio.wire.ntf.statuses import (
        InvalidReason,
        SubscriptionStatus,
        TokenState,
        TokenStatus,
    )
    from simplex_trio.wire.ntf.tokens import DeviceToken, PushProvider
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.client.connection": (
                "RouterClient",
                "connect_protocol_client",
                "open_protocol_client",
            ),
            "simplex_trio.client.ntf": ("RegisteredToken",),
            "simplex_trio.client.smp.queues": ("NotifierCredentials", "OwnedQueue"),
            "simplex_trio.client.spec": ("ProtocolSpec", "TransmissionCodec"),
            "simplex_trio.errors": ("NotAService",),
            "simplex_trio.wire.ntf.queues": ("NotifierQueue",),
            "simplex_trio.wire.ntf.statuses": (
                "InvalidReason",
                "SubscriptionStatus",
                "TokenState",
                "TokenStatus",
            ),
            "simplex_trio.wire.ntf.tokens": ("DeviceToken", "PushProvider"),
        },
    )
