"""``simplex-trio router stats``: a router in numbers.

A running router tells them on its metrics port; a stopped one has left them in its store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import trio

from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.cli.options import AsJson, Flag
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.router_start import load_config
from simplex_trio.cli.running import run
from simplex_trio.errors import StoreLocked
from simplex_trio.router.config import RouterConfig
from simplex_trio.router.store.interface import Snapshot
from simplex_trio.router.store.sqlite import open_sqlite_store

__all__ = ["numbers_in_metrics", "numbers_in_store", "stats"]

Numbers = Mapping[str, int]

_LONGEST = 5.0
"""Seconds for a router on the same machine to answer."""

_MOST_BYTES = 1024 * 1024

_METRIC = re.compile(r"simplex_router_(?P<name>\w+?)(?P<total>_total)? (?P<value>[0-9.e+]+)")


def stats(config: Path = Path("router"), /, *, zeros: Flag = False, json: AsJson = False) -> None:
    """Show the current state of a router, and its counters since it was created.

    A running router is asked on its metrics port, if its configuration has one; the store of one
    that is stopped is read.

    Parameters
    ----------
    config
        The configuration, or the folder with it.
    zeros
        Show the counters that are 0, too.
    """
    loaded = load_config(config)
    with waiting("reading the numbers"):
        now, counters = run(partial(_numbers, loaded))
    if json:
        print_json({"now": dict(now), "counters": dict(counters)})
        return
    shown = {name: value for name, value in counters.items() if value or zeros}
    for title, numbers in (("Now", now), ("Since the router was created", shown)):
        say(title, style="bold")
        for name, value in numbers.items():
            say(f"  {name.replace('_', ' '):<32}{value:>12,}")


async def _numbers(config: RouterConfig) -> tuple[Numbers, Numbers]:
    """What there is now, and the counters."""
    if config.metrics_port is not None:
        try:
            return numbers_in_metrics(await _fetch(config.metrics_port))
        except (OSError, trio.BrokenResourceError, trio.TooSlowError):
            pass  # the router does not run, so its store can be read
    if config.store is None or not config.store.exists():
        raise CommandFailed(
            "This router has no store to read. While it runs it can be asked, "
            "if its configuration has a metrics_port.",
            ExitCode.USAGE,
        )
    try:
        async with open_sqlite_store(config.store) as store:
            return numbers_in_store(await store.load())
    except StoreLocked as exc:
        raise CommandFailed(
            "The router is running, and only it can read its store; "
            "put metrics_port = 5240 into its configuration, start it again, and then ask.",
        ) from exc


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


def numbers_in_metrics(text: str) -> tuple[Numbers, Numbers]:
    """The same from metrics in the format of Prometheus."""
    now: dict[str, int] = {}
    counters: dict[str, int] = {}
    for line in text.splitlines():
        if found := _METRIC.fullmatch(line):
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
