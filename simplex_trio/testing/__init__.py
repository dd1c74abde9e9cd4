"""Helpers for tests of programs that use this package, in memory and without a network.

They are meant for tests that run with Trio, under pytest or not; most of them suit virtual time.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "Cable",
    "MemoryFile",
    "MemoryLink",
    "MemoryNetwork",
    "ScriptedNTFRouter",
    "ScriptedPeer",
    "ScriptedSMPRouter",
    "Simulation",
    "Trouble",
    "check_frame_stream",
    "check_store",
    "connect_agents",
    "next_event",
    "open_cable",
    "open_simulation",
]

if TYPE_CHECKING:
    from simplex_trio.duplex.store.store import MemoryFile
    from simplex_trio.testing.cable import Cable, open_cable
    from simplex_trio.testing.frame_streams import check_frame_stream
    from simplex_trio.testing.happening import connect_agents, next_event
    from simplex_trio.testing.memory_link import MemoryLink
    from simplex_trio.testing.network import MemoryNetwork, Trouble
    from simplex_trio.testing.scripted import ScriptedNTFRouter, ScriptedPeer, ScriptedSMPRouter
    from simplex_trio.testing.simulation import Simulation, open_simulation
    from simplex_trio.testing.stores import check_store
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.duplex.store.store": ("MemoryFile",),
            "simplex_trio.testing.cable": ("Cable", "open_cable"),
            "simplex_trio.testing.frame_streams": ("check_frame_stream",),
            "simplex_trio.testing.happening": ("connect_agents", "next_event"),
            "simplex_trio.testing.memory_link": ("MemoryLink",),
            "simplex_trio.testing.network": ("MemoryNetwork", "Trouble"),
            "simplex_trio.testing.scripted": (
                "ScriptedNTFRouter",
                "ScriptedPeer",
                "ScriptedSMPRouter",
            ),
            "simplex_trio.testing.simulation": ("Simulation", "open_simulation"),
            "simplex_trio.testing.stores": ("check_store",),
        },
    )
