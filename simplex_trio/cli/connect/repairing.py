"""``simplex-trio connect resync``: a new encryption for a connection whose two sides differ."""

from __future__ import annotations

from functools import partial

import trio

from simplex_trio.cli.connect.store import (
    PATIENCE,
    ConnectionId,
    KeyFile,
    Open,
    Place,
    StoreName,
    open_connections,
    place,
)
from simplex_trio.cli.connect.wording import problem_words
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag, Patience
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.running import run
from simplex_trio.duplex.events import ResynchronisationFailed, Resynchronised
from simplex_trio.duplex.status import ConnectionStatus

__all__ = ["resync"]


def resync(
    connection: ConnectionId,
    /,
    *,
    force: Flag = False,
    seconds: Patience = PATIENCE,
    store: StoreName = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Agree on new keys with the peer, when messages cannot be decrypted any more.

    That is so after one side was restored from a backup, for example. The security code changes:
    compare it with the peer again.

    Parameters
    ----------
    force
        Do so although nothing seems to be wrong, or once more if the peer has not answered.
    seconds
        Wait at most this long for the peer; the next command goes on with it.
    """
    found, is_done = run(
        partial(_resync, place(store, key_file), connection, force=force, seconds=seconds)
    )
    code = found.security_code
    if json:
        print_json(
            {"connection": found.connection_id, "synchronised": is_done, "security_code": code}
        )
    elif is_done:
        say("Repaired. The security code, to compare with the peer's:")
        say(f"  {code}", style="bold")
    else:
        say("It has begun, and goes on when the peer's program answers; see 'connect watch'.")


async def _resync(
    where: Place, beginning: str, *, force: bool, seconds: float
) -> tuple[ConnectionStatus, bool]:
    """The connection afterwards, and whether all is done."""
    is_done = False
    async with open_connections(where) as opened:
        connection_id = await opened.find(beginning)
        await opened.agent.resynchronise(connection_id, force=force)
        with trio.move_on_after(seconds), waiting("waiting for the peer"):
            await _until_done(opened, connection_id)
            is_done = True
        return await opened.agent.status(connection_id), is_done


async def _until_done(opened: Open, connection_id: str) -> None:
    """Wait until both sides have the new keys; other events are left for `watch`."""
    events = opened.agent.events
    while True:
        match await events.receive():
            case Resynchronised(known) if known == connection_id:
                events.take()
                return
            case ResynchronisationFailed(known, problem) if known == connection_id:
                events.take()
                words = problem_words(problem)
                raise CommandFailed(f"The peer cannot be asked: {words}.", ExitCode.REFUSED)
            case _:
                events.keep()
