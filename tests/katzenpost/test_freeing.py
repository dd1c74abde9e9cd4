"""Connections to a daemon are freed at once when they end."""

from __future__ import annotations

from trio.testing import MockClock

from tests.garbage import nothing_left_to_the_collector
from tests.katzenpost.support import ScriptedDaemon


async def test_connections_that_have_ended(autojump_clock: MockClock) -> None:
    daemon = ScriptedDaemon()
    async with daemon.client() as (_, peer):

        async def once() -> None:
            nonlocal peer
            await peer.hang_up()
            peer = await daemon.accept()
            await peer.greet(resumed=True)

        await once()
        with nothing_left_to_the_collector():
            await once()
