"""``simplex-trio ping``: is a router there, is it the right one, what does it speak, how far is it?"""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any

import trio
from cyclopts import Parameter

from simplex_trio import NTFClient, SMPClient, open_ntf_client, open_smp_client
from simplex_trio.cli.output import OUT, print_json, waiting
from simplex_trio.crypto.certificates import fingerprint
from simplex_trio.wire.addresses import ServerAddress, ServerProtocol
from simplex_trio.wire.text import to_base64url

__all__ = ["ping"]


def ping(
    server: str,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"])] = 3,
    json: bool = False,
) -> None:
    """Connect to a router, check that it is the one its address names, and measure round trips.

    Examples: `simplex-trio ping smp://…@smp.example.com`, `simplex-trio ping ntf://…@ntf.example.com`.

    Parameters
    ----------
    server
        The router's address, `smp://…` or `ntf://…`.
    count
        How many round trips to measure.
    json
        Print one JSON object instead of words.
    """
    trio.run(partial(_ping, ServerAddress.parse(server), max(count, 1), json))


async def _ping(address: ServerAddress, count: int, as_json: bool) -> None:
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
            report = _report(client, connecting, trips)
    if as_json:
        print_json(report)
    else:
        _say(report)


def _report(client: SMPClient | NTFClient, connecting: float, trips: list[float]) -> dict[str, Any]:
    tls = client.tls
    chain = () if tls.peer_chain is None else tls.peer_chain.certificates
    return {
        "protocol": client.address.protocol.value,
        "version": client.version,
        "versions": [client.agreement.versions.lowest, client.agreement.versions.highest],
        "identity": to_base64url(client.address.key_hash),
        "certificates": [fingerprint(each).hex() for each in chain],
        "tls": tls.tls_version,
        "cipher": tls.suite,
        "group": tls.group,
        "alpn": tls.alpn,
        "block_encryption": client.agreement.chains is not None,
        "connect_ms": _ms(connecting),
        "round_trips_ms": [_ms(trip) for trip in trips],
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _say(report: dict[str, Any]) -> None:
    trips = sorted(report["round_trips_ms"])
    middle = trips[math.floor(len(trips) / 2)]
    lowest, highest = report["versions"]
    OUT.print(f"[bold green]It is the router that the address names[/] ({report['identity']}).")
    OUT.print(f"Speaks {report['protocol'].upper()} {lowest} to {highest}; agreed on {report['version']}.")
    OUT.print(f"{report['tls']}, {report['cipher']}, {report['group']}, ALPN {report['alpn'] or 'none'}.")
    for number, digest in enumerate(report["certificates"]):
        OUT.print(f"Certificate {number}: {digest}")
    extra = "and once more by block keys" if report["block_encryption"] else "by TLS alone"
    OUT.print(f"Blocks are encrypted by TLS {extra}." if report["block_encryption"] else f"Blocks are encrypted {extra}.")
    OUT.print(f"Connected in {report['connect_ms']:.0f} ms; round trip {middle:.2f} ms in the middle of {len(trips)}.")
