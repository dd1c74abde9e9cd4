"""Clients that leave: what they asked before is answered, and what they wait for is given up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partialmethod
from itertools import pairwise
from typing import NoReturn

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.errors import DialFailed
from simplex_trio.router.config import ClientLimits, RouterConfig
from simplex_trio.router.core.subscriptions import Subscribers
from simplex_trio.router.proxy_rules import ProxyPolicy
from simplex_trio.router.proxying import Requester
from simplex_trio.wire.addresses import ServerAddress
from simplex_trio.wire.smp.commands import NEW, PING, PRXY, SEND, SUB
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import IDS, MSG, OK, PONG
from simplex_trio.wire.smp.new_queue import ContactRequest
from tests.router.house import RawClient, open_house
from tests.router.stores import ReluctantStore

KEY = Ed25519PrivateKey(b"\x01" * 32)
DH_KEY = X25519PrivateKey(b"\x03" * 32)


@define
class SilentRelays:
    """Relays that do not answer, and then are not there."""

    asked: list[ServerAddress] = field(factory=list)
    waiting: int = 0
    tell: trio.Event = field(factory=trio.Event)

    async def connection(self, relay: ServerAddress, requester: Requester) -> NoReturn:
        self.asked.append(relay)
        self.waiting += 1
        try:
            await self.tell.wait()
        finally:
            self.waiting -= 1
        raise DialFailed

    def reconfigure(self, policy: ProxyPolicy) -> None:
        raise AssertionError("nothing is reloaded here")

    def find(self, session_id: bytes) -> None:
        return None


def config(**limits: float) -> RouterConfig:
    return RouterConfig(limits=ClientLimits(**limits))  # type: ignore[arg-type]


def asking(number: int) -> PRXY:
    return PRXY(ServerAddress.parse(f"smp://{'A' * 43}=@relay{number}.example.com"))


def new_queue() -> NEW:
    return NEW(KEY.public, DH_KEY.public, None, True, ContactRequest())


async def end_own_side(client: RawClient) -> None:
    await client.frames.stream.send_eof()  # type: ignore[attr-defined]


async def leave(client: RawClient) -> None:
    await client.aclose()


ENDS = pytest.mark.parametrize("end", [end_own_side, leave], ids=["own side", "altogether"])
End = Callable[[RawClient], Awaitable[None]]


# --- what was asked is answered -----------------------------------------------------------------


async def test_what_was_asked_before_the_end_is_answered() -> None:
    async with open_house() as house:
        client = await house.connect()
        await client.send(*(client.transmission(PING()) for _ in range(100)))
        await end_own_side(client)
        assert [said.message for said in await client.read_until_closed()] == [PONG()] * 100
        assert not house.hub.sessions


async def test_what_was_done_is_answered_when_it_is_stored() -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client = await house.connect()
        store.go = trio.Event()
        await client.send(client.transmission(new_queue(), key=KEY))
        await end_own_side(client)
        await wait_all_tasks_blocked()
        assert house.hub.sessions
        store.go.set()
        (said,) = await client.read_until_closed()
        assert isinstance(said.message, IDS)
        assert house.hub.state.recipients.queue_count == 0


async def test_answers_after_the_end_have_a_time_limit(autojump_clock: MockClock) -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client = await house.connect()
        store.go = trio.Event()
        await client.send(client.transmission(new_queue(), key=KEY))
        await end_own_side(client)
        assert await client.read_until_closed() == []
        assert trio.current_time() == house.hub.config.limits.farewell_seconds
        store.go.set()


async def test_a_client_that_does_not_take_its_last_answers(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        client = await house.connect()
        client.stop_reading()
        await client.send(client.transmission(PING()))
        await end_own_side(client)
        await wait_all_tasks_blocked()
        await trio.sleep(house.hub.config.limits.farewell_seconds)
        await wait_all_tasks_blocked()
        assert not house.hub.sessions


async def test_nothing_new_is_delivered_after_the_end() -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client, sender = await house.connect(), await house.connect()
        ids = await client.ask(new_queue(), key=KEY)
        assert isinstance(ids, IDS)
        store.go = trio.Event()
        await client.send(client.transmission(new_queue(), key=KEY))
        await end_own_side(client)
        await sender.send(sender.transmission(SEND(MessageFlags(), b"x"), ids.sender_id))
        await wait_all_tasks_blocked()
        store.go.set()
        assert [type(said.message) for said in await client.read_until_closed()] == [IDS]
        assert (await sender.read()).message == OK()
        other = await house.connect()
        await other.ask(SUB(), ids.recipient_id, KEY)
        await other.read()  # the message, which is still there


# --- what it waits for is given up --------------------------------------------------------------


@ENDS
async def test_no_relay_is_asked_for_a_client_that_has_gone(
    end: End, autojump_clock: MockClock
) -> None:
    relays = SilentRelays()
    async with open_house(config(proxied_at_once=3), relays=relays) as house:
        client = await house.connect()
        await client.send(client.transmission(PING()))
        for number in range(6):
            await client.send(client.transmission(asking(number)))
        await wait_all_tasks_blocked()
        assert relays.waiting == len(relays.asked) == 3
        await end(client)
        await wait_all_tasks_blocked()
        assert (relays.waiting, len(relays.asked)) == (0, 3)
        assert not house.hub.sessions
        assert trio.current_time() == 0


@ENDS
async def test_a_client_that_is_slowed_down_is_seen_to_go(
    end: End, autojump_clock: MockClock
) -> None:
    async with open_house(config(queues_at_once=1, queues_per_second=0.01)) as house:
        client = await house.connect()
        for _ in range(3):
            await client.send(client.transmission(new_queue(), key=KEY))
        await wait_all_tasks_blocked()
        await end(client)
        await wait_all_tasks_blocked()
        assert not house.hub.sessions
        assert len(house.hub.state.queues) == 1
        assert trio.current_time() == 0


@ENDS
async def test_a_client_with_too_much_in_flight_is_seen_to_go(end: End) -> None:
    relays = SilentRelays()
    async with open_house(config(commands_in_flight=2), relays=relays) as house:
        client = await house.connect()
        for number in range(5):
            await client.send(client.transmission(asking(number)))
        await wait_all_tasks_blocked()
        assert relays.waiting == 2
        await end(client)
        await wait_all_tasks_blocked()
        assert not house.hub.sessions
        assert relays.waiting == 0


async def test_what_came_meanwhile_is_read_when_there_is_room() -> None:
    """Nothing is lost, also when more came than is received ahead."""
    relays = SilentRelays()
    async with open_house(config(proxied_at_once=1), relays=relays) as house:
        client = await house.connect()
        await client.send(client.transmission(asking(0)))
        await client.send(client.transmission(asking(1)))
        sent = []
        for _ in range(12):
            sent.append(client.new_correlation_id())
            await client.send(client.transmission(PING(), correlation_id=sent[-1]))
        await wait_all_tasks_blocked()
        await client.nothing_more()
        relays.tell.set()
        answers = [said.correlation_id for block in await client.read_all() for said in block]
        assert [each for each in answers if each in sent] == sent
        assert len(answers) == 2 + len(sent)


# --- subscriptions ------------------------------------------------------------------------------


async def subscribed(client: RawClient, count: int) -> list[IDS]:
    created = [await client.ask(new_queue(), key=KEY) for _ in range(count)]
    return [each for each in created if isinstance(each, IDS)]


@ENDS
async def test_many_subscriptions_end_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, end: End
) -> None:
    monkeypatch.setattr(Subscribers, "forget", partialmethod(Subscribers.forget, most=1))
    async with open_house() as house, trio.open_nursery() as nursery:
        client = await house.connect()
        await subscribed(client, 5)
        counts: list[int] = []

        async def look() -> None:
            while house.hub.state.recipients.queue_count:
                counts.append(house.hub.state.recipients.queue_count)
                await trio.lowlevel.checkpoint()

        nursery.start_soon(look)
        await end(client)
        await wait_all_tasks_blocked()
        # Two at a time, if both turns of the session come between those of this task.
        assert len(counts) >= 3
        assert all(before - 2 <= after for before, after in pairwise(counts))
        assert not house.hub.sessions


async def test_who_subscribes_while_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subscribers, "forget", partialmethod(Subscribers.forget, most=1))
    async with open_house() as house:
        before, after = await house.connect(), await house.connect()
        queues = await subscribed(before, 40)
        await before.send(
            *(before.transmission(SEND(MessageFlags(), b"1"), each.sender_id) for each in queues)
        )
        await wait_all_tasks_blocked()
        subs = [after.transmission(SUB(), each.recipient_id, KEY) for each in queues]
        await leave(before)
        await after.send(*subs)
        said = [each for block in await after.read_all() for each in block]
        delivered = [each.entity_id for each in said if isinstance(each.message, MSG)]
        assert delivered == [each.recipient_id for each in queues]
        assert house.hub.state.recipients.queue_count == 40
        assert len(house.hub.sessions) == 1
