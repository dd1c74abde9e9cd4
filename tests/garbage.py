"""What only the garbage collector can free: nothing of a connection that has ended."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from OpenSSL import SSL

from simplex_trio.transport._openssl import TlsConnection
from simplex_trio.transport.quick_ack import QuickAckStream

# `trio.SSLStream` is part of a cycle, which cannot be broken from outside; what it holds is small.
_BELOW_TLS = (TlsConnection, QuickAckStream)


def _is_ours(value: object) -> bool:
    if isinstance(value, _BELOW_TLS):
        return False
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
    assert all(
        getattr(each, "_opened", each) is None for each in found if isinstance(each, TlsConnection)
    )
