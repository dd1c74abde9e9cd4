"""What drives one connection of any protocol: requests, answers, events, time-outs, retries.

`ProtocolClient` runs a connection with four tasks in one cancel scope.  A protocol plugs in as a
`Codec`, over any `FrameStream`: SMP and NTF do so in `simplex_trio.client`, Katzenpost in
`simplex_trio.katzenpost`.  `pending`, `outbox`, `events`, `timeouts` and `backoff` decide in plain
code; the four tasks carry out.
"""

from simplex_trio.engine.backoff import Backoff
from simplex_trio.engine.calls import Call, ClientStatistics
from simplex_trio.engine.protocol_client import ProtocolClient

__all__ = ["Backoff", "Call", "ClientStatistics", "ProtocolClient"]
