"""Requests: whose answer is whose, and what becomes of late answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from simplex_trio.client.router_errors import RouterError
from simplex_trio.client.smp.client import SMPClient
from simplex_trio.crypto.keys import Ed25519PrivateKey, X25519PrivateKey
from simplex_trio.engine.calls import Call
from simplex_trio.engine.codec import Incoming
from simplex_trio.engine.events import ExpiredResponse, UnexpectedResponse
from simplex_trio.engine.pending import EXPIRED_AGE, MAX_EXPIRED
from simplex_trio.engine.timeouts import BACKGROUND, INTERACTIVE, Patience
from simplex_trio.errors import (
    ConnectionLost,
    EncodeError,
    RequestTimeout,
    TooLarge,
    UnsupportedVersion,
)
from simplex_trio.testing.scripted import ScriptedSMPRouter
from simplex_trio.wire.authorization import NoRouterKey
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.smp.commands import ACK, GET, LDEL, LGET, NEW, OFF, PING, SEND, SUB, Command
from simplex_trio.wire.smp.flags import MessageFlags
from simplex_trio.wire.smp.messages import ERR, OK, PONG, SOK
from simplex_trio.wire.versions import VersionRange
from tests.client.support import (
    OTHER_QUEUE,
    QUEUE,
    ROUTER,
    Outcome,
    Peer,
    agreeable,
    config,
    connected,
    largest_body,
    start,
)

KEY = Ed25519PrivateKey.generate()
SILENT = MessageFlags()


def sub(queue: bytes) -> Call[Command]:
    return Call(SUB(), queue, KEY)


def kinds(results: Iterable[object]) -> list[type]:
    return [type(result) for result in results]


# --- whose answer is whose ------------------------------------------------------------------------


async def test_answers_reach_their_callers_in_any_order() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        callers = [
            start(nursery, lambda: client.request(PING())),
            start(nursery, lambda: client.request(GET(), QUEUE, KEY)),
            start(nursery, lambda: client.request(SUB(), OTHER_QUEUE, KEY)),
        ]
        asked = {type(each.command): each for each in [await peer.next_command() for _ in range(3)]}
        answers = ((SUB, SOK()), (PING, PONG()), (GET, ERR(Code.AUTH)))
        for kind, answer in answers:
            await peer.send(peer.answer(asked[kind], answer))
    assert isinstance(callers[0].result, PONG)
    assert isinstance(callers[1].error, RouterError)
    assert callers[1].error.error is Code.AUTH
    assert isinstance(callers[2].result, SOK)


async def test_a_batch_has_a_result_or_an_error_for_each_in_order() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([sub(QUEUE), Call(PING()), sub(QUEUE)]))
        first, second, third = [await peer.next_command() for _ in range(3)]
        await peer.send(peer.answer(third, SOK()))
        await peer.send(peer.answer(first, ERR(Code.AUTH)), peer.answer(second, PONG()))
    assert kinds(caller.result) == [RouterError, PONG, SOK]
    assert nothing_is_left(client)


def nothing_is_left(client: SMPClient) -> bool:
    """Whether a connection has forgotten all that was asked."""
    counted = client.statistics()
    return (counted.pending, counted.expired, counted.queued) == (0, 0, 0)


async def test_an_empty_batch() -> None:
    async with connected() as (client, _peer):
        assert await client.request_many([]) == []
        assert client.statistics().requests == 0


async def test_what_was_answered_counts_when_the_rest_of_a_batch_is_lost() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([sub(QUEUE), sub(QUEUE), sub(QUEUE)]))
        asked = [await peer.next_command() for _ in range(3)]
        await peer.send(peer.answer(asked[1], SOK()))
        await wait_all_tasks_blocked()
        await peer.hang_up()
    assert kinds(caller.result) == [ConnectionLost, SOK, ConnectionLost]
    assert {id(caller.result[at].__cause__) for at in (0, 2)} == {id(client.reason)}


async def test_a_request_is_entered_before_it_is_written() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        caller = start(nursery, client.ping)
        await wait_all_tasks_blocked()
        assert client.statistics().pending == 1
        peer.link.release()
        ping = await peer.next_command()
        assert client.statistics().pending == 1
        await peer.send(peer.answer(ping, PONG()))
    assert caller.error is None
    assert nothing_is_left(client)


# --- correlation ids ------------------------------------------------------------------------------


async def test_correlation_ids_are_random_unless_given() -> None:
    asked_for: list[int] = []

    def random(size: int) -> bytes:
        asked_for.append(size)
        return bytes([len(asked_for)]) * size

    async with connected(random=random) as (client, peer), trio.open_nursery() as nursery:
        nonce = b"this one is given, of 24"
        calls = [Call(PING()), Call(PING(), correlation_id=nonce), Call(PING())]
        nursery.start_soon(peer.serve, agreeable)
        await client.request_many(calls)
        caller = start(nursery, lambda: client.request(PING(), correlation_id=nonce))
        await wait_all_tasks_blocked()
        assert caller.error is None  # an id that was answered is free again
        await client.aclose()
    assert asked_for == [24, 24]


async def test_the_ids_that_the_peer_sees() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nonce = b"this one is given, of 24"
        caller = start(
            nursery,
            lambda: client.request_many([*[Call(PING())] * 50, Call(PING(), correlation_id=nonce)]),
        )
        asked = [await peer.next_command() for _ in range(51)]
        ids = [each.transmission.correlation_id for each in asked]
        assert {len(each) for each in ids} == {24}
        assert len(set(ids)) == 51
        assert ids[-1] == nonce
        caller.scope.cancel()


@pytest.mark.parametrize(
    ("correlation_id", "error"),
    [(b"", ValueError), (bytes(23), ValueError), (bytes(25), ValueError), ("a" * 24, TypeError)],
)
async def test_an_id_that_cannot_be_a_nonce_is_refused(
    correlation_id: Any, error: type[Exception]
) -> None:
    async with connected() as (client, _peer):
        with pytest.raises(error):
            await client.request(PING(), correlation_id=correlation_id)
        with pytest.raises(error):
            Call(PING(), correlation_id=correlation_id)
        assert client.statistics().frames_sent == 0


async def test_an_id_in_use_is_refused_without_harm_to_its_request() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nonce = bytes(24)
        first = start(nursery, lambda: client.request(PING(), correlation_id=nonce))
        ping = await peer.next_command()
        second = start(
            nursery,
            lambda: client.request_many([Call(PING()), Call(PING(), correlation_id=nonce)]),
        )
        other = await peer.next_command()
        await peer.send(peer.answer(ping, PONG()), peer.answer(other, PONG()))
    assert isinstance(first.result, PONG)
    assert kinds(second.result) == [PONG, EncodeError]


async def test_an_expired_command_can_be_sent_again_under_its_id(
    autojump_clock: MockClock,
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        nonce = bytes(24)
        with pytest.raises(RequestTimeout):
            await client.request(PING(), correlation_id=nonce)
        lost = await peer.next_command()
        with pytest.raises(EncodeError):  # another command is not the same again
            await client.request(SUB(), QUEUE, KEY, correlation_id=nonce)
        again = start(nursery, lambda: client.request(PING(), correlation_id=nonce))
        await peer.next_command()
        await peer.send(peer.answer(lost, PONG()))
        await wait_all_tasks_blocked()
        assert isinstance(again.result, PONG)
        assert nothing_is_left(client)


# --- time-outs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "seconds"),
    [
        (BACKGROUND, 30),
        (Patience(interactive=False, retry=3), 30),
        (INTERACTIVE, 10),
        (Patience.after(1), 15),
        (Patience.after(2), 22.5),
        (Patience.after(3), 33.75),
        (Patience.after(9), 33.75),
    ],
)
async def test_how_long_callers_wait(
    autojump_clock: MockClock, patience: Patience, seconds: float
) -> None:
    async with connected() as (client, _peer):
        for request in (
            lambda: client.request(PING(), patience=patience),
            lambda: client.ping(patience=patience),
        ):
            before = trio.current_time()
            with pytest.raises(RequestTimeout) as timed_out:
                await request()
            assert trio.current_time() - before == pytest.approx(seconds)
            assert timed_out.value.retryable
            assert isinstance(timed_out.value, TimeoutError)
        before = trio.current_time()
        results = await client.request_many([Call(PING())] * 3, patience=patience)
        assert kinds(results) == [RequestTimeout] * 3
        assert trio.current_time() - before == pytest.approx(seconds)
        assert client.statistics().timeouts == 5
        assert client.statistics().pending == 0


async def test_a_time_given_for_one_request(autojump_clock: MockClock) -> None:
    async with connected() as (client, _peer):
        with assert_checkpoints(), pytest.raises(RequestTimeout):
            await client.request(PING(), timeout=0)
        assert trio.current_time() == 0
        with pytest.raises(RequestTimeout):
            await client.request(PING(), timeout=77)
        assert trio.current_time() == 77


@pytest.mark.parametrize("ping_interval", [0, 600])
async def test_each_of_many_callers_gives_up_in_its_own_time(
    autojump_clock: MockClock, ping_interval: float
) -> None:
    async with (
        connected(ping_interval=ping_interval) as (client, _peer),
        trio.open_nursery() as nursery,
    ):
        callers: list[tuple[float, Outcome]] = []
        for began, seconds in ((0, 40), (1, 3), (2, 40), (2, 1.5), (5, 3), (5, 0.25), (6, 40)):
            await trio.sleep_until(began)
            request = partial(client.request, PING(), timeout=seconds)
            callers.append((began + seconds, start(nursery, request)))
        await trio.sleep_until(100)
        for deadline, caller in callers:
            assert isinstance(caller.error, RequestTimeout)
            assert caller.finished_at == pytest.approx(deadline, abs=1e-9)
        assert len(client._deadlines) == 0


async def test_a_request_that_never_times_out(autojump_clock: MockClock) -> None:
    async with connected(ping_interval=0) as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request(PING(), timeout=math.inf))
        asked = await peer.next_command()
        await trio.sleep(3600)
        assert not caller.finished
        await peer.send(peer.answer(asked, PONG()))
    assert isinstance(caller.result, PONG)


async def test_a_late_answer_is_an_event_with_its_command(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        with pytest.raises(RequestTimeout):
            await client.request(SUB(), QUEUE, KEY)
        with pytest.raises(RequestTimeout):
            await client.request(OFF(), QUEUE, KEY)
        late = [await peer.next_command() for _ in range(2)]
        assert client.statistics().expired == 2
        bystander = start(nursery, client.ping)
        ping = await peer.next_command()
        await peer.send(peer.answer(late[0], SOK()), peer.answer(late[1], ERR(Code.AUTH)))
        assert await client.events.receive() == ExpiredResponse(QUEUE, SUB(), SOK())
        refused = await client.events.receive()
        assert isinstance(refused, ExpiredResponse)
        assert refused.command == OFF()
        assert isinstance(refused.result, RouterError)
        assert not bystander.finished
        await peer.send(peer.answer(ping, PONG()))
    assert bystander.error is None
    assert nothing_is_left(client)


async def test_a_late_answer_comes_once(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        with pytest.raises(RequestTimeout):
            await client.request(SUB(), QUEUE, KEY)
        late = await peer.next_command()
        await peer.send(peer.answer(late, SOK()), peer.answer(late, SOK()))
        assert await client.events.receive() == ExpiredResponse(QUEUE, SUB(), SOK())
        assert await client.events.receive() == UnexpectedResponse(QUEUE, SOK())


async def test_a_late_answer_about_another_entity(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        with pytest.raises(RequestTimeout):
            await client.request(SUB(), QUEUE, KEY)
        asked = (await peer.next_command()).transmission
        await peer.send(peer.transmission(asked.correlation_id, OTHER_QUEUE, SOK()))
        assert await client.events.receive() == UnexpectedResponse(OTHER_QUEUE, SOK())


async def test_commands_of_a_batch_expire_one_by_one(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([sub(QUEUE), sub(OTHER_QUEUE)] * 2))
        asked = [await peer.next_command() for _ in range(4)]
        await peer.send(peer.answer(asked[2], SOK()))
        await trio.sleep(31)
        assert kinds(caller.result) == [RequestTimeout, RequestTimeout, SOK, RequestTimeout]
        assert client.statistics().expired == 3
        await peer.send(peer.answer(asked[1], SOK()))
        assert await client.events.receive() == ExpiredResponse(OTHER_QUEUE, SUB(), SOK())
        assert client.statistics().expired == 2


# --- the very moment ------------------------------------------------------------------------------


class _AtTheVeryMoment(trio.abc.Instrument):
    """Does something when a task has been woken, and before it runs."""

    def __init__(self, task: trio.lowlevel.Task, act: Callable[[], None]) -> None:
        self._task = task
        self._act = act

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._act()


async def raced(client: SMPClient, peer: Peer, end: Callable[[Outcome], None]) -> Outcome:
    """Let an answer arrive after ``end`` has woken the caller, and before the caller has run."""
    async with trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request(SUB(), QUEUE, KEY))
        asked = (await peer.next_command()).transmission
        await wait_all_tasks_blocked()
        (task,) = nursery.child_tasks
        answer = Incoming(asked.correlation_id, QUEUE, SOK())
        instrument = _AtTheVeryMoment(task, lambda: client._dispatch(answer))
        trio.lowlevel.add_instrument(instrument)
        end(caller)
        await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(instrument)
    assert nothing_is_left(client)
    return caller


async def test_an_answer_in_the_moment_of_the_time_out_counts(mock_clock: MockClock) -> None:
    async with connected() as (client, peer):
        caller = await raced(client, peer, lambda _caller: mock_clock.jump(30))
        assert isinstance(caller.result, SOK)
        assert client.statistics().timeouts == 0
        assert client.statistics().unread_events == 0


async def test_an_answer_in_the_moment_of_a_cancellation_is_an_event() -> None:
    async with connected() as (client, peer):
        caller = await raced(client, peer, lambda caller: caller.scope.cancel())
        assert caller.result is None
        assert client.events.receive_nowait() == ExpiredResponse(QUEUE, SUB(), SOK())


@pytest.mark.parametrize("steps", range(16))
async def test_answers_around_a_time_out_are_never_lost(mock_clock: MockClock, steps: int) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request(SUB(), QUEUE, KEY))
        late = await peer.next_command()
        nursery.start_soon(peer.send, peer.answer(late, SOK()))
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        mock_clock.jump(30)
        await wait_all_tasks_blocked()
        if isinstance(caller.error, RequestTimeout):
            assert client.events.receive_nowait() == ExpiredResponse(QUEUE, SUB(), SOK())
        assert caller.error is not None or isinstance(caller.result, SOK)
        assert client.statistics().unread_events == 0
        assert nothing_is_left(client)


async def test_the_answers_of_a_cancelled_batch_are_events() -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([sub(QUEUE), sub(OTHER_QUEUE)]))
        asked = [await peer.next_command() for _ in range(2)]
        await peer.send(peer.answer(asked[1], SOK()))
        await wait_all_tasks_blocked()
        caller.scope.cancel()
        assert await client.events.receive() == ExpiredResponse(OTHER_QUEUE, SUB(), SOK())
        await peer.send(peer.answer(asked[0], SOK()))
        assert await client.events.receive() == ExpiredResponse(QUEUE, SUB(), SOK())


async def test_a_long_batch_that_is_cancelled_does_not_flood_the_events() -> None:
    async with connected(event_limit=6 * 1024 * 1024) as (client, peer):
        async with trio.open_nursery() as nursery:
            caller = start(nursery, lambda: client.request_many([Call(PING())] * 500))
            asked = [await peer.next_command() for _ in range(500)]
            for at in range(0, 499, 100):
                await peer.send(*[peer.answer(each, PONG()) for each in asked[at : at + 99]])
            await wait_all_tasks_blocked()
            caller.scope.cancel()
        assert client.connected
        assert client.statistics().unread_events == MAX_EXPIRED


# --- withdrawn before they are written ------------------------------------------------------------


@pytest.mark.parametrize("way", ["timed out", "cancelled", "a cancelled batch"])
async def test_an_abandoned_request_is_not_written(autojump_clock: MockClock, way: str) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        peer.link.hold()
        stuck = start(nursery, lambda: client.request(PING(), timeout=1000))
        await wait_all_tasks_blocked()
        calls: list[Call[Command]] = [Call(ACK(b"first"), QUEUE, KEY), Call(OFF(), QUEUE, KEY)]
        withdrawn = start(
            nursery,
            (lambda: client.request_many(calls, timeout=5))
            if way == "a cancelled batch"
            else (lambda: client.request(OFF(), QUEUE, KEY, timeout=5)),
        )
        wanted = start(nursery, lambda: client.request(SUB(), QUEUE, KEY, timeout=1000))
        await wait_all_tasks_blocked()
        if way == "timed out":
            await trio.sleep(6)
            assert isinstance(withdrawn.error, RequestTimeout)
        else:
            withdrawn.scope.cancel()
            await wait_all_tasks_blocked()
        assert withdrawn.finished
        assert client.statistics().pending == 2
        assert client.statistics().expired == 0
        peer.link.release()
        written = [await peer.next_command() for _ in range(2)]
        assert [type(each.command) for each in written] == [PING, SUB]
        await peer.send(*[peer.answer(each, agreeable(each)) for each in written])
    assert isinstance(stuck.result, PONG)
    assert isinstance(wanted.result, OK)
    assert nothing_is_left(client)


# --- expired requests are bounded -----------------------------------------------------------------


async def test_a_silent_router_cannot_grow_memory(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer):
        results = await client.request_many([Call(PING())] * (MAX_EXPIRED + 44))
        assert kinds(results) == [RequestTimeout] * (MAX_EXPIRED + 44)
        assert client.statistics().expired == MAX_EXPIRED
        assert client.statistics().pending == 0
        asked = [await peer.next_command() for _ in range(MAX_EXPIRED + 44)]
        await peer.send(peer.answer(asked[43], PONG()), peer.answer(asked[44], PONG()))
        assert await client.events.receive() == UnexpectedResponse(b"", PONG())
        assert await client.events.receive() == ExpiredResponse(b"", PING(), PONG())
        await trio.sleep(EXPIRED_AGE + client._config.ping_interval)
        assert client.statistics().expired == 0
        await peer.send(peer.answer(asked[99], PONG()))
        assert await client.events.receive() == UnexpectedResponse(b"", PONG())


# --- refused before anything is sent --------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "call", "error"),
    [
        (14, Call(LDEL(), QUEUE, KEY), UnsupportedVersion),
        (20, Call(SUB(), QUEUE), EncodeError),
        (20, Call(SUB(), key=KEY), EncodeError),
        (20, Call(PING(), QUEUE), EncodeError),
        (20, Call(PING(), key=KEY), EncodeError),
        (20, Call(LGET(), QUEUE, KEY), EncodeError),
        (20, Call(LGET()), EncodeError),
        (20, Call(SEND(SILENT, b"")), EncodeError),
        (20, Call(NEW(KEY.public, X25519PrivateKey.generate().public)), EncodeError),
        (20, Call(NEW(KEY.public, X25519PrivateKey.generate().public), QUEUE, KEY), EncodeError),
        (20, Call(SUB(), bytes(256), KEY), EncodeError),
        (20, Call(ACK(bytes(256)), QUEUE, KEY), EncodeError),
        (20, Call(SEND(SILENT, bytes(16_049)), QUEUE), TooLarge),
        (10, Call(SEND(SILENT, bytes(16_065)), QUEUE), TooLarge),
        (7, Call(SEND(SILENT, bytes(16_089)), QUEUE), TooLarge),
        (20, Call(SEND(SILENT, bytes(1_000_000)), QUEUE), TooLarge),
    ],
)
async def test_what_cannot_be_sent_fails_alone(
    version: int, call: Call[Command], error: type[Exception]
) -> None:
    async with ROUTER.open_client(config(version=version)) as (client, peer):
        with pytest.raises(error):
            await client.request(call.command, call.entity_id, call.key)
        assert client.statistics().requests == 0
        async with trio.open_nursery() as nursery:
            caller = start(nursery, lambda: client.request_many([Call(PING()), call, Call(PING())]))
            block = await peer.next_block()
            assert [type(each.command) for each in block] == [PING, PING]
            await peer.send(*[peer.answer(each, PONG()) for each in block])
        assert isinstance(caller.result[0], PONG)
        assert isinstance(caller.result[1], error)
        assert isinstance(caller.result[2], PONG)


async def test_a_key_that_an_old_router_cannot_use() -> None:
    async with ScriptedSMPRouter(VersionRange(6, 6)).open_client() as (client, _peer):
        with pytest.raises(NoRouterKey):
            await client.request(SUB(), QUEUE, X25519PrivateKey.generate())
        assert client.statistics().requests == 0


@pytest.mark.parametrize("version", [7, 10, 20])
async def test_the_largest_message_can_be_sent(version: int) -> None:
    async with (
        ROUTER.open_client(config(version=version)) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        for key in (None, KEY, X25519PrivateKey.generate()):
            caller = start(nursery, partial(client.send, QUEUE, largest_body(client), key))
            asked = await peer.next_command()
            await peer.send(peer.answer(asked, OK()))
            await wait_all_tasks_blocked()
            assert caller.finished
            assert caller.error is None


@pytest.mark.parametrize(
    ("command", "entity_id", "key"),
    [
        (PING(), "text", None),
        (PING(), None, None),
        (SUB(), QUEUE, "a key"),
        (ACK("text"), QUEUE, KEY),  # type: ignore[arg-type]
        ("SUB", QUEUE, KEY),
        (None, QUEUE, KEY),
    ],
)
async def test_arguments_of_the_wrong_type_fail_before_anything_is_sent(
    command: Any, entity_id: Any, key: Any
) -> None:
    async with connected() as (client, peer):
        with pytest.raises((TypeError, AttributeError)):
            await client.request(command, entity_id, key)
        assert nothing_is_left(client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.ping)
            asked = await peer.next_command()
            assert isinstance(asked.command, PING)
            await peer.send(peer.answer(asked, PONG()))
        assert client.statistics().requests == 1


async def test_a_wrong_type_in_a_batch_leaves_nothing_behind() -> None:
    async with connected() as (client, peer):
        with pytest.raises(TypeError):
            await client.request_many([Call(PING()), Call(ACK(1), QUEUE, KEY)])  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.ping)
            (asked,) = await peer.next_block()
            await peer.send(peer.answer(asked, PONG()))
        assert nothing_is_left(client)


async def test_a_batch_does_not_expire_while_it_is_being_answered(
    autojump_clock: MockClock,
) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([sub(QUEUE)] * 4))
        for _ in range(4):
            asked = await peer.next_command()
            await trio.sleep(29)  # each by itself in time, all of them together not
            await peer.send(peer.answer(asked, SOK()))
        await wait_all_tasks_blocked()
        assert kinds(caller.result) == [SOK] * 4


async def test_a_batch_expires_when_it_is_not_answered_any_more(autojump_clock: MockClock) -> None:
    async with connected() as (client, peer), trio.open_nursery() as nursery:
        caller = start(nursery, lambda: client.request_many([sub(QUEUE)] * 4))
        for seconds in (10, 25):
            asked = await peer.next_command()
            await trio.sleep_until(seconds)
            await peer.send(peer.answer(asked, SOK()))
        await trio.sleep(100)
        assert kinds(caller.result) == [SOK, SOK, RequestTimeout, RequestTimeout]
        assert caller.finished_at == 25 + 30
