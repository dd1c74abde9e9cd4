"""``simplex-trio connect accept`` and ``reject``: who asks, and the answers."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Annotated, TypeAlias

import trio
from cyclopts import Parameter

from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.asking import ask, can_ask
from simplex_trio.cli.connect.memory import name_of
from simplex_trio.cli.connect.store import (
    PATIENCE,
    Asking,
    KeyFile,
    Open,
    Place,
    Routers,
    StoreName,
    open_connections,
    place,
    short,
)
from simplex_trio.cli.connect.wording import fields
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag, Seconds
from simplex_trio.cli.output import aside, print_json, say, waiting
from simplex_trio.cli.running import run
from simplex_trio.duplex.errors import CannotAccept
from simplex_trio.duplex.events import ConfirmationReceived, RequestReceived, RouterDown
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted

__all__ = ["Decide", "Decision", "accept", "answer", "ask_person", "leave", "reject", "report"]

QUIET = 1.0
"""Seconds without another peer, after the first one, that end the command."""

STORED = 5.0
"""Seconds to wait for peers that are named: they have asked before, so they are in the store."""

_SHORTEST = 4
"""Characters of an id that are enough: not all peers are known from which it has to be told."""

_OPEN = (
    ConnectionState.CREATING,
    ConnectionState.OFFERED,
    ConnectionState.ADDRESS,
    ConnectionState.CONFIRMED,
)
"""States in which a peer can ask, or has asked."""

PeerId = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="Which peers, by the ids that `accept` or `watch` has printed, or their beginnings.",
    ),
]


class Decision(Enum):
    """What to do about a peer."""

    ACCEPT = auto()
    REJECT = auto()
    LATER = auto()


Decide: TypeAlias = Callable[[Asking], Awaitable[Decision]]


@frozen(repr=False)
class Answered(Redacted):
    """A peer, and what was decided."""

    event: Asking
    decision: Decision
    connection_id: str = ""
    """Of the connection that was accepted."""


# --- the commands -------------------------------------------------------------------------------


def accept(
    *ids: PeerId,
    everyone: Annotated[Flag, Parameter(name="--all")] = False,
    info: str | None = None,
    seconds: Seconds = None,
    router: Routers = (),
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Accept peers that have joined an invitation, or ask a contact address for a connection.

    Shows who asks, and what they say they are; anyone with the link can say anything. On a terminal
    it asks about each peer; elsewhere nothing is accepted unless `--all` or ids are given. It waits
    for the first peer, and ends when no other has asked for a second.

    Parameters
    ----------
    everyone
        Accept every peer, without asking.
    info
        What to tell the peers of ourselves.
    seconds
        Wait at most this long for the first peer.
    """
    _check_ids(ids)
    if ids or everyone:
        decide: Decide = partial(_by_id, ids, Decision.ACCEPT)
    else:
        decide = ask_person if can_ask() and not json else leave
    run(
        partial(
            _command,
            place(store, key_file),
            decide,
            ids,
            routers=router,
            info=None if info is None else info.encode(),
            seconds=seconds,
            json=json,
        )
    )


def reject(
    peer: PeerId,
    /,
    *more: PeerId,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Refuse peers, which are not told: a request is forgotten, an invitation deleted."""
    ids = (peer, *more)
    _check_ids(ids)
    decide = partial(_by_id, ids, Decision.REJECT)
    run(partial(_command, place(store, key_file), decide, ids, json=json))


def _check_ids(ids: Sequence[str]) -> None:
    if any(len(each) < _SHORTEST for each in ids):
        raise CommandFailed(f"Give at least {_SHORTEST} characters of an id.", ExitCode.USAGE)


async def _command(
    where: Place,
    decide: Decide,
    ids: Sequence[str],
    *,
    routers: Sequence[str] = (),
    info: bytes | None = None,
    seconds: float | None = None,
    json: bool,
) -> None:
    async with open_connections(where, routers) as opened:
        await _check_expected(opened)
        if seconds is None and ids:
            seconds = STORED
        answers = await answer(
            opened,
            decide,
            info=info,
            seconds=seconds,
            wanted=len(ids),
            quiet=STORED if ids else QUIET,
            json=json,
        )
        if not answers:
            raise CommandFailed("No peer has asked for a connection.")
        decided = [each for each in answers if each.decision is not Decision.LATER]
        await report(opened, decided, json=json)
        if len(decided) < len(ids):
            raise CommandFailed(
                "Not all of these peers wait for an answer; see who does: "
                "simplex-trio connect accept",
                ExitCode.USAGE,
            )
        if not decided and decide is leave and not json:
            aside("accept them with --all, or by their ids: simplex-trio connect accept ID")


async def _check_expected(opened: Open) -> None:
    """Fail if no peer can come, as nothing was made that one could join."""
    for connection_id in await opened.agent.connections():
        if (await opened.agent.status(connection_id)).state in _OPEN:
            return
    raise CommandFailed(
        "There is no open invitation and no contact address; make one with: "
        "simplex-trio connect create",
        ExitCode.USAGE,
    )


# --- deciding -----------------------------------------------------------------------------------


def asking_id(event: Asking) -> str:
    """The id that people give for a peer that asks."""
    return event.request_id if isinstance(event, RequestReceived) else event.connection_id


async def _by_id(ids: Sequence[str], decision: Decision, event: Asking) -> Decision:
    """The decision, for those who are named, or for all if none is."""
    await trio.lowlevel.checkpoint()
    if ids and not any(asking_id(event).startswith(each) for each in ids):
        return Decision.LATER
    return decision


async def leave(_: Asking) -> Decision:
    """Decide nothing: the peer is only shown."""
    await trio.lowlevel.checkpoint()
    return Decision.LATER


async def ask_person(event: Asking) -> Decision:
    """Let the person at the terminal decide."""
    while True:
        answered = await ask("Accept? [y]es, [n]o and forget it, [l]ater:")
        match answered[:1]:
            case "y":
                return Decision.ACCEPT
            case "n":
                return Decision.REJECT
            case "l" | "":
                return Decision.LATER


# --- answering ----------------------------------------------------------------------------------


async def answer(
    opened: Open,
    decide: Decide,
    *,
    info: bytes | None = None,
    seconds: float | None = None,
    wanted: int = 0,
    quiet: float = QUIET,
    only: str | None = None,
    json: bool,
) -> list[Answered]:
    """Show the peers that ask, and do what is decided about each.

    Ends when ``wanted`` peers have an answer, after ``seconds`` without a first one, and ``quiet``
    seconds without another one.  With ``only`` they are those of one connection.
    """
    answers: list[Answered] = []
    patience = math.inf if seconds is None else seconds
    while True:
        event: Asking | None = None
        with trio.move_on_after(patience), waiting("waiting for a peer"):
            event = await _next_asking(opened, only)
        if event is None:
            return answers
        patience = quiet
        _show(event, json=json)
        answers.append(await _do(opened, event, await decide(event), info))
        decided = sum(each.decision is not Decision.LATER for each in answers)
        if wanted and decided >= wanted:
            return answers


async def _next_asking(opened: Open, only: str | None) -> Asking:
    """The next peer that asks; all other events are left for `watch`."""
    events = opened.agent.events
    while True:
        event = await events.receive()
        match event:
            case ConfirmationReceived() | RequestReceived() if only in (None, event.connection_id):
                if await opened.still_waits(event):
                    return event
            case RouterDown():
                aside(f"the connection to {place_of(event.server)} is lost; connecting again")
            case _:
                events.keep()


async def _do(opened: Open, event: Asking, decision: Decision, info: bytes | None) -> Answered:
    agent = opened.agent
    if decision is Decision.LATER:
        agent.events.keep()
        return Answered(event, decision)
    connection_id = ""
    try:
        if decision is Decision.ACCEPT:
            connection_id = await agent.accept(event, info)
            opened.memory.name(connection_id, event.info)
        else:
            await agent.reject(event)
    except CannotAccept:
        aside("this peer has an answer already, or its program is of another version")
    agent.events.take()
    return Answered(event, decision, connection_id)


# --- showing ------------------------------------------------------------------------------------


def _show(event: Asking, *, json: bool) -> None:
    if json:
        print_json(fields(event))
        return
    name = name_of(event.info)
    who = f"A peer that says it is '{name}'" if name else "A peer that does not say who it is"
    wants = "has joined your invitation"
    if isinstance(event, RequestReceived):
        wants = "asks your contact address for a connection"
    say(f"{who} {wants}.  Id: {short(asking_id(event))}")
    say(f"It receives at {', '.join(map(place_of, event.servers))}.")


async def report(opened: Open, answers: Sequence[Answered], *, json: bool) -> None:
    """Wait for routers to take the answers, if they can be reached, and say what came of them.

    Raises `CommandFailed` if one that was accepted cannot be connected to.
    """
    agent = opened.agent
    accepted = [each.connection_id for each in answers if each.connection_id]
    rejected = [each.event.connection_id for each in answers if each.decision is Decision.REJECT]
    with trio.move_on_after(PATIENCE), waiting("telling the peer"):
        await agent.drain([*accepted, *rejected])
    failed = False
    for each in answers:
        if each.decision is Decision.REJECT:
            _report_rejected(each, json=json)
        elif each.connection_id:
            state = (await agent.status(each.connection_id)).state
            _report_accepted(each.connection_id, state, json=json)
            failed = failed or state is ConnectionState.FAILED
    if failed:
        raise CommandFailed("A connection cannot be made; its peer is gone.", ExitCode.REFUSED)


def _report_rejected(answered: Answered, *, json: bool) -> None:
    if json:
        print_json({"rejected": asking_id(answered.event)})
    else:
        say("Rejected. The peer is not told.")


def _report_accepted(connection_id: str, state: ConnectionState, *, json: bool) -> None:
    if json:
        print_json({"accepted": connection_id, "state": state.value})
    elif state is ConnectionState.READY:
        say(f"Connected, as {connection_id}", style="bold")
        say(f"Write to it:    simplex-trio connect send {short(connection_id)} 'hello'")
        say("Read from it:   simplex-trio connect watch")
    elif state is not ConnectionState.FAILED:
        say(f"Accepted, as {connection_id}", style="bold")
        say("It is connected when the peer has answered: simplex-trio connect watch")
