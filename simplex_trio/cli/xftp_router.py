"""``simplex-trio xftp router``: run a router for files until it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

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
from simplex_trio.crypto.credentials import RouterCredentials
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.credentials import load_credentials, load_web_credentials
from simplex_trio.serving.metrics import serve_metrics
from simplex_trio.transport.tls import TlsCredentials
from simplex_trio.xftp.router.config import PacketPolicy, XFTPRouterConfig
from simplex_trio.xftp.router.server import EMBEDDED, XFTPRouter, serve_xftp_router

__all__ = ["router"]

_GIB = 1024**3
_METRICS = "simplex_xftp_router_"
_MOST_PASSWORD = 1000


def router(
    folder: Path | None = None,
    /,
    *,
    host: Annotated[list[str] | None, Parameter(name="--host", negative=())] = None,
    port: Annotated[int | None, Parameter(validator=Number(gte=0, lte=0xFFFF))] = None,
    quota: Annotated[float, Parameter(validator=Number(gte=0))] = 10,
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
        Where its credentials and the files are; both are made if they are missing. If it also has
        web.crt and web.key, from an authority that browsers trust, browsers are served too. Without
        a folder the router is for trying: only this machine reaches it, and everything ends with
        it.
    host
        The name or address under which clients find the router; may be given several times.
    port
        The port that it listens on; 443 unless given.
    quota
        How much it stores at most, in GiB.
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
    config = _config(folder, host, port, int(quota * _GIB), _password(password_file))
    config = evolve(config, pages=pages)

    def ready(running: XFTPRouter) -> None:
        if json:
            print_json({"address": str(running.address), "ports": list(running.ports)})
        else:
            say(str(running.address))

    log_to_stderr(log, verbose=verbose)
    signal = run_service(
        partial(_serve, config, folder, metrics_port, ready, accept_loss=accept_loss)
    )
    logging.getLogger(__name__).info("the router has stopped after %s", signal)


def _config(
    folder: Path | None,
    hosts: list[str] | None,
    port: int | None,
    quota: int,
    password: str | None,
) -> XFTPRouterConfig:
    config = EMBEDDED if folder is None else XFTPRouterConfig(folder=folder / "files")
    try:
        config = evolve(config, packets=PacketPolicy(quota=quota, password=password))
        if hosts:
            config = evolve(config, hosts=tuple(hosts), listen=None)
        if port is not None:
            config = evolve(config, ports=(port,))
    except ValueError as exc:
        raise CommandFailed(f"This configuration is not valid: {exc}.", ExitCode.USAGE) from exc
    return config


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    with path.open(encoding="utf-8") as file:
        return file.read(_MOST_PASSWORD).strip()


async def _serve(
    config: XFTPRouterConfig,
    folder: Path | None,
    metrics_port: int | None,
    ready: Callable[[XFTPRouter], None],
    *,
    accept_loss: bool,
) -> None:
    credentials, web = None, None
    if folder is not None:
        credentials = await _credentials(folder, config.hosts[0])
        web = await _web_credentials(folder)
    if config.pages is not None and web is None:
        raise CommandFailed(
            "Pages are for browsers, which need web.crt and web.key in the router's folder.",
            ExitCode.USAGE,
        )
    async with open_inner_nursery() as nursery:
        serve = partial(
            serve_xftp_router,
            config,
            credentials=credentials,
            web=web,
            accept_loss=accept_loss,
        )
        running: XFTPRouter = await nursery.start(serve)
        if metrics_port is not None:
            metrics = partial(serve_metrics, running.statistics, metrics_port, prefix=_METRICS)
            await nursery.start(metrics)
        ready(running)


async def _credentials(folder: Path, host: str) -> RouterCredentials:
    if not (folder / "server.key").exists():
        write_new_files(folder, credential_files(new_credentials(host)))
        aside(f"Made new credentials. Take {folder / CA_KEY} off this machine, and keep it safe.")
    return await load_credentials(folder, at=datetime.now(UTC))


async def _web_credentials(folder: Path) -> TlsCredentials | None:
    # Either file alone is a mistake, which loading them tells.
    if not any((folder / name).exists() for name in ("web.crt", "web.key")):
        return None
    return await load_web_credentials(folder)
