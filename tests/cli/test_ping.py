"""``simplex-trio ping``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from simplex_trio.router.server import Router
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.text import to_base64url
from simplex_trio.xftp.router.server import open_xftp_router
from tests.cli.support import Result, in_background

Cli = Callable[..., Result]


def test_for_programs(cli: Cli, router: str) -> None:
    report = cli("ping", router, "--count", "2", "--json").json()
    assert report["protocol"] == "smp"
    assert report["version"] == 20
    assert report["common_versions"] == [6, 20]
    assert report["tls"] == "TLSv1.3"
    assert report["alpn"] == "smp/1"
    assert report["block_encryption"] is True
    assert len(report["round_trips_ms"]) == 2
    identity = ServerAddress.parse(router).key_hash
    assert report["identity"] == to_base64url(identity)
    assert report["certificates"][1] == identity.hex()


def test_for_people(cli: Cli, router: str) -> None:
    result = cli("ping", router)
    assert result.code == 0
    assert result.out.startswith("It is the router that the address names.")
    assert "SMP 20, of 6 to 20 that both speak" in result.out
    assert "median of 3" in result.out


def test_routers_for_files(cli: Cli) -> None:
    with in_background(open_xftp_router) as router:
        report = cli("ping", router.address, "--json").json()
        assert report["protocol"] == "xftp"
        assert report["version"] == 3
        assert "XFTP 3" in cli("ping", router.address).out


def test_an_impostor(cli: Cli, router: str) -> None:
    false = f"smp://{'A' * 43}=@{router.partition('@')[2]}"
    result = cli("ping", false)
    assert result.code == 3
    assert "not the router that the address names" in result.err
    assert result.out == ""


@asynccontextmanager
async def nothing() -> AsyncIterator[int]:
    """A port on which connections are closed at once."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def hang_up(stream: trio.SocketStream) -> None:
            await stream.aclose()

        await nursery.start(trio.serve_listeners, hang_up, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def test_no_router_there(cli: Cli, running_router: Router) -> None:
    with in_background(nothing) as port:
        answers_nothing = cli("ping", f"smp://{'A' * 43}=@127.0.0.1:{port}")
    assert answers_nothing.code == 3
    closed = cli("ping", f"smp://{'A' * 43}=@127.0.0.1:{port}")
    assert closed.code == 3
    assert closed.err.startswith(f"simplex-trio: No connection to 127.0.0.1:{port}: ")


@pytest.mark.parametrize("address", ["", "http://example.com", f"https://{'A' * 43}=@x.example"])
def test_no_address(cli: Cli, address: str) -> None:
    result = cli("ping", address)
    assert result.code == 2
    assert "smp://" in result.err
