"""``simplex-trio xftp router``: a router for files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from secrets import token_bytes
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import ExistingDirectory

from simplex_trio.cli.options import AsJson, HostNames, at_least
from simplex_trio.cli.routers.making import NewRouter, quoted, setting_lines
from simplex_trio.cli.routers.numbers import show_numbers
from simplex_trio.cli.routers.options import (
    AcceptLoss,
    CaKey,
    Log,
    NewPort,
    NoControl,
    Password,
    Qr,
    ShowPassword,
    Standby,
    TakeOver,
    Verbose,
    Zeros,
)
from simplex_trio.cli.routers.program import Numbers, RouterProgram
from simplex_trio.cli.routers.renewing import renew_credentials
from simplex_trio.cli.routers.running import Manner, run_router
from simplex_trio.wire.addresses import ServerProtocol
from simplex_trio.xftp.router.config import XFTPRouterConfig
from simplex_trio.xftp.router.server import EMBEDDED, METRICS_PREFIX, serve_xftp_router
from simplex_trio.xftp.router.storage import open_storage

__all__ = ["init", "renew", "start", "stats", "try_"]

_FOLDER = Path("xftp-router")
_GIB = 1024**3
_USUAL_QUOTA = 10 * _GIB
_USUAL_TTL = 48 * 3600


async def _numbers(config: XFTPRouterConfig) -> tuple[Numbers, Numbers]:
    assert config.store is not None
    async with open_storage(
        config.store, config.packets.quota, token_bytes, records=config.records
    ) as storage:
        now = {
            "packets": storage.packets,
            "bytes_stored": storage.bytes_stored,
            "bytes_of_records": storage.bytes_of_records,
        }
        return now, await storage.statistics()


PROGRAM = RouterProgram(
    command="xftp router",
    protocol=ServerProtocol.XFTP,
    config_name="xftp.toml",
    ini_name="file-server.ini",
    config=XFTPRouterConfig,
    password_of=lambda config: config.packets.password,
    serve=serve_xftp_router,
    metrics_port=5241,
    metrics_prefix=METRICS_PREFIX,
    store_is_folder=True,
    numbers_in_store=_numbers,
)


def init(
    folder: Path = _FOLDER,
    /,
    *,
    host: HostNames = None,
    port: NewPort = None,
    quota: Annotated[float | None, Parameter(validator=at_least(0))] = None,
    password: Password = False,
    take_over: TakeOver = None,
    pages: ExistingDirectory | None = None,
    show_password: ShowPassword = False,
    json: AsJson = False,
) -> None:
    """Make a new router for files: its keys and certificates, and its configuration, in a folder.

    Nothing that is in the folder already is overwritten.

    Parameters
    ----------
    folder
        Where to; made if it is missing.
    host
        The name or address under which clients find the router; may be given several times.
    port
        The port that it listens on; 443 unless given.
    quota
        How much it stores at most, in GiB; 10 unless given.
    password
        Require a password for sending files. It is generated here and kept in the configuration.
    take_over
        The folder with the configuration of xftp-server, /etc/opt/simplex-xftp: the router has its
        identity, hosts, ports, password, quota, and the time after which files are deleted. Then
        the router has the same address; import gets the files that the server has.
    pages
        A folder with what browsers get when they ask for a page: the files of a web client. Put
        web.crt and web.key, from an authority that browsers trust, into the router's folder.
    """
    new = NewRouter.described(PROGRAM, folder, host, port, password=password, server=take_over)
    taken = new.taken
    size = (taken and taken.quota) or _USUAL_QUOTA if quota is None else int(quota * _GIB)
    ttl = (taken and taken.ttl) or None
    # Lines that are comments show what there is.
    web = "" if pages else "# "
    shown_pages = quoted("web" if pages is None else str(pages.absolute()))
    config = f"""\
{new.common_lines}\
store = "files"
{new.metrics_line}

# Browsers need web.crt and web.key in this folder, from an authority that they trust.
{web}web_ports = [{new.ports[0]}]
{web}pages = {shown_pages}

[packets]
quota = {size}  # bytes
{"" if ttl else "# "}packet_ttl = {ttl or _USUAL_TTL}  # seconds after which files are deleted
# What clients have to know to send files.
{new.password_line}
{setting_lines(accept_new=None if taken is None else taken.accept_new)}"""
    new.make(config, show_password=show_password, json=json)


def start(
    config: Path = _FOLDER,
    /,
    *,
    log: Log = None,
    verbose: Verbose = False,
    show_password: ShowPassword = False,
    qr: Qr = False,
    accept_loss: AcceptLoss = False,
    standby: Standby = False,
    no_control: NoControl = False,
    json: AsJson = False,
) -> None:
    """Run a router for files until SIGINT or SIGTERM, which it obeys in order: that is a success.

    At SIGHUP it reads its configuration and its certificates again; no connection ends.

    The address goes to standard output as soon as clients can connect, the log to standard error.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    """
    how = Manner(log, verbose, show_password, qr, accept_loss, json)
    load = partial(PROGRAM.load_to_start, config, standby=standby, no_control=no_control)
    run_router(PROGRAM, load(), how, load)


def try_(
    *, log: Log = None, verbose: Verbose = False, qr: Qr = False, json: AsJson = False
) -> None:
    """Run a router for trying: only this machine reaches it, and everything ends with it."""
    run_router(PROGRAM, EMBEDDED, Manner(log, verbose, qr=qr, json=json))


def stats(config: Path = _FOLDER, /, *, zeros: Zeros = False, json: AsJson = False) -> None:
    """Show the current state of a router for files, and its counters since it was created.

    A running router is asked on its control socket, or else on its metrics port; the records of one
    that is stopped are read.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    """
    show_numbers(PROGRAM, config, zeros=zeros, json=json)


def renew(config: Path = _FOLDER, /, *, ca_key: CaKey = None, json: AsJson = False) -> None:
    """Give a router a new key and certificate, signed by its identity; its address stays.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    """
    renew_credentials(PROGRAM, config, ca_key, json=json)
