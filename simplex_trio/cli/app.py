"""``simplex-trio``: what is installed under that name, and what happens when a command fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_EXTRA = ("cyclopts", "rich", "segno")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the entry point that is installed as ``simplex-trio``."""
    try:
        from cyclopts import CycloptsError

        from simplex_trio.cli.commands import app, load_listed
        from simplex_trio.cli.failures import ExitCode
        from simplex_trio.cli.output import complain
        from simplex_trio.cli.reporting import explained
    except ModuleNotFoundError as exc:
        if exc.name not in _EXTRA:
            raise
        sys.exit(
            f"simplex-trio: {exc.name} is missing, which the command line needs; "
            'install it with: pip install "simplex-trio[cli]"'
        )
    given = sys.argv[1:] if arguments is None else arguments
    with explained():
        try:
            load_listed(given)
            result = app(given)
        except CycloptsError as exc:
            complain(f"{exc} Try --help.")
            sys.exit(ExitCode.USAGE)
    sys.exit(ExitCode.OK if result is None else result)
