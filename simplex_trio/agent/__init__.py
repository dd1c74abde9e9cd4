"""Many connections to many routers, and subscriptions that outlive each of them.

`simplex_trio` has `open_smp_agent`, its configuration and its events; what else an agent gives and
takes is here.

Inside, `agent`, `connections` and `subscriber` wait.  Plain code decides: `pool` which task
connects, `subscriptions` what is pending and what is active, `workers` when a server needs a
worker, and `event_queues` in which order the program reads events.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = ["AgentStatistics", "Connector", "RouterNumbers", "SubscriptionsView"]

if TYPE_CHECKING:
    from simplex_trio.agent.agent import AgentStatistics, RouterNumbers, SubscriptionsView
    from simplex_trio.agent.connections import Connector
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.agent.agent": ("AgentStatistics", "RouterNumbers", "SubscriptionsView"),
            "simplex_trio.agent.connections": ("Connector",),
        },
    )
