"""``simplex-trio``: the commands together, and what happens when one fails."""

from __future__ import annotations

import sys

from simplex_trio.cli.failures import ExitCode, explained

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point that is installed as ``simplex-trio``."""
    try:
        from simplex_trio.cli.commands import app
    except ModuleNotFoundError as exc:
        if exc.name in ("cyclopts", "rich", "segno"):
            sys.exit(f'The command line needs more packages: pip install "simplex-trio[cli]" ({exc.name}).')
        raise
    with explained():
        app()
    sys.exit(ExitCode.OK)
