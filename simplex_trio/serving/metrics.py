"""Metrics for Prometheus, at ``/metrics``, and health, on a port of this machine only.

``/health/live`` is answered as long as the program runs.  ``/health/ready`` says whether it can do
what it is for, with status 200 or 503, and what is wrong.

The package `prometheus_client` writes them; it comes with the extra ``metrics``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol

import attrs
import trio

from simplex_trio.errors import SimplexError
from simplex_trio.serving.http import HttpRequest, HttpResponse, answer_one
from simplex_trio.serving.statistics import ServingStatistics
from simplex_trio.transport.listen import accept

__all__ = [
    "CONNECTIONS",
    "Counted",
    "MetricsSupportMissing",
    "gauges",
    "metrics_writer",
    "serve_metrics",
]

CONNECTIONS: Final = 32
"""How many there may be at a time; a further one waits until one of them has ended."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


Aliases = Mapping[str, Sequence[tuple[str, dict[str, str]]]]
"""Other names of metrics, with labels: those that people of the reference's routers know."""

Problems = Callable[[], Sequence[str]]
"""What is wrong at the moment, each in a few words."""


class MetricsSupportMissing(SimplexError):
    """Metrics are configured, but the package that writes them is not installed."""


class Counted(Protocol):
    """Statistics, whose fields that are whole numbers are metrics; an attrs class."""

    __attrs_attrs__: ClassVar[Any]

    @property
    def counters(self) -> Mapping[str, int]:
        """Further numbers by their names, which only grow."""
        ...


def gauges(taken: Counted) -> dict[str, int]:
    """What a router has now: those of this kind of router before those of all routers."""
    names = attrs.fields_dict(type(taken))
    ordered = sorted(names, key=attrs.fields_dict(ServingStatistics).__contains__)
    values = {name: getattr(taken, name) for name in ordered}
    return {name: value for name, value in values.items() if isinstance(value, int)}


def metrics_writer(
    statistics: Callable[[], Counted], prefix: str, aliases: Aliases = MappingProxyType({})
) -> Callable[[], HttpResponse]:
    """A function that writes all metrics of the moment, with names that begin with ``prefix``.

    There is a gauge for each field that is a number, those of this kind of router before those of
    all routers, and then the counters; those that have ``aliases`` come once more under these.
    Raises `MetricsSupportMissing`.
    """
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            Metric,
        )
        from prometheus_client.registry import Collector
    except ImportError as exc:
        raise MetricsSupportMissing(
            "metrics need prometheus-client: pip install 'simplex-trio[metrics]'"
        ) from exc

    class _Router(Collector):
        def collect(self) -> Iterable[Metric]:
            taken = statistics()
            for name, value in gauges(taken).items():
                text = name.replace("_", " ")
                yield GaugeMetricFamily(prefix + name, f"Now: {text}", value)
            for name, value in taken.counters.items():
                if _NAME.fullmatch(name):
                    text = name.replace("_", " ")
                    yield CounterMetricFamily(prefix + name, f"In all: {text}", value)
            families: dict[str, Metric] = {}
            for name, value in {**gauges(taken), **taken.counters}.items():
                for alias, labels in aliases.get(name, ()):
                    # Counters of the reference do not end in _total, as this library has it.
                    family = families.setdefault(
                        alias, Metric(alias, f"As {prefix}{name}", "unknown")
                    )
                    family.add_sample(alias, labels, value)
            yield from families.values()

    registry = CollectorRegistry()
    registry.register(_Router())
    return lambda: HttpResponse(generate_latest(registry), CONTENT_TYPE_LATEST)


def _answer(
    write: Callable[[], HttpResponse], problems: Problems, request: HttpRequest
) -> HttpResponse:
    match request.path:
        case "/metrics":
            return write()
        case "/health/live":
            return HttpResponse(b"live\n")
        case "/health/ready":
            found = problems()
            if not found:
                return HttpResponse(b"ready\n")
            text = "".join(f"{each}\n" for each in found).encode()
            return HttpResponse(text, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return HttpResponse(b"404 Not Found\n", status=HTTPStatus.NOT_FOUND)


async def _serve(
    answer: Callable[[HttpRequest], HttpResponse], stream: trio.abc.Stream, places: trio.Semaphore
) -> None:
    try:
        async with stream:
            with suppress(trio.BrokenResourceError):
                await answer_one(stream, answer)
    finally:
        places.release()


async def serve_metrics(
    statistics: Callable[[], Counted],
    port: int,
    prefix: str,
    *,
    aliases: Aliases = MappingProxyType({}),
    problems: Problems = tuple,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer Prometheus on ``port`` of 127.0.0.1 until cancelled; the status is the actual port.

    ``problems`` are why the program cannot do what it is for, if it cannot.

    Raises `MetricsSupportMissing`, or `OSError` if the port cannot be opened.
    """
    answer = partial(_answer, metrics_writer(statistics, prefix, aliases), problems)
    try:
        (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    except OSError as exc:
        exc.add_note(f"port {port}")  # the system's message does not name it
        raise
    places = trio.Semaphore(CONNECTIONS)
    async with listener, trio.open_nursery() as nursery:
        task_status.started(listener.socket.getsockname()[1])
        while True:
            await places.acquire()
            stream = await accept(listener)
            nursery.start_soon(_serve, answer, stream, places)
