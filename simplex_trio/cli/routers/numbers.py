"""A router in numbers.

A running router tells them on its control socket, or else on its metrics port; a stopped one has
left them in its store.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.routers.program import ConfigT, Numbers, RouterProgram
from simplex_trio.cli.running import run
from simplex_trio.errors import StoreLocked
from simplex_trio.frozen import frozen
from simplex_trio.serving.control import ask_router
from simplex_trio.serving.control_messages import ControlError

__all__ = ["numbers_in_metrics", "show_numbers"]

_LONGEST = 5.0
"""Seconds for a router on the same machine to answer."""

_MOST_BYTES = 1024 * 1024

_METRIC = r"{prefix}(?P<name>\w+?)(?P<total>_total)? (?P<value>[0-9.e+]+)"


@frozen
class _Found:
    running: bool
    now: Numbers
    counters: Numbers


def show_numbers(program: RouterProgram[ConfigT], path: Path, *, zeros: bool, json: bool) -> None:
    """Print what a router has now, and its counters since it was created."""
    with waiting("reading the numbers"):
        config = program.load(path)
        found = run(partial(_numbers, program, config, program.control_path(config, path)))
    if json:
        print_json(
            {"running": found.running, "now": dict(found.now), "counters": dict(found.counters)}
        )
        return
    say("The router is running." if found.running else "The router is stopped; its store has:")
    shown = {name: value for name, value in found.counters.items() if value or zeros}
    for title, numbers in (("Now", found.now), ("Since the router was created", shown)):
        say(title, style="bold")
        if not numbers:
            say("  nothing")
        for name, value in numbers.items():
            say(f"  {name.replace('_', ' '):<32}{value:>12,}")


async def _numbers(
    program: RouterProgram[ConfigT], config: ConfigT, control: Path | None
) -> _Found:
    if control is not None:
        with suppress(OSError, ControlError):  # it does not run, or is another user's
            status = await ask_router(control, "status")
            return _Found(True, status["now"], status["counters"])
    if config.metrics_port is not None:
        try:
            text = await _fetch(config.metrics_port)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError):
            pass  # the router does not run, so its store can be read
        else:
            return _Found(True, *numbers_in_metrics(text, program.metrics_prefix))
    store = config.store
    if store is None or (isinstance(store, Path) and not store.exists()):
        raise CommandFailed(
            "This router has no store to read. While it runs it can be asked, "
            "on its control socket or its metrics_port.",
            ExitCode.USAGE,
        )
    try:
        return _Found(False, *await program.numbers_in_store(config))
    except StoreLocked as exc:
        raise CommandFailed(_how_to_ask(program, config)) from exc


def _how_to_ask(program: RouterProgram[ConfigT], config: ConfigT) -> str:
    first = (
        "be the user that it belongs to, or put "
        f"metrics_port = {program.metrics_port} into its configuration"
        if config.metrics_port is None
        else "it has not read the metrics_port that is in its configuration now"
    )
    return (
        "The router is running, and only it can read its store; "
        f"{first}: start it again, and then ask."
    )


def numbers_in_metrics(text: str, prefix: str) -> tuple[Numbers, Numbers]:
    """What there is now, and the counters, in metrics in the format of Prometheus."""
    metric = re.compile(_METRIC.format(prefix=re.escape(prefix)))
    now: dict[str, int] = {}
    counters: dict[str, int] = {}
    for line in text.splitlines():
        if found := metric.fullmatch(line):
            numbers = now if found["total"] is None else counters
            numbers[found["name"]] = int(float(found["value"]))
    return now, counters


async def _fetch(port: int) -> str:
    """The metrics of a router on this machine."""
    with trio.fail_after(_LONGEST):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            answer = b""
            while (data := await stream.receive_some()) and len(answer) < _MOST_BYTES:
                answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise CommandFailed("The program that answers on the metrics port is not the router.")
    return body.decode("utf-8", "replace")
