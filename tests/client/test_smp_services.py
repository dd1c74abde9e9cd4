"""Services: two signatures, roles, versions, and all queues at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import QueueAccess, ServiceSubscription
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
from simplex_trio.crypto.credentials import generate_service_credentials
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.engine.events import Notice
from simplex_trio.errors import NotAService, ServiceRefused
from simplex_trio.testing.scripted import ScriptedSMPRouter
from simplex_trio.wire.authorization import Verifier
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp import commands as smp
from simplex_trio.wire.smp.messages import ENDS, IDS, SOK, SOKS, Message
from simplex_trio.wire.versions import SMP_VERSIONS, VersionRange
from tests.client.routing import QueuesOfARouter, is_authorized
from tests.client.support import OTHER_QUEUE, QUEUE, ROUTER, Received, start

KEY = Ed25519PrivateKey.generate()
ACCESS = QueueAccess(QUEUE, KEY)
CREDENTIALS = generate_service_credentials(now=datetime.now(UTC))
KNOWN = ServiceSubs.of([QUEUE, OTHER_QUEUE])
VERSIONS = range(SMP_VERSIONS.lowest, SMP_VERSIONS.highest + 1)


def of_service(role: ServiceRole, version: int = SMP_VERSIONS.highest) -> SMPClientConfig:
    return SMPClientConfig(
        session=SMPSessionConfig(
            versions=VersionRange(version, version),
            service=ServiceCertificate(role, CREDENTIALS.chain, CREDENTIALS.key),
        )
    )


MESSAGING = of_service(ServiceRole.MESSAGING)
NOTIFIER = of_service(ServiceRole.NOTIFIER)


# --- presenting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("role", "since"), [(ServiceRole.NOTIFIER, 16), (ServiceRole.MESSAGING, 19)]
)
async def test_a_service_comes_where_its_role_is_of_use(
    version: int, role: ServiceRole, since: int
) -> None:
    async with ROUTER.open_client(of_service(role, version)) as (client, peer):
        known = peer.agreement.service
        if version < since:
            assert client.service is None
            assert known is None
            with pytest.raises(NotAService):
                await client.subscribe_service(KNOWN)
            return
        assert client.service is not None
        assert known is not None
        assert client.service.id == ROUTER.service_id == known.id
        assert client.service.role is known.role is role
        assert client.service.session_key.public == known.session_key
        assert client.service.certificate_hash == known.certificate_hash


async def test_a_service_that_is_refused() -> None:
    router = ScriptedSMPRouter(service_id=None)
    with pytest.raises(ServiceRefused):
        await router.connect(MESSAGING.session)


# --- signing --------------------------------------------------------------------------------------


async def use(client: SMPClient) -> None:
    await client.create_queue()
    await client.subscribe(ACCESS)
    await client.subscribe_notifications(QUEUE, KEY)
    await client.send(QUEUE, b"hello", KEY)
    await client.acknowledge(ACCESS, bytes(24))
    await client.ping()


SIGNED_TWICE = (smp.NEW, smp.SUB, smp.NSUB)


async def test_what_a_service_signs_too() -> None:
    router = QueuesOfARouter()
    async with ROUTER.open_client(MESSAGING) as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, router.respond)
        await use(client)
        assert len(router.asked) == 6
        for asked in router.asked:
            transmission = asked.transmission
            signed_twice = isinstance(asked.command, SIGNED_TWICE)
            assert (transmission.service_signature is not None) == signed_twice
            verifier = Verifier(peer.agreement.session_key, peer.agreement.service)
            assert verifier.accepts_service(transmission, is_used=signed_twice)
            if isinstance(asked.command, smp.PING):
                continue
            new = asked.command
            key = new.auth_key if isinstance(new, smp.NEW) else KEY.public
            assert verifier.accepts(transmission, [key])
            # It covers the service's certificate, without which it is good for nothing.
            alone = Verifier(peer.agreement.session_key)
            assert alone.accepts(transmission, [key]) != signed_twice
        await client.aclose()


async def test_an_authenticator_covers_the_certificate_as_well() -> None:
    router = QueuesOfARouter()
    key = X25519PrivateKey.generate()
    async with ROUTER.open_client(MESSAGING) as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, router.respond)
        await client.subscribe(QueueAccess(QUEUE, key))
        (asked,) = router.asked
        assert is_authorized(peer, asked, [key.public])
        assert not Verifier(peer.agreement.session_key).accepts(asked.transmission, [key.public])
        await client.aclose()


async def test_who_is_no_service_signs_once() -> None:
    router = QueuesOfARouter()
    async with ROUTER.open_client() as (client, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.serve, router.respond)
        await use(client)
        assert [asked.transmission.service_signature for asked in router.asked] == [None] * 6
        await client.aclose()


async def test_queues_of_a_service_name_it() -> None:
    async with ROUTER.open_client(MESSAGING) as (client, peer), trio.open_nursery() as nursery:
        assert client.service is not None
        service_id = client.service.id

        def respond(received: Received) -> Message:
            if isinstance(received.command, smp.NEW):
                dh_key = X25519PrivateKey.generate().public
                return IDS(QUEUE, OTHER_QUEUE, dh_key, service_id=service_id)
            return SOK(service_id)

        nursery.start_soon(peer.serve, respond)
        assert (await client.create_queue()).service_id == service_id
        assert await client.subscribe(ACCESS) == service_id
        assert await client.subscribe_notifications(QUEUE, KEY) == service_id
        await client.aclose()


# --- all queues at once ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "method", "command"),
    [
        (MESSAGING, "subscribe_service", smp.SUBS),
        (NOTIFIER, "subscribe_service_notifications", smp.NSUBS),
    ],
)
@pytest.mark.parametrize(
    ("answer", "as_expected"),
    [
        (SOKS(KNOWN.count, KNOWN.ids_hash), True),
        (SOKS(KNOWN.count + 1, KNOWN.ids_hash), False),
        (SOKS(KNOWN.count, bytes(16)), False),
        (SOKS(0), False),
    ],
)
async def test_subscribing_as_a_service(
    settings: SMPClientConfig,
    method: str,
    command: type[smp.SUBS | smp.NSUBS],
    answer: SOKS,
    as_expected: bool,
) -> None:
    async with ROUTER.open_client(settings) as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: getattr(client, method)(KNOWN))
        asked = await peer.next_command()
        assert asked.command == command(KNOWN.count, KNOWN.ids_hash)
        assert client.service is not None
        assert asked.transmission.entity_id == client.service.id
        # The service's session key alone, and without the certificate's hash.
        assert asked.transmission.service_signature is None
        assert Verifier(None, peer.agreement.service).accepts_as_service(asked.transmission)
        await peer.send(peer.answer(asked, answer))
        await wait_all_tasks_blocked()
        expected = ServiceSubscription(answer.count, answer.ids_hash, as_expected=as_expected)
        assert caller.result == expected
        await peer.send(peer.event(client.service.id, ENDS(2, KNOWN.ids_hash)))
        notice = await client.events.receive()
        assert notice == Notice(client.service.id, ENDS(2, KNOWN.ids_hash))


@pytest.mark.parametrize("version", [16, 17, 18])
@pytest.mark.parametrize(("count", "as_expected"), [(2, True), (3, False)])
async def test_before_19_there_is_only_a_count_in_the_answer(
    version: int, count: int, as_expected: bool
) -> None:
    settings = of_service(ServiceRole.NOTIFIER, version)
    async with ROUTER.open_client(settings) as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.subscribe_service_notifications(KNOWN))
        asked = await peer.next_command()
        assert asked.command == smp.NSUBS()
        await peer.send(peer.answer(asked, SOKS(count)))
        await wait_all_tasks_blocked()
        assert caller.result == ServiceSubscription(count, bytes(16), as_expected=as_expected)


async def test_a_service_that_expects_nothing_in_particular() -> None:
    async with ROUTER.open_client(MESSAGING) as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, client.subscribe_service)
        asked = await peer.next_command()
        assert asked.command == smp.SUBS(-1, bytes(16))
        await peer.send(peer.answer(asked, SOKS(KNOWN.count, KNOWN.ids_hash)))
    assert caller.result.count == 2
    assert not caller.result.as_expected
