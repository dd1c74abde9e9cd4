"""``simplex-trio ping``: whether a router is there, is the right one, and how far away it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from statistics import median
from typing import Annotated, Any, Protocol

import trio
from cyclopts import Parameter

from simplex_trio.cli.addresses import place_of, read_address
from simplex_trio.cli.options import AsJson, at_least
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.reporting import named
from simplex_trio.cli.running import run
from simplex_trio.client.ntf import NTFClient, open_ntf_client
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.crypto.certificates import fingerprint
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.text import to_base64url
from simplex_trio.xftp.client import open_xftp_client

__all__ = ["ping"]


class _Pinged(Protocol):
    """What clients of all protocols have."""

    @property
    def version(self) -> int: ...

    async def ping(self) -> None: ...


_OPENED: dict[ServerProtocol, Callable[[ServerAddress], AbstractAsyncContextManager[_Pinged]]] = {
    ServerProtocol.SMP: open_smp_client,
    ServerProtocol.NTF: open_ntf_client,
    ServerProtocol.XFTP: open_xftp_client,
}


def ping(
    server: str,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], validator=at_least(1))] = 3,
    json: AsJson = False,
) -> None:
    """Connect to a router, check that it is the one its address names, and measure round trips.

    Parameters
    ----------
    server
        The router's address, `smp://…`, `ntf://…` or `xftp://…`; `@FILE` for one in a file,
        which may have the router's password in it.
    count
        How many round trips to measure.
    """
    address = read_address(server, *_OPENED).address
    with named(place_of(address)):
        report = run(partial(_ping, address, count))
    if json:
        print_json(report)
    else:
        _say(report)


async def _ping(address: ServerAddress, count: int) -> dict[str, Any]:
    began = trio.current_time()
    with waiting("connecting"):
        async with _OPENED[address.protocol](address) as client:
            connecting = trio.current_time() - began
            trips = []
            for _ in range(count):
                began = trio.current_time()
                await client.ping()
                trips.append(trio.current_time() - began)
            return {
                "protocol": address.protocol.value,
                "version": client.version,
                "identity": to_base64url(address.key_hash),
                "connect_ms": _ms(connecting),
                "round_trips_ms": [_ms(trip) for trip in trips],
                **_about(client),
            }


def _about(client: object) -> dict[str, Any]:
    """What else a client tells about its connection, which differs by protocol."""
    facts: dict[str, Any] = {}
    if isinstance(client, SMPClient | NTFClient):
        tls = client.tls
        chain = () if tls.peer_chain is None else tls.peer_chain.certificates
        facts["certificates"] = [fingerprint(each).hex() for each in chain]
        facts["tls"] = tls.tls_version
        facts["cipher"] = tls.suite
        facts["group"] = tls.group
        facts["alpn"] = tls.alpn
    if isinstance(client, SMPClient):
        versions = client.agreement.versions
        facts["common_versions"] = [versions.lowest, versions.highest]
        facts["block_encryption"] = client.agreement.chains is not None
    return facts


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _say(report: dict[str, Any]) -> None:
    trips = report["round_trips_ms"]
    say("It is the router that the address names.", style="bold green")
    say(f"Identity: {report['identity']}")
    for number, digest in enumerate(report.get("certificates", ())):
        say(f"Certificate {number}: {digest}")
    if "tls" in report:
        say(f"TLS: {report['tls']}, {report['cipher']}, {report['group']}, ALPN {report['alpn']}")
    say(f"Version: {report['protocol'].upper()} {report['version']}{_others(report)}")
    if report.get("block_encryption"):
        say("Blocks are encrypted once more inside TLS.")
    say(f"Connected in {report['connect_ms']:.0f} ms")
    say(f"Round trip: {median(trips):.2f} ms (median of {len(trips)}), {max(trips):.2f} ms at most")


def _others(report: dict[str, Any]) -> str:
    if "common_versions" not in report:
        return ""
    lowest, highest = report["common_versions"]
    return f", of {lowest} to {highest} that both speak"
