"""Threads that verify signatures: they save time, and change nothing else."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.crypto.keys import (
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    VerifyKey,
    X25519PrivateKey,
)
from simplex_trio.router.core.counters import Count
from simplex_trio.router.core.model import MAX_OWNERS
from simplex_trio.router.signature_threads import (
    FEWEST_CHECKS,
    SignatureThreads,
    spare_processors,
)
from simplex_trio.transport.turns import BUDGET
from simplex_trio.wire.errors.values import Code
from simplex_trio.wire.signature_checks import SignatureCheck, signature_cost
from simplex_trio.wire.smp.commands import GET, NEW, PING, RKEY, SUB
from simplex_trio.wire.smp.messages import ERR, IDS, OK, PONG, SOK
from simplex_trio.wire.smp.new_queue import ContactRequest
from tests.router.house import RawClient, open_house

DH_KEY = X25519PrivateKey(b"\x11" * 32)
STRANGER = Ed25519PrivateKey(b"\x99" * 32)
KEYS = [Ed25519PrivateKey(number.to_bytes(32, "big")) for number in range(1, 61)]
FULL = len(KEYS)


class Threads:
    """Watches the threads that verify, and can hold them up in the middle of a signature."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.verified = 0
        self.most_at_once = 0
        self._at_work = 0
        self._may_end = threading.Event()
        self._may_end.set()
        self._main = threading.get_ident()
        self._lock = threading.Lock()

    def watched(self, run: Callable[[SignatureCheck], None]) -> Callable[[SignatureCheck], None]:
        """What takes the place of `SignatureCheck.run`."""

        def watch(check: SignatureCheck) -> None:
            if threading.get_ident() == self._main:
                run(check)
                return
            with self._lock:
                self._at_work += 1
                self.most_at_once = max(self.most_at_once, self._at_work)
            self.begun.set()
            assert self._may_end.wait(60)
            run(check)
            with self._lock:
                self._at_work -= 1
                self.verified += 1

        return watch

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """No thread ends with a signature while the block lasts."""
        self.begun.clear()
        self._may_end.clear()
        try:
            yield
        finally:
            self._may_end.set()

    def nothing_is_left(self) -> bool:
        return not self._at_work


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    found = Threads()
    monkeypatch.setattr(SignatureCheck, "run", found.watched(SignatureCheck.run))
    yield found
    assert found.nothing_is_left()


async def create_many(client: RawClient, count: int = FULL) -> list[IDS]:
    """Queues whose keys are `KEYS`, in order."""
    commands = [
        client.transmission(
            NEW(key.public, DH_KEY.public, None, subscribe=False, queue_request=ContactRequest()),
            key=key,
        )
        for key in KEYS[:count]
    ]
    await client.send(*commands)
    created: list[IDS] = []
    for _ in commands:
        answer = (await client.read()).message
        assert isinstance(answer, IDS)
        created.append(answer)
    return created


async def ask_each(
    client: RawClient, queues: Sequence[IDS], command: GET | SUB, *, bad: int | None = None
) -> None:
    """Send a block with a command for each queue; ``bad`` is the one with a wrong signature."""
    await client.send(
        *(
            client.transmission(command, ids.recipient_id, STRANGER if number == bad else key)
            for number, (ids, key) in enumerate(zip(queues, KEYS, strict=False))
        )
    )


async def read_each(
    client: RawClient, queues: Sequence[IDS], answer: OK | SOK, *, bad: int | None = None
) -> None:
    """Check that the answers are there, in order; a refusal comes before all others."""
    ids = [queue.recipient_id for queue in queues]
    said = [await client.read() for _ in ids]
    if bad is not None:
        refused = said.pop(0)
        assert (refused.entity_id, refused.message) == (ids.pop(bad), ERR(Code.AUTH))
    assert [(each.entity_id, each.message) for each in said] == [(each, answer) for each in ids]


async def keep_asking(client: RawClient, queues: Sequence[IDS], until: threading.Event) -> None:
    """Ask until a thread has got to it: the session may be through before."""
    while not until.is_set():
        await ask_each(client, queues, GET())
        await read_each(client, queues, OK())


@pytest.mark.parametrize("processors", [0, 1, 2])
async def test_answers_keep_their_order(processors: int, threads: Threads) -> None:
    async with open_house(threads=processors) as house:
        owner, client = await house.connect(), await house.connect()
        queues = await create_many(owner)
        for _ in range(3):
            await ask_each(client, queues, SUB())
            await read_each(client, queues, SOK())
        await client.nothing_more()
    assert threads.most_at_once <= processors


class EagerThreads:
    """Threads that are through with a block before the session begins with it."""

    def __init__(self) -> None:
        self.spent = 0
        """What signatures cost that were left to the event loop."""
        self._is_ahead = False

    def call(self, threads: SignatureThreads, _count: int) -> None:
        self._is_ahead = True
        threads._blocks[-1].run_from_the_end()
        self._is_ahead = False

    def counted(self, verify: Callable[..., None]) -> Callable[..., None]:
        def count(key: VerifyKey, signature: bytes, message: bytes) -> None:
            if not self._is_ahead:
                self.spent += signature_cost(key)
            verify(key, signature, message)

        return count


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> EagerThreads:
    found = EagerThreads()
    monkeypatch.setattr(SignatureThreads, "_call", lambda *args: found.call(*args))
    for kind in (Ed25519PublicKey, Ed448PublicKey):
        monkeypatch.setattr(kind, "verify", found.counted(kind.verify))
    return found


async def test_event_loop_is_spared(eager: EagerThreads) -> None:
    async with open_house(threads=1) as house:
        client = await house.connect()
        before = eager.spent
        queues = await create_many(client)
        await ask_each(client, queues, SUB())
        await read_each(client, queues, SOK())
        assert eager.spent == before


async def test_turns_are_for_what_is_left_to_the_event_loop(eager: EagerThreads) -> None:
    """A wrong signature is checked with the keys of all owners that there may be."""
    stranger = Ed448PrivateKey(b"\x77" * 57)
    async with open_house(threads=1) as house:
        hostile = [await house.connect() for _ in range(4)]
        other = await house.connect()
        (queue,) = await create_many(other, 1)
        before = eager.spent
        for each in hostile:
            get = partial(each.transmission, GET(), queue.recipient_id, stranger)
            await each.send(*(get() for _ in range(FULL)))
        await check_turns(other, eager)
        for each in hostile:
            assert {(await each.read()).message for _ in range(FULL)} == {ERR(Code.AUTH)}
    checks = len(hostile) * FULL * (MAX_OWNERS - 1)
    assert eager.spent - before == checks * signature_cost(stranger.public)


async def test_turns_are_for_keys_that_have_changed(eager: EagerThreads) -> None:
    """What threads have accepted with a key is worth nothing when the key is another."""
    async with open_house(threads=1) as house:
        hostile = [await house.connect() for _ in range(4)]
        other = await house.connect()
        for each, queue in zip(hostile, await create_many(other, len(hostile)), strict=True):
            key = KEYS[hostile.index(each)]
            new = RKEY((Ed448PrivateKey(b"\x77" * 57).public,))
            replace = each.transmission(new, queue.recipient_id, key)
            get = partial(each.transmission, GET(), queue.recipient_id, key)
            await each.send(replace, *(get() for _ in range(FULL - 1)))
        await check_turns(other, eager)


async def check_turns(other: RawClient, eager: EagerThreads) -> None:
    """A client whose commands cost little waits for a few turns of the others and no more."""
    waits = []
    for _ in range(5):
        before = eager.spent
        assert await other.ask(PING()) == PONG()
        waits.append(eager.spent - before)
    assert max(waits) < 16 * BUDGET  # 15.2 if the event loop always chooses this client last


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("bad", [0, 1, FULL // 2, FULL - 1])
async def test_bad_signature_among_good_ones(bad: int) -> None:
    async with open_house(threads=1) as house:
        client = await house.connect()
        queues = await create_many(client)
        await ask_each(client, queues, SUB(), bad=bad)
        await read_each(client, queues, SOK(), bad=bad)
        assert house.hub.state.counters[Count.COMMANDS_REFUSED] == 1
        assert house.hub.state.recipients.queue_count == FULL - 1


@pytest.mark.usefixtures("threads")
async def test_keys_that_a_block_changes() -> None:
    """Each command needs the key of its turn, whatever was verified ahead."""
    async with open_house(threads=1) as house:
        client = await house.connect()
        (queue,) = await create_many(client, 1)
        old, new = KEYS[0], KEYS[1]

        def get(key: Ed25519PrivateKey) -> bytes:
            return client.transmission(GET(), queue.recipient_id, key)

        replace = client.transmission(RKEY((new.public,)), queue.recipient_id, old)
        await client.send(
            *(get(old) for _ in range(10)),
            replace,
            *(get(old) for _ in range(15)),
            *(get(new) for _ in range(20)),
        )
        said = [(await client.read()).message for _ in range(46)]
        assert said == [ERR(Code.AUTH)] * 15 + [OK()] * 31


async def test_small_blocks_start_no_thread(threads: Threads) -> None:
    async with open_house(threads=1) as house:
        client = await house.connect()
        queues = await create_many(client, FEWEST_CHECKS - 1)
        await ask_each(client, queues, SUB())
        await read_each(client, queues, SOK())
        await client.send(*(client.transmission(PING()) for _ in range(FULL)))
        assert [(await client.read()).message for _ in range(FULL)] == [PONG()] * FULL
    assert threads.verified == 0


async def test_nothing_waits_for_a_thread(threads: Threads) -> None:
    """Threads that do not get on, whatever client or system is the reason, hold up no session."""
    async with open_house(threads=1) as house:
        hostile, other = await house.connect(), await house.connect()
        queues = await create_many(hostile)
        with threads.held_up():
            await keep_asking(hostile, queues, threads.begun)
            await ask_each(hostile, queues, GET())
            await ask_each(other, queues, GET())
            await read_each(other, queues, OK())
            await read_each(hostile, queues, OK())
    assert threads.most_at_once == 1


async def test_virtual_time_does_not_pass(threads: Threads, autojump_clock: MockClock) -> None:
    async with open_house(threads=1) as house:
        client = await house.connect()
        with threads.held_up():
            queues = await create_many(client)
            await ask_each(client, queues, GET())
            await read_each(client, queues, OK())
        assert autojump_clock.current_time() == 0


async def test_client_that_leaves(threads: Threads) -> None:
    """Its thread ends after the signature that it is at."""
    async with open_house(threads=1) as house:
        client = await house.connect()
        queues = await create_many(client)
        before = threads.verified
        with threads.held_up():
            await ask_each(client, queues, GET())
            await client.aclose()
            await wait_all_tasks_blocked()
            assert not house.hub.sessions
    assert threads.verified <= before + 2  # one was still at work when the queues were there


async def test_session_that_is_cancelled(threads: Threads) -> None:
    """It ends in the middle of a block, and does not wait for the thread."""
    async with open_house(threads=1) as house:
        client = await house.connect()
        queues = await create_many(client)
        before = threads.verified
        with threads.held_up():
            await ask_each(client, queues, SUB())
            subscribed = 0
            while not subscribed:
                await trio.lowlevel.checkpoint()
                subscribed = house.hub.state.recipients.queue_count
            assert subscribed < FULL
            house.nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
            assert not house.hub.sessions
    assert threads.verified <= before + 2  # one was still at work when the queues were there


async def test_router_ends_after_its_threads(threads: Threads) -> None:
    ended = trio.Event()

    async def run(signature_threads: SignatureThreads) -> None:
        await signature_threads.run()
        ended.set()

    async with open_house() as house, trio.open_nursery() as nursery:
        house.hub.signature_threads = SignatureThreads(1)
        nursery.start_soon(run, house.hub.signature_threads)
        client = await house.connect()
        queues = await create_many(client)
        with threads.held_up():
            await keep_asking(client, queues, threads.begun)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
                assert not ended.is_set()
    assert threads.nothing_is_left()


async def test_many_connections(threads: Threads) -> None:
    """Threads are bounded, and each block is answered."""
    async with open_house(threads=2) as house:
        queues = await create_many(await house.connect())

        async def get_twice() -> None:
            client = await house.connect()
            for _ in range(2):
                await ask_each(client, queues, GET())
                await read_each(client, queues, OK())

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(get_twice)
    assert threads.most_at_once <= 2


async def test_bug_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    main, run, failed = threading.get_ident(), SignatureCheck.run, threading.Event()

    def fail(check: SignatureCheck) -> None:
        if threading.get_ident() == main:
            run(check)
        else:
            failed.set()
            raise RuntimeError("a bug")

    monkeypatch.setattr(SignatureCheck, "run", fail)
    async with open_house(threads=1) as house:
        client = await house.connect()
        queues = await create_many(client)
        await keep_asking(client, queues, failed)
    assert "a signature could not be verified" in caplog.text


async def test_system_without_threads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    async with open_house(threads=1) as house:
        client = await house.connect()
        with monkeypatch.context() as patch:
            patch.setattr(trio.lowlevel, "start_thread_soon", fail)
            queues = await create_many(client)
        await ask_each(client, queues, GET())
        await read_each(client, queues, OK())
    assert "the system allows no further thread" in caplog.text


def test_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info >= (3, 13):
        monkeypatch.setattr(os, "process_cpu_count", lambda: 4)
    elif hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3})
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert spare_processors() == 3
