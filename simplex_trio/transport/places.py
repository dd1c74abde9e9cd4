"""`Places`: limits for the connections of a router, in total and for each address.

All listeners of a router share one.  A handshake that makes no progress takes a place from
others, so it gets less time when few are left: while the router is *crowded*, with more than half
of its places taken, handshakes have `ListenLimits.crowded_handshake_seconds`, including those
that began before.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, isinf
from typing import Final

import trio
from attrs import field
from attrs.validators import ge, gt, le

from simplex_trio.frozen import frozen
from simplex_trio.transport.networks import Origin
from simplex_trio.transport.rates import Rates

__all__ = ["MOST_CONNECTIONS", "ListenLimits", "Places"]

_log = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 1_000_000
"""About as many files as a process may open; `Places.change` takes a moment for so many."""


@frozen
class ListenLimits:
    """Bounds for the connections of one router."""

    connections: int = field(default=10_000, validator=[ge(1), le(MOST_CONNECTIONS)])
    """The most at a time: half of what a process may open where the limit is 20,000 files, as the
    others may be needed for the store and for relays.  When it is reached, nothing more is accepted
    than the one that waits for a place."""
    max_connections_per_address: int = field(default=1000, validator=ge(1))
    """The most from one public address of IPv4, or one /64 of IPv6; another one is closed at once.
    It is a tenth of all, so that ten addresses are needed to take all places, and far more than the
    clients behind the NAT of a provider or a Tor exit have at a time.  Addresses that are not
    public have no limit of their own: see `simplex_trio.transport.networks.origin_of`."""
    new_connections_per_second: float = field(default=50, validator=gt(0))
    """From such an address, once ``max_connections_per_address`` have come; another is closed at
    once.  TLS with the handshake after it takes some 2 ms of the processor, so that one address
    takes a tenth of it at most."""
    full_seconds: float = field(default=5, validator=gt(0))
    """How long it waits before it is closed, so that its client retries later or elsewhere."""
    handshake_seconds: float = field(default=60, validator=gt(0))
    """For TLS, as in the reference: slow networks behind proxies need tens of seconds."""
    crowded_handshake_seconds: float = field(default=10, validator=gt(0))
    """For each handshake while more than half of all places are taken: several times what a client
    on a slow network needs, and so little that connections which send nothing must come at 500 a
    second to take the other half."""
    close_seconds: float = field(default=1, validator=gt(0))
    """For the end of TLS (close_notify) when a connection ends; after that it is cut."""


class Places:
    """The places for the connections of one router."""

    def __init__(self, limits: ListenLimits | None = None) -> None:
        self.limits: ListenLimits = limits or ListenLimits()
        self._free = trio.Semaphore(self.limits.connections)
        self._surplus = 0
        """Places that are taken beyond a limit that was lowered; they are not given back."""
        self._by_origin: Counter[Origin] = Counter()
        self._rates = Rates(*_rate(self.limits))
        # Handshakes whose deadlines are as far away as they may be, and when they come closer.
        self._patient: dict[trio.CancelScope, float] = {}

    def __repr__(self) -> str:
        return f"<Places: {self._free.value} of {self.limits.connections} are free>"

    def change(self, limits: ListenLimits) -> None:
        """Apply other limits from now on; connections beyond them stay until they end."""
        more = limits.connections - self.limits.connections
        self.limits = limits
        self._rates.change(*_rate(limits))
        self._surplus -= more
        while self._surplus < 0:
            self._surplus += 1
            self._free.release()
        while self._surplus and self._free.value:
            self._surplus -= 1
            self._free.acquire_nowait()
        self._hurry()

    @property
    def is_crowded(self) -> bool:
        """Whether more than half of the places are taken."""
        return 2 * self._free.value < self.limits.connections

    async def take(self, origin: Origin | None) -> bool:
        """Take a place for a connection; False if there is none, after waiting for one.

        ``origin`` is where it comes from, if that has a limit.  `leave` gives the place back.
        """
        if origin is not None:
            is_one_too_many = self._by_origin[
                origin
            ] >= self.limits.max_connections_per_address or not self._rates.take(
                origin, trio.current_time()
            )
            if is_one_too_many:
                await trio.lowlevel.checkpoint()
                return False
            self._by_origin[origin] += 1
        taken = False
        try:
            with trio.move_on_after(self.limits.full_seconds):
                await self._free.acquire()
                taken = True
        finally:
            if not taken:
                self._forget(origin)
        if not taken:
            _log.warning("a connection was turned away: all places are taken")
        self._hurry()
        return taken

    def leave(self, origin: Origin | None) -> None:
        """Give a place back."""
        if self._surplus:
            self._surplus -= 1
        else:
            self._free.release()
        self._forget(origin)

    def _forget(self, origin: Origin | None) -> None:
        if origin is not None:
            self._by_origin[origin] -= 1
            if not self._by_origin[origin]:
                del self._by_origin[origin]

    @contextmanager
    def handshake(self, seconds: float) -> Iterator[None]:
        """Give a handshake so many seconds, or fewer while it is crowded.

        Raises `trio.TooSlowError` when they are over.
        """
        limits = self.limits
        with trio.move_on_after(seconds) as scope:
            self._patient[scope] = trio.current_time() + limits.crowded_handshake_seconds
            self._hurry()
            try:
                yield
            finally:
                self._patient.pop(scope, None)
        if scope.cancelled_caught:
            raise trio.TooSlowError

    def _hurry(self) -> None:
        """Bring the deadlines closer if it is crowded; each is touched once."""
        if not self.is_crowded:
            return
        for scope, deadline in self._patient.items():
            scope.deadline = min(scope.deadline, deadline)
        self._patient.clear()


def _rate(limits: ListenLimits) -> tuple[int, float]:
    """What comes at once, those of a second at the least, and those of each second after that."""
    burst, per_second = limits.max_connections_per_address, limits.new_connections_per_second
    return burst if isinf(per_second) else max(burst, ceil(per_second)), per_second
