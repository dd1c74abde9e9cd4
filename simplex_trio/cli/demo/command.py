"""``simplex-trio demo``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from simplex_trio.cli.addresses import read_address
from simplex_trio.cli.demo.events import Teller
from simplex_trio.cli.demo.live import telling_live
from simplex_trio.cli.demo.plain import tell_json, tell_plainly, verdict
from simplex_trio.cli.demo.stage import open_stage
from simplex_trio.cli.demo.story import FAST, WATCHED, Pace, tell_story
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import OUT, say
from simplex_trio.cli.running import run
from simplex_trio.wire.addresses import ServerAddressWithAuth, ServerProtocol

__all__ = ["demo"]

_MOST_ROUTERS = 2


def demo(
    *,
    router: Annotated[list[str] | None, Parameter(name="--router", negative=())] = None,
    plain: Flag = False,
    json: AsJson = False,
) -> int:
    """Watch two people talk, and an agent lose a connection and nothing else.

    Parameters
    ----------
    router
        A real router in place of the first, and a second time of the second, which is the proxy:
        `smp://…`, or `@FILE` for an address in a file.
    plain
        Tell it in lines, and without pauses, on a terminal as well.
    """
    named = [read_address(each, ServerProtocol.SMP) for each in router or ()]
    if len(named) > _MOST_ROUTERS:
        raise CommandFailed("The demonstration has two routers; name no more.", ExitCode.USAGE)
    live = OUT.is_terminal and not (plain or json)
    tell_each = tell_json if json else tell_plainly
    with telling_live(OUT) if live else nullcontext(tell_each) as tell:
        held = run(partial(_perform, named, tell, WATCHED if live else FAST))
    if not json:
        say(f"\n{verdict(held=held)}", style="bold green" if held else "bold red")
    return ExitCode.OK if held else ExitCode.FAILED


async def _perform(named: Sequence[ServerAddressWithAuth], tell: Teller, pace: Pace) -> bool:
    async with open_stage(named) as stage:
        return await tell_story(stage, tell, pace)
