"""``simplex-trio queue watch``: print messages as they come, and tell the router that they came."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

import trio
from attrs import define, field

from simplex_trio.agent.agent import SMPClientAgent, open_smp_agent
from simplex_trio.agent.events import (
    AgentEvent,
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    SubscriptionEnded,
    SubscriptionError,
)
from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Count, Flag, Seconds, StateFile
from simplex_trio.cli.output import (
    aside,
    at_time,
    date_of,
    one_line,
    print_json,
    say,
    text_or_base64,
)
from simplex_trio.cli.refusals import refusal_in_words
from simplex_trio.cli.running import run
from simplex_trio.cli.sealing import open_sealed
from simplex_trio.cli.state import SavedQueue, State, default_path
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.queues import MessageReceived, QuotaReached
from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["Watch", "acknowledge", "chosen", "tell_person", "tell_program", "watch"]


def watch(
    *names: str,
    keep: Flag = False,
    count: Count = None,
    seconds: Seconds = None,
    state: StateFile = None,
    json: AsJson = False,
) -> int:
    """Print the messages of queues as they come, until Ctrl-C; those printed are acknowledged.

    Connections that are lost are made again, and no message is printed twice.

    Parameters
    ----------
    names
        Queues in the state file; all of them unless given.
    keep
        Do not acknowledge: the router keeps the first message of each queue and gives no other.
    count
        Stop after so many messages.
    seconds
        Stop after this time; that fails if fewer messages came than asked for.
    """
    queues = chosen(State.load(state or default_path()), names)
    tell = tell_program if json else tell_person
    done = run(partial(_watch, queues, tell, keep=keep, count=count, seconds=seconds))
    return ExitCode.OK if done else ExitCode.FAILED


def chosen(state: State, names: Iterable[str]) -> list[SavedQueue]:
    """The queues of these names, or all; `CommandFailed` if there are none."""
    queues = [state.find(name) for name in names] or list(state.queues.values())
    if not queues:
        raise CommandFailed(
            "There is no queue yet; make one with: simplex-trio queue create NAME SERVER",
            ExitCode.USAGE,
        )
    return queues


# --- watching -----------------------------------------------------------------------------------


@frozen(repr=False)
class Arrived(Redacted):
    """A message, as far as it is for the screen."""

    queue: str
    at: datetime | None
    """When its router got it; `None` if the router says something impossible."""
    body: bytes
    sealed: bool
    """Whether only the sender and this program could read it."""


@define(repr=False)
class Watch(Redacted):
    """The printed messages, and the remaining subscriptions.  Pure."""

    queues: dict[tuple[ServerAddress, bytes], SavedQueue]
    keep: bool = False
    printed: int = 0
    _last: dict[tuple[ServerAddress, bytes], bytes] = field(factory=dict)

    @classmethod
    def over(cls, queues: Iterable[SavedQueue], *, keep: bool = False) -> Watch:
        return cls({(each.router, each.queue.recipient_id): each for each in queues}, keep)

    def arrived(self, server: ServerAddress, message: MessageReceived) -> Arrived | None:
        """What to print; `None` for a message that was redelivered before it was acknowledged."""
        place = server, message.recipient_id
        if self._last.get(place) == message.message_id:
            return None
        self._last[place] = message.message_id
        self.printed += 1
        saved = self.queues[place]
        opened = open_sealed(saved.sealing_key, message.body)
        body = message.body if opened is None else opened
        return Arrived(saved.name, date_of(message.timestamp), body, sealed=opened is not None)

    def lost(self, server: ServerAddress, recipient_id: bytes) -> str:
        """The name of a queue that is not subscribed to any more."""
        return self.queues.pop((server, recipient_id)).name


async def _watch(
    queues: list[SavedQueue],
    tell: Callable[[Arrived], None],
    *,
    keep: bool,
    count: int | None,
    seconds: float | None,
) -> bool:
    """Whether all came that was waited for."""
    watch = Watch.over(queues, keep=keep)
    with trio.move_on_after(math.inf if seconds is None else seconds):
        async with open_smp_agent() as agent, open_inner_nursery() as acknowledging:
            for saved in queues:
                agent.subscribe(saved.router, [saved.queue])
            async for event in agent.events:
                _note(watch, agent, event, tell, acknowledging)
                if count is not None and watch.printed >= count:
                    break
    return count is None or watch.printed >= count


def _note(
    watch: Watch,
    agent: SMPClientAgent,
    event: AgentEvent,
    tell: Callable[[Arrived], None],
    acknowledging: trio.Nursery,
) -> None:
    place = place_of(event.server)
    match event:
        case RouterEvent(event=MessageReceived() | QuotaReached() as message):
            saved = watch.queues.get((event.server, message.recipient_id))
            if saved is None:
                return  # it was in flight when another program took the queue
            if isinstance(message, MessageReceived):
                arrived = watch.arrived(event.server, message)
                if arrived is not None:
                    tell(arrived)
            else:
                aside(f"{saved.name} was full, and senders were refused")
            if not watch.keep:
                acknowledging.start_soon(acknowledge, agent, saved, message.message_id)
        case Connected():
            aside(f"connected to {place}")
        case Disconnected():
            aside(f"the connection to {place} is lost; connecting again")
        case CannotConnect():
            aside(f"no connection to {place}: {event.error}; trying again")
        case SubscriptionError():
            for recipient_id, error in event.failures:
                why = refusal_in_words(error) if isinstance(error, RouterError) else error
                aside(f"{watch.lost(event.server, recipient_id)}: the router refused: {why}")
        case SubscriptionEnded():
            why = "was deleted" if event.deleted else "is read by another program now"
            aside(f"{watch.lost(event.server, event.queue_id)} {why}")
    if not watch.queues:
        raise CommandFailed("There is no queue left to watch.", ExitCode.REFUSED)


async def acknowledge(agent: SMPClientAgent, saved: SavedQueue, message_id: bytes) -> None:
    """Acknowledge a message; if that fails, the router delivers it again."""
    try:
        client = await agent.client(saved.router)
        await client.acknowledge(saved.queue, message_id)
    except (SimplexError, OSError):
        pass


# --- printing -----------------------------------------------------------------------------------


def tell_person(arrived: Arrived) -> None:
    """Print a message on a line."""
    text = one_line(arrived.body.decode("utf-8", "backslashreplace"))
    note = "" if arrived.sealed else "  (not sealed: the router could read it)"
    say(f"{at_time(arrived.at)}  {arrived.queue}  {text}{note}")


def tell_program(arrived: Arrived) -> None:
    """Print a message as JSON: with its text, or in base64 if it is none."""
    about = {
        "queue": arrived.queue,
        "time": None if arrived.at is None else arrived.at.isoformat(),
        "sealed": arrived.sealed,
    }
    print_json(about | text_or_base64(arrived.body))
