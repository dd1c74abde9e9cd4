"""``simplex-trio connect send-file`` and ``receive-file``: files that survive interruptions."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
from cyclopts import Parameter

from simplex_trio.cli.addresses import place_of
from simplex_trio.cli.connect.file_wording import file_problem_words
from simplex_trio.cli.connect.store import (
    KeyFile,
    Open,
    Place,
    StoreName,
    open_connections,
    place,
    short,
)
from simplex_trio.cli.failures import CommandFailed, ExitCode, Interrupted
from simplex_trio.cli.options import AsJson, Flag, at_least
from simplex_trio.cli.output import aside, print_json, say, waiting
from simplex_trio.cli.running import run
from simplex_trio.cli.xftp_bars import showing_progress
from simplex_trio.cli.xftp_files import Description, described
from simplex_trio.duplex.errors import UnknownFile
from simplex_trio.duplex.file_events import (
    FileDelayed,
    FileFailed,
    FileNeedsApproval,
    FileProgress,
    FileReceived,
    FileSent,
)
from simplex_trio.duplex.file_status import FileState
from simplex_trio.wire.xftp.description import FileParty
from simplex_trio.wire.xftp.description_text import decode_description
from simplex_trio.xftp.files.descriptions import save_descriptions
from simplex_trio.xftp.files.layout import MAX_RECIPIENTS
from simplex_trio.xftp.files.progress import Progress
from simplex_trio.xftp.files.send import SentFile

__all__ = ["receive_file", "send_file"]

_LOOKING = 1.0
"""Seconds for which it is looked for what became of files while another command was running."""

_LEAVING = 10.0
"""Seconds for which routers are told what is left to tell; the next command goes on with it."""

FileRouters = Annotated[
    tuple[str, ...],
    Parameter(
        name="--router",
        show_default=False,
        help="A router to put files on, `xftp://…`, or `@FILE` for an address in a file; several "
        "if given several times. They are remembered, and replace those before.",
    ),
]


def send_file(
    file: Path | None = None,
    /,
    *,
    router: FileRouters = (),
    to: Path = Path(),
    recipients: Annotated[int, Parameter(validator=at_least(1, MAX_RECIPIENTS))] = 1,
    name: str | None = None,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Send a file, encrypted, to routers, and write down for each recipient how to get it.

    If it is interrupted it goes on with the next command; without FILE this command waits for what
    was begun before.

    Parameters
    ----------
    file
        The file, which must stay as it is until it is sent.
    to
        The folder in which to make another, `NAME.xftp`, with the descriptions.
    recipients
        How many people are to get the file. Each needs a description of their own.
    name
        What the recipients see instead of the file's own name.
    """
    if file is not None and not file.is_file():
        raise CommandFailed(f"There is no file {file}.", ExitCode.USAGE)
    to.mkdir(parents=True, exist_ok=True)
    absolute = None if file is None else str(file.absolute())

    async def begin(opened: Open) -> set[str]:
        sending = {
            each.file_id: each.path
            for each in await opened.agent.files()
            if each.state is FileState.SENDING
        }
        if file is None or absolute in sending.values():
            return set(sending)
        begun = await opened.agent.send_file(file, recipients=recipients, name=name, redirect=False)
        return {*sending, begun}

    sent = _transfer(place(store, key_file), begin, router, to=to, sends=True)
    if json:
        print_json(sent)
        return
    for each in sent:
        say("A file is on the routers. Give one of these to each recipient:")
        for path in each["descriptions"]:
            say(f"  {path}")
        say(f"Keep this one, with which the file can be deleted: {each['private']}")
    if not sent:
        say("No file is being sent.")


def receive_file(
    description: Description | None = None,
    /,
    *,
    to: Path = Path(),
    yes: Flag = False,
    keep: Flag = False,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Receive a file; if it is interrupted it goes on with the next command.

    It gets the name that its sender gave it, made safe; nothing that is there is overwritten.
    Without DESCRIPTION this command waits for what was begun before.

    Parameters
    ----------
    to
        The folder to put it in.
    yes
        Use whatever routers the file is on. They see the address of this computer.
    keep
        Leave it on the routers, so that the description can be used again until it expires.
    """
    found = None if description is None else described(description)
    if found is not None and found.party is not FileParty.RECIPIENT:
        raise CommandFailed(
            "This is the sender's description; recipients have their own, rcv1.xftp and so on.",
            ExitCode.USAGE,
        )
    to.mkdir(parents=True, exist_ok=True)

    async def begin(opened: Open) -> set[str]:
        receiving = {
            each.file_id
            for each in await opened.agent.files()
            if each.state in (FileState.ASKING, FileState.RECEIVING)
        }
        if found is None:
            return receiving
        begun = await opened.agent.receive_file(found, to, acknowledge=not keep, approve=yes)
        return {*receiving, begun}

    received = _transfer(place(store, key_file), begin, (), to=to, approves=yes)
    if json:
        print_json(received)
        return
    for each in received:
        say(f"Received {each['path']}")
    if not received:
        say("No file is being received.")


def _transfer(
    where: Place,
    begin: Callable[[Open], Awaitable[set[str]]],
    routers: tuple[str, ...],
    *,
    to: Path,
    sends: bool = False,
    approves: bool = False,
) -> list[dict[str, Any]]:
    """Transfer files, and tell what has become of each."""
    try:
        return run(partial(_run, where, begin, routers, to, sends=sends, approves=approves))
    except Interrupted:
        aside("Interrupted; what was begun goes on with the next command.")
        raise


async def _run(
    where: Place,
    begin: Callable[[Open], Awaitable[set[str]]],
    routers: tuple[str, ...],
    to: Path,
    *,
    sends: bool,
    approves: bool,
) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    async with open_connections(where, file_routers=routers, uses_files=True) as opened:
        agent = opened.agent
        names = {each.file_id: Path(each.path).name for each in await agent.files()}
        awaited = await begin(opened)
        names |= {each.file_id: Path(each.path).name for each in await agent.files()}
        # Of what an earlier command has not told, the events come first, and are in the store.
        only_looks = not awaited
        patience = _LOOKING if only_looks else math.inf
        with trio.move_on_after(patience), showing_progress() as tell:
            while awaited or only_looks:
                event = await agent.events.receive()
                match event:
                    case FileProgress():
                        tell(Progress(event.phase, event.done, event.total))
                        continue
                    case FileSent() if sends:
                        name = names.get(event.file_id, short(event.file_id))
                        done.append(await _saved(event, to, name))
                    case FileReceived() if not sends:
                        done.append({"path": event.path})
                    case FileNeedsApproval() if not sends:
                        agent.events.take()
                        with suppress(UnknownFile):  # it was deleted by an earlier command
                            await _approve(opened, event, approves=approves)
                        continue
                    case FileDelayed():
                        if event.file_id in awaited:
                            aside(f"waiting: {file_problem_words(event.problem)}; trying again")
                        continue
                    case FileFailed():
                        agent.events.take()
                        words = file_problem_words(event.problem)
                        if event.file_id in awaited:
                            raise CommandFailed(
                                f"The file was given up: {words}.", ExitCode.REFUSED
                            )
                        aside(f"A file of an earlier command was given up: {words}.")
                        continue
                    case _:
                        agent.events.keep()  # for another command
                        continue
                awaited.discard(event.file_id)
                agent.events.take()
        with trio.move_on_after(_LEAVING), waiting("telling routers"):
            await agent.drain()
    return done


async def _approve(opened: Open, event: FileNeedsApproval, *, approves: bool) -> None:
    if approves:
        await opened.agent.approve_file(event.file_id)
        return
    await opened.agent.delete_file(event.file_id)
    routers = ", ".join(map(place_of, event.servers))
    raise CommandFailed(
        f"The file is on routers that would see the address of this computer: {routers}. Give "
        "--yes to use them.",
        ExitCode.USAGE,
    )


async def _saved(event: FileSent, folder: Path, name: str) -> dict[str, Any]:
    """Write the descriptions of a file to a folder; they are in the store until that is done."""
    sent = SentFile(
        decode_description(event.own[0]), tuple(map(decode_description, event.recipients))
    )
    *paths, private = await save_descriptions(sent, folder, name)
    return {"descriptions": [str(path) for path in paths], "private": str(private)}
