"""An agent's subscriptions to queues: what it asks, what it tells, and that it never gives up."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from simplex_trio.agent.agent import open_smp_agent
from simplex_trio.agent.config import AgentConfig
from simplex_trio.agent.destination import Destination
from simplex_trio.agent.events import (
    CannotConnect,
    Connected,
    Disconnected,
    RouterEvent,
    Subscribed,
    SubscriptionEnded,
    SubscriptionError,
)
from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.client.smp.queues import MessageReceived, QueueAccess, SealedMessage
from simplex_trio.client.smp.requests import SMPClientConfig
from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import X448PrivateKey
from simplex_trio.engine.backoff import Backoff
from simplex_trio.engine.calls import EngineConfig
from simplex_trio.engine.events import Notice
from simplex_trio.errors import (
    ConnectTimeout,
    DialFailed,
    EncodeError,
    HungUp,
    SlowConsumer,
    WrongIdentity,
)
from simplex_trio.testing.network import Trouble
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.bodies import ReceivedBody, seal_delivered
from simplex_trio.wire.smp.commands import SUB
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import DELD, END, ERR, MSG, OK, SOK

from .support import (
    access,
    add_queues,
    answer_always,
    key_number,
    next_event,
    open_net,
    until,
    wait_for,
)

STEADY = AgentConfig(backoff=Backoff(jitter=0))


# --- asking -------------------------------------------------------------------------------------


async def test_subscribing_in_chunks(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, *range(25))
        async with net.open_agent(AgentConfig(chunk=10)) as agent:
            agent.subscribe(router.address, queues)
            assert len(agent.subscriptions(router.address).pending) == 25
            connected = await next_event(agent, Connected)
            told: list[bytes] = []
            for size in (10, 10, 5):
                event = await next_event(agent, Subscribed)
                assert event.session_id == connected.session_id
                assert event.service_id is None
                assert len(event.queues) == size
                told += event.queues
            ids = [queue.recipient_id for queue in queues]
            assert told == ids
            assert router.subscribed == ids
            view = agent.subscriptions(router.address)
            assert (view.pending, view.active) == ((), tuple(ids))
            await until(lambda: agent.statistics().workers == 0)
            statistics = agent.statistics()
            assert (statistics.connected, statistics.active_queues) == (1, 25)


async def test_a_queue_asked_for_twice_is_subscribed_to_once(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        (queue,) = add_queues(router, 1)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, [queue, queue])
            agent.subscribe(router.address, [queue])
            session = (await next_event(agent, Connected)).session_id
            told = Subscribed(Destination.of(router.address), session, (queue.recipient_id,))
            assert await next_event(agent, Subscribed) == told
            agent.subscribe(router.address, [queue])
            assert await next_event(agent, Subscribed) == told
            await trio.sleep(10)
            assert router.subscribed == [queue.recipient_id]


async def test_a_queue_asked_for_with_another_key_is_subscribed_to_again(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        (queue,) = add_queues(router, 1)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, [queue])
            await wait_for(agent, Subscribed)
            agent.subscribe(router.address, [QueueAccess(queue.recipient_id, key_number(99))])
            event = await wait_for(agent, SubscriptionError)
            assert [queue_id for queue_id, _ in event.failures] == [queue.recipient_id]
            assert agent.subscriptions(router.address).active == ()


@pytest.mark.parametrize(
    "queue",
    [
        QueueAccess(b"queue", X448PrivateKey.generate()),  # type: ignore[arg-type]
        QueueAccess(b"queue", None),  # type: ignore[arg-type]
        QueueAccess(b"", key_number(1)),
        QueueAccess(bytes(256), key_number(1)),
        QueueAccess("queue", key_number(1)),  # type: ignore[arg-type]
    ],
    ids=["another curve", "no key", "no id", "a long id", "text"],
)
async def test_what_cannot_be_right_changes_nothing(
    queue: QueueAccess, autojump_clock: MockClock
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent() as agent:
            with pytest.raises(EncodeError):
                agent.subscribe(router.address, [access(1), queue])
            assert agent.subscriptions(router.address).pending == ()
            assert agent.statistics().workers == 0


# --- refusals -----------------------------------------------------------------------------------


async def test_a_router_that_refuses_every_queue(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        bad, good = await net.add_router(), await net.add_router()
        answer_always(bad, lambda command: ERR(Code.INTERNAL))
        async with net.open_agent() as agent:
            agent.subscribe(bad.address, [access(number) for number in range(3)])
            event = await wait_for(agent, SubscriptionError)
            assert len(event.failures) == 3
            for _, error in event.failures:
                assert isinstance(error, RouterError)
                assert error.error is Code.INTERNAL
            assert agent.subscriptions(bad.address).pending == ()
            agent.subscribe(good.address, add_queues(good, 1))
            assert (await wait_for(agent, Subscribed)).server == good.address
            assert agent.statistics().connected == 2
            await until(lambda: agent.statistics().workers == 0)


async def test_one_refused_queue_does_not_disturb_the_others(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1, 2)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, [queues[0], access(99), queues[1]])
            assert (await wait_for(agent, Subscribed)).queues == (b"queue 1", b"queue 2")
            event = await next_event(agent, SubscriptionError)
            assert [queue_id for queue_id, _ in event.failures] == [b"queue 99"]


async def test_an_answer_that_does_not_fit_is_final(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        answer_always(router, lambda command: DELD())
        async with net.open_agent() as agent:
            agent.subscribe(router.address, [access(1)])
            assert len((await wait_for(agent, SubscriptionError)).failures) == 1


# --- silence and loss ---------------------------------------------------------------------------


async def test_a_server_that_never_shakes_hands(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        router.stop()
        await trio.sleep(1)

        async def never_answer(stream: trio.abc.Stream) -> None:
            await trio.sleep_forever()

        await net.nursery.start(
            lambda task_status: net.network.run_server(
                router.name, never_answer, task_status=task_status
            )
        )
        async with net.open_agent(STEADY) as agent:
            agent.subscribe(router.address, add_queues(router, 1))
            event = await next_event(agent, CannotConnect)
            assert isinstance(event.error, ConnectTimeout)
            await until(lambda: len(net.attempts) == 3)
            assert net.times() == [0.0, 46.0, 92.5]
            net.network.take_down(router.name)
            await router.start(net.nursery)
            assert isinstance((await next_event(agent, CannotConnect)).error, HungUp)
            await wait_for(agent, Subscribed)


async def test_a_server_that_never_answers_is_given_up_and_tried_again(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1, 2)
        answer_always(router, lambda command: None)
        async with net.open_agent(STEADY) as agent:
            agent.subscribe(router.address, queues)
            await next_event(agent, Connected)
            event = await next_event(agent, Disconnected)
            assert event.queues == ()
            assert len(agent.subscriptions(router.address).pending) == 2
            router.respond = router.do
            assert len((await wait_for(agent, Subscribed)).queues) == 2
            assert net.times() == [0.0, 30.0]


async def test_a_server_that_answers_some_keeps_its_connection(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1, 2)
        unanswered = iter([True, False])

        def answer_the_second(command: object) -> SOK | None:
            return None if next(unanswered, False) else SOK()

        answer_always(router, answer_the_second)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            assert (await wait_for(agent, Subscribed)).queues == (b"queue 2",)
            assert (await next_event(agent, Subscribed)).queues == (b"queue 1",)
            assert len(net.attempts) == 1


async def test_a_lost_connection_is_made_again(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1, 2)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            first = await next_event(agent, Connected)
            await next_event(agent, Subscribed)
            net.network.cut_connections(router.name)
            lost = await next_event(agent, Disconnected)
            assert lost.session_id == first.session_id
            assert sorted(lost.queues) == [b"queue 1", b"queue 2"]
            second = await next_event(agent, Connected)
            assert second.session_id != first.session_id
            again = await next_event(agent, Subscribed)
            assert again.session_id == second.session_id
            assert sorted(again.queues) == [b"queue 1", b"queue 2"]


async def test_waits_grow_while_a_server_is_down(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        router.stop()
        async with net.open_agent(STEADY) as agent:
            agent.subscribe(router.address, queues)
            event = await next_event(agent, CannotConnect)
            assert isinstance(event.error, DialFailed)
            await until(lambda: len(net.attempts) == 18)
            growing = [1.0] * 10 + [1.5, 2.25, 3.375, 5.0625, 7.59375, 10.0, 10.0]
            times = net.times()
            waits = [later - earlier for earlier, later in pairwise(times)]
            assert waits == pytest.approx(growing)
            assert agent.statistics().unread_events == 0  # told once
            await router.start(net.nursery)
            await next_event(agent, Connected)


async def test_a_remembered_failure_does_not_hold_up_the_worker(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        router.stop()
        async with net.open_agent(STEADY) as agent:
            with pytest.raises(DialFailed):
                await agent.client(router.address)
            agent.subscribe(router.address, add_queues(router, 1))
            await until(lambda: len(net.attempts) == 4)
            assert net.times() == [0.0, 0.0, 1.0, 2.0]
            with pytest.raises(DialFailed):
                await agent.client(router.address)
            assert len(net.attempts) == 4


async def test_a_server_that_hangs_up_at_once_is_not_hammered(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        async with net.open_agent(STEADY) as agent:
            agent.subscribe(router.address, queues)
            for _ in range(6):
                await wait_for(agent, Subscribed)
                net.network.cut_connections(router.name)
            await wait_for(agent, Subscribed)
            assert net.times() == pytest.approx([0, 1, 2, 3, 4, 5, 6])


async def test_the_network_came_back(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        router.stop()
        async with net.open_agent(STEADY) as agent:
            agent.subscribe(router.address, queues)
            await until(lambda: len(net.attempts) == 16)
            await router.start(net.nursery)
            before = trio.current_time()
            with pytest.raises(DialFailed):
                await agent.client(router.address)
            agent.network_came_back()
            await agent.client(router.address)
            await wait_for(agent, Subscribed)
            assert trio.current_time() == before


async def test_a_connection_made_by_a_caller_ends_the_wait(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        router.stop()
        config = evolve(STEADY, remember_failure=0, backoff=Backoff(initial=100, maximum=100))
        async with net.open_agent(config) as agent:
            agent.subscribe(router.address, queues)
            await next_event(agent, CannotConnect)
            await router.start(net.nursery)
            before = trio.current_time()
            await agent.client(router.address)
            await wait_for(agent, Subscribed)
            assert trio.current_time() == before


async def test_a_slow_router_gets_there(autojump_clock: MockClock) -> None:
    """A chunk takes longer than a request may, and all chunks many times longer."""
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, *range(150))
        busy_until = 0.0

        def answer_slowly(session: object, received: object) -> None:
            nonlocal busy_until
            busy_until = max(busy_until, trio.current_time()) + 1
            net.nursery.start_soon(answer_at, busy_until, session, received)

        async def answer_at(time: float, session: object, received: object) -> None:
            await trio.sleep_until(time)
            transmission = received.transmission  # type: ignore[attr-defined]
            session.say(  # type: ignore[attr-defined]
                (transmission.correlation_id, transmission.entity_id, SOK())
            )

        router.respond = answer_slowly
        async with net.open_agent(AgentConfig(chunk=50)) as agent:
            agent.subscribe(router.address, queues)
            started = trio.current_time()
            await until(lambda: agent.statistics().active_queues == 150)
            assert trio.current_time() - started < 4 * 150
            assert len(net.attempts) == 1


# --- messages and news of queues ----------------------------------------------------------------


async def test_messages_arrive_with_server_session_and_queue(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        (sealed_queue,) = add_queues(router, 1)
        router.add_queue(b"opened", key_number(2).public)
        box = BoxKey(bytes(range(32)))
        async with net.open_agent() as agent:
            agent.subscribe(
                router.address, [sealed_queue, QueueAccess(b"opened", key_number(2), box)]
            )
            session = (await wait_for(agent, Subscribed)).session_id
            router.accept_message(b"queue 1", b"sealed")
            event = await next_event(agent, RouterEvent)
            assert (event.server, event.session_id) == (router.address, session)
            assert event.queue_id == b"queue 1"
            assert isinstance(event.event, SealedMessage)
            message_id = bytes(24)
            body = seal_delivered(box, message_id, ReceivedBody(1, MessageFlags(), b"hello"))
            router.queues[b"opened"].messages.append((message_id, body))
            router._deliver(router.queues[b"opened"])
            event = await next_event(agent, RouterEvent)
            assert event.queue_id == b"opened"
            assert isinstance(event.event, MessageReceived)
            assert event.event.body == b"hello"


async def test_keys_that_open_messages_end_with_the_subscription(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        router.add_queue(b"opened", key_number(2).public)
        box = BoxKey(bytes(range(32)))
        async with net.open_agent() as agent:
            agent.subscribe(router.address, [QueueAccess(b"opened", key_number(2), box)])
            await wait_for(agent, Subscribed)
            message_id = bytes(24)
            body = seal_delivered(box, message_id, ReceivedBody(1, MessageFlags(), b"hello"))
            router.sessions[0].say((b"", b"opened", DELD()))
            await wait_for(agent, SubscriptionEnded)
            router.sessions[0].say((b"", b"opened", MSG(message_id, body)))
            event = await next_event(agent, RouterEvent)
            assert isinstance(event.event, SealedMessage)


async def test_keys_that_open_messages_survive_a_lost_connection(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        router.add_queue(b"opened", key_number(2).public)
        box = BoxKey(bytes(range(32)))
        async with net.open_agent() as agent:
            agent.subscribe(router.address, [QueueAccess(b"opened", key_number(2), box)])
            await wait_for(agent, Subscribed)
            net.network.cut_connections(router.name)
            await wait_for(agent, Subscribed)
            message_id = bytes(24)
            body = seal_delivered(box, message_id, ReceivedBody(1, MessageFlags(), b"hello"))
            router.queues[b"opened"].messages.append((message_id, body))
            router._deliver(router.queues[b"opened"])
            event = await next_event(agent, RouterEvent)
            assert isinstance(event.event, MessageReceived)


async def test_a_subscription_that_another_connection_takes(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        async with net.open_agent() as agent, net.open_agent() as other:
            agent.subscribe(router.address, queues)
            await wait_for(agent, Subscribed)
            other.subscribe(router.address, queues)
            await wait_for(other, Subscribed)
            event = await next_event(agent, SubscriptionEnded)
            assert (event.queue_id, event.deleted) == (b"queue 1", False)
            net.network.cut_connections(router.name)
            assert (await wait_for(agent, Disconnected)).queues == ()
            assert (await wait_for(other, Disconnected)).queues == (b"queue 1",)


async def test_a_subscription_of_an_ended_connection_that_comes_late(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        async with net.open_agent() as agent:
            router.respond = lambda _session, _received: None
            agent.subscribe(router.address, queues)
            await until(lambda: bool(router.sessions))
            await trio.sleep(1)
            net.network.cut_connections(router.name)
            router.respond = router.do
            await wait_for(agent, Subscribed)
            # The router comes to the SUB of the connection before, and takes that for the newer.
            router.sessions[-1].say((b"", b"queue 1", END()))
            event = await next_event(agent, Subscribed)
            assert event.queues == (b"queue 1",)
            # Much later it is another connection.
            await trio.sleep(100)
            router.sessions[-1].say((b"", b"queue 1", END()))
            await next_event(agent, SubscriptionEnded)


async def test_a_queue_that_is_deleted(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            await wait_for(agent, Subscribed)
            router.sessions[0].say((b"", b"queue 1", DELD()))
            event = await next_event(agent, SubscriptionEnded)
            assert event.deleted
            assert agent.subscriptions(router.address).active == ()


async def test_news_of_a_queue_that_the_agent_does_not_have_is_passed_on(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        async with net.open_agent() as agent:
            await agent.client(router.address)
            await until(lambda: bool(router.sessions))
            router.sessions[0].say((b"", b"queue", END()))
            event = (await wait_for(agent, RouterEvent)).event
            assert isinstance(event, Notice)
            assert isinstance(event.message, END)


async def test_answers_that_come_too_late_still_count(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router(max_delay=0)
        queues = add_queues(router, 1, 2)
        asked: list[tuple[bytes, bytes]] = []

        def answer_the_first(session: object, received: object) -> SOK | None:
            transmission = received.transmission  # type: ignore[attr-defined]
            if transmission.entity_id == b"queue 1":
                return SOK()
            asked.append((transmission.correlation_id, transmission.entity_id))
            return None

        router.respond = answer_the_first
        config = AgentConfig(backoff=Backoff(initial=1000, maximum=1000))
        async with net.open_agent(config) as agent:
            agent.subscribe(router.address, queues)
            assert (await wait_for(agent, Subscribed)).queues == (b"queue 1",)
            ((correlation_id, queue_id),) = asked
            router.sessions[0].say((correlation_id, queue_id, OK()))
            assert (await next_event(agent, Subscribed)).queues == (b"queue 2",)
            router.sessions[0].say((correlation_id, queue_id, SOK()))
            await trio.sleep(1)
            assert agent.statistics().unread_events == 0


async def test_an_answer_to_a_forgotten_request_counts_too(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        answered = iter([SOK()])
        answer_always(
            router, lambda command: next(answered, None) if isinstance(command, SUB) else None
        )
        config = AgentConfig(backoff=Backoff(initial=1000, maximum=1000))
        async with net.open_agent(config) as agent:
            agent.subscribe(router.address, add_queues(router, 1, 2))
            await wait_for(agent, Subscribed)
            router.sessions[0].say((b"unknown", b"queue 2", SOK()))
            assert (await next_event(agent, Subscribed)).queues == (b"queue 2",)


# --- who does not read --------------------------------------------------------------------------


async def test_who_does_not_read_holds_up_nothing_but_deliveries(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, *range(100))
        for number in range(100):
            router.accept_message(b"queue %d" % number, b"message %d" % number)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            for connections in (1, 2, 3):
                await until(lambda: agent.statistics().active_queues == 100)
                await (await agent.client(router.address)).ping()
                assert len(net.attempts) == connections
                net.network.cut_connections(router.name)
                await until(lambda: agent.statistics().active_queues == 0)
            await until(lambda: agent.statistics().active_queues == 100)
            assert agent.statistics().unread_events < 100
            seen: set[bytes] = set()
            while len(seen) < 100:
                event = (await wait_for(agent, RouterEvent)).event
                assert isinstance(event, SealedMessage)
                seen.add(event.sealed)


async def test_the_connections_own_limit_applies(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, *range(200))
        engine = EngineConfig(event_limit=64 * 1024)
        config = AgentConfig(client=SMPClientConfig(engine=engine))
        async with net.open_agent(config) as agent:
            agent.subscribe(router.address, queues)
            await next_event(agent, Connected)
            await next_event(agent, Subscribed)
            for number in range(200):
                router.accept_message(b"queue %d" % number, bytes(10_000))
            await until(lambda: agent.statistics().active_queues == 0)
            event = await wait_for(agent, Disconnected)
            assert isinstance(event.reason, SlowConsumer)
            await wait_for(agent, Subscribed)


async def test_a_connection_whose_events_were_not_read_leaves_no_event(
    autojump_clock: MockClock,
) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            for _ in range(5):
                await until(lambda: agent.statistics().active_queues == 1)
                net.network.cut_connections(router.name)
                await until(lambda: agent.statistics().active_queues == 0)
            await until(lambda: agent.statistics().active_queues == 1)
            assert agent.statistics().unread_events == 2
            connected = await next_event(agent, Connected)
            assert (await next_event(agent, Subscribed)).session_id == connected.session_id


async def test_events_come_in_order_for_each_server(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        routers = [await net.add_router(), await net.add_router()]
        async with net.open_agent() as agent:
            for router in routers:
                agent.subscribe(router.address, add_queues(router, 1))
            kinds: dict[object, list[type]] = {router.address: [] for router in routers}
            cut = 0
            while any(len(seen) < 5 for seen in kinds.values()):
                event = await agent.events.receive()
                kinds[event.server].append(type(event))
                if isinstance(event, Subscribed) and cut < 2:
                    cut += 1
                    router = next(each for each in routers if each.address == event.server)
                    net.network.cut_connections(router.name)
            for seen in kinds.values():
                assert seen == [Connected, Subscribed, Disconnected, Connected, Subscribed]


# --- forgetting and moving ----------------------------------------------------------------------


async def test_unsubscribing(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1, 2, 3)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            assert agent.unsubscribe(router.address, [b"queue 1", b"another"]) == 1
            assert (await wait_for(agent, Subscribed)).queues == (b"queue 2", b"queue 3")
            assert agent.unsubscribe(router.address, [b"queue 2"]) == 1
            net.network.cut_connections(router.name)
            assert (await next_event(agent, Disconnected)).queues == (b"queue 3",)
            assert (await wait_for(agent, Subscribed)).queues == (b"queue 3",)
            assert agent.unsubscribe("smp://" + "A" * 43 + "=@nowhere.test", [b"queue"]) == 0


async def test_moving_to_another_label_and_back(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1, 2)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            await wait_for(agent, Subscribed)
            assert agent.move(router.address, [b"queue 1", b"another"], to_label="apart") == 1
            moved = await wait_for(agent, Subscribed)
            assert (moved.label, moved.queues) == ("apart", (b"queue 1",))
            assert agent.subscriptions(router.address).active == (b"queue 2",)
            assert agent.subscriptions(router.address, label="apart").active == (b"queue 1",)
            agent.move(router.address, [b"queue 1"], label="apart", to_label="")
            await until(lambda: len(agent.subscriptions(router.address).active) == 2)
            subscriber = router.queues[b"queue 1"].subscriber
            assert subscriber is router.queues[b"queue 2"].subscriber


async def test_the_echo_of_a_move_does_not_lose_a_queue(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router(max_delay=10)
        router.random = Random(3)
        queues = add_queues(router, 1, 2)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, queues)
            for _ in range(3):
                await until(lambda: len(agent.subscriptions(router.address).active) == 2)
                agent.move(router.address, [b"queue 1"], to_label="apart")
                await trio.sleep(12)
                agent.move(router.address, [b"queue 1"], label="apart", to_label="")
            await trio.sleep(100)
            assert len(agent.subscriptions(router.address).active) == 2
            assert router.queues[b"queue 1"].subscriber is router.queues[b"queue 2"].subscriber


async def test_moving_to_another_address_of_the_same_router(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        other = evolve(router.address, port=443)
        async with net.open_agent() as agent:
            agent.subscribe(other, queues)
            assert agent.move(other, [b"queue 1"], to_server=router.address, to_label="") == 1
            assert (await wait_for(agent, Subscribed)).server == router.address
            assert agent.subscriptions(other).pending == ()


# --- identity -----------------------------------------------------------------------------------


async def test_a_server_whose_identity_changed(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        queues = add_queues(router, 1)
        connect = net.connector()
        changed = True

        async def connect_or_find_another(
            nursery: trio.Nursery, destination: Destination
        ) -> SMPClient:
            if changed:
                raise WrongIdentity("the other side is not who it should be")
            return await connect(nursery, destination)

        async with open_smp_agent(connector=connect_or_find_another) as agent:
            agent.subscribe(router.address, queues)
            event = await next_event(agent, CannotConnect)
            assert isinstance(event.error, WrongIdentity)
            await trio.sleep(60)
            assert agent.statistics().unread_events == 0
            changed = False
            await wait_for(agent, Subscribed)


async def test_troubles_of_the_network_are_told_by_kind(autojump_clock: MockClock) -> None:
    async with open_net() as net:
        router = await net.add_router()
        net.network.trouble = Trouble(falls_silent=1.0, after_bytes=1)
        async with net.open_agent() as agent:
            agent.subscribe(router.address, add_queues(router, 1))
            assert isinstance((await next_event(agent, CannotConnect)).error, ConnectTimeout)
            router.stop()
            assert isinstance((await next_event(agent, CannotConnect)).error, DialFailed)
            net.network.trouble = Trouble()
            await router.start(net.nursery)
            await wait_for(agent, Subscribed)
