"""A program that makes key pairs of sntrup761 until its output is closed.

It is run by its path, in a process of its own, where an implementation lets no other thread run
while it computes.  It writes pairs to its standard output, each behind its length, and waits
whenever the pipe is full; when the other end is closed, or the process at that end is gone, it
ends.  It imports nothing of this package, which would take longer than many key pairs.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import Any, BinaryIO

__all__ = ["LENGTH_SIZE", "main", "make_pairs"]

LENGTH_SIZE = 4
"""Of the length in front of each pair."""


def make_pairs(functions: Any, output: BinaryIO) -> None:
    """Write pairs until the output is closed."""
    try:
        while True:
            pair = b"".join(functions.keygen())
            output.write(len(pair).to_bytes(LENGTH_SIZE, "big") + pair)
            output.flush()
    except OSError:
        return


def main() -> None:
    """Be the worker."""
    # An interrupt from the keyboard is for the program that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    make_pairs(import_module("pqcrypto.kem").sntrup_761, sys.stdout.buffer)


if __name__ == "__main__":
    main()
