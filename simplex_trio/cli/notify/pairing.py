"""``simplex-trio notify --pair``: a person scans a code, and gets alerts from then on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from simplex_trio.chat.errors import PairingFailed
from simplex_trio.chat.notifying.notifier import Notifier, Pairing
from simplex_trio.chat.notifying.values import Recipient
from simplex_trio.cli.connect.wording import problem_words
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.notify.people import shown_profile
from simplex_trio.cli.notify.place import Place, open_alerts
from simplex_trio.cli.output import OUT, aside, print_json, say, show_qr_code, waiting
from simplex_trio.duplex.events import Problem
from simplex_trio.nursery import open_inner_nursery

__all__ = ["pair"]

T = TypeVar("T")

_LOOK_INTERVAL = 0.5
"""Seconds between two looks whether another command waits for the store."""

_AWAY = 1.0
"""Seconds for which the store is left to a command that waits for it."""

PATIENCE = 30.0
"""Seconds for which a router is waited for to make the link, if the person is not waited for
longer, and to take the greeting."""


async def pair(
    where: Place,
    name: str | None,
    *,
    routers: Sequence[str],
    profile: str | None,
    greeting: str,
    seconds: float,
    wait: float,
    json: bool,
) -> None:
    """Show a link, and wait until a person has opened it.

    Alerts are not held up meanwhile: when another command waits for the store, it gets it.
    """
    shown = False
    deadline = trio.current_time() + seconds
    made_by = trio.current_time() + max(seconds, PATIENCE)
    while True:
        async with open_alerts(
            where, wait=wait, routers=routers, profile=profile, makes_queues=True
        ) as notifier:
            begin = partial(_begun, notifier, name, greeting)
            pairing = await _unless_awaited(notifier, begin, made_by, "making a link")
            person = None
            if pairing is not None:
                if pairing.link is not None and not shown:
                    _show(pairing.link, json=json)
                    shown = True
                connect = partial(_connected, pairing)
                person = await _unless_awaited(
                    notifier, connect, deadline, "waiting for the person"
                )
            if person is not None:
                with waiting("sending the greeting"):
                    await notifier.flush(timeout=PATIENCE, gives_way=True)
                _report(person, json=json)
                return
            if trio.current_time() >= (made_by if pairing is None else deadline):
                raise _too_late(is_made=pairing is not None)
        await trio.sleep(_AWAY)


async def _begun(notifier: Notifier, name: str | None, greeting: str) -> Pairing:
    try:
        return await notifier.pair(name, greeting=greeting)
    except PairingFailed as exc:
        if exc.problem is not Problem.QUEUE_GONE:
            raise _failed(exc) from exc
        raise CommandFailed(
            "The router asks for a password when queues are created; put its address with the "
            "password into a file, and name it with --router @FILE.",
            ExitCode.REFUSED,
        ) from exc


def _failed(error: PairingFailed) -> CommandFailed:
    why = "" if error.problem is None else f": {problem_words(error.problem)}"
    return CommandFailed(f"The pairing has failed{why}; begin anew.", ExitCode.REFUSED)


def _show(link: str, *, json: bool) -> None:
    if json:
        print_json({"link": link})
        return
    if OUT.is_terminal:
        say("Scan this with the SimpleX app, or open the link on the phone:")
        show_qr_code(link)
    else:
        say("Open this link with the SimpleX app:")
    say(link, style="bold")
    aside("It is for one person.  Others must not see it: the first one who opens it gets alerts.")


async def _connected(pairing: Pairing) -> Recipient:
    try:
        return await pairing.wait()
    except PairingFailed as exc:
        raise _failed(exc) from exc


async def _unless_awaited(
    notifier: Notifier, wait: Callable[[], Awaitable[T]], deadline: float, words: str
) -> T | None:
    """What ``wait`` returns; `None` if another command waits for the store, or it is too late."""
    found: list[T] = []
    with trio.CancelScope(deadline=deadline), waiting(words):
        async with open_inner_nursery() as nursery:
            nursery.start_soon(_look_around, notifier, nursery.cancel_scope)
            found.append(await wait())
            nursery.cancel_scope.cancel()
    return found[0] if found else None


async def _look_around(notifier: Notifier, scope: trio.CancelScope) -> None:
    """Say what holds it up, and end it if another command waits for the store."""
    told: set[Problem] = set()
    while not notifier.is_awaited:
        for each in notifier.problems - told:
            aside(f"it has to wait: {problem_words(each)}; trying again")
            told.add(each)
        await trio.sleep(_LOOK_INTERVAL)
    scope.cancel()


def _too_late(*, is_made: bool) -> CommandFailed:
    if is_made:
        return CommandFailed(
            "The link was not opened yet, and stays good; the same command goes on.",
            ExitCode.UNFINISHED,
        )
    return CommandFailed(
        "No router has made a link yet; check its address and the network. The same command "
        "goes on, also with another --router.",
        ExitCode.UNREACHABLE,
    )


def _report(person: Recipient, *, json: bool) -> None:
    contact = person.contact
    assert contact is not None
    profile = shown_profile(contact)
    if json:
        print_json({"paired": person.name, "contact": contact.id, "profile": profile})
        return
    known = "" if person.name == profile else f", whose profile says '{profile}'"
    say(f"Connected with '{person.name}'{known}.", style="bold")
    say(f"Send an alert:   simplex-trio notify '{person.name}' 'hello'")
