"""`Link`: one connection to the daemon, from the socket to the engine that drives it."""

from __future__ import annotations

import trio
from attrs import define, field

from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.protocol_client import ProtocolClient
from simplex_trio.errors import ConnectTimeout
from simplex_trio.katzenpost.messages.requests import Answer
from simplex_trio.katzenpost.session.codec import KatzenpostCodec, Outgoing
from simplex_trio.katzenpost.session.dial import Dialler
from simplex_trio.katzenpost.session.greeting import Greeting, greet
from simplex_trio.katzenpost.wire.framing import LengthPrefixedStream, RunStream

__all__ = ["MAX_UNREAD", "Link", "open_link"]

MAX_UNREAD = 8
"""Operations and messages on their way of which it is not known whether the daemon has read them.

It stops reading while 16 wait to be sent, at a rate that the mixnet dictates.  Whatever comes
behind them waits as well, cancels above all; so the others wait on this side."""

_ENGINE = EngineConfig(ping_interval=0)


@define(eq=False)
class Link:
    """A connection whose greeting is over; `client` has yet to be run."""

    client: ProtocolClient[Outgoing, Answer, object]
    greeting: Greeting
    opened_at: float
    starting: trio.Lock = field(factory=trio.Lock)
    """Serializes the check that one more request may be in flight."""
    unread: int = 0
    """Bounds the requests that the daemon has not read; see `MAX_UNREAD`."""
    trials: trio.Lock = field(factory=trio.Lock)
    """Held while a request is in flight that the daemon may be unable to read."""
    requests: int = 0
    """How many requests have been sent."""
    requests_read: int = 0
    """So many of them the daemon has read for certain: it reads in order, so that an answer shows
    that it has read the request and all before it."""

    def continues(self, before: Link) -> bool:
        """Whether the daemon is the same as before, and has not forgotten this client."""
        here, there = self.greeting, before.greeting
        return here.resumed and here.status.instance_token == there.status.instance_token

    def number_request(self) -> int:
        """The number of the next request; it is to be sent before the next checkpoint."""
        self.requests += 1
        return self.requests

    def note_answer(self, number: int) -> None:
        """The request with this number was answered."""
        self.requests_read = max(self.requests_read, number)

    def has_read(self, number: int) -> bool:
        """Whether the daemon has read the request with this number for certain."""
        return number <= self.requests_read

    def has_lasted(self, seconds: float) -> bool:
        """Whether it was opened at least so long ago."""
        return trio.current_time() - self.opened_at >= seconds


async def open_link(dial: Dialler, token: bytes, *, timeout: float) -> Link:
    """Connect to the daemon and exchange greetings.

    Cancelled, or failed, it leaves nothing open.  Raises a `ConnectError`, of which `DialFailed`,
    `ConnectTimeout` and the `HandshakeFailed` are some.
    """
    with trio.move_on_after(timeout):
        stream = LengthPrefixedStream(await dial())
        greeting = await greet(stream, token)
        codec = KatzenpostCodec(greeting.status.instance_token)
        client = ProtocolClient[Outgoing, Answer, object](RunStream(stream), codec, _ENGINE)
        return Link(client, greeting, trio.current_time())
    raise ConnectTimeout("the daemon did not greet in time")
