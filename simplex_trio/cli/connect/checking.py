"""``simplex-trio connect test-router``: whether a router does all that connections need."""

from __future__ import annotations

from functools import partial
from typing import Any

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.cli.addresses import place_of, read_address
from simplex_trio.cli.options import AsJson
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.reporting import named
from simplex_trio.cli.running import run
from simplex_trio.duplex.config import Server
from simplex_trio.duplex.server_checks import ServerCheck, ServerStep, check_server
from simplex_trio.wire.addresses import ServerProtocol

__all__ = ["check_router"]

_DONE = {
    ServerStep.CONNECT: "connected",
    ServerStep.CREATE_QUEUE: "made a queue",
    ServerStep.SECURE_QUEUE: "secured it",
    ServerStep.DELETE_QUEUE: "deleted it",
    ServerStep.CREATE_FILE: "registered a file",
    ServerStep.UPLOAD_FILE: "uploaded it",
    ServerStep.DOWNLOAD_FILE: "downloaded it, unchanged",
    ServerStep.DELETE_FILE: "deleted it",
}


def check_router(server: str, /, *, json: AsJson = False) -> None:
    """Do once what is needed of a router, and tell each step; nothing is left on it.

    With a router for messages that is: making, securing and deleting a queue; with one for files:
    uploading, downloading and deleting 64 KiB.

    Parameters
    ----------
    server
        The router's address, `smp://…` or `xftp://…`, with its password if it has one; `@FILE`
        for one in a file.
    """
    given = read_address(server, ServerProtocol.SMP, ServerProtocol.XFTP)
    with named(place_of(given.address)):
        checked = run(partial(_check, Server(given.address, given.basic_auth)))
    if json:
        print_json(_report(checked))
    else:
        for outcome in checked.outcomes:
            if outcome.error is None:
                say(f"{_DONE[outcome.step]} ({outcome.seconds * 1000:.0f} ms)")
    failed = checked.failed
    if failed is not None and failed.error is not None:
        if not json:
            say(f"failed to {failed.step.value}")
        with named(place_of(given.address)):
            raise failed.error
    if not json:
        say("The router does all that is needed.", style="bold green")


async def _check(server: Server) -> ServerCheck:
    with waiting("testing the router"):
        async with open_smp_agent() as agent:
            return await check_server(server, agent)


def _report(checked: ServerCheck) -> dict[str, Any]:
    steps = [
        {
            "step": each.step.value,
            "ok": each.error is None,
            "ms": round(each.seconds * 1000, 3),
        }
        for each in checked.outcomes
    ]
    return {"ok": checked.ok, "steps": steps}
