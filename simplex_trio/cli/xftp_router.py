"""``simplex-trio xftp router``: run a router for files until it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from attrs import evolve
from cyclopts import Parameter
from cyclopts.types import ExistingDirectory
from cyclopts.validators import Number

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.logs import LogFormat, log_to_stderr
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import aside, print_json, say
from simplex_trio.cli.router_folder import (
    CA_KEY,
    credential_files,
    new_credentials,
    write_new_files,
)
from simplex_trio.cli.running import run_service
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.server import EMBEDDED, XFTPRouter, serve_xftp_router

__all__ = ["router"]

_GIB = 1024**3
_MOST_PASSWORD = 1000
_CONFIG = "xftp.toml"


def router(
    folder: Path | None = None,
    /,
    *,
    host: Annotated[list[str] | None, Parameter(name="--host", negative=())] = None,
    port: Annotated[int | None, Parameter(validator=Number(gte=0, lte=0xFFFF))] = None,
    quota: Annotated[float | None, Parameter(validator=Number(gte=0))] = None,
    pages: ExistingDirectory | None = None,
    password_file: Path | None = None,
    metrics_port: Annotated[int | None, Parameter(validator=Number(gte=0, lte=0xFFFF))] = None,
    log: Annotated[LogFormat | None, Parameter(name="--log")] = None,
    verbose: Flag = False,
    accept_loss: Flag = False,
    json: AsJson = False,
) -> None:
    """Run a router for files until SIGINT or SIGTERM, which it obeys in order.

    The address goes to standard output as soon as clients can connect, the log to standard error.

    Parameters
    ----------
    folder
        Where its credentials and the files are; both are made if they are missing. If it has a
        xftp.toml, that is the configuration, and the options here take precedence. Otherwise, if
        it has web.crt and web.key, from an authority that browsers trust, browsers are served too.
        Without a folder the router is for trying: only this machine reaches it, and everything ends
        with it.
    host
        The name or address under which clients find the router; may be given several times.
    port
        The port that it listens on; 443 unless given.
    quota
        How much it stores at most, in GiB; 10 unless given.
    pages
        A folder with what browsers get when they ask for a page: the files of a web client.
    password_file
        A file with the password that senders have to know.
    metrics_port
        A port of this machine only, where Prometheus finds metrics.
    log
        How log lines are written; `text` on a terminal and `json` elsewhere unless given.
    verbose
        Log more.
    accept_loss
        Start even if the last records of files are missing, and give these files up; the log says
        how many.
    """
    config = _config(
        folder,
        packets={
            "quota": None if quota is None else int(quota * _GIB),
            "password": _password(password_file),
        },
        hosts=tuple(host) if host else None,
        ports=None if port is None else (port,),
        pages=pages,
        metrics_port=metrics_port,
    )

    def ready(running: XFTPRouter) -> None:
        if json:
            print_json({"address": str(running.address), "ports": list(running.ports)})
        else:
            say(str(running.address))

    log_to_stderr(log, verbose=verbose)
    signal = run_service(partial(_serve, config, folder, ready, accept_loss=accept_loss))
    logging.getLogger(__name__).info("the router has stopped after %s", signal)


def _config(
    folder: Path | None, *, packets: Mapping[str, Any], **settings: Any
) -> XFTPRouterConfig:
    """The configuration in a folder, or the usual one, with the options that are not `None`."""
    changes = {name: value for name, value in settings.items() if value is not None}
    policy = {name: value for name, value in packets.items() if value is not None}
    config = EMBEDDED if folder is None else _config_in(folder)
    if folder is None and "hosts" in changes:
        changes["listen"] = None
    if "ports" in changes and config.web_ports:
        changes["web_ports"] = changes["ports"]
    if "pages" in changes and not config.web_ports:
        raise CommandFailed(
            "Pages are for browsers, which need web.crt and web.key in the router's folder.",
            ExitCode.USAGE,
        )
    try:
        return evolve(config, packets=evolve(config.packets, **policy), **changes)
    except ValueError as exc:
        raise CommandFailed(f"This configuration is not valid: {exc}.", ExitCode.USAGE) from exc


def _config_in(folder: Path) -> XFTPRouterConfig:
    path = folder / _CONFIG
    if path.exists():
        config = XFTPRouterConfig.load(path)
    else:
        config = XFTPRouterConfig()
        # Either file alone is a mistake, which loading them tells.
        if any((folder / name).exists() for name in ("web.crt", "web.key")):
            config = evolve(config, web_ports=config.ports)
    return evolve(
        config,
        credentials=folder if config.credentials is None else config.credentials,
        store=folder / "files" if config.store is None else config.store,
    )


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    with path.open(encoding="utf-8") as file:
        return file.read(_MOST_PASSWORD).strip()


async def _serve(
    config: XFTPRouterConfig,
    folder: Path | None,
    ready: Callable[[XFTPRouter], None],
    *,
    accept_loss: bool,
) -> None:
    # A folder that the configuration names is expected to have them.
    if folder is not None and folder == config.credentials:
        _make_missing_credentials(folder, config.hosts[0])
    async with open_inner_nursery() as nursery:
        ready(await nursery.start(partial(serve_xftp_router, config, accept_loss=accept_loss)))


def _make_missing_credentials(folder: Path, host: str) -> None:
    if not (folder / "server.key").exists():
        write_new_files(folder, credential_files(new_credentials(host)))
        aside(f"Made new credentials. Take {folder / CA_KEY} off this machine, and keep it safe.")
