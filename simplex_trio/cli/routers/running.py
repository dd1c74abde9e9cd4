"""Running a router until it is told to stop."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import trio

from simplex_trio.cli.logs import LogFormat, log_to_stderr
from simplex_trio.cli.output import print_json, say, show_qr_code
from simplex_trio.cli.routers.collector import collect_while, collector_for_much
from simplex_trio.cli.routers.making import shown_address
from simplex_trio.cli.routers.program import ConfigT, RouterProgram
from simplex_trio.cli.running import run_service
from simplex_trio.errors import SimplexError
from simplex_trio.frozen import frozen
from simplex_trio.nursery import open_inner_nursery
from simplex_trio.serving.config import ServingConfig
from simplex_trio.serving.running import RunningRouter
from simplex_trio.serving.supervisor import Supervisor

__all__ = ["Manner", "run_router"]


_log = logging.getLogger(__name__)


@frozen
class Manner:
    """How a router is run, in options that both kinds have."""

    log: LogFormat | None = None
    verbose: bool = False
    show_password: bool = False
    qr: bool = False
    accept_loss: bool = False
    json: bool = False


def run_router(
    program: RouterProgram[ConfigT],
    config: ConfigT,
    how: Manner,
    load: Callable[[], ConfigT] | None = None,
) -> None:
    """Run a router until SIGINT or SIGTERM; at SIGHUP it takes the configuration that is loaded.

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
    if load is not None and config.control is None:
        _log.info("there is no control socket, since there is no place for it or none is wanted")
    serve = partial(program.serve, config, accept_loss=how.accept_loss)
    supervisor = Supervisor.of_this_process()
    with collector_for_much() as loaded:
        reason = run_service(
            partial(_serve, serve, ready, load, supervisor, stands_by=config.standby),
            takes_hang_ups=load is not None,
        )
    _log.info("the router has stopped after %s", reason)


async def _serve(
    serve: Callable[..., Awaitable[object]],
    ready: Callable[[RunningRouter], None],
    load: Callable[[], ServingConfig] | None,
    supervisor: Supervisor,
    *,
    stands_by: bool,
) -> None:
    router: RunningRouter | None = None
    before = "standing by for another router" if stands_by else "not serving yet"

    def status() -> str:
        return before if router is None else _status(router)

    with _hang_ups(can_reload=load is not None) as signals:
        if stands_by:
            supervisor.ready(before)
        async with open_inner_nursery() as nursery:
            nursery.start_soon(_announce_end, supervisor)
            nursery.start_soon(supervisor.keep_informed, status)
            if stands_by:
                nursery.start_soon(collect_while, lambda: router is None)
            router = await nursery.start(serve)
            router.config_loader = load
            ready(router)
            supervisor.ready(status())
            if signals is not None:
                nursery.start_soon(_reload_at, signals, router, supervisor)


def _status(router: RunningRouter) -> str:
    """A line about a router for its supervisor."""
    problems = router.problems()
    return f"{router.clients} clients" + (f", and {'; '.join(problems)}" if problems else "")


async def _announce_end(supervisor: Supervisor) -> None:
    """Tell the supervisor as soon as the router begins to end, which may take some seconds."""
    try:
        await trio.sleep_forever()
    finally:
        supervisor.stopping()


@contextmanager
def _hang_ups(*, can_reload: bool) -> Iterator[AsyncIterator[int] | None]:
    """The signals that ask for a reload; without a configuration to read they end the program."""
    number = getattr(signal, "SIGHUP", None)  # not on Windows
    if not can_reload or number is None:
        yield None
        return
    # Trio raises anew, for the handler of before, what has come and was not taken.
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with trio.open_signal_receiver(number) as signals:
            yield signals
    finally:
        signal.signal(number, before)


async def _reload_at(
    signals: AsyncIterator[int], router: RunningRouter, supervisor: Supervisor
) -> None:
    async for _ in signals:
        supervisor.reloading()
        with suppress(SimplexError, OSError):  # which are in the log
            await router.reload_again()
        supervisor.ready(_status(router))
