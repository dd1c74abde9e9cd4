"""``simplex-trio xftp``: send files, receive and delete them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from simplex_trio.cli.addresses import place_of, read_address
from simplex_trio.cli.failures import CommandFailed, ExitCode, Interrupted
from simplex_trio.cli.options import AsJson, Flag, at_least
from simplex_trio.cli.output import aside, print_json, say
from simplex_trio.cli.running import run
from simplex_trio.cli.web_pages import shows_pages
from simplex_trio.cli.xftp_bars import showing_progress
from simplex_trio.errors import DecodeError, StoreError
from simplex_trio.wire.addresses import ServerProtocol
from simplex_trio.wire.xftp.description import FileDescription, FileParty
from simplex_trio.wire.xftp.links import FileLink
from simplex_trio.wire.xftp.links import web_link as link_for_browsers
from simplex_trio.xftp.errors import FileChanged, NoSuchReplica, StateMismatch
from simplex_trio.xftp.files.delete import DeletedFile, delete_file
from simplex_trio.xftp.files.descriptions import (
    LINK_SCHEMES,
    MAX_SOURCE_SIZE,
    load_description,
    read_description,
    save_descriptions,
)
from simplex_trio.xftp.files.layout import MAX_RECIPIENTS
from simplex_trio.xftp.files.names import shortened
from simplex_trio.xftp.files.progress import Listener
from simplex_trio.xftp.files.receive import ReceivedFile, receive_file
from simplex_trio.xftp.files.send import SentFile, send_file

__all__ = ["Description", "delete", "described", "info", "receive", "send"]

T = TypeVar("T")

_ROOM_FOR_STATE = 32
"""Bytes for what is added to the name of a file for that of its state."""

Recipients = Annotated[int, Parameter(validator=at_least(1, MAX_RECIPIENTS))]

Replicas = Annotated[int, Parameter(validator=at_least(1))]

Description = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="The file with the description, or with a link to it; `-` for standard input. "
        "Anyone with the description has the file.",
    ),
]


# --- send ---------------------------------------------------------------------------------------


def send(
    file: Path,
    /,
    *routers: str,
    to: Path = Path(),
    recipients: Recipients = 1,
    replicas: Replicas = 1,
    name: str | None = None,
    link: Flag = False,
    web_link: Flag = False,
    json: AsJson = False,
) -> None:
    """Send a file, encrypted, to routers, and write down for each recipient how to get it.

    A transfer that was interrupted goes on where it was when the same command is given again.

    Parameters
    ----------
    file
        The file.
    routers
        Addresses of the routers to put it on, `xftp://…`, or `@FILE` for one in a file.
    to
        The folder in which to make another, `NAME.xftp`, with the descriptions.
    recipients
        How many people are to get the file. Each needs a description of their own.
    replicas
        On how many of the routers each part of the file is put.
    name
        What the recipients see instead of the file's own name.
    link
        Print the first recipient's description as a link, too. Anyone with it has the file.
    web_link
        The same for browsers, with the web client that the first router has.
    """
    servers = [read_address(each, ServerProtocol.XFTP) for each in routers]
    if len({each.address for each in servers}) < replicas:
        raise CommandFailed(
            "Name the routers to send to after the file, at least as many as --replicas, "
            "and each once.",
            ExitCode.USAGE,
        )
    if not file.is_file():
        raise CommandFailed(f"There is no file {file}.", ExitCode.USAGE)
    to.mkdir(parents=True, exist_ok=True)
    state = to / f".{shortened(file.name, _ROOM_FOR_STATE)}.xftp-sending"

    async def transfer(tell: Listener) -> tuple[SentFile, list[Path]]:
        sent = await send_file(
            file,
            servers,
            recipients=recipients,
            replicas=replicas,
            name=name,
            state=state,
            tell=tell,
        )
        paths = await save_descriptions(sent, to, file.name)
        state.unlink()
        return sent, paths

    sent, (*described, private) = _transfer(transfer, state)
    links = _links(sent.recipients[0], link=link, web_link=web_link)
    if json:
        report = {"descriptions": [str(path) for path in described], "private": str(private)}
        print_json(report | links)
    else:
        say("The file is on the routers. Give one of these to each recipient:")
        for path in described:
            say(f"  {path}")
        say(f"Keep this one, with which the file can be deleted: {private}")
        for each in links.values():
            say("Or give this link to one of them:")
            say(each)
    # It may take some seconds, and an interruption must not keep the links back.
    if web_link and not run(partial(shows_pages, sent.recipients[0].servers[0])):
        aside(
            "The first router has no certificate that browsers trust, so they will not open the "
            "web link; apps do."
        )


def _links(description: FileDescription, *, link: bool, web_link: bool) -> dict[str, str]:
    links = {}
    if link:
        links["link"] = str(FileLink(description))
    if web_link:
        links["web_link"] = link_for_browsers(description)
    return links


def _transfer(transfer: Callable[[Listener], Awaitable[T]], state: Path) -> T:
    """Run a transfer with bars; say what to do next if it did not come to its end."""
    try:
        with showing_progress() as tell:
            return run(partial(transfer, tell))
    except Interrupted:
        aside("Interrupted; the same command goes on where it was.")
        raise
    except StateMismatch as exc:
        raise CommandFailed(
            f"{state} belongs to another transfer; delete it to begin a new one.", ExitCode.USAGE
        ) from exc
    except FileChanged as exc:
        raise CommandFailed(
            f"The file is not what it was at first; delete {state} to begin a new transfer."
        ) from exc


# --- receive ------------------------------------------------------------------------------------


def receive(
    description: Description,
    /,
    *,
    to: Path = Path(),
    keep: Flag = False,
    json: AsJson = False,
) -> None:
    """Receive a file.

    It gets the name that its sender gave it, made safe; nothing that is there is overwritten. A
    transfer that was interrupted goes on where it was when the same command is given again.

    Parameters
    ----------
    to
        The folder to put it in.
    keep
        Leave it on the routers, so that the description can be used again until it expires.
    """
    found = described(description)
    if found.party is not FileParty.RECIPIENT:
        raise CommandFailed(
            "This is the sender's description; recipients have their own, rcv1.xftp and so on.",
            ExitCode.USAGE,
        )
    to.mkdir(parents=True, exist_ok=True)
    state = to / f".{found.digest.hex()[:16]}.xftp-receiving"

    async def transfer(tell: Listener) -> ReceivedFile:
        try:
            received = await receive_file(found, to, state=state, acknowledge=not keep, tell=tell)
        except NoSuchReplica as exc:
            if not exc.retryable:
                state.unlink(missing_ok=True)  # what is there of it will never be whole
            raise
        state.unlink(missing_ok=True)
        return received

    received = _transfer(transfer, state)
    if json:
        print_json({"path": str(received.path)})
    else:
        say(f"Received {received.path}")


# --- delete, info -------------------------------------------------------------------------------


def delete(description: Description, /, *, json: AsJson = False) -> None:
    """Delete a file from its routers, with the description that its sender has kept.

    Parameters
    ----------
    description
        `snd.xftp.private`, or `-` for standard input.
    """
    found = described(description)
    if found.party is not FileParty.SENDER:
        raise CommandFailed(
            "Only the sender's description, snd.xftp.private, deletes a file.", ExitCode.USAGE
        )

    async def transfer() -> DeletedFile:
        return await delete_file(found, tell=tell)

    with showing_progress() as tell:
        deleted = run(transfer)
    if json:
        print_json({"deleted": deleted.deleted, "unknown": deleted.unknown})
        return
    say(f"Deleted {_packets(deleted.deleted)}.")
    if deleted.unknown:
        say(f"The routers did not know {deleted.unknown} others, which may have expired.")


def info(description: Description, /, *, json: AsJson = False) -> None:
    """Say what a description describes, without asking any router."""
    facts = _facts(described(description))
    if json:
        print_json(facts)
        return
    whom = "its sender" if facts["party"] == FileParty.SENDER.value else "a recipient"
    say(f"A description for {whom}")
    say(f"Size: {facts['bytes']:,} bytes, encrypted, in {_packets(facts['packets'])}")
    say("Routers: " + ", ".join(facts["routers"]))
    if facts["leads_to_bytes"] is not None:
        say(f"It leads to another description, of a file of {facts['leads_to_bytes']:,} bytes.")


def _facts(description: FileDescription) -> dict[str, Any]:
    redirect = description.redirect
    return {
        "party": description.party.value,
        "bytes": description.size,
        "packets": len(description.packets),
        "routers": list(map(place_of, description.servers)),
        "leads_to_bytes": None if redirect is None else redirect.size,
    }


def _packets(count: int) -> str:
    return "1 packet" if count == 1 else f"{count} packets"


def described(source: str) -> FileDescription:
    """The description in a file, a link or standard input; `CommandFailed` if there is none."""
    try:
        if source == "-":
            return read_description(sys.stdin.buffer.read(MAX_SOURCE_SIZE + 1))
        if source.startswith(LINK_SCHEMES):
            aside("A link on a command line can be seen by others; '-' reads it from elsewhere.")
        return run(partial(load_description, source))
    except DecodeError as exc:
        raise CommandFailed(
            "This is no description of a file, and no link to one.", ExitCode.USAGE
        ) from exc
    except StoreError as exc:
        raise CommandFailed(f"{source} cannot be read: {exc}.", ExitCode.USAGE) from exc
