"""``simplex-trio notify --pair``: a person scans a code, and gets alerts from then on."""

from __future__ import annotations

from collections.abc import Sequence

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

_LOOK_INTERVAL = 0.5
"""Seconds between two looks whether another command waits for the store."""

_AWAY = 1.0
"""Seconds for which the store is left to a command that waits for it."""

_PATIENCE = 30.0
"""Seconds for which a router is waited for to take the greeting."""


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
    while True:
        async with open_alerts(
            where, wait=wait, routers=routers, profile=profile, makes_queues=True
        ) as notifier:
            pairing = await _begun(notifier, name, greeting)
            if pairing.link is not None and not shown:
                _show(pairing.link, json=json)
                shown = True
            person = await _connected(notifier, pairing, deadline)
            if person is not None:
                with waiting("sending the greeting"):
                    await notifier.flush(timeout=_PATIENCE, gives_way=True)
                _report(person, json=json)
                return
            if trio.current_time() >= deadline:
                raise CommandFailed(
                    "The link was not opened yet, and stays good; the same command goes on.",
                    ExitCode.UNFINISHED,
                )
        await trio.sleep(_AWAY)


async def _begun(notifier: Notifier, name: str | None, greeting: str) -> Pairing:
    try:
        with waiting("making a link"):
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


async def _connected(notifier: Notifier, pairing: Pairing, deadline: float) -> Recipient | None:
    """The person, once connected; `None` if another command waits, or it has taken too long."""
    found: list[Recipient] = []
    with trio.CancelScope(deadline=deadline), waiting("waiting for the person"):
        async with open_inner_nursery() as nursery:
            nursery.start_soon(_look_for_others, notifier, nursery.cancel_scope)
            try:
                found.append(await pairing.wait())
            except PairingFailed as exc:
                raise _failed(exc) from exc
            nursery.cancel_scope.cancel()
    return found[0] if found else None


async def _look_for_others(notifier: Notifier, scope: trio.CancelScope) -> None:
    while not notifier.is_awaited:  # noqa: ASYNC110 - nothing tells of locks
        await trio.sleep(_LOOK_INTERVAL)
    scope.cancel()


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
