"""A router that is also a proxy, configured in code, and a sender that uses it.

::

    python examples/proxying_router.py                # to relays on this machine
    python examples/proxying_router.py smp://…@relay  # to these relays, and to no others

The relay sees the proxy in place of the sender; the proxy sees neither the message nor its queue.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable

import trio

from simplex_trio import (
    MessageReceived,
    ProxyFailed,
    RouterConfig,
    ServerAddress,
    open_router,
    open_smp_client,
)
from simplex_trio.router import ClientLimits, ProxyPolicy, QueuePolicy


def proxy_config(relays: Iterable[ServerAddress], password: str) -> RouterConfig:
    """Configure a private router: clients need a password, and it proxies only to ``relays``."""
    hosts = {host.bare for relay in relays for host in relay.hosts}
    return RouterConfig(
        hosts=("127.0.0.1",),
        listen="127.0.0.1",
        ports=(0,),
        queues=QueuePolicy(password=password, message_ttl=24 * 3600),
        proxy=ProxyPolicy(
            allow=tuple(sorted(hosts)),
            allow_private=True,  # for relays on this machine; never allow it on a public proxy
            max_relays=20,
        ),
        limits=ClientLimits(connections=100, proxied_at_once=8),
    )


async def send_through(proxy: ServerAddress, password: str, relay: ServerAddress, text: str) -> str:
    """Send a message to a queue on a relay through a proxy; return what arrives."""
    async with open_smp_client(relay) as alice, open_smp_client(proxy) as bob:
        queue = await alice.create_queue()
        passage = bob.relay(relay, basic_auth=password.encode())
        await passage.send(queue.sender_id, text.encode())
        event = await alice.events.receive()
        assert isinstance(event, MessageReceived)
        await alice.acknowledge(queue, event.message_id)
        return event.body.decode()


async def show(relays: Iterable[ServerAddress], stranger: ServerAddress | None = None) -> None:
    """Run the router, and send through it to every relay, and to one that it refuses."""
    relays = list(relays)
    password = secrets.token_urlsafe()
    async with open_router(proxy_config(relays, password)) as proxy:
        for relay in relays:
            print(
                "arrived:", await send_through(proxy.address, password, relay, "through the proxy")
            )
        if stranger is not None:
            try:
                await send_through(proxy.address, password, stranger, "not through this one")
            except ProxyFailed as refused:
                print("refused:", refused)


async def main(*addresses: str) -> None:
    """Proxy to the given relays, or to a temporary one."""
    if addresses:
        await show(map(ServerAddress.parse, addresses))
        return
    elsewhere = RouterConfig(hosts=("localhost",), listen="127.0.0.1", ports=(0,))
    async with open_router() as relay, open_router(elsewhere) as stranger:
        await show([relay.address], stranger.address)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
