"""Calls that wait for the network while something else happens to their connection or the agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simplex_trio.duplex.agent import DuplexAgent
from simplex_trio.duplex.config import DuplexConfig
from simplex_trio.duplex.errors import LinkNotUsable, UnknownConnection
from simplex_trio.duplex.events import (
    ConnectionDeleted,
    ConnectionFailed,
    ConnectionWarning,
    InvitationReady,
    Problem,
)
from simplex_trio.duplex.machine.work import Deliver
from simplex_trio.duplex.opening import open_duplex_agent
from simplex_trio.duplex.status import ConnectionState
from simplex_trio.duplex.work import owning, sending
from simplex_trio.errors import DialFailed
from simplex_trio.router.server import open_router
from simplex_trio.wire.addresses import ServerAddress
from tests.duplex.machines import Machine
from tests.duplex.test_short_runs import next_of
from tests.duplex.worlds import World

SERVER = ServerAddress.parse(f"smp://{'A' * 43}=@router.example")
CONFIG = DuplexConfig((SERVER,), pq=False)

Call = Callable[[DuplexAgent], Awaitable[object]]


async def unreachable(*_: object, **__: object) -> NoReturn:
    await trio.sleep_forever()
    raise AssertionError


def link() -> str:
    machine = Machine("a")
    return World(machine).invite(machine).link


async def create(agent: DuplexAgent) -> object:
    return await agent.create()


async def join(agent: DuplexAgent) -> object:
    return await agent.join(link())


async def drain(agent: DuplexAgent) -> object:
    await agent.create(wait=False)
    await agent.drain()
    return None


async def raised(agent: DuplexAgent, call: Call, errors: list[Exception]) -> None:
    try:
        await call(agent)
    except Exception as exc:
        errors.append(exc)


@pytest.mark.parametrize("call", [create, join, drain])
async def test_closing_the_agent_ends_them(call: Call) -> None:
    errors: list[Exception] = []
    with trio.fail_after(30):
        async with (
            trio.open_nursery() as nursery,
            open_duplex_agent(None, config=CONFIG, connector=unreachable) as agent,
        ):
            nursery.start_soon(raised, agent, call, errors)
            await wait_all_tasks_blocked()
        await raised(agent, call, errors)
    assert [type(exc) for exc in errors] == [trio.ClosedResourceError] * 2


@pytest.mark.parametrize("call", [create, join])
@pytest.mark.parametrize("after_delivery", [False, True])
async def test_deleting_the_connection_ends_them(call: Call, after_delivery: bool) -> None:
    errors: list[Exception] = []
    with trio.fail_after(30):
        async with (
            open_duplex_agent(None, config=CONFIG, connector=unreachable) as agent,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(raised, agent, call, errors)
            await wait_all_tasks_blocked()
            (connection_id,) = await agent.connections()
            await agent.delete(connection_id, after_delivery=after_delivery)
    assert [type(exc) for exc in errors] == [UnknownConnection]


@pytest.mark.parametrize("is_too_late", [True, False])
async def test_links_are_not_lost_with_a_call_that_is_cancelled(
    monkeypatch: Any, is_too_late: bool
) -> None:
    settle = owning.OwnerWork._settle
    scope = trio.CancelScope()

    async def settled(*arguments: Any, **options: Any) -> Any:
        """The links are stored, and not told because the call waits for them."""
        outcome = await settle(*arguments, **options)
        if not scope.cancel_called:
            scope.cancel()
            if not is_too_late:
                await wait_all_tasks_blocked()
        return outcome

    monkeypatch.setattr(owning.OwnerWork, "_settle", settled)
    with trio.fail_after(30):
        async with (
            open_router() as router,
            open_duplex_agent(None, servers=[router.address], config=CONFIG) as agent,
        ):
            with scope:
                invitation = await agent.create()
            (connection_id,) = await agent.connections()
            assert scope.cancelled_caught is not is_too_late
            if is_too_late:
                assert invitation.connection_id == connection_id
            else:
                event = await agent.events.receive()
                assert isinstance(event, InvitationReady)
                assert event.connection_id == connection_id


async def test_only_those_that_did_not_wait_are_warned(autojump_clock: MockClock) -> None:
    async def refused(*_: object, **__: object) -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise DialFailed("refused")

    async with open_duplex_agent(None, config=CONFIG, connector=refused) as agent:
        with pytest.raises(DialFailed):
            await agent.create()
        with pytest.raises(DialFailed):
            await agent.join(link())
        await trio.sleep(600)
        created = await agent.create(wait=False)
        event = await agent.events.receive()
        assert event == ConnectionWarning(created, Problem.NETWORK)
        with trio.move_on_after(600) as scope:
            await agent.events.receive()
        assert scope.cancelled_caught


async def test_nothing_is_left_of_a_join_that_has_failed_for_good() -> None:
    with trio.fail_after(30):
        async with (
            open_router() as router,
            open_duplex_agent(None, servers=[router.address], config=CONFIG) as alice,
            open_duplex_agent(None, servers=[router.address], config=CONFIG) as bob,
        ):
            gone = await alice.create()
            await alice.delete(gone.connection_id)
            await alice.drain()
            for _ in range(2):
                with pytest.raises(LinkNotUsable):
                    await bob.join(gone.link)
                await bob.drain()
                assert await bob.connections() == []
                failed = await next_of(bob, ConnectionFailed)
                assert failed.problem is Problem.QUEUE_GONE
                assert await next_of(bob, ConnectionDeleted) == ConnectionDeleted(
                    failed.connection_id
                )
            # One that the call has not waited for is the program's to delete.
            joined = await bob.join(gone.link, wait=False)
            await next_of(bob, ConnectionFailed)
            assert (await bob.status(joined)).state is ConnectionState.FAILED
            await bob.delete(joined)
            await next_of(bob, ConnectionDeleted)
            assert await bob.connections() == []


async def test_nothing_is_left_where_the_confirmation_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with trio.fail_after(30):
        async with (
            open_router() as router,
            open_duplex_agent(None, servers=[router.address], config=CONFIG) as alice,
            open_duplex_agent(None, servers=[router.address], config=CONFIG) as bob,
        ):
            gone = await alice.create()
            deliver = sending.SenderWork.deliver

            async def deliver_too_late(self: sending.SenderWork, work: Deliver) -> float | None:
                await alice.delete(gone.connection_id)
                await alice.drain()
                return await deliver(self, work)

            monkeypatch.setattr(sending.SenderWork, "deliver", deliver_too_late)
            with pytest.raises(LinkNotUsable):
                await bob.join(gone.link)
            await bob.drain()
            assert await bob.connections() == []
