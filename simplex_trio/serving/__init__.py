"""What routers of all protocols share.

Configuration from TOML, credentials, limits, counters, metrics, and the handle of a running router.
`simplex_trio.router` and `simplex_trio.xftp.router` build on it, and add their protocols.
"""

from typing import TYPE_CHECKING

from simplex_trio.lazy_exports import lazy_exports

__all__ = [
    "AcceptPolicy",
    "ConfigError",
    "ConnectionLimits",
    "Reloaded",
    "RunningRouter",
    "ServingConfig",
    "ServingIntervals",
    "ServingStatistics",
    "load_credentials",
    "load_web_credentials",
]

if TYPE_CHECKING:
    from simplex_trio.serving.config import ConnectionLimits, ServingConfig, ServingIntervals
    from simplex_trio.serving.credentials import load_credentials, load_web_credentials
    from simplex_trio.serving.policy import AcceptPolicy
    from simplex_trio.serving.reloading import Reloaded
    from simplex_trio.serving.running import RunningRouter
    from simplex_trio.serving.statistics import ServingStatistics
    from simplex_trio.serving.toml import ConfigError
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "simplex_trio.serving.config": (
                "ConnectionLimits",
                "ServingConfig",
                "ServingIntervals",
            ),
            "simplex_trio.serving.credentials": ("load_credentials", "load_web_credentials"),
            "simplex_trio.serving.policy": ("AcceptPolicy",),
            "simplex_trio.serving.reloading": ("Reloaded",),
            "simplex_trio.serving.running": ("RunningRouter",),
            "simplex_trio.serving.statistics": ("ServingStatistics",),
            "simplex_trio.serving.toml": ("ConfigError",),
        },
    )
