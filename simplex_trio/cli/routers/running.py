"""Running a router until it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from simplex_trio.cli.logs import LogFormat, log_to_stderr
from simplex_trio.cli.output import print_json, say, show_qr_code
from simplex_trio.cli.routers.collector import collector_for_much
from simplex_trio.cli.routers.making import shown_address
from simplex_trio.cli.routers.program import ConfigT, RouterProgram
from simplex_trio.cli.running import run_service
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.running import RunningRouter

__all__ = ["Manner", "run_router"]


@frozen
class Manner:
    """How a router is run, in options that both kinds have."""

    log: LogFormat | None = None
    verbose: bool = False
    show_password: bool = False
    qr: bool = False
    accept_loss: bool = False
    json: bool = False


def run_router(program: RouterProgram[ConfigT], config: ConfigT, how: Manner) -> None:
    """Run a router until SIGINT or SIGTERM.

    The address goes to standard output as soon as clients can connect, the log to standard error.
    """
    password = program.password_of(config) if how.show_password else None

    def ready(router: RunningRouter) -> None:
        loaded()
        address = shown_address(router.address, password)
        if how.json:
            print_json({"address": address, "ports": list(router.ports)})
            return
        say(address)
        if how.qr:
            show_qr_code(address)

    log_to_stderr(how.log, verbose=how.verbose)
    serve = partial(program.serve, config, accept_loss=how.accept_loss)
    with collector_for_much() as loaded:
        signal = run_service(partial(_serve, serve, ready))
    logging.getLogger(__name__).info("the router has stopped after %s", signal)


async def _serve(
    serve: Callable[..., Awaitable[object]], ready: Callable[[RunningRouter], None]
) -> None:
    async with open_inner_nursery() as nursery:
        ready(await nursery.start(serve))
