"""What drives one connection of any protocol: requests, answers, events, time-outs, retries.

`ProtocolClient` runs a connection with four tasks in one cancel scope.  A protocol plugs in as a
`Codec`, over any `FrameStream`: SMP and NTF do so in `simplex_trio.client`, Katzenpost in
`simplex_trio.katzenpost`.  `pending`, `deadlines`, `outbox`, `events`, `timeouts` and `backoff`
decide in plain code; the four tasks carry out.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = ["Backoff", "Call", "ClientStatistics", "ProtocolClient"]

if TYPE_CHECKING:
    from simplex_trio.engine.backoff import Backoff
    from simplex_trio.engine.calls import Call, ClientStatistics
    from simplex_trio.engine.protocol_client import ProtocolClient
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.engine.backoff": ("Backoff",),
            "simplex_trio.engine.calls": ("Call", "ClientStatistics"),
            "simplex_trio.engine.protocol_client": ("ProtocolClient",),
        },
    )
