"""The router: a small SMP router in Trio, to develop and test against and to host oneself.

`simplex_trio` exports `open_router`, `serve_router` and `RouterConfig`; this package exports the
parts of a configuration, and the stores.

Inside, `core` makes the decisions, in plain code without a clock, and `store` has the storage.  The
other modules are async.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "ClientLimits",
    "Intervals",
    "MemoryStore",
    "ProxyPolicy",
    "QueuePolicy",
    "QueueState",
    "QueueStatus",
    "RouterStatistics",
    "Store",
    "open_postgres_store",
    "open_sqlite_store",
]

if TYPE_CHECKING:
    from simplex_trio.router.config import ClientLimits, Intervals
    from simplex_trio.router.core.administration import QueueState, QueueStatus
    from simplex_trio.router.core.policy import QueuePolicy
    from simplex_trio.router.proxy_rules import ProxyPolicy
    from simplex_trio.router.statistics import RouterStatistics
    from simplex_trio.router.store.interface import Store
    from simplex_trio.router.store.memory import MemoryStore
    from simplex_trio.router.store.postgres import open_postgres_store
    from simplex_trio.router.store.sqlite import open_sqlite_store
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.router.config": ("ClientLimits", "Intervals"),
            "simplex_trio.router.core.administration": ("QueueState", "QueueStatus"),
            "simplex_trio.router.core.policy": ("QueuePolicy",),
            "simplex_trio.router.proxy_rules": ("ProxyPolicy",),
            "simplex_trio.router.statistics": ("RouterStatistics",),
            "simplex_trio.router.store.interface": ("Store",),
            "simplex_trio.router.store.memory": ("MemoryStore",),
            "simplex_trio.router.store.postgres": ("open_postgres_store",),
            "simplex_trio.router.store.sqlite": ("open_sqlite_store",),
        },
    )
