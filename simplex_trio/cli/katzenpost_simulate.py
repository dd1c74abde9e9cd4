"""``simplex-trio katzenpost simulate``: a daemon to test with, which misbehaves when asked."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.logs import log_to_stderr
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import aside, print_json, say
from simplex_trio.cli.running import run_service
from simplex_trio.katzenpost.config import DialConfig, TcpDial, UnixDial
from simplex_trio.nursery import open_inner_nursery

if TYPE_CHECKING:
    from simplex_trio.testing.kpclientd.mixnet import Pace
    from simplex_trio.testing.kpclientd.serving import ListeningDaemon

__all__ = ["obey", "simulate"]

_DEFAULT = "localhost:64331"


def simulate(
    listen: str = _DEFAULT,
    /,
    *,
    config: Path | None = None,
    fast: Flag = False,
    json: AsJson = False,
) -> None:
    """Simulate a Katzenpost client daemon until Ctrl-C. It protects nothing: it is for tests.

    Clients that are written for the real daemon can use it as it is. A line on standard input makes
    it do one of these:
    `drop` all connections, go `offline` or `online`, `restart`, or `restart same` as the same
    instance.

    Parameters
    ----------
    listen
        Where: `HOST:PORT` (port 0 is one that the system chooses), the path of a Unix socket, or
        `@NAME` for an abstract one.
    config
        Write a `thinclient.toml` that leads to it to this file.
    fast
        Answer at once, and not as slowly as a mixnet.
    """
    # Not before it is asked for: it needs a package that the command line does not.
    from simplex_trio.testing.kpclientd.mixnet import AT_ONCE, LIFELIKE

    place = _place(listen)
    if json:
        ready = partial(_tell_program, config)
    else:
        ready = partial(_tell_person, config)
    log_to_stderr(None, verbose=False)
    run_service(partial(_serve, place, AT_ONCE if fast else LIFELIKE, config, ready))


def _place(listen: str) -> DialConfig:
    if listen.startswith("@") or "/" in listen:
        return UnixDial(listen)
    host, _, port = listen.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
        raise CommandFailed(
            "This is no place to listen at; one is HOST:PORT, a path, or @NAME.", ExitCode.USAGE
        )
    return TcpDial(host.removeprefix("[").removesuffix("]"), int(port))


def _dialled(daemon: ListeningDaemon) -> str:
    dial = daemon.dial
    return dial.address if isinstance(dial, UnixDial) else f"{dial.host}:{dial.port}"


def _tell_person(config: Path | None, daemon: ListeningDaemon) -> None:
    say(f"It listens at {_dialled(daemon)}")
    if config is not None:
        say(f"Its configuration for clients is in {config}")


def _tell_program(config: Path | None, daemon: ListeningDaemon) -> None:
    where = None if config is None else str(config)
    print_json({"simulated": True, "listen": _dialled(daemon), "config": where})


async def _serve(
    place: DialConfig,
    pace: Pace,
    config: Path | None,
    ready: Callable[[ListeningDaemon], None],
) -> None:
    from simplex_trio.testing.kpclientd.serving import serve_simulated_daemon

    async with open_inner_nursery() as nursery:
        serve = partial(serve_simulated_daemon, place, pace=pace, config_path=config)
        daemon: ListeningDaemon = await nursery.start(serve)
        ready(daemon)
        async with aclosing(_lines_of_input()) as lines:
            async for line in lines:
                await obey(daemon, line)


async def _lines_of_input() -> AsyncGenerator[str]:
    # The thread may still be reading when the program ends; Python's own buffer would then be
    # locked, which is fatal to the interpreter.
    descriptor, rest = sys.stdin.fileno(), b""
    while data := await trio.to_thread.run_sync(os.read, descriptor, 4096, abandon_on_cancel=True):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")


async def obey(daemon: ListeningDaemon, command: str) -> None:
    """Do what a line on standard input says."""
    match command.split():
        case []:
            return
        case ["drop"]:
            daemon.drop_connections()
        case ["offline" | "online" as state]:
            daemon.mixnet.set_online(state == "online")
        case ["restart"]:
            await daemon.restart()
        case ["restart", "same"]:
            await daemon.restart(same_instance=True)
        case _:
            aside("Known: drop, offline, online, restart, restart same")
            return
    aside(f"done: {command}")
