"""``python -m simplex_trio.bench``."""

from __future__ import annotations

import sys

from simplex_trio.bench.command import main

if __name__ == "__main__":
    sys.exit(main())
