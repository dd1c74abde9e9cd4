"""Asking a router that runs on this machine, on its control socket."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.output import at_time, date_of, print_json, say
from simplex_trio.cli.routers.complaints import queue_ids
from simplex_trio.cli.routers.program import ConfigT, RouterProgram
from simplex_trio.cli.running import run
from simplex_trio.serving.control import ask_router
from simplex_trio.serving.control_messages import ControlError

__all__ = ["ask", "ask_about", "say_reloaded", "say_status", "show"]

_DAY = 24 * 3600

_CODES = {
    ControlError.NOT_FOUND: ExitCode.REFUSED,
    ControlError.BAD_REQUEST: ExitCode.USAGE,
}


def ask(
    program: RouterProgram[ConfigT], path: Path, command: str, **arguments: object
) -> dict[str, Any]:
    """The answer of the router with the configuration at ``path``; raises `CommandFailed`."""
    socket = program.control_path(program.load(path), path)
    if socket is None:
        raise CommandFailed(
            "This router has neither a store nor a path for its control socket, so it has none; "
            "put control into its configuration.",
            ExitCode.USAGE,
        )
    given = {name: value for name, value in arguments.items() if value not in (None, False)}
    try:
        return run(partial(ask_router, socket, command, **given))
    except ControlError as exc:
        sentence = str(exc)[:1].upper() + str(exc)[1:]
        raise CommandFailed(f"{sentence}.", _CODES.get(exc.code, ExitCode.FAILED)) from exc
    except PermissionError as exc:
        raise CommandFailed(
            f"Only the router's own user may ask it, on {socket}; become that user first."
        ) from exc
    except OSError as exc:
        raise CommandFailed(
            f"No router answers on {socket}: it is stopped, or was started with another "
            "configuration or --no-control.",
            ExitCode.UNREACHABLE,
        ) from exc


def ask_about(
    program: RouterProgram[ConfigT], path: Path, command: str, named: str, **arguments: object
) -> dict[str, Any]:
    """The same about a queue, of those that ``named`` leads to the first that is there."""
    *others, last = queue_ids(named)
    for each in others:
        try:
            return ask(program, path, command, id=each, **arguments)
        except CommandFailed as exc:
            if exc.code is not ExitCode.REFUSED:
                raise
    return ask(program, path, command, id=last, **arguments)


def show(answer: Mapping[str, Any], *, json: bool) -> None:
    """Print what there is in an answer, in words or as it came."""
    if json:
        print_json(dict(answer))
        return
    width = max(map(len, answer), default=0) + 2
    for name, value in answer.items():
        say(f"{name.replace('_', ' '):<{width}}{_named_in_words(name, value)}")


def _named_in_words(name: str, value: Any) -> str:
    """Days and times are numbers in JSON, and dates for people."""
    if isinstance(value, int) and name.endswith("_day"):
        return _day(value)
    if isinstance(value, int) and name.endswith(("_at", "_until")):
        return at_time(date_of(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return _in_words(value)


def _day(days: int) -> str:
    """A day, from its number since 1970."""
    found = date_of(days * _DAY)
    return "some day" if found is None else found.date().isoformat()


def _in_words(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(
                f"{name.replace('_', ' ')} {_in_words(each)}" for name, each in value.items()
            )
        case list():
            return ", ".join(map(_in_words, value)) or "-"
        case _:
            return str(value)


def say_status(program: RouterProgram[ConfigT], path: Path, *, json: bool) -> None:
    """Print how a router is."""
    answer = ask(program, path, "status")
    if json:
        print_json(answer)
        return
    shown = {name: each for name, each in answer.items() if name not in ("counters", "now")}
    show(
        {**shown, **{name: each for name, each in answer["now"].items() if name not in shown}},
        json=False,
    )


def say_reloaded(program: RouterProgram[ConfigT], path: Path, *, json: bool) -> None:
    """Have a router read its configuration again, and print what that has changed."""
    answer = ask(program, path, "reload")
    if json:
        print_json(answer)
        return
    if answer["changed"]:
        say(f"Other values from now on: {', '.join(answer['changed'])}.")
    if answer["credentials"]:
        say("New connections get the router's new certificate.")
    if answer["web_credentials"]:
        say("Browsers get the new certificate.")
    if not (answer["changed"] or answer["credentials"] or answer["web_credentials"]):
        say("Nothing has changed.")
    if answer["waiting"]:
        say(f"These need a new start of the router: {', '.join(answer['waiting'])}.")
