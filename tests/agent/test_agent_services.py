"""Subscriptions of services, and of notifiers: as a whole, queue by queue, and both at once."""

from __future__ import annotations

from functools import cache

import pytest
from trio.testing import MockClock

from simplex_trio.agent.config import AgentConfig, AgentRole
from simplex_trio.agent.events import (
    Connected,
    Disconnected,
    RouterEvent,
    ServiceDisconnected,
    ServiceEnded,
    ServiceSubscribed,
    ServiceSubscriptionError,
    ServiceUnavailable,
    Subscribed,
)
from simplex_trio.agent.subscriptions import ServiceState
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.client.smp.session import ServiceCertificate, SMPSessionConfig
from simplex_trio.crypto.credentials import generate_service_credentials
from simplex_trio.crypto.hashes import ServiceSubs
from simplex_trio.engine.events import Notice
from simplex_trio.errors import DecodeError
from simplex_trio.transport.tls import utc_now
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.handshake import ServiceRole
from simplex_trio.wire.smp.commands import NSUB, NSUBS, SUB, SUBS, Command
from simplex_trio.wire.smp.messages import ALLS, ENDS, ERR, SOK, SOKS, Message

from .simulation.router import SERVICE_ID, SimulatedRouter
from .support import access, answer_always, key_number, next_event, open_net, until, wait_for

KNOWN = ServiceSubs.of([b"one", b"two", b"three"])


@cache
def certificate(role: ServiceRole) -> ServiceCertificate:
    credentials = generate_service_credentials(now=utc_now())
    return ServiceCertificate(role, credentials.chain, credentials.key)


def service_config(
    role: AgentRole = AgentRole.RECIPIENT, service_role: ServiceRole | None = None
) -> AgentConfig:
    service = certificate(service_role or role.service_role)
    client = SMPClientConfig(session=SMPSessionConfig(service=service))
    return AgentConfig(role=role, client=client)


def serve_services(router: SimulatedRouter, known: ServiceSubs = KNOWN) -> list[Command]:
    """Have a router subscribe services, and associate each queue with the service that asks."""
    commands: list[Command] = []

    def answer(command: Command) -> Message | None:
        commands.append(command)
        match command:
            case SUBS() | NSUBS():
                return SOKS(known.count, known.ids_hash)
            case SUB() | NSUB():
                return SOK(SERVICE_ID)
            case _:
                return None

    answer_always(router, answer)
    return commands


async def test_a_service_is_subscribed_to_with_what_the_program_expects(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        commands = serve_services(router)
        async with net.open_agent(service_config()) as agent:
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            assert agent.subscriptions(router.address).pending_service is not None
            assert (await next_event(agent, Connected)).service_id == SERVICE_ID
            event = await next_event(agent, ServiceSubscribed)
            assert (event.service_id, event.expected, event.subscribed) == (
                SERVICE_ID,
                KNOWN,
                KNOWN,
            )
            assert commands == [SUBS(KNOWN.count, KNOWN.ids_hash)]
            assert agent.statistics().active_services == 1


async def test_the_routers_figures_are_told_as_they_are(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        serve_services(router, ServiceSubs.of([b"another"]))
        async with net.open_agent(service_config()) as agent:
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            event = await wait_for(agent, ServiceSubscribed)
            assert event.subscribed == ServiceSubs.of([b"another"])


async def test_queues_that_become_part_of_the_service(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        serve_services(router)
        async with net.open_agent(service_config()) as agent:
            agent.subscribe(router.address, [access(1), access(2)])
            event = await wait_for(agent, Subscribed)
            assert event.service_id == SERVICE_ID
            assert event.queues == (b"queue 1", b"queue 2")
            view = agent.subscriptions(router.address)
            assert view.active == ()
            merged = ServiceState(SERVICE_ID, ServiceSubs.of([b"queue 1", b"queue 2"]))
            assert view.active_service == merged
            net.network.cut_connections(router.name)
            assert (await next_event(agent, ServiceDisconnected)).service == merged
            assert (await next_event(agent, Disconnected)).queues == ()
            assert (await wait_for(agent, ServiceSubscribed)).expected == merged.queues


async def test_a_service_and_queues_coexist_and_the_service_comes_first(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        commands = serve_services(router)
        async with net.open_agent(service_config()) as agent:
            agent.subscribe(router.address, [access(1)])
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            await wait_for(agent, ServiceSubscribed)
            await next_event(agent, Subscribed)
            assert [type(command) for command in commands] == [SUBS, SUB]
            service = agent.subscriptions(router.address).active_service
            assert service == ServiceState(SERVICE_ID, KNOWN + ServiceSubs.of([b"queue 1"]))


@pytest.mark.parametrize(
    ("config", "service_id"),
    [
        (service_config(), b"another service"),
        (service_config(service_role=ServiceRole.NOTIFIER), SERVICE_ID),
        (AgentConfig(), SERVICE_ID),
    ],
    ids=["another id", "another role", "no service"],
)
async def test_a_service_that_is_not_the_connections(
    config: AgentConfig, service_id: bytes, autojump_clock: MockClock
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        commands = serve_services(router)
        async with net.open_agent(config) as agent:
            agent.subscribe_service(router.address, service_id, KNOWN)
            event = await wait_for(agent, ServiceUnavailable)
            assert event.service == ServiceState(service_id, KNOWN)
            assert commands == []
            await until(lambda: agent.statistics().workers == 0)
            assert agent.subscriptions(router.address).pending_service is None


async def test_a_service_that_the_router_refuses(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        answer_always(router, lambda command: ERR(Code.SERVICE))
        async with net.open_agent(service_config()) as agent:
            agent.subscribe_service(router.address, SERVICE_ID)
            await wait_for(agent, ServiceUnavailable)
            answer_always(router, lambda command: ERR(Code.AUTH))
            agent.subscribe_service(router.address, SERVICE_ID)
            event = await next_event(agent, ServiceSubscriptionError)
            assert isinstance(event.error, RouterError)
            answer_always(router, lambda command: SOKS(1, b"too short"))
            agent.subscribe_service(router.address, SERVICE_ID)
            event = await next_event(agent, ServiceSubscriptionError)
            assert isinstance(event.error, DecodeError)
            assert agent.statistics().pending_services == 0


async def test_a_service_that_is_not_answered_is_tried_again(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        answer_always(router, lambda command: None)
        async with net.open_agent(service_config()) as agent:
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            await next_event(agent, Connected)
            await next_event(agent, Disconnected)  # it was silent
            serve_services(router)
            await wait_for(agent, ServiceSubscribed)
            assert net.times()[1] >= 30


async def test_a_service_asked_for_again_meanwhile(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router(max_delay=5)
        serve_services(router)
        async with net.open_agent(service_config()) as agent:
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            await next_event(agent, Connected)
            newer = ServiceSubs.of([b"newer"])
            agent.subscribe_service(router.address, SERVICE_ID, newer)
            assert (await next_event(agent, ServiceSubscribed)).expected == newer
            await until(lambda: agent.statistics().workers == 0)
            assert agent.statistics().unread_events == 0


async def test_a_service_that_another_connection_takes(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        serve_services(router)
        async with net.open_agent(service_config()) as agent:
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            await wait_for(agent, ServiceSubscribed)
            ends = (b"", SERVICE_ID, ENDS(KNOWN.count, KNOWN.ids_hash))
            router.sessions[0].say(ends)
            event = await next_event(agent, ServiceEnded)
            assert event.service == ServiceState(SERVICE_ID, KNOWN)
            net.network.cut_connections(router.name)
            await next_event(agent, Disconnected)
            assert agent.statistics().workers == 0
            await agent.client(router.address)
            await until(lambda: bool(router.sessions))
            router.sessions[0].say(ends, (b"", b"", ALLS()))
            for message in (ENDS, ALLS):
                passed_on = (await wait_for(agent, RouterEvent)).event
                assert isinstance(passed_on, Notice)
                assert isinstance(passed_on.message, message)


async def test_forgetting_a_service(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        serve_services(router)
        async with net.open_agent(service_config()) as agent:
            assert not agent.unsubscribe_service(router.address)
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            await wait_for(agent, ServiceSubscribed)
            assert agent.unsubscribe_service(router.address)
            net.network.cut_connections(router.name)
            await wait_for(agent, Disconnected)
            assert agent.statistics().workers == agent.statistics().pending_services == 0


async def test_a_notifiers_agent(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        commands = serve_services(router)
        async with net.open_agent(service_config(AgentRole.NOTIFIER)) as agent:
            agent.subscribe_service(router.address, SERVICE_ID, KNOWN)
            agent.subscribe_notifications(router.address, [(b"notifier", key_number(1))])
            await wait_for(agent, ServiceSubscribed)
            event = await next_event(agent, Subscribed)
            assert (event.queues, event.service_id) == ((b"notifier",), SERVICE_ID)
            assert [type(command) for command in commands] == [NSUBS, NSUB]
            with pytest.raises(RuntimeError):
                agent.subscribe(router.address, [access(1)])


async def test_a_recipients_agent_is_no_notifiers(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent() as agent:
            with pytest.raises(RuntimeError):
                agent.subscribe_notifications(router.address, [(b"notifier", key_number(1))])
