"""Rows: the functions that measure something, and under which names they are known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import trio
from attrs import field, frozen

from simplex_trio.bench.figures import Figures
from simplex_trio.client.smp import SMPClient, open_smp_client
from simplex_trio.redaction import Redacted
from simplex_trio.wire.addresses import ServerAddressWithAuth

__all__ = ["Conditions", "Row", "Rows", "SubjectMissing"]


class SubjectMissing(Exception):
    """What a row is about is not there; the text says what and why."""


@frozen(repr=False)
class Conditions(Redacted):
    """What a row finds: the routers, and how long it may take."""

    router: ServerAddressWithAuth | None = None
    relay: ServerAddressWithAuth | None = None
    echo: ServerAddressWithAuth | None = None
    scale: float = 1.0

    def times(self, count: int) -> int:
        """How often to do what is done ``count`` times at full length."""
        return max(1, round(count * self.scale))

    def client(self) -> trio.abc.AsyncResource:
        raise NotImplementedError
