"""``simplex-trio ping``: whether a router is there, is the right one, and how far away it is."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import Annotated, Any

import trio
from cyclopts import Parameter
from cyclopts.validators import Number

from simplex_trio import NTFClient, SMPClient, open_ntf_client, open_smp_client
from simplex_trio.cli.addresses import read_address
from simplex_trio.cli.options import AsJson, Server
from simplex_trio.cli.output import print_json, say, waiting
from simplex_trio.cli.running import run
from simplex_trio.crypto.certificates import fingerprint
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.text import to_base64url

__all__ = ["ping"]


def ping(
    server: Server,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], validator=Number(gte=1))] = 3,
    json: AsJson = False,
) -> None:
    """Connect to a router, check that it is the one its address names, and measure round trips.

    Parameters
    ----------
    server
        The router's address, `smp://…` or `ntf://…`; `@FILE` for one in a file.
    count
        How many round trips to measure.
    """
    address = read_address(server, ServerProtocol.SMP, ServerProtocol.NTF).address
    report = run(partial(_ping, address, count))
    if json:
        print_json(report)
    else:
        _say(report)


async def _ping(address: ServerAddress, count: int) -> dict[str, Any]:
    began = trio.current_time()
    opened = open_ntf_client if address.protocol is ServerProtocol.NTF else open_smp_client
    with waiting("connecting"):
        async with opened(address) as client:
            connecting = trio.current_time() - began
            trips = []
            for _ in range(count):
                began = trio.current_time()
                await client.ping()
                trips.append(trio.current_time() - began)
            return _report(client, connecting, trips)


def _report(client: SMPClient | NTFClient, connecting: float, trips: list[float]) -> dict[str, Any]:
    tls = client.tls
    chain = () if tls.peer_chain is None else tls.peer_chain.certificates
    report: dict[str, Any] = {
        "protocol": client.address.protocol.value,
        "version": client.version,
        "identity": to_base64url(client.address.key_hash),
        "certificates": [fingerprint(each).hex() for each in chain],
        "tls": tls.tls_version,
        "cipher": tls.suite,
        "group": tls.group,
        "alpn": tls.alpn,
        "connect_ms": _ms(connecting),
        "round_trips_ms": [_ms(trip) for trip in trips],
    }
    if isinstance(client, SMPClient):
        versions = client.agreement.versions
        report["common_versions"] = [versions.lowest, versions.highest]
        report["block_encryption"] = client.agreement.chains is not None
    return report


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _say(report: dict[str, Any]) -> None:
    trips = report["round_trips_ms"]
    say("It is the router that the address names.", style="bold green")
    say(f"Identity: {report['identity']}")
    for number, digest in enumerate(report["certificates"]):
        say(f"Certificate {number}: {digest}")
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
