"""The command line of the measurements."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio
from attrs import Factory, define, frozen

from simplex_trio.errors import DecodeError, SimplexError
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddressWithAuth
from tests.bench import (
    agents,
    chat,
    chat_groups,
    clients,
    duplex,
    echo,
    katzenpost,
    memory,
    million,
    packets,
    prepared,
    ratchet,
    routers,
    stores,
    wire,
    xftp,
)
from tests.bench.beside import Comparison, Side, compare
from tests.bench.children import open_child
from tests.bench.figures import Figures, typical
from tests.bench.plot import svg
from tests.bench.report import Report, load_report, table
from tests.bench.rows import Conditions, Row, Rows, Subject

__all__ = ["GROUPS", "main"]

GROUPS: tuple[Rows, ...] = (
    wire.ROWS,
    ratchet.ROWS,
    echo.ROWS,
    clients.ROWS,
    memory.ROWS,
    routers.ROWS,
    stores.ROWS,
    prepared.ROWS,
    agents.ROWS,
    million.ROWS,
    duplex.ROWS,
    chat.ROWS,
    chat_groups.ROWS,
    katzenpost.ROWS,
    xftp.ROWS,
    packets.ROWS,
)
"""All rows there are, in the order in which they are run."""

_MODULES = {
    Subject.ROUTER: "tests.bench.embedded",
    Subject.RELAY: "tests.bench.embedded",
    Subject.ECHO: "tests.bench.echo",
    Subject.XFTP: "tests.bench.xftp",
}

_OPTIONS = {Subject.ROUTER: "--router", Subject.RELAY: "--relay", Subject.XFTP: "--xftp"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the arguments ask for; the exit status is 1 if rows had to be left out."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        print(_list())
        return 0
    if options.router_process is not None and options.router is None:
        parser.error("--router-process is that of --router")
    if options.beside is not None and (options.compare is not None or options.svg is not None):
        parser.error("--beside goes with neither --compare nor --svg")
    try:
        rows = _chosen(options.rows, baselines=options.beside is None)
        other = None if options.compare is None else load_report(options.compare)
    except (DecodeError, OSError) as exc:
        parser.error(str(exc))
    named = _Named(
        {
            Subject.ROUTER: options.router,
            Subject.RELAY: options.relay,
            Subject.XFTP: options.xftp,
        },
        options.router_process,
    )
    if options.beside is not None:
        comparison = trio.run(_compare, rows, named, options.repeat, options.scale, options.beside)
        print(comparison.to_text())
        if options.json is not None:
            options.json.write_text(comparison.to_json() + "\n")
        return 1 if comparison.left_out else 0
    report = trio.run(_measure, rows, named, options.repeat, options.scale, options.chat)
    print(table(report, GROUPS, other))
    if options.json is not None:
        options.json.write_text(report.to_json() + "\n")
    if options.svg is not None:
        options.svg.write_text(svg(report, GROUPS, other))
    return 1 if report.left_out else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure this package beside a baseline from the same run.",
    )
    add = parser.add_argument
    add("--rows", nargs="+", metavar="NAME", default=[], help="only these rows, or groups of rows")
    add("--list", action="store_true", help="say which rows there are, and measure nothing")
    add(
        "--router",
        metavar="ADDRESS",
        type=_address,
        help="the router to use, smp://...; without it one of this package's own is started",
    )
    add(
        "--router-process",
        metavar="PID",
        type=_positive(int),
        help="the process that serves at --router, on this machine, so that its time is measured",
    )
    add(
        "--relay",
        metavar="ADDRESS",
        type=_address,
        help="a second router, to be reached through the first as a proxy",
    )
    add(
        "--xftp",
        metavar="ADDRESS",
        type=_address,
        help="the router for files to use, xftp://...; without it one of our own is started",
    )
    add("--compare", metavar="FILE", type=Path, help="show another report's figures beside ours")
    add(
        "--chat",
        metavar="PROGRAM",
        type=_program,
        help="a chat program to be the bot of the rows about bots, instead of this package",
    )
    add(
        "--beside",
        metavar="PATH",
        type=_side,
        help="measure in turn with another copy of the source (a folder), or with a program",
    )
    add("--json", metavar="FILE", type=Path, help="write the figures, as --compare reads them")
    add("--svg", metavar="FILE", type=Path, help="write a plot")
    add(
        "--repeat",
        metavar="N",
        type=_positive(int),
        default=3,
        help="run each row N times and keep the run in the middle (3)",
    )
    add(
        "--scale",
        metavar="X",
        type=_positive(float),
        default=1.0,
        help="do X times as many operations as usual, for a quick look or a long one (1.0)",
    )
    return parser


def _address(text: str) -> ServerAddressWithAuth:
    try:
        return ServerAddressWithAuth.parse(text)
    except DecodeError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _program(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError("there is no such program")
    return path


def _side(text: str) -> Side:
    path = Path(text)
    if path.is_file():
        return Side.of_program(path)
    if (path / "simplex_trio").is_dir():
        return Side.of_source(path)
    raise argparse.ArgumentTypeError("neither a program nor a folder with this package's source")


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not value > 0:
            raise argparse.ArgumentTypeError("a positive number is needed")
        return value

    return parse


def _list() -> str:
    lines = []
    for group in GROUPS:
        lines += [f"{group.name}: {group.title}"]
        lines += [f"  {row.name:30}  {row.about}" for row in group]
    return "\n".join(lines)


def _chosen(names: Iterable[str], *, baselines: bool) -> list[Row]:
    """The rows of these names and groups, and perhaps those beside which they are to be seen."""
    names = set(names)
    known = {row.name: row for group in GROUPS for row in group}
    unknown = names - known.keys() - {group.name for group in GROUPS}
    if unknown:
        raise DecodeError(f"no row has this name: {', '.join(sorted(unknown))}")
    wanted = {
        row.name
        for group in GROUPS
        for row in group
        if not names or group.name in names or row.name in names
    }
    if baselines:
        wanted |= {row.baseline for name, row in known.items() if name in wanted and row.baseline}
    return [row for name, row in known.items() if name in wanted]


async def _measure(
    rows: Sequence[Row],
    named: _Named,
    repeat: int,
    scale: float,
    chat_program: Path | None,
) -> Report:
    figures: dict[str, Figures] = {}
    left_out: dict[str, str] = {}
    needs = {subject for row in rows for subject in row.needs}
    async with _subjects(needs, named) as subjects:
        conditions = Conditions(subjects.addresses, scale, subjects.processes, chat_program)
        for row in rows:
            reasons = [why for subject, why in subjects.missing.items() if subject in row.needs]
            if reasons:
                left_out[row.name] = reasons[0]
                continue
            _progress(row)
            try:
                figures[row.name] = typical([await _run(row, conditions) for _ in range(repeat)])
            except* (SimplexError, OSError) as failed:
                left_out[row.name] = _reason(failed)
    return Report.here(figures, left_out)


async def _compare(
    rows: Sequence[Row],
    named: _Named,
    rounds: int,
    scale: float,
    beside: Side,
) -> Comparison:
    """Both have routers of their own, unless they are named or the other one has none."""
    options = ["--scale", str(scale)]
    needs = {subject for row in rows for subject in row.needs} & _OPTIONS.keys()
    async with _subjects(() if beside.starts_routers else needs, named) as subjects:
        for subject, address in {**named.addresses, **subjects.addresses}.items():
            if address is not None:
                options += [_OPTIONS[subject], str(address)]
        process = subjects.processes.get(Subject.ROUTER)
        if process is not None:
            options += ["--router-process", str(process)]
        names = [row.name for row in rows]
        return await compare(Side.here(), beside, names, rounds, options)


async def _run(row: Row, conditions: Conditions) -> Figures:
    measured = row.measure(conditions)
    return measured if isinstance(measured, Figures) else await measured


def _progress(row: Row) -> None:
    if sys.stderr.isatty():
        print(f"{row.name}: {row.about}", file=sys.stderr)


def _reason(failed: BaseExceptionGroup[Exception]) -> str:
    first: BaseException = failed
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{type(first).__name__}: {first}"


@frozen(repr=False)
class _Named(Redacted):
    """What the arguments name, so that it need not be started."""

    addresses: dict[Subject, ServerAddressWithAuth | None]
    router_process: int | None


@define
class _Subjects:
    """Addresses, process ids of those that were started, and what is missing, and why."""

    addresses: dict[Subject, ServerAddressWithAuth] = Factory(dict)
    processes: dict[Subject, int] = Factory(dict)
    missing: dict[Subject, str] = Factory(dict)


@asynccontextmanager
async def _subjects(needs: Iterable[Subject], named: _Named) -> AsyncIterator[_Subjects]:
    """What rows need, started here unless named."""
    found = _Subjects()
    if named.router_process is not None:
        found.processes[Subject.ROUTER] = named.router_process
    async with AsyncExitStack() as stack:
        for subject in sorted(needs, key=lambda s: s.value):
            given = named.addresses.get(subject)
            if given is not None:
                found.addresses[subject] = given
            elif subject is Subject.RELAY and named.addresses[Subject.ROUTER] is not None:
                found.missing[subject] = (
                    "a router of yours is the proxy, so name the relay too: --relay"
                )
            else:
                try:
                    child = await stack.enter_async_context(open_child(_MODULES[subject]))
                    found.addresses[subject] = child.address
                    found.processes[subject] = child.pid
                except ChildProcessError as exc:
                    found.missing[subject] = f"{exc}; name one that runs already"
        yield found
