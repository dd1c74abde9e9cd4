"""What only the garbage collector can free: nothing of a connection that has ended."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from OpenSSL import SSL


def _is_ours(value: object) -> bool:
    ours = type(value).__module__.startswith(("simplex_trio", "OpenSSL", "h2"))
    return ours or isinstance(value, FrameType | TracebackType | SSL.Connection)


@contextmanager
def nothing_left_to_the_collector() -> Iterator[None]:
    """Check that what the block leaves behind is freed by counting references alone."""
    gc.collect()
    gc.freeze()  # so that collecting takes no time
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield
        gc.collect()
        found: list[Any] = gc.garbage[:]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()
    left = sorted({type(each).__qualname__ for each in found if _is_ours(each)})
    assert not left, left
