"""A router is filled with all that it can keep; what takes its place still has all of it.

What the clients know is JSON in between, as in the recordings of tests/vectors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
import trio

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import (
    MessageReceived,
    QueueAccess,
    QuotaReached,
    ReceivingQueue,
    SealedMessage,
)
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
from simplex_trio.crypto.certificates import CertificateChain
from simplex_trio.crypto.credentials import generate_service_credentials
from simplex_trio.crypto.hashes import ServiceSubs, sender_id
from simplex_trio.crypto.keys import AuthPrivateKey, Ed25519PrivateKey, private_key
from simplex_trio.engine.events import Notice
from simplex_trio.wire.errors.values import Blocked, BlockingReason, Code
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import ALLS, NMSG
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
)
from tests.scenarios.smp import SOON, next_event, next_notice

__all__ = ["QUOTA", "Known", "check", "fill"]

Known: TypeAlias = dict[str, dict[str, Any]]
"""What clients keep of their queues, in hexadecimal digits."""

QUOTA = 128
"""Messages of a full queue, as routers have it unless they are told otherwise."""

_DATA = QueueLinkData(b"fixed part", b"the user's part")
_CHANGED = QueueLinkData(_DATA.fixed, b"changed")


@asynccontextmanager
async def _service_at(address: str, service: ServiceCertificate) -> AsyncIterator[SMPClient]:
    config = SMPClientConfig(session=SMPSessionConfig(service=service))
    async with open_smp_client(address, config) as client:
        yield client


# --- filling ------------------------------------------------------------------------------------


async def fill(address: str, block: Callable[[bytes], Awaitable[None]] | None = None) -> Known:
    """Have clients leave something of each kind; ``block`` blocks a queue by its sender id."""
    queues: dict[str, ReceivingQueue] = {}
    keys: dict[str, AuthPrivateKey] = {}
    roles = (ServiceRole.MESSAGING, ServiceRole.NOTIFIER)
    services = {role.name: _new_service(role) for role in roles}
    async with open_smp_client(address) as client:
        await _fill_queues(client, queues, keys)
        await _fill_links(client, queues, keys)
        if block is not None:
            queues["blocked"] = await client.create_queue(subscribe=False)
            await block(queues["blocked"].sender_id)
        async with _service_at(address, services["MESSAGING"]) as service:
            for name in ("served", "served too"):
                queues[name] = await service.create_queue()
        await client.send(queues["served"].sender_id, b"while it was away")
        keys["served notifier"] = Ed25519PrivateKey.generate()
        credentials = await client.enable_notifications(
            queues["plain"], keys["served notifier"].public
        )
        async with _service_at(address, services["NOTIFIER"]) as service:
            await service.subscribe_notifications(credentials.notifier_id, keys["served notifier"])
        ids = {"served notifier": credentials.notifier_id.hex()}
        credentials = await client.enable_notifications(queues["notified"], keys["notifier"].public)
        await client.send(queues["notified"].sender_id, b"wake up", notify=True)
        ids["notifier"] = credentials.notifier_id.hex()
    return {
        "queues": {name: queue.to_bytes().hex() for name, queue in queues.items()},
        "keys": {name: key.der.hex() for name, key in keys.items()},
        "ids": ids,
        "services": {
            name: {
                "chain": [each.hex() for each in service.chain.certificates],
                "key": service.signing_key.der.hex(),
            }
            for name, service in services.items()
        },
    }


def _new_service(role: ServiceRole) -> ServiceCertificate:
    # Recordings are replayed at any time, and a certificate is valid from some day on.
    credentials = generate_service_credentials(now=datetime(2025, 1, 1, tzinfo=UTC))
    return ServiceCertificate(role, credentials.chain, credentials.key)


async def _fill_queues(
    client: SMPClient, queues: dict[str, ReceivingQueue], keys: dict[str, AuthPrivateKey]
) -> None:
    names = ("plain", "full", "notified", "not notified", "suspended", "deleted")
    for name in names:
        queues[name] = await client.create_queue(subscribe=False)
    for name in ("sender", "notifier", "first owner", "second owner"):
        keys[name] = Ed25519PrivateKey.generate()
    plain = queues["plain"]
    await client.send(plain.sender_id, b"before it was secured")
    await client.secure(plain, keys["sender"].public)
    await client.send(plain.sender_id, b"with a notification", keys["sender"], notify=True)
    await client.send(plain.sender_id, bytes(15_000), keys["sender"])
    received = await client.get(plain)
    assert isinstance(received, MessageReceived)
    await client.acknowledge(plain, received.message_id)
    await client.events.receive()
    for number in range(QUOTA):
        await client.send(queues["full"].sender_id, str(number).encode())
    with pytest.raises(RouterError):
        await client.send(queues["full"].sender_id, b"one too many")
    await client.enable_notifications(queues["not notified"], keys["notifier"].public)
    await client.disable_notifications(queues["not notified"])
    await client.suspend(queues["suspended"])
    await client.send(queues["deleted"].sender_id, b"to be deleted")
    await client.delete(queues["deleted"])


async def _fill_links(
    client: SMPClient, queues: dict[str, ReceivingQueue], keys: dict[str, AuthPrivateKey]
) -> None:
    for name in ("contact", "unlinked", "other keys"):
        correlation_id, link_id = client.new_correlation_id(), client.new_correlation_id()
        request = ContactRequest(ContactLink(link_id, sender_id(correlation_id), _DATA))
        queues[name] = await client.create_queue(request, correlation_id=correlation_id)
    contact = queues["contact"]
    assert contact.link_id is not None
    await client.set_link(contact, contact.link_id, _CHANGED)
    await client.delete_link(queues["unlinked"])
    owners = [keys[name].public for name in ("first owner", "second owner")]
    await client.set_recipient_keys(queues["other keys"], owners)
    correlation_id = client.new_correlation_id()
    queues["invitation"] = await client.create_queue(
        MessagingRequest(MessagingLink(sender_id(correlation_id), _DATA)),
        correlation_id=correlation_id,
    )


# --- checking -----------------------------------------------------------------------------------


async def check(address: str, known: Known) -> None:
    """All of it is there, for its owners alone, and goes on."""
    queues = {
        name: ReceivingQueue.from_bytes(bytes.fromhex(text))
        for name, text in known["queues"].items()
    }
    keys = {}
    for name, text in known["keys"].items():
        key = private_key(bytes.fromhex(text))
        assert isinstance(key, AuthPrivateKey)
        keys[name] = key
    ids = {name: bytes.fromhex(text) for name, text in known["ids"].items()}
    services = {
        name: _service(ServiceRole[name], service) for name, service in known["services"].items()
    }
    async with open_smp_client(address) as client:
        await _check_messages(client, queues, keys)
        await _check_states(client, queues, keys)
        await _check_links(client, queues)
    async with open_smp_client(address) as client:
        await client.subscribe_notifications(ids["notifier"], keys["notifier"])
        await next_notice(client, NMSG, ids["notifier"])
    await _check_services(address, queues, keys, ids, services)


def _service(role: ServiceRole, known: dict[str, Any]) -> ServiceCertificate:
    chain = CertificateChain(tuple(map(bytes.fromhex, known["chain"])))
    key = private_key(bytes.fromhex(known["key"]))
    assert isinstance(key, Ed25519PrivateKey)
    return ServiceCertificate(role, chain, key)


async def _check_messages(
    client: SMPClient, queues: dict[str, ReceivingQueue], keys: dict[str, AuthPrivateKey]
) -> None:
    plain, full = queues["plain"], queues["full"]
    await client.subscribe(plain)
    for body, notification in ((b"with a notification", True), (bytes(15_000), False)):
        message = await next_event(client, MessageReceived)
        assert (message.body, message.flags.notification) == (body, notification)
        await client.acknowledge(plain, message.message_id)
    await client.send(plain.sender_id, b"after the move", keys["sender"])
    message = await next_event(client, MessageReceived)
    assert message.body == b"after the move"
    await client.acknowledge(plain, message.message_id)
    with pytest.raises(RouterError) as refused:
        await client.send(plain.sender_id, b"without the key")
    assert refused.value.error is Code.AUTH
    with pytest.raises(RouterError) as refused:
        await client.send(full.sender_id, b"not yet")
    assert refused.value.error is Code.QUOTA
    await client.subscribe(full)
    for number in range(QUOTA):
        message = await next_event(client, MessageReceived)
        assert message.body == str(number).encode()
        await client.acknowledge(full, message.message_id)
    notice = await next_event(client, QuotaReached)
    await client.acknowledge(full, notice.message_id)
    await client.send(full.sender_id, b"again")
    message = await next_event(client, MessageReceived)
    assert message.body == b"again"
    await client.acknowledge(full, message.message_id)


async def _check_states(
    client: SMPClient, queues: dict[str, ReceivingQueue], keys: dict[str, AuthPrivateKey]
) -> None:
    for name, error in (("suspended", Code.AUTH), ("deleted", Code.AUTH)):
        with pytest.raises(RouterError) as refused:
            await client.send(queues[name].sender_id, b"too late")
        assert refused.value.error is error
    await client.subscribe(queues["suspended"])
    for name in ("deleted", "other keys"):
        with pytest.raises(RouterError) as refused:
            await client.subscribe(queues[name])
        assert refused.value.error is Code.AUTH
    for name in ("first owner", "second owner"):
        await client.subscribe(QueueAccess(queues["other keys"].recipient_id, keys[name]))
    if (blocked := queues.get("blocked")) is not None:
        with pytest.raises(RouterError) as refused:
            await client.send(blocked.sender_id, b"to a queue that is blocked")
        assert refused.value.error == Blocked(BlockingReason.SPAM)


async def _check_links(client: SMPClient, queues: dict[str, ReceivingQueue]) -> None:
    contact, unlinked, invitation = (queues[name] for name in ("contact", "unlinked", "invitation"))
    assert contact.link_id is not None
    read = await client.read_link(contact.link_id)
    assert (read.sender_id, read.data) == (contact.sender_id, _CHANGED)
    await client.set_link(contact, contact.link_id, _DATA)
    assert unlinked.link_id is not None
    with pytest.raises(RouterError):
        await client.read_link(unlinked.link_id)
    assert invitation.link_id is not None
    key = Ed25519PrivateKey.generate()
    read = await client.secure_and_read_link(invitation.link_id, key)
    assert (read.sender_id, read.data) == (invitation.sender_id, _DATA)
    await client.subscribe(invitation)
    await client.send(invitation.sender_id, b"by link", key)
    assert (await next_event(client, MessageReceived)).body == b"by link"


async def _check_services(
    address: str,
    queues: dict[str, ReceivingQueue],
    keys: dict[str, AuthPrivateKey],
    ids: dict[str, bytes],
    services: dict[str, ServiceCertificate],
) -> None:
    if (
        queues["served"].service_id is not None
    ):  # earlier versions have services for notifiers alone
        await _check_messaging_service(address, queues, services["MESSAGING"])
    expected = ServiceSubs.of([ids["served notifier"]])
    async with _service_at(address, services["NOTIFIER"]) as service:
        assert (await service.subscribe_service_notifications(expected)).as_expected
        async with open_smp_client(address) as client:
            await client.send(
                queues["plain"].sender_id, b"for the notifier", keys["sender"], notify=True
            )
        await next_notice(service, NMSG, ids["served notifier"])


async def _check_messaging_service(
    address: str, queues: dict[str, ReceivingQueue], certificate: ServiceCertificate
) -> None:
    expected = ServiceSubs.of([queues[name].recipient_id for name in ("served", "served too")])
    async with _service_at(address, certificate) as service:
        assert service.service is not None
        assert service.service.id == queues["served"].service_id
        assert (await service.subscribe_service(expected)).as_expected
        sealed = []
        with trio.fail_after(SOON):
            async for event in service.events:
                if isinstance(event, SealedMessage):
                    sealed.append(event)
                if isinstance(event, Notice) and isinstance(event.message, ALLS):
                    break
        (message,) = (each.opened(queues["served"].delivery_key) for each in sealed)
        assert isinstance(message, MessageReceived)
        assert message.body == b"while it was away"
