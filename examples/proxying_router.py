"""A router that also proxies, configured in code, and a sender that goes through it.

::

    python examples/proxying_router.py                # to relays on this machine
    python examples/proxying_router.py smp://…@relay  # to these relays, and to no others

The relay that a message is for sees the proxy instead of its sender; the proxy sees neither the
message nor the queue that it is for.
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
from simplex_trio.router.config import ClientLimits, ProxyPolicy, QueuePolicy


def proxy_config(relays: Iterable[ServerAddress], password: str) -> RouterConfig:
    """A router of this machine for a few friends: they know a password, and it knows its relays."""
    hosts = {host.bare for relay in relays for host in relay.hosts}
    return RouterConfig(
        hosts=("127.0.0.1",),
        listen="127.0.0.1",
        ports=(0,),
        queues=QueuePolicy(password=password, message_ttl=24 * 3600),
        proxy=ProxyPolicy(
            allow=tuple(sorted(hosts)),
            allow_private=True,  # as the relays are on this machine; a public proxy must not do it
            max_relays=20,
        ),
        limits=ClientLimits(connections=100, proxied_at_once=8),
    )


async def send_through(proxy: ServerAddress, password: str, relay: ServerAddress, text: str) -> str:
    """Receive at a relay what was sent to it through a proxy."""
    async with open_smp_client(relay) as alice, open_smp_client(proxy) as bob:
        queue = await alice.create_queue()
        passage = bob.relay(relay, basic_auth=password.encode())
        await passage.send(queue.sender_id, text.encode())
        event = await alice.events.receive()
        assert isinstance(event, MessageReceived)
        await alice.acknowledge(queue, event.message_id)
        return event.body.decode()


async def show(relays: Iterable[ServerAddress], stranger: ServerAddress | None = None) -> None:
    """Run the router, send through it to every relay, and to one that it does not serve."""
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
    """Proxy to the relays that are named, or to one that is made for the occasion."""
    if addresses:
        await show(map(ServerAddress.parse, addresses))
        return
    elsewhere = RouterConfig(hosts=("localhost",), listen="127.0.0.1", ports=(0,))
    async with open_router() as relay, open_router(elsewhere) as stranger:
        await show([relay.address], stranger.address)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
