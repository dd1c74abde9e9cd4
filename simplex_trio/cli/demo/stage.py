"""The routers of the demonstration: embedded ones, unless real ones are named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from simplex_trio.cli.demo.watched_store import WatchedStore
from simplex_trio.cli.failures import CommandFailed, ExitCode
from simplex_trio.frozen import frozen
from simplex_trio.redaction import Redacted
from simplex_trio.router.server import Router, open_router
from simplex_trio.testing.cable import Cable, open_cable
from simplex_trio.wire.addresses import ServerAddress, ServerAddressWithAuth
from simplex_trio.wire.hosts import OnionHost

__all__ = ["Place", "Stage", "open_stage"]


@frozen(repr=False)
class Place(Redacted):
    """A router, and the cable by which the agent reaches it; other clients connect directly."""

    number: int
    address: ServerAddress
    cable: Cable
    password: bytes | None = None
    router: Router | None = None
    """The router itself, if it is embedded."""
    store: WatchedStore | None = None
    """What it keeps."""


@frozen(repr=False)
class Stage(Redacted):
    """Router one, whose cable is cut, and router two, which also is the proxy."""

    one: Place
    two: Place


@asynccontextmanager
async def open_stage(named: Sequence[ServerAddressWithAuth] = ()) -> AsyncIterator[Stage]:
    """Have two routers, of which the first ``named`` take the place of embedded ones."""
    async with AsyncExitStack() as stack:
        places = []
        for number in (1, 2):
            if number <= len(named):
                router, store, server = None, None, named[number - 1]
            else:
                store = WatchedStore()
                router = await stack.enter_async_context(open_router(store=store))
                server = ServerAddressWithAuth(router.address)
            _check_reachable(server.address)
            cable = await stack.enter_async_context(open_cable(server.address))
            places.append(Place(number, server.address, cable, server.basic_auth, router, store))
        yield Stage(*places)


def _check_reachable(address: ServerAddress) -> None:
    if all(isinstance(host, OnionHost) for host in address.hosts):
        raise CommandFailed(
            "The demonstration reaches its routers directly, and this one only has an onion "
            "address; name another one, or none.",
            ExitCode.USAGE,
        )
