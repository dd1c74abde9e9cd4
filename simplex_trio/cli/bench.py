"""``simplex-trio bench``: the measurements, with the arguments that they take themselves."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

__all__ = ["bench"]


def bench(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Measure how fast this package is, beside a baseline; `bench --help` says more."""
    from simplex_trio.bench.command import main  # all of the package, which only this needs

    return main(arguments)
