"""Several calls of an agent, and records of its program, in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import (
    CannotAccept,
    CannotAcknowledge,
    CannotSend,
    NoServers,
    NotAnAddress,
    UnknownConnection,
)
from simplex_trio.duplex.events import (
    InvitationReady,
    MessageSent,
    PeerMessage,
    ReceiptReceived,
    RequestReceived,
)
from simplex_trio.duplex.kept import MAX_KEY, MAX_SCAN, MAX_SPACE, MAX_VALUE, KeptRecords
from simplex_trio.duplex.machine.step import KEMPairNeeded, Moment, Step
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.store.rows import SQLiteRows
from simplex_trio.duplex.store.store import MemoryDatabase
from simplex_trio.duplex.transaction import Transaction, run_transaction
from simplex_trio.errors import StoreCorrupted, TooLarge
from simplex_trio.router.server import open_router
from simplex_trio.wire.duplex.links import NotALink
from tests.duplex.quiet import connect, next_event, open_quiet

CONFIG = DuplexConfig(pq=False)


@asynccontextmanager
async def memory_agent() -> AsyncIterator[DuplexAgent]:
    """An agent that can reach no router."""
    server = f"smp://{'A' * 43}=@127.0.0.1:1"
    async with open_duplex_agent(None, servers=[server], config=CONFIG) as agent:
        yield agent


# --- the program's records ----------------------------------------------------------------------


async def test_records_are_kept_with_the_agent(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    async with open_duplex_agent(path, config=CONFIG) as agent:
        await agent.transact(lambda t: t.kept.put("towns", b"oslo", b"rain"))
        await agent.back_up(tmp_path / "backup.db")
    for each in (path, tmp_path / "backup.db"):
        async with open_duplex_agent(each, config=CONFIG, accept_loss=True) as agent:
            assert await agent.transact(lambda t: t.kept.get("towns", b"oslo")) == b"rain"
            assert await agent.transact(lambda t: t.kept.delete("towns", b"oslo"))
            assert not await agent.transact(lambda t: t.kept.delete("towns", b"oslo"))
            assert await agent.transact(lambda t: t.kept.get("towns", b"oslo")) is None


async def test_records_may_say_which_routers_are_used(tmp_path: Path) -> None:
    path, server = tmp_path / "agent.db", f"smp://{'A' * 43}=@127.0.0.1:1"

    def configure(kept: KeptRecords, config: DuplexConfig) -> DuplexConfig:
        found = kept.get("routers", b"")
        if found is not None:
            return evolve(config, servers=(found.decode(),))
        kept.put("routers", b"", server.encode())
        return config

    for expected in (0, 1):
        async with open_duplex_agent(path, config=CONFIG, configure=configure) as agent:
            assert len(agent.servers()) == expected


def with_transaction(rows: SQLiteRows) -> Transaction:
    moment = Moment(now=0, random=bytes)
    return Transaction(Step(rows, moment), None)  # type: ignore[arg-type]


@given(
    st.dictionaries(st.binary(max_size=3), st.binary(max_size=3)),
    st.binary(max_size=2),
    st.none() | st.binary(max_size=3),
    st.integers(0, 5),
)
def test_a_scan_is_what_a_sorted_list_has(
    records: dict[bytes, bytes], prefix: bytes, after: bytes | None, limit: int
) -> None:
    kept = with_transaction(SQLiteRows(MemoryDatabase().connection)).kept
    kept.put("other", prefix, b"never seen")
    for key, value in records.items():
        kept.put("space", key, b"another")
        kept.put("space", key, value)
    found = sorted((key, value) for key, value in records.items() if key.startswith(prefix))
    assert kept.count("space", prefix) == len(found)
    behind = [each for each in found if after is None or each[0] > after]
    assert kept.scan("space", prefix, after=after, limit=limit) == behind[:limit]
    assert kept.scan("space", prefix, after=after) == behind


def test_keys_at_the_end_of_all_keys_are_found() -> None:
    kept = with_transaction(SQLiteRows(MemoryDatabase().connection)).kept
    kept.put("space", b"\xff\xff\x01", b"last")
    kept.put("space", b"\xfe", b"before")
    assert kept.scan("space", b"\xff\xff") == [(b"\xff\xff\x01", b"last")]


def test_records_have_limits() -> None:
    kept = with_transaction(SQLiteRows(MemoryDatabase().connection)).kept
    kept.put("é" * (MAX_SPACE // 2), bytes(MAX_KEY), bytes(MAX_VALUE))
    for space, key, value in (
        ("é" * (MAX_SPACE // 2 + 1), b"", b""),
        ("", bytes(MAX_KEY + 1), b""),
        ("", b"", bytes(MAX_VALUE + 1)),
    ):
        with pytest.raises(TooLarge):
            kept.put(space, key, value)
    for number in range(MAX_SCAN + 1):
        kept.put("many", number.to_bytes(2, "big"), b"")
    assert len(kept.scan("many", limit=MAX_SCAN + 1)) == MAX_SCAN
    with pytest.raises(ValueError, match="below zero"):
        kept.scan("many", limit=-1)


# --- all or nothing -----------------------------------------------------------------------------


async def test_a_message_is_answered_and_acknowledged_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        to_b, to_a = await connect(a, b)
        await a.send(to_b, b"question")
        message = await next_event(b, PeerMessage)

        def answer(t: Transaction) -> int:
            t.acknowledge(message, receipt=True)
            t.kept.put("heard", b"last", message.body)
            return t.send(to_a, b"answer")

        sent = await b.transact(answer)
        assert (await next_event(a, ReceiptReceived)).intact
        assert (await next_event(a, PeerMessage)).body == b"answer"
        assert (await next_event(b, MessageSent)).message_id == sent
        assert await b.transact(lambda t: t.kept.get("heard", b"last")) == b"question"
        with pytest.raises(CannotAcknowledge):
            await b.transact(answer)


async def test_nothing_is_done_if_the_function_raises(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        to_b, to_a = await connect(a, b)
        await a.send(to_b, b"question")
        message = await next_event(b, PeerMessage)

        def fail(t: Transaction) -> None:
            t.acknowledge(message)
            t.send(to_a, b"never sent")
            t.kept.put("space", b"key", b"never kept")
            t.create()
            t.delete(to_a)
            raise LookupError

        before = await b.status(to_a)
        with pytest.raises(LookupError):
            await b.transact(fail)
        assert await b.status(to_a) == before
        assert await b.connections() == [to_a]
        assert await b.transact(lambda t: t.kept.get("space", b"key")) is None

        def succeed(t: Transaction) -> None:
            t.acknowledge(message)
            t.send(to_a, b"sent")

        await b.transact(succeed)
        assert (await next_event(a, PeerMessage)).body == b"sent"


async def test_a_call_that_raises_has_changed_nothing_and_others_go_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_quiet() as quiet, quiet.open_agent() as a, quiet.open_agent() as b:
        to_b, to_a = await connect(a, b)
        await a.send(to_b, b"question")
        message = await next_event(b, PeerMessage)
        address = await a.create_address()
        await b.join(address.short_link or "", b"B")
        request = await next_event(a, RequestReceived)

        def decide(t: Transaction) -> None:
            with pytest.raises(TooLarge):
                t.acknowledge(message, receipt=bytes(20_000))
            with pytest.raises(TooLarge):
                t.send(to_a, bytes(20_000))
            t.acknowledge(message)
            t.send(to_a, b"first")
            with pytest.raises(TooLarge):
                t.create(info=bytes(20_000))
            with pytest.raises(NotALink):
                t.join("no link")
            with pytest.raises(UnknownConnection):
                t.send("unknown", b"")
            t.send(to_a, b"second")

        await b.transact(decide)
        for body in (b"first", b"second"):
            event = await next_event(a, PeerMessage)
            assert event.body == body
            await a.acknowledge(event)

        def accept(t: Transaction) -> str:
            with pytest.raises(TooLarge):
                t.accept(request, bytes(20_000))
            return t.accept(request, b"A")

        made = await a.transact(accept)
        assert set(await a.connections()) == {to_b, address.connection_id, made}
        with pytest.raises(CannotAccept):
            await a.transact(lambda t: t.reject(request))


async def test_what_a_failed_call_would_have_told_is_not_told() -> None:
    rows = SQLiteRows(MemoryDatabase().connection)
    transaction = with_transaction(rows)
    rows._connection.execute("BEGIN")
    step = transaction._step()
    with suppress(LookupError), step.all_or_nothing():
        step.tell(InvitationReady("connection", "link"))
        raise LookupError
    assert step.events == []
    assert rows.new_events == []
    assert rows.events_after(0, 10) == []


async def test_deleting_in_a_transaction_ends_calls_that_wait() -> None:
    async with memory_agent() as agent:
        made = await agent.create(wait=False)
        watch = agent._watches.add(made)
        await agent.transact(lambda t: t.delete(made))
        assert isinstance(watch.error, UnknownConnection)
        agent._watches.remove(watch)


# --- what a function may and may not do ---------------------------------------------------------


async def test_a_function_that_would_wait_is_refused() -> None:
    async with memory_agent() as agent:

        async def decide(t: Transaction) -> None:
            raise AssertionError("it was called")

        with pytest.raises(TypeError, match="plain function"):
            assert await agent.transact(decide) is None


async def test_a_transaction_is_over_when_its_function_has_returned() -> None:
    async with memory_agent() as agent:
        left: list[Transaction] = []
        await agent.transact(left.append)
        with pytest.raises(RuntimeError, match="over"):
            left[0].connections()
        with pytest.raises(RuntimeError, match="over"):
            left[0].kept.get("space", b"")


def test_what_a_store_cannot_do_is_not_to_be_caught() -> None:
    rows = SQLiteRows(MemoryDatabase().connection)
    error = StoreCorrupted("a table")

    def decide(t: Transaction) -> None:
        for _ in range(2):
            with pytest.raises(StoreCorrupted), t._call():
                raise error
        with pytest.raises(StoreCorrupted):
            t.kept.get("space", b"")

    step = Step(rows, Moment(now=0, random=bytes))
    with pytest.raises(StoreCorrupted):
        run_transaction(step, None, decide)  # type: ignore[arg-type]


def test_a_pair_of_the_kem_that_is_needed_cannot_be_missed() -> None:
    """Whatever the function makes of the error: it is called again once there is a pair."""

    def decide(t: Transaction) -> None:
        with suppress(KEMPairNeeded), t._call():
            raise KEMPairNeeded
        raise ValueError("a consequence")

    step = Step(SQLiteRows(MemoryDatabase().connection), Moment(now=0, random=bytes))
    with pytest.raises(KEMPairNeeded):
        run_transaction(step, None, decide)  # type: ignore[arg-type]


async def test_invitations_with_the_kem_are_made_in_a_transaction() -> None:
    server = f"smp://{'A' * 43}=@127.0.0.1:1"
    async with open_duplex_agent(None, servers=[server]) as agent:
        made = await agent.transact(lambda t: [t.create(short=True) for _ in range(4)])
        assert set(made) == set(await agent.connections())


async def test_the_rules_of_the_agent_hold() -> None:
    async with open_duplex_agent(None, config=CONFIG) as agent:
        calls: list[Any] = [
            lambda t: t.create(),
            lambda t: t.create_address(),
            lambda t: t.prepare_address(),
            lambda t: t.join("simplex:/invitation"),
        ]
        for call in calls:
            with pytest.raises(NoServers):
                await agent.transact(call)
    async with memory_agent() as agent:
        with pytest.raises(ValueError, match="without the post-quantum KEM"):
            await agent.transact(lambda t: t.create(pq=True))


async def test_looking_and_ending_in_a_transaction() -> None:
    async with memory_agent() as agent:
        made = await agent.transact(lambda t: t.create(user="work"))
        other = await agent.transact(lambda t: t.prepare_address(data=b"data"))
        assert other.short_link is not None
        with pytest.raises(NotAnAddress):  # its queue is not there yet
            await agent.transact(lambda t: t.change_link(other.connection_id, b"other"))

        def look(t: Transaction) -> list[str]:
            with pytest.raises(CannotSend):
                t.send(made, b"too early")
            assert t.status(other.connection_id).short_link == other.short_link
            return t.connections(user="work")

        assert await agent.transact(look) == [made]
        await agent.transact(lambda t: t.suspend(made))
        await agent.transact(lambda t: t.delete_user("work"))
        assert await agent.transact(lambda t: t.connections(user="work")) == []


# --- events -------------------------------------------------------------------------------------


async def test_an_event_is_taken_together_with_what_follows_from_it(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    async with open_router() as router:
        async with open_duplex_agent(path, servers=[router.address], config=CONFIG) as agent:
            await agent.create_address(wait=False)
            await agent.create_address(wait=False)
            first = await next_event(agent, InvitationReady)

            def fail(t: Transaction) -> None:
                raise LookupError

            with pytest.raises(LookupError):
                await agent.transact(fail, takes_event=True)
            await agent.transact(
                lambda t: t.kept.put("links", b"first", first.link.encode()),
                takes_event=True,
                durable=False,
            )
            await agent.transact(lambda t: None, takes_event=True)
            second = await next_event(agent, InvitationReady)
            with pytest.raises(LookupError):
                await agent.transact(fail, takes_event=True)
            agent.events.keep()
        async with open_duplex_agent(path, servers=[router.address], config=CONFIG) as agent:
            assert await next_event(agent, InvitationReady) == second
            kept = await agent.transact(lambda t: t.kept.get("links", b"first"))
            assert kept == first.link.encode()


async def test_a_transaction_that_is_cancelled_before_its_turn_does_nothing() -> None:
    async with memory_agent() as agent:
        with trio.CancelScope() as scope:
            scope.cancel()
            await agent.transact(lambda t: t.kept.put("space", b"key", b"value"))
        assert scope.cancelled_caught
        assert await agent.transact(lambda t: t.kept.get("space", b"key")) is None


async def test_what_is_created_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    async with open_quiet(routers=2) as quiet:
        servers = [router.address for router in quiet.routers]
        async with (
            quiet.open_agent(servers=tuple(servers[:1])) as a,
            quiet.open_agent(servers=tuple(servers[1:])) as b,
        ):
            invitation = await b.create()
            quiet.stuck.add(str(servers[1].hosts[0]))
            refused: list[UnknownConnection] = []

            async def join() -> None:
                try:
                    await a.join(invitation.link)
                except UnknownConnection as exc:
                    refused.append(exc)

            def decide(t: Transaction) -> str:
                for each in t.connections():
                    t.delete(each)
                made = t.create_address(data=b"shown")
                t.kept.put("mine", made.encode(), b"")
                return made

            async with trio.open_nursery() as nursery:
                nursery.start_soon(join)
                await trio.testing.wait_all_tasks_blocked()
                made = await a.create_with(decide)
                await trio.testing.wait_all_tasks_blocked()
                assert len(refused) == 1
            assert (await a.look(made.short_link or "")).data == b"shown"
            found = await a.transact(lambda t: t.kept.scan("mine"))
            assert [key.decode() for key, _ in found] == [made.connection_id]


async def test_nothing_is_created_if_the_function_raises() -> None:
    def fail(t: Transaction) -> str:
        t.create()
        raise LookupError

    async with memory_agent() as agent:
        with pytest.raises(LookupError):
            await agent.create_with(fail)
        assert await agent.connections() == []
