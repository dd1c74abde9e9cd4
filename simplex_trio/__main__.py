"""``python -m simplex_trio``: the command line, where its script is not on the path."""

from __future__ import annotations

from simplex_trio.cli.app import main

if __name__ == "__main__":
    main()
