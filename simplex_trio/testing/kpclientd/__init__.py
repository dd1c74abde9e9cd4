"""A simulated Katzenpost client daemon, for development and tests.

It speaks the protocol of the real one, ``kpclientd``, on real sockets, to any client.  **It
simulates, and protects nothing**: there is no mixnet behind it, everything happens in its memory,
and all who can connect to it can read what others write.

`open_simulated_daemon` listens for this program, and `serve_simulated_daemon` for others;
`running_daemon` needs no socket, and suits virtual time.  A `SimulatedMixnet` stores the boxes,
outlives daemons, and can be slowed down, taken offline, and made to fail.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "AT_ONCE",
    "DEFAULT_LISTEN",
    "LIFELIKE",
    "ListeningDaemon",
    "Pace",
    "SimulatedDaemon",
    "SimulatedMixnet",
    "open_simulated_daemon",
    "running_daemon",
    "serve_simulated_daemon",
]

if TYPE_CHECKING:
    from simplex_trio.testing.kpclientd.daemon import SimulatedDaemon, running_daemon
    from simplex_trio.testing.kpclientd.mixnet import AT_ONCE, LIFELIKE, Pace, SimulatedMixnet
    from simplex_trio.testing.kpclientd.serving import (
        DEFAULT_LISTEN,
        ListeningDaemon,
        open_simulated_daemon,
        serve_simulated_daemon,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.testing.kpclientd.daemon": ("SimulatedDaemon", "running_daemon"),
            "simplex_trio.testing.kpclientd.mixnet": (
                "AT_ONCE",
                "LIFELIKE",
                "Pace",
                "SimulatedMixnet",
            ),
            "simplex_trio.testing.kpclientd.serving": (
                "DEFAULT_LISTEN",
                "ListeningDaemon",
                "open_simulated_daemon",
                "serve_simulated_daemon",
            ),
        },
    )
