"""Where the processor time of a row goes, in the client and in the router.

``python -m tests.bench.breakdown send-pipelined`` prints that as bars of the documentation have it.
While the row measures, each of the two processes notes what it is doing whenever it has used some
more milliseconds of processor time.  That changes what is measured far less than a profiler does,
which is called for each function.

The router is this module as a program, so that it can do that too.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType

import trio
from attrs import frozen

from simplex_trio.cli.routers.collector import collector_for_much
from simplex_trio.router.server import open_router
from simplex_trio.wire.addresses import ServerAddressWithAuth
from tests.bench import clients
from tests.bench.children import input_ended
from tests.bench.figures import Figures
from tests.bench.rows import Conditions, Row, Subject
from tests.bench.stopwatch import Stopwatch

__all__ = ["KINDS", "Sampler", "kind_of", "main"]

_INTERVAL = 0.002
"""Seconds of processor time between samples; a system may round it up to its clock's tick."""

KINDS: Sequence[tuple[str, Sequence[str]]] = (
    ("garbage collection", ("tests/bench/breakdown.py:_collected",)),
    ("boxes, keys, authenticators", ("simplex_trio/crypto/", "/nacl/", "/cryptography/")),
    ("TLS", ("/OpenSSL/", "transport/tls.py", "transport/_openssl.py")),
    (
        "sockets and waiting for them",
        (
            "/trio/_socket.py",
            "/trio/_highlevel_socket.py",
            "/trio/_core/_io_",
            "simplex_trio/transport/",
        ),
    ),
    ("encoding and decoding", ("simplex_trio/wire/",)),
    ("queues and their store", ("router/store/", "router/core/", "router/commits.py")),
    ("dealing with commands", ("simplex_trio/router/", "simplex_trio/serving/")),
    ("requests in flight", ("simplex_trio/engine/", "simplex_trio/client/")),
    ("tasks and cancel scopes", ("/trio/", "/outcome/", "simplex_trio/nursery.py")),
    ("the program that sends", ("tests/bench/",)),
)
"""What time can be spent on, and in what files or functions.

What is called by a function of one kind and is of none itself, as in the standard library and in C,
counts as that function.
"""

_OTHER = "the rest"


def kind_of(places: Iterator[str]) -> str:
    """The kind of what runs, from the file and function of each frame, the innermost one first."""
    for place in places:
        for kind, marks in KINDS:
            if any(mark in place for mark in marks):
                return kind
    return _OTHER


def _places(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield f"{frame.f_code.co_filename}:{frame.f_code.co_name}"
        frame = frame.f_back


def _collected(phase: str, info: Mapping[str, int]) -> None:
    """Called when a collection has ended: a sample that became due during it is noted here."""


class Sampler:
    """Counts, by kind, what this process does with its processor time between start and stop."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self._before = signal.signal(signal.SIGPROF, self._note)
        gc.callbacks.append(_collected)

    def close(self) -> None:
        """Leave signals and the garbage collector as they were."""
        self.stop()
        signal.signal(signal.SIGPROF, self._before)
        gc.callbacks.remove(_collected)

    def _note(self, _: int, frame: FrameType | None) -> None:
        self.found[kind_of(_places(frame))] += 1

    def start(self) -> None:
        """Forget what was found, and begin."""
        self.found.clear()
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)

    def stop(self) -> None:
        """Find nothing more."""
        signal.setitimer(signal.ITIMER_PROF, 0)


class _SampledWatch(Stopwatch):
    """A stopwatch that samples are taken for as long as it runs, here and in the router."""

    def __init__(self, sampler: Sampler, router: int) -> None:
        self._sampler, self._router_process = sampler, router
        os.kill(router, signal.SIGUSR1)
        super().__init__(router)
        sampler.start()

    def of_all(self, count: int) -> Figures:
        figures = super().of_all(count)
        self._stop()
        return figures

    def of_each(self, seconds: Sequence[float]) -> Figures:
        figures = super().of_each(seconds)
        self._stop()
        return figures

    def _stop(self) -> None:
        self._sampler.stop()
        os.kill(self._router_process, signal.SIGUSR2)


@frozen(repr=False, kw_only=True)
class _SampledConditions(Conditions):
    sampler: Sampler

    def stopwatch(self, process: int | None = None) -> Stopwatch:
        assert process is None
        return _SampledWatch(self.sampler, self.processes[Subject.ROUTER])


async def _measure(row: Row, scale: float) -> str:
    """The source of a row's bars."""
    sampler = Sampler()
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.bench.breakdown"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = ServerAddressWithAuth.parse(
            (await process.stdout.receive_some()).decode().strip()
        )
        conditions = _SampledConditions(
            addresses={Subject.ROUTER: address},
            scale=scale,
            processes={Subject.ROUTER: process.pid},
            sampler=sampler,
        )
        measured = row.measure(conditions)
        figures = measured if isinstance(measured, Figures) else await measured
        await process.stdin.aclose()
        of_router = Counter(json.loads(b"".join([data async for data in process.stdout])))
    finally:
        sampler.close()
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
    return _source(figures, sampler.found, of_router)


def _source(figures: Figures, client: Counter[str], router: Counter[str]) -> str:
    assert figures.cpu_us is not None
    assert figures.router_cpu_us is not None
    both = (("client", figures.cpu_us, client), ("router", figures.router_cpu_us, router))
    return "\n".join(line for each in both for line in _lines(*each))


def _lines(name: str, total: float, samples: Counter[str]) -> Iterator[str]:
    yield f"{name}: {total:.0f} µs of processor time"
    for kind, n in samples.most_common():
        share = n / samples.total()
        yield f"{kind}: {total * share:.1f} µs, {share:.0%}"
    yield ""


async def _serve() -> None:
    """Be the router: samples are taken between SIGUSR1 and SIGUSR2, and printed at the end."""
    sampler = Sampler()
    signal.signal(signal.SIGUSR1, lambda *_: sampler.start())
    signal.signal(signal.SIGUSR2, lambda *_: sampler.stop())
    with collector_for_much() as loaded:
        async with open_router() as router:
            loaded()
            print(router.address, flush=True)
            await input_ended()
            print(json.dumps(sampler.found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell what the arguments ask for."""
    rows = {row.name: row for row in clients.ROWS if row.needs == {Subject.ROUTER}}
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.breakdown",
        description="Tell where the processor time of a row goes, in client and router.",
    )
    parser.add_argument("row", choices=rows)
    parser.add_argument("--scale", metavar="X", type=float, default=5.0, help="the row's (5)")
    options = parser.parse_args(arguments)
    print(trio.run(_measure, rows[options.row], options.scale))
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main())
    trio.run(_serve)
