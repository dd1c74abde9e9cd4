"""Scenarios for two routers: one as the proxy, the other as the relay."""

from __future__ import annotations

import pytest

from simplex_trio.client.router_errors import ProxyFailed, RouterError
from simplex_trio.client.smp.client import open_smp_client
from simplex_trio.client.smp.queues import MessageReceived
from simplex_trio.crypto.hashes import sender_id
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.wire.errors.values import Broker, Code, Proxy
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
)
from tests.scenarios.smp import next_event


async def send_through(proxy: str, relay: str) -> None:
    """SKEY and SEND, with every kind of key, small and as large as they get."""
    async with open_smp_client(proxy) as sender, open_smp_client(relay) as owner:
        through = sender.relay(relay)
        for kind in (Ed25519PrivateKey, X25519PrivateKey):
            queue, key = await owner.create_queue(), kind.generate()
            await through.secure_as_sender(queue.sender_id, key)
            for body in (b"", b"short", bytes(16_000)):
                await through.send(queue.sender_id, body, key)
                message = await next_event(owner, MessageReceived)
                assert message.body == body
                await owner.acknowledge(queue, message.message_id)


async def relay_errors_are_the_relays(proxy: str, relay: str) -> None:
    """What the relay refuses looks as if it had been reached directly."""
    async with open_smp_client(proxy) as sender:
        with pytest.raises(RouterError) as refused:
            await sender.relay(relay).send(bytes(24), b"to no queue")
        assert refused.value.error is Code.AUTH


async def unreachable_relay(proxy: str, relay: str) -> None:
    """What the proxy cannot do is the proxy's error."""
    host = relay.partition("@")[2].partition(":")[0]
    nobody = f"smp://{'A' * 43}=@{host}:1"
    async with open_smp_client(proxy) as sender:
        with pytest.raises(ProxyFailed) as failed:
            await sender.relay(nobody).send(bytes(24), b"to nowhere")
        assert isinstance(failed.value.error, Proxy)
        assert isinstance(failed.value.error.error, Broker)


async def links_through(proxy: str, relay: str) -> None:
    """LGET and LKEY."""
    data = QueueLinkData(b"fixed", b"user")
    async with open_smp_client(proxy) as sender, open_smp_client(relay) as owner:
        through = sender.relay(relay)
        correlation_id, link_id = owner.new_correlation_id(), owner.new_correlation_id()
        link = ContactLink(link_id, sender_id(correlation_id), data)
        await owner.create_queue(ContactRequest(link), correlation_id=correlation_id)
        assert (await through.read_link(link_id)).data == data
        correlation_id = owner.new_correlation_id()
        invitation = await owner.create_queue(
            MessagingRequest(MessagingLink(sender_id(correlation_id), data)),
            correlation_id=correlation_id,
        )
        assert invitation.link_id is not None
        key = Ed25519PrivateKey.generate()
        read = await through.secure_and_read_link(invitation.link_id, key)
        assert read.data == data
        await through.send(read.sender_id, b"by link, by proxy", key)
        assert (await next_event(owner, MessageReceived)).body == b"by link, by proxy"


SCENARIOS = (send_through, relay_errors_are_the_relays, unreachable_relay, links_through)
