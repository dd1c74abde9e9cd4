"""Where programs keep their stores unless they are told otherwise."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["state_folder", "store_path"]


def state_folder() -> Path:
    """The folder for the state of this package's programs; it may not be there yet."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "simplex-trio"


def store_path(name: str) -> Path:
    """The store with a name such as ``home``; one with a separator or a dot in it is a path."""
    separators = [os.sep, os.altsep or os.sep, "."]
    if any(each in name for each in separators):
        return Path(name)
    return state_folder() / f"{name}.db"
