"""One connection: the order of answers and blocks, limits, idleness, and a store that refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any, NoReturn

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.crypto.box import BoxKey
from simplex_trio.crypto.keys import (
    AuthPrivateKey,
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_trio.router import session
from simplex_trio.router.config import ClientLimits, Intervals, RouterConfig
from simplex_trio.router.core import decide, delivery
from simplex_trio.router.core.costs import COMMAND_COST
from simplex_trio.router.core.policy import QueuePolicy
from simplex_trio.router.core.recent import RecentBodies
from simplex_trio.router.core.shortage import RETRY_SECONDS
from simplex_trio.router.housekeeping import disconnect_idle
from simplex_trio.router.store.interface import PutQueue
from simplex_trio.router.store.memory import MemoryStore
from simplex_trio.transport.turns import BUDGET
from simplex_trio.wire.errors.values import Code, Store
from simplex_trio.wire.smp.bodies import QuotaNotice, ReceivedBody, open_delivered
from simplex_trio.wire.smp.commands import (
    ACK,
    DEL,
    GET,
    LGET,
    LSET,
    NEW,
    NKEY,
    NSUB,
    PING,
    RKEY,
    SEND,
    SUB,
)
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.links import QueueLinkData
from simplex_trio.wire.smp.messages import (
    DELD,
    END,
    ERR,
    IDS,
    LNK,
    MSG,
    NID,
    NMSG,
    OK,
    PONG,
    SOK,
    Message,
)
from simplex_trio.wire.smp.new_queue import ContactRequest, NotifierKeys
from simplex_trio.wire.transmissions import batches
from tests.router.house import NOW, House, RawClient, open_house
from tests.router.stores import ReluctantStore

KEY = Ed25519PrivateKey(b"\x01" * 32)
NOTIFIER_KEY = Ed25519PrivateKey(b"\x02" * 32)
DH_KEY = X25519PrivateKey(b"\x03" * 32)
SILENT = MessageFlags()


async def create(client: RawClient, *, subscribe: bool = True) -> IDS:
    command = NEW(KEY.public, DH_KEY.public, None, subscribe, ContactRequest())
    ids = await client.ask(command, key=KEY)
    assert isinstance(ids, IDS)
    return ids


def opened(ids: IDS, message: Message) -> ReceivedBody | QuotaNotice:
    assert isinstance(message, MSG), message
    key = BoxKey.agree(DH_KEY, ids.dh_key)
    return open_delivered(key, message.message_id, message.sealed)


def error(message: Message) -> object:
    assert isinstance(message, ERR), message
    return message.error


def config(**limits: float) -> RouterConfig:
    return RouterConfig(limits=ClientLimits(**limits))  # type: ignore[arg-type]


# --- messages -----------------------------------------------------------------------------------


async def test_life_of_a_message() -> None:
    async with open_house() as house:
        recipient, sender = await house.connect(), await house.connect()
        ids = await create(recipient)
        flags = MessageFlags(notification=True)
        assert await sender.ask(SEND(flags, b"hello"), ids.sender_id) == OK()
        said = await recipient.read()
        assert (said.correlation_id, said.entity_id) == (b"", ids.recipient_id)
        assert opened(ids, said.message) == ReceivedBody(NOW, flags, b"hello")
        assert isinstance(said.message, MSG)
        acknowledged = await recipient.ask(ACK(said.message.message_id), ids.recipient_id, KEY)
        assert acknowledged == OK()
        await recipient.nothing_more()


async def test_quota_notice_reaches_the_recipient() -> None:
    policy = RouterConfig(queues=QueuePolicy(quota=1))
    async with open_house(policy) as house:
        client = await house.connect()
        ids = await create(client, subscribe=False)
        assert await client.ask(SEND(SILENT, b"x"), ids.sender_id) == OK()
        house.later(7)
        assert error(await client.ask(SEND(SILENT, b"y"), ids.sender_id)) is Code.QUOTA
        message = await client.ask(GET(), ids.recipient_id, KEY)
        assert isinstance(message, MSG)
        await client.ask(ACK(message.message_id), ids.recipient_id, KEY)
        notice = await client.ask(GET(), ids.recipient_id, KEY)
        assert opened(ids, notice) == QuotaNotice(NOW + 7)


async def test_messages_are_read_from_the_store_when_they_are_needed() -> None:
    async with open_house() as house:
        client = await house.connect()
        ids = await create(client, subscribe=False)
        for body in (b"first", b"second"):
            await client.ask(SEND(SILENT, body), ids.sender_id)
        house.hub.state.recent_bodies = RecentBodies(0)
        assert await client.ask(SUB(), ids.recipient_id, KEY) == SOK()
        first = (await client.read()).message
        assert opened(ids, first) == ReceivedBody(NOW, SILENT, b"first")
        assert isinstance(first, MSG)
        second = await client.ask(ACK(first.message_id), ids.recipient_id, KEY)
        assert opened(ids, second) == ReceivedBody(NOW, SILENT, b"second")


async def test_link_data() -> None:
    data = QueueLinkData(b"fixed", b"user")
    async with open_house() as house:
        client = await house.connect()
        ids = await create(client)
        assert await client.ask(LSET(b"link", data), ids.recipient_id, KEY) == OK()
        assert await client.ask(LGET(), b"link") == LNK(ids.sender_id, data)


# --- blocks -------------------------------------------------------------------------------------


async def test_answers_come_in_order_and_in_one_block() -> None:
    async with open_house() as house:
        client = await house.connect()
        commands = [client.transmission(PING()) for _ in range(100)]
        await client.send(*commands)
        (block,) = await client.read_all()
        assert [int.from_bytes(said.correlation_id, "big") for said in block] == [*range(1, 101)]


def pings(client: RawClient, blocks: int, each: int) -> list[bytes]:
    """Blocks with so many PINGs each."""
    sealed = []
    for _ in range(blocks):
        commands = [client.transmission(PING(), correlation_id=b"") for _ in range(each)]
        (batch,) = batches(commands, client.session)
        sealed.append(client.blocks.seal(batch.content()))
    return sealed


async def test_blocks_that_come_together_are_answered_together() -> None:
    async with open_house() as house:
        client = await house.connect()
        await client.frames.send_frames(pings(client, 3, 1))
        (block,) = await client.read_all()
        assert [said.message for said in block] == [PONG()] * 3


class _Steps(trio.abc.Instrument):
    """Counts what happens in one step of a task."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def after_task_step(self, _task: trio.lowlevel.Task) -> None:
        self.most = max(self.most, self.now)
        self.now = 0


async def test_other_tasks_get_their_turns_while_blocks_that_came_together_are_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = _Steps()

    def count(*arguments: Any) -> Any:
        steps.now += 1
        return decide.decide(*arguments)

    monkeypatch.setattr(session, "decide", count)
    async with open_house() as house:
        client = await house.connect()
        trio.lowlevel.add_instrument(steps)
        await client.frames.send_frames(pings(client, 4, 30))
        await client.read_all()
        trio.lowlevel.remove_instrument(steps)
    assert 30 < steps.most <= BUDGET // COMMAND_COST + 30


async def test_refusing_what_cannot_be_read_takes_turns_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = _Steps()

    def count(*arguments: Any) -> Any:
        steps.now += 1
        return ERR(*arguments)

    monkeypatch.setattr(session, "ERR", count)
    async with open_house() as house:
        client = await house.connect()
        trio.lowlevel.add_instrument(steps)
        await client.send(*[b"nonsense"] * 100, client.transmission(PING()))
        said = await client.read_all()
        trio.lowlevel.remove_instrument(steps)
    assert [len(block) for block in said] == [100, 1]
    assert steps.most == ceil(BUDGET / COMMAND_COST)


async def test_message_follows_all_answers_in_their_block() -> None:
    async with open_house() as house:
        client, other = await house.connect(), await house.connect()
        queues = [await create(client, subscribe=False) for _ in range(2)]
        await client.ask(SEND(SILENT, b"x"), queues[0].sender_id)
        await other.send(
            *(other.transmission(SUB(), ids.recipient_id, KEY) for ids in queues),
            other.transmission(PING()),
        )
        (block,) = await other.read_all()
        assert [type(said.message) for said in block] == [SOK, SOK, PONG, MSG]


async def test_what_is_refused_comes_first_and_apart() -> None:
    async with open_house() as house:
        client = await house.connect()
        await client.send(
            client.transmission(PING()),
            client.transmission(SUB(), b"?" * 24, KEY),
            b"nonsense",
            client.transmission(PING()),
        )
        refused, answered = await client.read_all()
        assert [error(said.message) for said in refused] == [Code.AUTH, Code.BLOCK]
        assert [said.message for said in answered] == [PONG(), PONG()]


async def test_full_block_of_commands() -> None:
    async with open_house() as house:
        client = await house.connect()
        await client.send(*(client.transmission(PING(), correlation_id=b"") for _ in range(255)))
        (block,) = await client.read_all()
        assert len(block) == 255


# --- whom it concerns ---------------------------------------------------------------------------


async def test_displaced_and_deleted() -> None:
    async with open_house() as house:
        first, second = await house.connect(), await house.connect()
        ids = await create(first)
        assert await second.ask(SUB(), ids.recipient_id, KEY) == SOK()
        assert (await first.read()).message == END()
        assert await first.ask(DEL(), ids.recipient_id, KEY) == OK()
        assert (await second.read()).message == DELD()


async def test_events_that_are_collected(autojump_clock: MockClock) -> None:
    slow = RouterConfig(intervals=Intervals(end_events=15, notifications=1.5))
    async with open_house(slow) as house, trio.open_nursery() as nursery:
        nursery.start_soon(house.hub.ends.run)
        nursery.start_soon(house.hub.notifications.run)
        first, second, notifier = [await house.connect() for _ in range(3)]
        ids = await create(first)
        keys = NotifierKeys(NOTIFIER_KEY.public, DH_KEY.public)
        nid = await first.ask(NKEY(keys), ids.recipient_id, KEY)
        assert isinstance(nid, NID)
        await notifier.ask(NSUB(), nid.ids.notifier_id, NOTIFIER_KEY)
        await second.ask(SUB(), ids.recipient_id, KEY)
        await notifier.ask(SEND(MessageFlags(notification=True), b"x"), ids.sender_id)
        assert isinstance((await notifier.read()).message, NMSG)
        assert trio.current_time() == 1.5
        assert (await first.read()).message == END()
        assert trio.current_time() == 15
        nursery.cancel_scope.cancel()


async def test_subscriptions_end_with_the_connection() -> None:
    async with open_house() as house:
        client = await house.connect()
        ids = await create(client)
        await client.aclose()
        await wait_all_tasks_blocked()
        assert not house.hub.sessions
        assert house.hub.state.recipients.queue_count == 0
        sender = await house.connect()
        assert await sender.ask(SEND(SILENT, b"x"), ids.sender_id) == OK()


async def test_subscriptions_made_while_the_connection_ends() -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client, other = await house.connect(), await house.connect()
        ids = await create(client)
        store.go = trio.Event()
        await other.send(
            other.transmission(SEND(SILENT, b"x"), ids.sender_id),
            other.transmission(SUB(), ids.recipient_id, KEY),
        )
        await wait_all_tasks_blocked()
        await other.aclose()
        await wait_all_tasks_blocked()
        store.go.set()
        await wait_all_tasks_blocked()
        assert house.hub.state.recipients.queue_count == 0
        first, second = await client.read(), await client.read()
        assert [type(first.message), type(second.message)] == [MSG, END]


# --- limits -------------------------------------------------------------------------------------


async def test_no_more_is_read_while_many_answers_wait() -> None:
    store = ReluctantStore()
    async with open_house(config(commands_in_flight=10), store=store) as house:
        client = await house.connect()
        ids = await create(client)
        store.go = trio.Event()
        for _ in range(5):
            await client.send(
                *(client.transmission(SEND(SILENT, b"x"), ids.sender_id) for _ in range(4))
            )
        await wait_all_tasks_blocked()
        assert house.hub.state.queues.message_count == 12  # the third block went over the limit
        store.go.set()
        answers = [said for block in await client.read_all() for said in block]
        assert sum(said.message == OK() for said in answers) == 20


async def test_new_queues_are_slowed_down(autojump_clock: MockClock) -> None:
    async with open_house(config(queues_at_once=3, queues_per_second=2)) as house:
        client, other = await house.connect(), await house.connect()
        for _ in range(3):
            await create(client)
        assert trio.current_time() == 0
        await create(client)
        assert trio.current_time() == pytest.approx(0.5)
        await create(client)
        assert trio.current_time() == pytest.approx(1)
        await create(other)
        assert trio.current_time() == pytest.approx(1)


async def test_what_came_before_a_slow_command_is_answered(autojump_clock: MockClock) -> None:
    async with open_house(config(queues_at_once=1, queues_per_second=1)) as house:
        client = await house.connect()
        await create(client)
        command = NEW(KEY.public, DH_KEY.public)
        await client.send(client.transmission(PING()), client.transmission(command, key=KEY))
        assert (await client.read()).message == PONG()
        assert trio.current_time() == 0
        assert isinstance((await client.read()).message, IDS)
        assert trio.current_time() == pytest.approx(1)


async def test_client_that_does_not_read_is_disconnected(autojump_clock: MockClock) -> None:
    async with open_house(config(write_seconds=30)) as house:
        client = await house.connect()
        client.stop_reading()
        await client.send(client.transmission(PING()))
        await trio.sleep(29)
        assert house.hub.sessions
        await trio.sleep(2)
        assert not house.hub.sessions


# --- idleness -----------------------------------------------------------------------------------


async def _idle_house(house: House, nursery: trio.Nursery) -> None:
    nursery.start_soon(disconnect_idle, house.hub)


async def test_idle_clients_are_disconnected(autojump_clock: MockClock) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        await _idle_house(house, nursery)
        idle, subscribed, busy = [await house.connect() for _ in range(3)]
        await create(subscribed)
        for _ in range(8):
            await trio.sleep(3600)
            await busy.ask(PING())
        assert len(house.hub.sessions) == 2
        assert await idle.read_until_closed() == []
        await subscribed.ask(PING())
        nursery.cancel_scope.cancel()


async def test_short_idleness(autojump_clock: MockClock) -> None:
    config = RouterConfig(limits=ClientLimits(idle_seconds=5))
    async with open_house(config) as house, trio.open_nursery() as nursery:
        await _idle_house(house, nursery)
        silent, idle = house.dial(), await house.connect()
        assert await silent.frames.receive_frame()  # the router's hello
        with pytest.raises(trio.EndOfChannel):
            await silent.frames.receive_frame()
        assert trio.current_time() == 5
        assert await idle.read_until_closed() == []
        assert trio.current_time() <= 10
        nursery.cancel_scope.cancel()


async def test_getting_keeps_no_connection_alive(autojump_clock: MockClock) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        await _idle_house(house, nursery)
        client = await house.connect()
        ids = await create(client, subscribe=False)
        await client.ask(GET(), ids.recipient_id, KEY)
        await trio.sleep(8 * 3600)
        assert not house.hub.sessions
        nursery.cancel_scope.cancel()


async def test_notifiers_are_subscribed_too(autojump_clock: MockClock) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        await _idle_house(house, nursery)
        client, notifier = await house.connect(), await house.connect()
        ids = await create(client)
        keys = NotifierKeys(NOTIFIER_KEY.public, DH_KEY.public)
        nid = await client.ask(NKEY(keys), ids.recipient_id, KEY)
        assert isinstance(nid, NID)
        await notifier.ask(NSUB(), nid.ids.notifier_id, NOTIFIER_KEY)
        await trio.sleep(8 * 3600)
        assert len(house.hub.sessions) == 2
        nursery.cancel_scope.cancel()


# --- a store that refuses -----------------------------------------------------------------------


async def test_full_store(mock_clock: MockClock) -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client = await house.connect()
        ids = await create(client)
        store.is_full = True
        answer = await client.ask(SEND(SILENT, b"x"), ids.sender_id)
        assert isinstance(error(answer), Store)
        assert await client.ask(PING()) == PONG()
        assert await client.ask(SUB(), ids.recipient_id, KEY) == SOK()
        await client.nothing_more()
        store.is_full = False
        mock_clock.jump(RETRY_SECONDS)
        house.later(-3 * 86400)  # the time of the day has nothing to do with it
        await client.send(client.transmission(SEND(SILENT, b"y"), ids.sender_id))
        delivered, answered = await client.read(), await client.read()
        received_at = NOW - 3 * 86400
        assert opened(ids, delivered.message) == ReceivedBody(received_at, SILENT, b"y")
        assert answered.message == OK()


async def test_queues_are_drained_while_the_store_has_no_room() -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client = await house.connect()
        ids = await create(client)
        await client.send(client.transmission(SEND(SILENT, b"x"), ids.sender_id))
        delivered = (await client.read()).message
        assert isinstance(delivered, MSG)
        assert (await client.read()).message == OK()
        store.is_full = True
        assert isinstance(error(await client.ask(SEND(SILENT, b"y"), ids.sender_id)), Store)
        store.is_full = False  # for what only deletes
        before = len(store.commits)
        await client.send(
            client.transmission(SEND(SILENT, b"z"), ids.sender_id),
            client.transmission(ACK(delivered.message_id), ids.recipient_id, KEY),
        )
        refused, acknowledged = await client.read(), await client.read()
        assert isinstance(error(refused.message), Store)
        assert acknowledged.message == OK()
        assert store.commits[before:] == [1]


async def test_bodies_that_cannot_be_read() -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client = await house.connect()
        ids = await create(client, subscribe=False)
        await client.ask(LSET(b"link", QueueLinkData(b"f", b"u")), ids.recipient_id, KEY)
        await client.ask(SEND(SILENT, b"x"), ids.sender_id)
        house.hub.state.recent_bodies = RecentBodies(0)
        store.is_unreadable = True
        assert isinstance(error(await client.ask(GET(), ids.recipient_id, KEY)), Store)
        assert isinstance(error(await client.ask(LGET(), b"link")), Store)
        other = await house.connect()
        assert await other.ask(SUB(), ids.recipient_id, KEY) == SOK()
        await other.nothing_more()
        store.is_unreadable = False
        assert isinstance(await client.ask(GET(), ids.recipient_id, KEY), MSG)


async def test_message_that_is_gone_before_it_is_written() -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client = await house.connect()
        ids = await create(client, subscribe=False)
        await client.ask(SEND(SILENT, b"x"), ids.sender_id)
        house.hub.state.recent_bodies = RecentBodies(0)
        queue = house.hub.state.queues.for_recipient(ids.recipient_id)
        assert queue is not None
        queue.messages[0] = evolve(queue.messages[0], sequence=10_000)
        assert await client.ask(GET(), ids.recipient_id, KEY) == OK()


# --- costly commands ----------------------------------------------------------------------------


async def send_costly(client: RawClient, ids: IDS, owners: Sequence[AuthPrivateKey]) -> int:
    """Fill a block with commands that all owners' keys are checked for; how many these are."""
    keys = tuple(owner.public for owner in owners)
    await client.ask(RKEY(keys), ids.recipient_id, KEY)
    stranger = Ed448PrivateKey(b"\x77" * 57)
    costly = [client.transmission(GET(), ids.recipient_id, stranger) for _ in range(85)]
    await client.send(*costly)
    return len(costly)


async def test_costly_commands_do_not_hold_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = 0
    verify = Ed448PublicKey.verify

    def count(key: Ed448PublicKey, signature: bytes, message: bytes) -> None:
        nonlocal checked
        checked += 1
        verify(key, signature, message)

    owners = [Ed448PrivateKey(bytes([number + 1]) * 57) for number in range(8)]
    async with open_house() as house:
        attackers = [await house.connect() for _ in range(4)]
        honest = await house.connect()
        monkeypatch.setattr(Ed448PublicKey, "verify", count)
        for attacker in attackers:
            sent = await send_costly(attacker, await create(attacker, subscribe=False), owners)
        checks = [await checked_until_pong(honest, lambda: checked) for _ in range(5)]
        # Some ten passes of the event loop, with at most 14 checks in each.
        assert max(checks) < 150
        async with trio.open_nursery() as nursery:  # all of them are answered in the end
            for attacker in attackers:
                nursery.start_soon(read_refusals, attacker, sent)
        assert checked == len(attackers) * sent * len(owners)


async def checked_until_pong(honest: RawClient, checked: Callable[[], int]) -> int:
    before = checked()
    assert await honest.ask(PING()) == PONG()
    return checked() - before


async def read_refusals(client: RawClient, count: int) -> None:
    for _ in range(count):
        assert error((await client.read()).message) is Code.AUTH


async def test_queues_with_more_owners_than_count_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    async with open_house(store=store) as house:
        client = await house.connect()
        ids = await create(client, subscribe=False)
        await create(client, subscribe=False)
    (record,) = (
        each for each in (await store.load()).queues if each.recipient_id == ids.recipient_id
    )
    await store.commit([PutQueue(evolve(record, recipient_keys=record.recipient_keys * 9))])
    async with open_house(store=store) as house:
        client = await house.connect()
        assert await client.ask(SUB(), ids.recipient_id, KEY) == SOK()
    assert "1 queues have more than 8 keys of owners; the others are ignored" in caplog.text


# --- bugs ---------------------------------------------------------------------------------------


class Bug(Exception):
    pass


def fail(*_: object) -> NoReturn:
    raise Bug


async def test_bug_in_a_decision_costs_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReluctantStore()
    async with open_house(store=store) as house:
        client, other = await house.connect(), await house.connect()
        ids = await create(client, subscribe=False)
        with monkeypatch.context() as patch:
            patch.setitem(decide._ABOUT_QUEUE, GET, fail)
            await client.send(
                client.transmission(SEND(SILENT, b"x"), ids.sender_id),
                client.transmission(GET(), ids.recipient_id, KEY),
            )
            assert await client.read_until_closed() == []
        assert await other.ask(GET(), ids.recipient_id, KEY) == OK()
        assert not (await store.load()).messages  # what came with it has not happened
        (failure,) = house.failures
        assert isinstance(failure, Bug)
        house.failures.clear()


async def test_bug_in_an_answer_costs_one_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_house() as house:
        client, other = await house.connect(), await house.connect()
        ids = await create(client)
        with monkeypatch.context() as patch:
            patch.setattr(delivery, "get_message", fail)
            await client.send(client.transmission(GET(), ids.recipient_id, KEY))
            assert await client.read_until_closed() == []
        assert await other.ask(GET(), ids.recipient_id, KEY) == OK()
        assert "a command could not be answered" in caplog.text
