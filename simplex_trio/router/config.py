"""The configuration of a router: `RouterConfig` and its parts, in code or in a TOML file.

Every part is a table of the file and every field a key in it, with the same name; a missing key has
its default.  `ServingConfig` has the options that do not depend on the protocol.  A file for a
private router is short::

    hosts = ["smp.example.com"]
    credentials = "/etc/simplex-trio"
    store = "/var/lib/simplex-trio/router.sqlite"

    [queues]
    password = "..."

Relative paths are relative to the folder of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from attrs import Factory, field
from attrs.validators import ge, gt, min_len

from simplex_trio.frozen import frozen
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.serving.config import (
    ConnectionLimits,
    ServingConfig,
    ServingIntervals,
    are_ports,
)
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange

__all__ = [
    "ClientLimits",
    "Intervals",
    "RouterConfig",
]


@frozen(kw_only=True)
class ClientLimits(ConnectionLimits):
    """What a client may use, and how long the router waits for it; times in seconds.

    A client that exceeds a limit is slowed down or disconnected: SMP has no errors for that.
    """

    commands_in_flight: int = field(default=1024, validator=ge(1))
    """Commands of one connection whose answers are not written yet, four full blocks of the
    shortest.  At the limit, the router reads no further commands until there are fewer."""
    queues_at_once: int = field(default=5000, validator=ge(1))
    """Queues that one connection may create without delay, after which ``queues_per_second``
    applies: a client that moves to this router creates all of its queues at once.
    """
    queues_per_second: float = field(default=50, validator=gt(0))
    proxied_at_once: int = field(default=32, validator=ge(1))
    """Commands of one connection that wait for relays, as in the reference.  At the limit, the next
    one waits, and so do the commands behind it."""
    names_at_once: int = field(default=1000, validator=ge(1))
    """Names being resolved for one connection, as in the reference."""
    block_seconds: float = field(default=120, validator=gt(0))
    """From the first byte of a block to its last; 1 kbit/s is enough."""
    write_seconds: float = field(default=120, validator=gt(0))
    """For the client to accept a few blocks; otherwise it is disconnected."""
    farewell_seconds: float = field(default=5, validator=gt(0))
    """For writing the answers to commands that were decided before the client ended its side of the
    connection.  The store needs a fraction of a second, and most clients have closed both sides."""


@frozen(kw_only=True)
class Intervals(ServingIntervals):
    """How often a router does its regular work; seconds.

    ``expiry`` is for queues that are not used: those in use are checked at every message.
    """

    idle_check: float = field(default=3600, validator=gt(0))
    """Looking for idle clients to disconnect; no less often than ``idle_seconds``."""
    end_events: float = field(default=0, validator=ge(0))
    """Collecting END, ENDS and DELD before sending them; 0 sends them at once.  The reference
    collects for 15 s."""
    notifications: float = field(default=0, validator=ge(0))
    """Collecting NMSG before sending them; 0 sends them at once.  The reference collects for 1.5 s.
    """


@frozen(repr=False, kw_only=True)
class RouterConfig(ServingConfig):
    """The whole configuration.

    ``store`` is an SQLite file, or the URL of a database of PostgreSQL.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"queues.allow_new_queues": "queues.accept_new"}
    FIXED: ClassVar[frozenset[str]] = ServingConfig.FIXED | {
        "intervals.end_events",
        "intervals.notifications",
        "proxy.own_domains",
        "proxy.remember_failure",
        "proxy.socks",
    }

    ports: tuple[int, ...] = field(default=(5223,), validator=[are_ports, min_len(1)])
    """The ports to listen on, 0 for one that the system chooses; the first is in the address."""
    client_certificates: bool = True
    """Whether clients are asked in TLS for certificates, by which services are recognized.  Without
    this, services connect as any client does; ``accept_service_credentials`` in the reference."""
    queues: QueuePolicy = Factory(QueuePolicy)
    proxy: ProxyPolicy = Factory(ProxyPolicy)
    limits: ClientLimits = Factory(ClientLimits)
    intervals: Intervals = Factory(Intervals)
    lowest_version: int = field(default=SMP_VERSIONS.lowest)
    highest_version: int = field(default=SMP_VERSIONS.highest)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not SMP_VERSIONS.lowest <= self.lowest_version <= self.highest_version:
            raise ValueError("the lowest version is too low, or above the highest")
        if self.highest_version > SMP_VERSIONS.highest:
            raise ValueError("the highest version is not supported here")

    @property
    def versions(self) -> VersionRange:
        """The versions of SMP to offer."""
        return VersionRange(self.lowest_version, self.highest_version)
