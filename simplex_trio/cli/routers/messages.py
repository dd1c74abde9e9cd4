"""``simplex-trio router``: a router for messages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from simplex_trio.cli.options import AsJson, HostNames
from simplex_trio.cli.routers.making import NewRouter, setting_lines
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
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.server import EMBEDDED, METRICS_PREFIX, serve_router
from simplex_trio.router.store.interface import Snapshot
from simplex_trio.router.store.opening import open_store
from simplex_trio.wire.addresses import ServerProtocol

__all__ = ["init", "numbers_in_store", "renew", "start", "stats", "try_"]

_FOLDER = Path("router")


async def _numbers(config: RouterConfig) -> tuple[Numbers, Numbers]:
    assert config.store is not None
    async with open_store(config.store) as store:
        return numbers_in_store(await store.load())


def numbers_in_store(snapshot: Snapshot) -> tuple[Numbers, Numbers]:
    """What a store says about a router that does not run."""
    now = {
        "queues": len(snapshot.queues),
        "messages": sum(map(len, snapshot.messages.values())),
        "notifiers": sum(queue.notifier is not None for queue in snapshot.queues),
        "notifications": len(snapshot.notifications),
        "services": len(snapshot.services),
    }
    return now, snapshot.statistics


PROGRAM = RouterProgram(
    command="router",
    protocol=ServerProtocol.SMP,
    config_name="router.toml",
    ini_name="smp-server.ini",
    config=RouterConfig,
    password_of=lambda config: config.queues.password,
    serve=serve_router,
    metrics_port=5240,
    metrics_prefix=METRICS_PREFIX,
    store_is_folder=False,
    numbers_in_store=_numbers,
)


def init(
    folder: Path = _FOLDER,
    /,
    *,
    host: HostNames = None,
    port: NewPort = None,
    password: Password = False,
    take_over: TakeOver = None,
    show_password: ShowPassword = False,
    json: AsJson = False,
) -> None:
    """Make a new router: its keys and certificates, and its configuration, in a folder.

    Nothing that is in the folder already is overwritten.

    Parameters
    ----------
    folder
        Where to; made if it is missing.
    host
        The name or address under which clients find the router; may be given several times.
    port
        The port that it listens on; 5223 unless given.
    password
        Require a password for creating queues and for using the router as a proxy. It is generated
        here and kept in the configuration.
    take_over
        The folder with the configuration of smp-server, /etc/opt/simplex: the router has its
        identity, hosts, ports, password, and times after which things are deleted. Then the router
        has the same address; import gets what the server has kept.
    """
    new = NewRouter.described(PROGRAM, folder, host, port, password=password, server=take_over)
    more = (
        ""
        if (taken := new.taken) is None
        else setting_lines(
            accept_new=taken.accept_new,
            message_ttl=taken.ttl,
            notification_ttl=taken.notification_ttl,
        )
    )
    config = f"""\
{new.common_lines}\
store = "router.sqlite"
{new.metrics_line}

[queues]
# What clients have to know to create queues, and to use the router as a proxy.
{new.password_line}
{more}"""
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
    """Run a router until SIGINT or SIGTERM, which it obeys in order: that is a success.

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
    """Show the current state of a router, and its counters since it was created.

    A running router is asked on its control socket, or else on its metrics port; the store of one
    that is stopped is read.

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
