"""Scenarios for one or two SMP routers; each takes addresses and asserts what must happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import pytest
import trio

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient, open_smp_client
from simplex_trio.client.smp.queues import MessageReceived, QueueAccess, QuotaReached, SealedMessage
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
from simplex_trio.crypto.credentials import generate_service_credentials
from simplex_trio.crypto.hashes import ServiceSubs, sender_id
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.events import Notice
from simplex_trio.errors import UnsupportedVersion
from simplex_trio.wire.errors.values import Cmd, Code, CommandErrorKind
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.bodies import NotificationMeta
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import ALLS, DELD, END, ENDS, NMSG
from simplex_trio.wire.smp.names import Domain
from simplex_trio.wire.smp.new_queue import (
    ContactLink,
    ContactRequest,
    MessagingLink,
    MessagingRequest,
)
from simplex_trio.wire.versions import SMPVersion, VersionRange

EventT = TypeVar("EventT")

# A real router collects some events before it tells them, up to 15 seconds.
SOON = 20


@asynccontextmanager
async def client_at(
    address: str, version: int, service: ServiceCertificate | None = None
) -> AsyncIterator[SMPClient]:
    """A client that speaks exactly this version."""
    session = SMPSessionConfig(versions=VersionRange(version, version), service=service)
    config = SMPClientConfig(session=session, engine=EngineConfig())
    async with open_smp_client(address, config) as client:
        assert client.version == version
        yield client


async def next_event(client: SMPClient, kind: type[EventT]) -> EventT:
    with trio.fail_after(SOON):
        event = await client.events.receive()
    assert isinstance(event, kind), event
    return event


async def next_notice(client: SMPClient, kind: type, entity_id: bytes) -> object:
    notice = await next_event(client, Notice)
    assert isinstance(notice.message, kind)
    assert notice.entity_id == entity_id
    return notice.message


def owner_key(version: int, kind: type[AuthPrivateKey]) -> AuthPrivateKey:
    """A key of this kind, where the version can use it."""
    if kind is X25519PrivateKey and version < SMPVersion.AUTHENTICATORS:
        return Ed25519PrivateKey.generate()
    return kind.generate()


async def highest_version(address: str) -> int:
    """What the router and we agree on."""
    async with open_smp_client(address) as client:
        await client.ping()
        return client.version


async def message_life(address: str, version: int, kind: type[AuthPrivateKey]) -> None:
    """Create, secure, send, receive, acknowledge, suspend, delete."""
    async with client_at(address, version) as owner, client_at(address, version) as sender:
        queue = await owner.create_queue(key=owner_key(version, kind))
        key = owner_key(version, kind)
        await sender.send(queue.sender_id, b"before it was secured")
        first = await next_event(owner, MessageReceived)
        assert first.body == b"before it was secured"
        assert first.recipient_id == queue.recipient_id
        await owner.secure(queue, key.public)
        with pytest.raises(RouterError) as refused:
            await sender.send(queue.sender_id, b"without the key")
        assert refused.value.error is Code.AUTH
        await sender.send(queue.sender_id, b"second", key, notify=True)
        await sender.send(queue.sender_id, bytes(15_900), key)
        await owner.acknowledge(queue, first.message_id)
        second = await next_event(owner, MessageReceived)
        assert second.body == b"second"
        assert second.flags.notification
        await owner.acknowledge(queue, second.message_id)
        third = await next_event(owner, MessageReceived)
        assert third.body == bytes(15_900)
        await owner.acknowledge(queue, third.message_id)
        with pytest.raises(RouterError) as nothing:
            await owner.acknowledge(queue, third.message_id)
        assert nothing.value.error is Code.NO_MSG
        info = await owner.queue_info(queue)
        assert info.size == 0
        assert info.secured
        await owner.suspend(queue)
        with pytest.raises(RouterError) as suspended:
            await sender.send(queue.sender_id, b"too late", key)
        assert suspended.value.error is Code.AUTH
        await owner.delete(queue)
        with pytest.raises(RouterError) as gone:
            await owner.subscribe(queue)
        assert gone.value.error is Code.AUTH


async def sender_secures(address: str, version: int) -> None:
    """SKEY, from the version on where senders may secure a queue."""
    async with client_at(address, version) as client:
        queue = await client.create_queue()
        key = owner_key(version, X25519PrivateKey)
        if version < SMPVersion.SENDER_SECURES:
            with pytest.raises(UnsupportedVersion):
                await client.secure_as_sender(queue.sender_id, key)
            return
        await client.secure_as_sender(queue.sender_id, key)
        await client.secure_as_sender(queue.sender_id, key)  # again with the same key is no error
        with pytest.raises(RouterError) as refused:
            await client.secure_as_sender(queue.sender_id, Ed25519PrivateKey.generate())
        assert refused.value.error is Code.AUTH
        await client.send(queue.sender_id, b"secured", key)
        assert (await next_event(client, MessageReceived)).body == b"secured"


async def subscriptions(address: str, version: int) -> None:
    """Subscribe many; another connection takes over, and the first one is told."""
    async with client_at(address, version) as first, client_at(address, version) as second:
        queues = [await first.create_queue() for _ in range(3)]
        await first.send(queues[0].sender_id, b"waiting")
        waiting = await next_event(first, MessageReceived)
        unknown = QueueAccess(bytes(24), Ed25519PrivateKey.generate())
        results = await second.subscribe_many([*queues, unknown])
        assert results[:3] == [None] * 3
        assert isinstance(results[3], RouterError)
        assert results[3].error is Code.AUTH
        again = await next_event(second, MessageReceived)
        assert (again.message_id, again.body) == (waiting.message_id, b"waiting")
        ended = set()
        for _ in queues:
            notice = await next_event(first, Notice)
            assert isinstance(notice.message, END)
            ended.add(notice.entity_id)
        assert ended == {queue.recipient_id for queue in queues}
        await second.acknowledge(queues[0], again.message_id)
        assert await second.delete_many(queues) == [None] * 3


async def deletion_is_told(address: str, version: int) -> None:
    """Deleting a queue through another connection ends its subscription."""
    async with client_at(address, version) as subscriber, client_at(address, version) as other:
        queue = await subscriber.create_queue()
        await other.delete(queue)
        told = DELD if version >= SMPVersion.DELETED_EVENT else END
        await next_notice(subscriber, told, queue.recipient_id)


async def getting(address: str, version: int) -> None:
    """GET takes one message at a time, and excludes SUB on the same connection."""
    async with client_at(address, version) as client, client_at(address, version) as sender:
        queue = await client.create_queue(subscribe=False)
        assert await client.get(queue) is None
        await sender.send(queue.sender_id, b"one")
        await sender.send(queue.sender_id, b"two")
        for body in (b"one", b"two"):
            message = await client.get(queue)
            assert isinstance(message, MessageReceived)
            assert message.body == body
            assert await next_event(client, MessageReceived) == message
            await client.acknowledge(queue, message.message_id)
        assert await client.get(queue) is None
        with pytest.raises(RouterError) as prohibited:
            await client.subscribe(queue)
        assert prohibited.value.error == Cmd(CommandErrorKind.PROHIBITED)


async def quota(address: str, version: int, capacity: int) -> None:
    """A full queue refuses, says so to its owner, and takes nothing until it is empty."""
    async with client_at(address, version) as owner, client_at(address, version) as sender:
        queue = await owner.create_queue(subscribe=False)
        for number in range(capacity):
            await sender.send(queue.sender_id, str(number).encode())
        for _ in range(2):
            with pytest.raises(RouterError) as full:
                await sender.send(queue.sender_id, b"one too many")
            assert full.value.error is Code.QUOTA
        await owner.subscribe(queue)
        for number in range(capacity):
            message = await next_event(owner, MessageReceived)
            assert message.body == str(number).encode()
            with pytest.raises(RouterError) as still_full:
                await sender.send(queue.sender_id, b"not yet")
            assert still_full.value.error is Code.QUOTA
            await owner.acknowledge(queue, message.message_id)
        notice = await next_event(owner, QuotaReached)
        await owner.acknowledge(queue, notice.message_id)
        await sender.send(queue.sender_id, b"again")
        assert (await next_event(owner, MessageReceived)).body == b"again"


async def notifications(address: str, version: int) -> None:
    """A notifier learns that a message came, and only the owner learns which."""
    async with client_at(address, version) as owner, client_at(address, version) as notifier:
        queue, other = await owner.create_queue(), await owner.create_queue()
        key = owner_key(version, X25519PrivateKey)
        credentials, failed = await owner.enable_notifications_many(
            [
                (queue, key.public),
                (QueueAccess(bytes(24), queue.key), key.public),
            ]
        )
        assert isinstance(failed, RouterError)
        assert not isinstance(credentials, Exception)
        await notifier.subscribe_notifications(credentials.notifier_id, key)
        await owner.send(queue.sender_id, b"wake up", notify=True)
        message = await next_event(owner, MessageReceived)
        notice = await next_notice(notifier, NMSG, credentials.notifier_id)
        assert isinstance(notice, NMSG)
        meta = NotificationMeta.open(credentials.key, notice.nonce, notice.sealed)
        assert meta.message_id == message.message_id
        await owner.disable_notifications(queue)
        with pytest.raises(RouterError):
            await notifier.subscribe_notifications(credentials.notifier_id, key)
        assert (await owner.disable_notifications_many([queue, other])) == [None, None]


async def notifier_from_the_start(address: str, version: int) -> None:
    """NEW may bring the notifier's key."""
    key = Ed25519PrivateKey.generate()
    async with client_at(address, version) as client:
        if version < SMPVersion.NEW_WITH_NOTIFIER:
            with pytest.raises(UnsupportedVersion):
                await client.create_queue(notifier_key=key.public)
            return
        queue = await client.create_queue(notifier_key=key.public)
        assert queue.notifier is not None
        await client.subscribe_notifications(queue.notifier.notifier_id, key)


async def links(address: str, version: int) -> None:
    """Contact links are public, invitation links are read once, by who secures the queue."""
    data = QueueLinkData(b"fixed part", b"the user's part")
    async with client_at(address, version) as owner, client_at(address, version) as other:
        correlation_id = owner.new_correlation_id()
        link_id = owner.new_correlation_id()
        request = ContactRequest(ContactLink(link_id, sender_id(correlation_id), data))
        if version < SMPVersion.SHORT_LINKS:
            with pytest.raises(UnsupportedVersion):
                await owner.create_queue(request, correlation_id=correlation_id)
            return
        contact = await owner.create_queue(request, correlation_id=correlation_id)
        assert contact.sender_id == sender_id(correlation_id)
        assert contact.link_id == link_id
        read = await other.read_link(link_id)
        assert (read.sender_id, read.data) == (contact.sender_id, data)
        changed = QueueLinkData(data.fixed, b"changed")
        await owner.set_link(contact, link_id, changed)
        assert (await other.read_link(link_id)).data == changed
        keys = [Ed25519PrivateKey.generate() for _ in range(2)]
        await owner.set_recipient_keys(contact, [key.public for key in keys])
        for key in keys:
            await owner.subscribe(QueueAccess(contact.recipient_id, key))
        by_key = QueueAccess(contact.recipient_id, keys[1])
        await owner.delete_link(by_key)
        with pytest.raises(RouterError) as unlinked:
            await other.read_link(link_id)
        assert unlinked.value.error is Code.AUTH

        correlation_id = owner.new_correlation_id()
        invitation = await owner.create_queue(
            MessagingRequest(MessagingLink(sender_id(correlation_id), data)),
            correlation_id=correlation_id,
        )
        assert invitation.link_id is not None
        key = Ed25519PrivateKey.generate()
        read = await other.secure_and_read_link(invitation.link_id, key)
        assert (read.sender_id, read.data) == (invitation.sender_id, data)
        with pytest.raises(RouterError) as used:
            await other.secure_and_read_link(invitation.link_id, Ed25519PrivateKey.generate())
        assert used.value.error is Code.AUTH
        await other.send(invitation.sender_id, b"by link", key)
        assert (await next_event(owner, MessageReceived)).body == b"by link"


async def names(address: str, version: int) -> None:
    """A router without a resolver says so; older versions cannot ask."""
    async with client_at(address, version) as client:
        domain = Domain.parse("alice.simplex")
        if version < SMPVersion.NAMES:
            with pytest.raises(UnsupportedVersion):
                await client.resolve_name(domain)
            return
        with pytest.raises(RouterError) as unresolved:
            await client.resolve_name(domain)
        assert str(unresolved.value.error) == "NAME NO_RESOLVER"


def service_certificate(role: ServiceRole) -> ServiceCertificate:
    credentials = generate_service_credentials(now=datetime.now(UTC))
    return ServiceCertificate(role, credentials.chain, credentials.key)


async def messaging_service(address: str, version: int) -> None:
    """A service is associated with the queues it creates, and subscribes to all of them at once."""
    certificate = service_certificate(ServiceRole.MESSAGING)
    if version < SMPVersion.SERVICE_SUBSCRIPTIONS:
        async with client_at(address, version, certificate) as client:
            assert client.service is None  # not presented to a router that cannot use it
        return
    async with client_at(address, version) as sender:
        async with client_at(address, version, certificate) as service:
            assert service.service is not None
            queues = [await service.create_queue() for _ in range(3)]
            assert {queue.service_id for queue in queues} == {service.service.id}
            foreign = await sender.create_queue()
            assert await service.subscribe(foreign) == service.service.id
        await sender.send(queues[0].sender_id, b"while it was away")
        expected = ServiceSubs.of([q.recipient_id for q in [*queues, foreign]])
        async with client_at(address, version, certificate) as service:
            found = await service.subscribe_service(expected)
            assert found.as_expected
            assert found.count == 4
            sealed = None
            with trio.fail_after(SOON):
                async for event in service.events:
                    if isinstance(event, SealedMessage):
                        sealed = event
                    if isinstance(event, Notice) and isinstance(event.message, ALLS):
                        break
            assert sealed is not None
            opened = sealed.opened(queues[0].delivery_key)
            assert isinstance(opened, MessageReceived)
            assert opened.body == b"while it was away"
            async with client_at(address, version, certificate) as later:
                assert service.service is not None
                assert (await later.subscribe_service(expected)).as_expected
                ended = await next_notice(service, ENDS, service.service.id)
                assert isinstance(ended, ENDS)
                assert ended.count == 4


async def notifier_service(address: str, version: int) -> None:
    """The same for a service that is told when messages arrive."""
    certificate = service_certificate(ServiceRole.NOTIFIER)
    async with client_at(address, version) as owner:
        async with client_at(address, version, certificate) as service:
            if version < SMPVersion.SERVICES:
                assert service.service is None
                return
            assert service.service is not None
            queue = await owner.create_queue()
            key = Ed25519PrivateKey.generate()
            credentials = await owner.enable_notifications(queue, key.public)
            told = await service.subscribe_notifications(credentials.notifier_id, key)
            assert told == service.service.id
        async with client_at(address, version, certificate) as service:
            expected = ServiceSubs.of([credentials.notifier_id])
            found = await service.subscribe_service_notifications(expected)
            assert found.count == 1
            assert found.as_expected
            await owner.send(queue.sender_id, b"wake up", notify=True)
            await next_notice(service, NMSG, credentials.notifier_id)


KEY_KINDS = (Ed25519PrivateKey, Ed448PrivateKey, X25519PrivateKey)

AT_EACH_VERSION = (
    sender_secures,
    subscriptions,
    deletion_is_told,
    getting,
    notifications,
    notifier_from_the_start,
    links,
    names,
    messaging_service,
    notifier_service,
)
"""What is worth running at every version that a router speaks."""
