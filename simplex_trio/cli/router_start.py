"""``simplex-trio router start``: run a router until it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.logs import LogFormat, log_to_stderr
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import print_json, qr_code, say
from simplex_trio.cli.router_init import CONFIG, shown_address
from simplex_trio.cli.running import run_service
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.server import Router, serve_router

__all__ = ["load_config", "start"]


def load_config(path: Path) -> RouterConfig:
    """The configuration in a file, or in the one of its usual name in a folder."""
    if path.is_dir():
        path = path / CONFIG
    try:
        return RouterConfig.load(path)
    except FileNotFoundError as exc:
        raise CommandFailed(
            f"There is no {path}; make a router with: simplex-trio router init", ExitCode.USAGE
        ) from exc


def start(
    config: Path = Path("router"),
    /,
    *,
    log: Annotated[LogFormat | None, Parameter(name="--log")] = None,
    verbose: Flag = False,
    show_password: Flag = False,
    qr: Flag = False,
    accept_loss: Flag = False,
    json: AsJson = False,
) -> None:
    """Run a router until SIGINT or SIGTERM, which it obeys in order: that is a success.

    The address goes to standard output as soon as clients can connect, the log to standard error.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    log
        How log lines are written; `text` on a terminal and `json` elsewhere unless given.
    verbose
        Log more.
    show_password
        Print the address with the router's password in it.
    qr
        Show the address as a QR code, too.
    accept_loss
        Start even if the store lacks its last commits, which are given up; the log says how many.
    """
    loaded = load_config(config)
    password = loaded.queues.password if show_password else None

    def ready(router: Router) -> None:
        address = shown_address(router.address, password)
        if json:
            print_json({"address": address, "ports": list(router.ports)})
            return
        say(address)
        if qr:
            say(qr_code(address))

    log_to_stderr(log, verbose=verbose)
    signal = run_service(partial(_serve, loaded, ready, accept_loss=accept_loss))
    logging.getLogger(__name__).info("the router has stopped after %s", signal)


async def _serve(
    config: RouterConfig, ready: Callable[[Router], None], *, accept_loss: bool
) -> None:
    async with open_inner_nursery() as nursery:
        ready(await nursery.start(partial(serve_router, config, accept_loss=accept_loss)))
