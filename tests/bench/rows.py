"""Rows: the functions that measure something, and the names that they are known by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from enum import Enum, auto
from pathlib import Path

from attrs import field, frozen

from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddressWithAuth
from tests.bench.figures import Figures
from tests.bench.stopwatch import Stopwatch

__all__ = ["Conditions", "Row", "Rows", "Subject"]


class Subject(Enum):
    """A process at the other end of connections."""

    ROUTER = auto()
    RELAY = auto()
    """A second router, to be reached through the first as a proxy."""
    ECHO = auto()
    """Sends back each block that it gets."""
    XFTP = auto()
    """A router for files."""


@frozen(repr=False)
class Conditions(Redacted):
    """What a row finds when it is run: whom it may talk to, and how long it should take."""

    addresses: dict[Subject, ServerAddressWithAuth] = field(factory=dict)
    scale: float = 1.0
    processes: dict[Subject, int] = field(factory=dict)
    """The process ids of those that were started for the rows."""
    chat_program: Path | None = None
    """A program that is to be the bot of rows about bots, in place of this package."""

    def times(self, count: int) -> int:
        """How often to do what is done ``count`` times at full length."""
        return max(1, round(count * self.scale))

    def stopwatch(self, process: int | None = None) -> Stopwatch:
        """Start measuring time, and that of the processors, here and in the router.

        With a process id it is that process instead of this one.
        """
        return Stopwatch(self.processes.get(Subject.ROUTER), process)


Measure = Callable[[Conditions], Awaitable[Figures] | Figures]
"""What measures; plain functions are for what only computes."""


@frozen
class Row:
    """Something that is measured; ``baseline`` is the row beside which it is to be seen."""

    name: str
    about: str
    measure: Measure
    needs: frozenset[Subject]
    baseline: str | None


class Rows:
    """The rows of one group, in the order in which their functions are written."""

    def __init__(self, name: str, title: str, *needs: Subject) -> None:
        self.name = name
        self.title = title
        self._needs = needs
        self._rows: list[Row] = []

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def row(
        self, *also_needs: Subject, baseline: str | None = None
    ) -> Callable[[Measure], Measure]:
        """Decorate a function that measures; its name and the docstring's first line describe it.

        ``baseline`` is the name of another row.
        """

        def register(measure: Measure) -> Measure:
            name = measure.__name__.replace("_", "-")
            about = (measure.__doc__ or "").partition("\n")[0].rstrip(".")
            needs = frozenset((*self._needs, *also_needs))
            self._rows.append(Row(name, about, measure, needs, baseline))
            return measure

        return register
