"""`open_protected_client`: for what must not be left half done by Ctrl-C."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.wire.addresses import ServerAddress

__all__ = ["open_protected_client"]


@asynccontextmanager
async def open_protected_client(address: ServerAddress) -> AsyncIterator[SMPClient]:
    """Connect to a router; once connected, the block is carried through.

    A cancellation from outside ends the attempt to connect as usual, and after that waits for the
    block, which the time-outs of its requests bound.
    """
    with trio.CancelScope() as scope:
        async with open_smp_client(address) as client:
            # The connection has tasks of its own, so shielding the requests alone would not do.
            scope.shield = True
            yield client
